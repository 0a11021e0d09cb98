"""What Google's published schema asks of classes and objects, for the stand-in to enforce.

Promises: a resource that breaks a rule of the Wallet API's discovery document (revision 20260806)
or of its descriptions (required members, ids, offsets, list maxima) is refused with a sentence that
names the member. Refuses nothing else: recommended lengths are recommendations, and members that no
offer or gift card of ours could use are unknown here, which is stricter than Google.

The rules are written out rather than read from Google's file, because the demo runs without the
package that carries it; the tests hold both against each other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias

__all__ = ["CLASS_OF", "COLLECTIONS", "SCHEMAS", "faults", "message_faults"]

Shape: TypeAlias = str | tuple[str] | frozenset[str]
"""A scalar's name, ``#Schema``, a one-element tuple for a list, or the values of an enum."""

COLLECTIONS: Final = {
    "offerClass": "OfferClass",
    "offerObject": "OfferObject",
    "giftCardClass": "GiftCardClass",
    "giftCardObject": "GiftCardObject",
}
CLASS_OF: Final = {"offerObject": "offerClass", "giftCardObject": "giftCardClass"}

_STATES = frozenset({"ACTIVE", "COMPLETED", "EXPIRED", "INACTIVE"})
_REVIEW = frozenset({"UNDER_REVIEW", "DRAFT"})
_CHANNELS = frozenset({"INSTORE", "ONLINE", "BOTH", "TEMPORARY_PRICE_REDUCTION"})
_HOLDERS = frozenset({"MULTIPLE_HOLDERS", "ONE_USER_ALL_DEVICES", "ONE_USER_ONE_DEVICE"})
_UNLOCK = frozenset({"UNLOCK_NOT_REQUIRED", "UNLOCK_REQUIRED_TO_VIEW"})
_NOTIFY = frozenset({"NOTIFY_ON_UPDATE", "NOTIFICATION_SETTINGS_FOR_UPDATES_UNSPECIFIED"})
_SYMBOLOGIES = frozenset(
    [
        "AZTEC",
        "CODE_39",
        "CODE_128",
        "CODABAR",
        "DATA_MATRIX",
        "EAN_8",
        "EAN_13",
        "ITF_14",
        "PDF_417",
        "QR_CODE",
        "UPC_A",
        "TEXT_ONLY",
    ]
)

_CLASS: Final[dict[str, Shape]] = {
    "id": "str",
    "issuerName": "str",
    "localizedIssuerName": "#LocalizedString",
    "reviewStatus": _REVIEW,
    "countryCode": "str",
    "hexBackgroundColor": "colour",
    "heroImage": "#Image",
    "homepageUri": "#Uri",
    "imageModulesData": ("#ImageModuleData",),
    "textModulesData": ("#TextModuleData",),
    "linksModuleData": "#LinksModuleData",
    "valueAddedModuleData": ("#ValueAddedModuleData",),
    "merchantLocations": ("#MerchantLocation",),
    "messages": ("#Message",),
    "callbackOptions": "#CallbackOptions",
    "multipleDevicesAndHoldersAllowedStatus": _HOLDERS,
    "viewUnlockRequirement": _UNLOCK,
    "notifyPreference": _NOTIFY,
    "appLinkData": "#AppLinkData",
    "classTemplateInfo": "any",
    "securityAnimation": "any",
    "enableSmartTap": "bool",
    "redemptionIssuers": ("str",),
}
_OBJECT: Final[dict[str, Shape]] = {
    "id": "str",
    "classId": "str",
    "state": _STATES,
    "barcode": "#Barcode",
    "rotatingBarcode": "#RotatingBarcode",
    "validTimeInterval": "#TimeInterval",
    "heroImage": "#Image",
    "imageModulesData": ("#ImageModuleData",),
    "textModulesData": ("#TextModuleData",),
    "linksModuleData": "#LinksModuleData",
    "valueAddedModuleData": ("#ValueAddedModuleData",),
    "merchantLocations": ("#MerchantLocation",),
    "messages": ("#Message",),
    "groupingInfo": "#GroupingInfo",
    "linkedObjectIds": ("str",),
    "passConstraints": "#PassConstraints",
    "saveRestrictions": "any",
    "smartTapRedemptionValue": "str",
    "notifyPreference": _NOTIFY,
    "appLinkData": "#AppLinkData",
}

