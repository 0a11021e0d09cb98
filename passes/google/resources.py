"""Content → Google's classes and objects, offers and gift cards.

A class holds what all passes of a campaign share, an object one holder's pass; what Google shows
only from the class (title, provider, details, fine print) comes from the presentation, and what a
holder was given instead goes into text modules of the object. Everything returned passes a check
against Google's discovery document. Refuses, with a ResourceError, ids and addresses that Google
rejects and more modules than it shows.

https://developers.google.com/wallet/reference/rest/v1
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from passes.content import (
    Channel,
    Field,
    Holders,
    Kind,
    Link,
    PassContent,
    Place,
    Presentation,
    Status,
)
from passes.errors import ResourceError
from passes.language import bases
from passes.money import Money
from passes.symbology import Symbology
from passes.text import Localized, Text
from passes.wording import ends_with_day, spoken, starts_with_day

CLASS_TYPES: dict[Kind, str] = {"coupon": "offerClass", "gift_card": "giftCardClass"}
OBJECT_TYPES: dict[Kind, str] = {"coupon": "offerObject", "gift_card": "giftCardObject"}
MOST_TEXTS = 10
"""Text modules that Google shows of a class, and again of an object."""

_ISSUER = re.compile(r"[0-9]{1,20}").fullmatch
_SUFFIX = re.compile(r"[A-Za-z0-9._-]{1,100}").fullmatch
_ID = re.compile(r"[0-9]{1,20}\.[A-Za-z0-9._-]{1,100}").fullmatch
_STATES = {
    Status.ACTIVE: "ACTIVE",
    # Still listed: the time interval says from when it is good.
    Status.NOT_YET_VALID: "ACTIVE",
    Status.USED: "COMPLETED",
    Status.EXPIRED: "EXPIRED",
    Status.WITHDRAWN: "INACTIVE",
    # Still listed, with a text that says why a till does not take it at present.
    Status.NOT_ACTIVATED: "ACTIVE",
    Status.BLOCKED: "ACTIVE",
    Status.PAUSED: "ACTIVE",
}
#: Google has no state for these, and so no word.
_SAID = frozenset({Status.NOT_ACTIVATED, Status.BLOCKED, Status.PAUSED})
_CHANNELS = {Channel.IN_STORE: "INSTORE", Channel.ONLINE: "ONLINE", Channel.BOTH: "BOTH"}
_HOLDERS = {Holders.ONE_PERSON: "ONE_USER_ALL_DEVICES", Holders.ANYBODY: "MULTIPLE_HOLDERS"}
_BARCODES = {
    Symbology.QR: "QR_CODE",
    Symbology.PDF417: "PDF_417",
    Symbology.AZTEC: "AZTEC",
    Symbology.CODE128: "CODE_128",
    Symbology.EAN13: "EAN_13",
    Symbology.CODE39: "CODE_39",
    Symbology.CODABAR: "CODABAR",
    Symbology.ITF14: "ITF_14",
}


def resource_id(issuer_id: str, suffix: str) -> str:
    """Return `issuer.suffix`, the id of a class or object.

    Ids are unique over all objects of an issuer, whatever their kind, and nothing can be deleted.
    """
    if not _ISSUER(issuer_id):
        raise ResourceError(
            "issuer_id",
            "It is not an issuer id.",
            "Take the number that the Google Pay & Wallet Console shows, not the service"
            " account's client id.",
        )
    if not _SUFFIX(suffix):
        raise ResourceError(
            "suffix", f"{suffix!r} is malformed.", "Use 1 to 100 of A-Z a-z 0-9 . _ and -."
        )
    return f"{issuer_id}.{suffix}"


def class_resource(
    presentation: Presentation,
    *,
    class_id: str,
    logo_url: str,
    banner_url: str | None = None,
    callback_url: str | None = None,
) -> dict[str, Any]:
    """Return the class of a campaign: type `CLASS_TYPES[presentation.kind]`.

    `logo_url` and `banner_url` must answer publicly over https before it is sent, or Google
    refuses it; `callback_url` (https, open to Googlebot) hears of saves and deletions.
    """
    _check_id("class_id", class_id)
    language, languages = presentation.language, presentation.languages
    logo = _image("logo_url", logo_url, presentation)
    resource: dict[str, Any] = {
        "id": class_id,
        "issuerName": presentation.organization,
        # Every change must ask for review again; Google approves by itself.
        "reviewStatus": "UNDER_REVIEW",
        "hexBackgroundColor": presentation.design.background,
        "multipleDevicesAndHoldersAllowedStatus": _HOLDERS[presentation.holders],
    }
    if banner_url is not None:
        resource["heroImage"] = _image("banner_url", banner_url, presentation)
    if callback_url is not None:
        _check_https("callback_url", callback_url)
        resource["callbackOptions"] = {"url": callback_url}
    if presentation.links:
        resource["linksModuleData"] = {
            "uris": [_uri(number, each, language) for number, each in enumerate(presentation.links)]
        }
    if presentation.places:
        resource["merchantLocations"] = _places(presentation.places)
    texts = [
        _module(each.key, each.label, _value(each, languages), language)
        for each in presentation.fields
    ]
    if not presentation.holds_money:
        resource |= {
            "provider": presentation.organization,
            "titleImage": logo,
            "redemptionChannel": _CHANNELS[presentation.channel],
            **_localized("title", presentation.title, language),
            **_localized("details", presentation.description, language),
        }
        if presentation.offer is not None:
            resource |= _localized("shortTitle", presentation.offer, language)
        if presentation.terms is not None:
            resource |= _localized("finePrint", presentation.terms, language)
    else:
        resource |= {
            "merchantName": presentation.organization,
            "programLogo": logo,
            # Without it Google draws no barcode.
            "allowBarcodeRedemption": True,
            **_localized("cardNumberLabel", presentation.word("card_number"), language),
            **_localized("pinLabel", presentation.word("pin"), language),
        }
        texts.insert(0, _module("title", None, presentation.title, language))
        if presentation.offer is not None:
            texts.append(_module("offer", presentation.word("offer"), presentation.offer, language))
        if presentation.terms is not None:
            texts.append(_module("terms", presentation.word("terms"), presentation.terms, language))
    if texts:
        resource["textModulesData"] = _modules(texts)
    return resource


def object_resource(
    content: PassContent, *, object_id: str, class_id: str, expiry_notice: bool = True
) -> dict[str, Any]:
    """Return one holder's object: type `OBJECT_TYPES[content.presentation.kind]`.

    Google reminds the holder of a pass without a balance before it ends, unless there is to be no
    `expiry_notice`.
    """
    _check_id("object_id", object_id)
    _check_id("class_id", class_id)
    presentation = content.presentation
    language, languages = presentation.language, presentation.languages
    resource: dict[str, Any] = {
        "id": object_id,
        "classId": class_id,
        "state": _STATES[content.status],
    }
    if content.barcode is not None:
        barcode = {"type": _BARCODES[content.barcode.symbology], "value": content.barcode.payload}
        if content.barcode.text is not None:
            barcode["alternateText"] = content.barcode.text
        resource["barcode"] = barcode
    if content.valid_from is not None or content.valid_until is not None:
        resource["validTimeInterval"] = {
            name: _moment(moment)
            for name, moment in (("start", content.valid_from), ("end", content.valid_until))
            if moment is not None
        }
    if content.places is not None:
        resource["merchantLocations"] = _places(content.places)
    texts = [
        *_standing(content),
        *(
            _module(each.key, each.label, _value(each, languages), language)
            for each in content.fields
        ),
    ]
    if content.offer is not None:
        texts.insert(0, _module("offer", presentation.word("offer"), content.offer, language))
    if content.terms is not None:
        texts.append(_module("terms", presentation.word("terms"), content.terms, language))
    if texts:
        resource["textModulesData"] = _modules(texts)
    if content.balance is not None:
        resource["cardNumber"] = content.card_number
        resource["balance"] = {
            "micros": str(content.balance.micros),
            "currencyCode": content.balance.currency,
        }
        if content.pin is not None:
            resource["pin"] = content.pin
        if content.changed_at is not None:
            resource["balanceUpdateTime"] = _moment(content.changed_at)
    elif not expiry_notice:
        resource["disableExpirationNotification"] = True
    return resource


def _standing(content: PassContent) -> Iterable[dict[str, Any]]:
    """What an object says in words because Google has no member for it, or shows it by day only."""
    presentation = content.presentation
    languages, language = presentation.languages, presentation.language

    def module(key: str, body: Text) -> dict[str, Any]:
        return _module(key, presentation.word(key), body, language)

    if content.status in _SAID:
        yield module("status", presentation.word(content.status.value))
    if content.uses is not None and not content.status.spent:
        yield module("uses_left", str(content.uses))
    for key, moment, by_day in (
        ("valid_from", content.valid_from, starts_with_day),
        ("valid_until", content.valid_until, ends_with_day),
    ):
        if moment is not None and not by_day(moment):
            yield module(key, _spoken(moment, languages, show_time=True))


def message(
    message_id: str, *, header: Text, body: Text, language: str, notify: bool
) -> dict[str, Any]:
    """Return the body of an `addMessage` request; Google lets three a day `notify` a holder."""
    return {
        "message": {
            "id": message_id,
            "messageType": "TEXT_AND_NOTIFY" if notify else "TEXT",
            **_localized("header", header, language),
            **_localized("body", body, language),
        }
    }


def _check_id(field: str, value: str) -> None:
    if not _ID(value):
        raise ResourceError(
            field, f"{value!r} is not an id.", "Make it with resource_id(issuer_id, suffix)."
        )


def _check_https(field: str, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or any(each.isspace() for each in url):
        raise ResourceError(
            field, "Google reaches public https addresses only.", "Give one that begins https://."
        )


def _localized(name: str, text: Text, language: str) -> dict[str, Any]:
    """Return the member and, where there are translations, its `localized…` twin."""
    if isinstance(text, str):
        return {name: text}
    return {
        name: text[language],
        f"localized{name[0].upper()}{name[1:]}": _localized_string(text, language),
    }


def _localized_string(text: Text, language: str) -> dict[str, Any]:
    if isinstance(text, str):
        return {"defaultValue": {"language": language, "value": text}}
    found: dict[str, Any] = {"defaultValue": {"language": language, "value": text[language]}}
    others = [
        {"language": each, "value": text[each]} for each in text.languages if each != language
    ]
    others += [
        {"language": base, "value": text[each]} for base, each in bases(text.languages).items()
    ]
    if others:
        found["translatedValues"] = others
    return found


def _image(field: str, url: str, presentation: Presentation) -> dict[str, Any]:
    _check_https(field, url)
    return {
        "sourceUri": {"uri": url},
        "contentDescription": _localized_string(presentation.organization, presentation.language),
    }


def _uri(number: int, link: Link, language: str) -> dict[str, Any]:
    return {
        "id": f"link-{number}",
        "uri": link.url,
        **_localized("description", link.label, language),
    }


def _places(places: Iterable[Place]) -> list[dict[str, float]]:
    return [{"latitude": each.latitude, "longitude": each.longitude} for each in places]


def _module(key: str, label: Text | None, body: Text, language: str) -> dict[str, Any]:
    header = {} if label is None else _localized("header", label, language)
    return {"id": key, **header, **_localized("body", body, language)}


def _value(field: Field, languages: Sequence[str]) -> Text:
    """Return a field's value as text; amounts and dates read differently in each language."""
    value = field.value
    if isinstance(value, (str, Localized)):
        return value
    return _spoken(value, languages, show_time=field.show_time)


def _spoken(
    value: Money | datetime | int, languages: Sequence[str], *, show_time: bool = False
) -> Text:
    texts = {each: spoken(value, each, languages[0], show_time=show_time) for each in languages}
    return Localized(texts) if len(set(texts.values())) > 1 else texts[languages[0]]


def _modules(texts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if len(texts) > MOST_TEXTS:
        raise ResourceError(
            "textModulesData",
            f"There are {len(texts)} texts, and Google shows {MOST_TEXTS}.",
            "Use fewer fields.",
        )
    return texts


def _moment(moment: datetime) -> dict[str, str]:
    return {"date": moment.isoformat(timespec="seconds")}