SCHEMAS: Final[dict[str, dict[str, Shape]]] = {
    "OfferClass": _CLASS
    | {
        "provider": "str",
        "localizedProvider": "#LocalizedString",
        "title": "str",
        "localizedTitle": "#LocalizedString",
        "shortTitle": "str",
        "localizedShortTitle": "#LocalizedString",
        "details": "str",
        "localizedDetails": "#LocalizedString",
        "finePrint": "str",
        "localizedFinePrint": "#LocalizedString",
        "redemptionChannel": _CHANNELS,
        "titleImage": "#Image",
        "wideTitleImage": "#Image",
        "helpUri": "#Uri",
    },
    "GiftCardClass": _CLASS
    | {
        "allowBarcodeRedemption": "bool",
        "merchantName": "str",
        "localizedMerchantName": "#LocalizedString",
        "programLogo": "#Image",
        "wideProgramLogo": "#Image",
        "cardNumberLabel": "str",
        "localizedCardNumberLabel": "#LocalizedString",
        "pinLabel": "str",
        "localizedPinLabel": "#LocalizedString",
        "eventNumberLabel": "str",
        "localizedEventNumberLabel": "#LocalizedString",
    },
    "OfferObject": _OBJECT | {"disableExpirationNotification": "bool"},
    "GiftCardObject": _OBJECT
    | {
        "cardNumber": "str",
        "pin": "str",
        "eventNumber": "str",
        "balance": "#Money",
        "balanceUpdateTime": "#DateTime",
    },
    "LocalizedString": {
        "defaultValue": "#TranslatedString",
        "translatedValues": ("#TranslatedString",),
    },
    "TranslatedString": {"language": "str", "value": "str"},
    "Image": {"sourceUri": "#ImageUri", "contentDescription": "#LocalizedString"},
    "ImageUri": {"uri": "web"},
    "ImageModuleData": {"id": "str", "mainImage": "#Image"},
    "TextModuleData": {
        "id": "str",
        "header": "str",
        "body": "str",
        "localizedHeader": "#LocalizedString",
        "localizedBody": "#LocalizedString",
    },
    "LinksModuleData": {"uris": ("#Uri",)},
    "Uri": {
        "id": "str",
        "uri": "link",
        "description": "str",
        "localizedDescription": "#LocalizedString",
    },
    "ValueAddedModuleData": {
        "header": "#LocalizedString",
        "body": "#LocalizedString",
        "image": "#Image",
        "uri": "link",
        "sortIndex": "int",
        "viewConstraints": "any",
    },
    "MerchantLocation": {"latitude": "num", "longitude": "num"},
    "Message": {
        "id": "str",
        "header": "str",
        "body": "str",
        "localizedHeader": "#LocalizedString",
        "localizedBody": "#LocalizedString",
        "displayInterval": "#TimeInterval",
        "messageType": frozenset({"TEXT", "TEXT_AND_NOTIFY", "EXPIRATION_NOTIFICATION"}),
    },
    "CallbackOptions": {"url": "web"},
    "AppLinkData": {
        "displayText": "#LocalizedString",
        "androidAppLinkInfo": "any",
        "webAppLinkInfo": "any",
    },
    "Barcode": {
        "type": _SYMBOLOGIES,
        "value": "str",
        "alternateText": "str",
        "renderEncoding": frozenset({"UTF_8"}),
        "showCodeText": "#LocalizedString",
    },
    "RotatingBarcode": {
        "type": frozenset({"QR_CODE", "PDF_417"}),
        "valuePattern": "str",
        "alternateText": "str",
        "renderEncoding": frozenset({"UTF_8"}),
        "showCodeText": "#LocalizedString",
        "totpDetails": "any",
    },
    "Money": {"micros": "int64", "currencyCode": "currency"},
    "DateTime": {"date": "date"},
    "TimeInterval": {"start": "#DateTime", "end": "#DateTime"},
    "GroupingInfo": {"groupingId": "str", "sortIndex": "int"},
    "PassConstraints": {
        "screenshotEligibility": frozenset({"ELIGIBLE", "INELIGIBLE"}),
        "nfcConstraint": ("str",),
    },
}

_REQUIRED: Final = {
    "OfferClass": ("id", "issuerName", "provider", "title", "redemptionChannel", "reviewStatus"),
    "OfferObject": ("id", "classId", "state"),
    "GiftCardClass": ("id", "issuerName", "reviewStatus"),
    "GiftCardObject": ("id", "classId", "state", "cardNumber"),
    "Image": ("sourceUri",),
    "ImageUri": ("uri",),
    "Uri": ("uri",),
    "LocalizedString": ("defaultValue",),
    "TranslatedString": ("language", "value"),
    "Barcode": ("type", "value"),
    "Money": ("micros", "currencyCode"),
    "DateTime": ("date",),
    "MerchantLocation": ("latitude", "longitude"),
    "CallbackOptions": ("url",),
}
_MAXIMA: Final = {
    "messages": 10,
    "textModulesData": 10,
    "imageModulesData": 1,
    "valueAddedModuleData": 15,
    "merchantLocations": 10,
}
_ID = re.compile(r"(\d+)\.[A-Za-z0-9._-]+")
_OFFSET = re.compile(r"(Z|[+-]\d\d:\d\d)$")


def faults(schema: str, resource: Mapping[str, Any], issuer_id: str) -> list[str]:
    """Say everything that is wrong with a whole resource; an empty list means it is good.

    ``schema`` is a key of `SCHEMAS`; one sentence per fault, each naming the member.
    """
    found = list(_members(schema, resource, schema))
    for name in ("id", "classId"):
        value = resource.get(name)
        if isinstance(value, str):
            match = _ID.fullmatch(value)
            if not match or match[1] != issuer_id or len(value) > 100:
                found.append(f"Invalid resource ID: {name}={value!r}")
    balance_time = resource.get("balanceUpdateTime")
    if isinstance(balance_time, Mapping) and not _OFFSET.search(str(balance_time.get("date", ""))):
        found.append("balanceUpdateTime.date needs an offset")
    return found


def message_faults(message: Mapping[str, Any]) -> list[str]:
    """Say what is wrong with the message of an addMessage request."""
    found = list(_members("Message", message, "message"))
    if not (message.get("body") or message.get("localizedBody")):
        found.append("message.body is required")
    if message.get("messageType") == "EXPIRATION_NOTIFICATION":
        found.append("message.messageType EXPIRATION_NOTIFICATION is not supported")
    return found


def _members(schema: str, value: Mapping[str, Any], where: str) -> Iterator[str]:
    shapes = SCHEMAS[schema]
    for name in _REQUIRED.get(schema, ()):
        if value.get(name) in (None, ""):
            yield f"{where}.{name} is required"
    for name, member in value.items():
        if name == "kind":
            continue
        if name not in shapes:
            yield f'Unknown name "{name}" at {where}: Cannot find field.'
            continue
        yield from _shape(shapes[name], member, f"{where}.{name}")
        if isinstance(member, list) and len(member) > _MAXIMA.get(name, 1000):
            yield f"{where}.{name} holds {len(member)}; the maximum is {_MAXIMA[name]}"
    if schema == "Barcode":
        if value.get("type") == "TEXT_ONLY" and value.get("alternateText"):
            yield f"{where}.alternateText must not be set for TEXT_ONLY"
        if value.get("renderEncoding") == "UTF_8" and value.get("type") != "QR_CODE":
            yield f"{where}.renderEncoding UTF_8 is for QR_CODE only"
    if schema == "TimeInterval":
        offsets = {
            bool(_OFFSET.search(str(end.get("date", ""))))
            for end in (value.get("start"), value.get("end"))
            if isinstance(end, Mapping)
        }
        if len(offsets) == 2:
            yield f"{where}: start and end must both carry an offset, or neither"


def _shape(shape: Shape, value: Any, where: str) -> Iterator[str]:
    if isinstance(shape, tuple):
        if not isinstance(value, list):
            yield f"{where} must be a list"
            return
        for position, item in enumerate(value):
            yield from _shape(shape[0], item, f"{where}[{position}]")
    elif isinstance(shape, frozenset):
        if value not in shape:
            yield f"{where}: {value!r} is not one of {', '.join(sorted(shape))}"
    elif shape.startswith("#"):
        if not isinstance(value, Mapping):
            yield f"{where} must be an object"
        else:
            yield from _members(shape[1:], value, where)
    elif not _SCALARS[shape](value):
        yield f"{where}: {value!r} is not a valid {shape}"


def _is_date(value: object) -> bool:
    if not isinstance(value, str) or not re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d", value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _matches(pattern: str) -> Any:
    compiled = re.compile(pattern)
    return lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None


_SCALARS: Final[dict[str, Any]] = {
    "any": lambda value: True,
    "str": lambda value: isinstance(value, str),
    "bool": lambda value: isinstance(value, bool),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "num": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "int64": _matches(r"-?\d{1,19}"),
    "colour": _matches(r"#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})"),
    "currency": _matches(r"[A-Z]{3}"),
    "web": _matches(r"https://[^\s]+"),
    "link": _matches(r"(https?://|tel:|mailto:|geo:|map:)[^\s]+"),
    "date": _is_date,
}
