"""A strict check of Google Wallet resources against Google's own discovery document.

`Schema(document).check("offerObject", resource)` returns everything that Google would reject, drop
or read as a legacy spelling. The document is Google's `walletobjects.v1.json`, which the caller
brings (the PyPI package google-api-python-client ships it): what is sent is known to be right by
the types of this library, so only tests and stand-ins for Google need it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from passes.errors import ContentError
from passes.symbology import Symbology, check_payload

_ID = re.compile(r"\d+\.[A-Za-z0-9._-]+").fullmatch
_COLOUR = re.compile(r"#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})").fullmatch
_INT64 = re.compile(r"-?\d{1,19}").fullmatch
_MODULE_ID = re.compile(r"[A-Za-z0-9_-]+").fullmatch
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*").fullmatch
_OFFSET = re.compile(r"(Z|[+-]\d\d:\d\d(:\d\d)?)$")
_URI = re.compile(r"[a-z][a-z0-9+.-]*:\S+").fullmatch
# The document says these in prose only.
_MOST = {
    "messages": 10,
    "textModulesData": 10,
    "imageModulesData": 1,
    "valueAddedModuleData": 15,
    "merchantLocations": 10,
}
_NEVER_EMPTY = ("issuerName", "provider", "title", "cardNumber")
_BARCODES = {
    "QR_CODE": Symbology.QR,
    "PDF_417": Symbology.PDF417,
    "AZTEC": Symbology.AZTEC,
    "CODE_128": Symbology.CODE128,
    "EAN_13": Symbology.EAN13,
    "CODE_39": Symbology.CODE39,
    "CODABAR": Symbology.CODABAR,
    "ITF_14": Symbology.ITF14,
}


class Schema:
    """Google's schemas, by which resources are checked."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._schemas: Mapping[str, Any] = document["schemas"]

    def check(self, kind: str, resource: object, *, partial: bool = False) -> list[str]:
        """Return the faults of a resource such as an `offerObject`: path and cause, a line each.

        `partial` is for a PATCH, in which required members may be absent.
        """
        name = kind[0].upper() + kind[1:]
        return list(self._object(kind, name, resource, partial=partial))

    def _object(
        self, path: str, name: str, value: object, *, partial: bool = False
    ) -> Iterator[str]:
        if not isinstance(value, Mapping):
            yield f"{path}: is not an object"
            return
        properties = self._schemas[name]["properties"]
        for member, each in value.items():
            rule = properties.get(member)
            if rule is None:
                yield f"{path}.{member}: is unknown to {name}"
            elif _deprecated(rule):
                yield f"{path}.{member}: is deprecated"
            else:
                yield from self._value(f"{path}.{member}", member, rule, each)
        for member, rule in properties.items():
            required = rule.get("description", "").startswith("Required.")
            if required and not partial and member not in value:
                yield f"{path}.{member}: is required"
        yield from _prose(path, name, value)

    def _value(
        self, path: str, member: str, rule: Mapping[str, Any], value: object
    ) -> Iterator[str]:
        kind = rule.get("type")
        if "$ref" in rule:
            yield from self._object(path, rule["$ref"], value)
        elif kind == "array":
            if not isinstance(value, list):
                yield f"{path}: is not a list"
                return
            if len(value) > _MOST.get(member, len(value)):
                yield f"{path}: has more than {_MOST[member]} entries"
            for number, each in enumerate(value):
                yield from self._value(f"{path}[{number}]", member, rule["items"], each)
        elif kind == "string":
            yield from _string(path, member, rule, value)
        elif kind == "boolean":
            if not isinstance(value, bool):
                yield f"{path}: is not a boolean"
        elif isinstance(value, bool) or not isinstance(
            value, int if kind == "integer" else (int, float)
        ):
            yield f"{path}: is not a {kind}"


def _deprecated(rule: Mapping[str, Any]) -> bool:
    return bool(rule.get("deprecated")) or rule.get("description", "").startswith("Deprecated")


def _string(path: str, member: str, rule: Mapping[str, Any], value: object) -> Iterator[str]:
    if not isinstance(value, str):
        yield f"{path}: is not a string"
        return
    if "enum" in rule:
        described = dict(zip(rule["enum"], rule.get("enumDescriptions", ()), strict=False))
        if value not in rule["enum"]:
            yield f"{path}: {value!r} is not among the values"
        elif value.endswith("_UNSPECIFIED"):
            yield f"{path}: is unspecified"
        elif not value.isupper() or described.get(value, "").startswith("Legacy alias"):
            yield f"{path}: {value!r} is a legacy alias"
    if rule.get("format") == "int64" and not _INT64(value):
        yield f"{path}: is not an int64"
    if member in _NEVER_EMPTY and not value:
        yield f"{path}: is empty"


def _prose(path: str, name: str, value: Mapping[str, Any]) -> Iterator[str]:
    """Yield what breaks the rules that the document has in its descriptions."""
    for member in ("id", "classId"):
        resource = name.endswith(("Class", "Object"))
        if resource and member in value and not _ID(str(value[member])):
            yield f"{path}.{member}: is not issuer.suffix"
    if not _COLOUR(str(value.get("hexBackgroundColor", "#000"))):
        yield f"{path}.hexBackgroundColor: is not #rrggbb"
    if name == "TextModuleData" and not _MODULE_ID(str(value.get("id", "x"))):
        yield f"{path}.id: has more than letters, digits, _ and -"
    if name == "TranslatedString" and not _LANGUAGE(str(value.get("language", ""))):
        yield f"{path}.language: is not a BCP 47 tag"
    if name == "LocalizedString" and "defaultValue" not in value:
        yield f"{path}.defaultValue: is missing"
    if name in ("Uri", "ImageUri") and not _URI(str(value.get("uri", ""))):
        yield f"{path}.uri: has no scheme"
    if name == "Image" and len(value.keys() & {"sourceUri", "privateImageId"}) != 1:
        yield f"{path}: needs one of sourceUri and privateImageId"
    if name == "CallbackOptions" and not str(value.get("url", "")).startswith("https://"):
        yield f"{path}.url: is not https"
    if name.endswith("Class") and value.get("reviewStatus") in ("APPROVED", "REJECTED"):
        yield f"{path}.reviewStatus: is for Google to set"
    if name == "MerchantLocation":
        for member, limit in (("latitude", 90), ("longitude", 180)):
            degrees = value.get(member)
            if not isinstance(degrees, (int, float)) or not -limit <= degrees <= limit:
                yield f"{path}.{member}: is out of range"
    if name == "DateTime":
        yield from _date(path, value)
    if name == "TimeInterval":
        offsets = {
            bool(_OFFSET.search(str(each.get("date", ""))))
            for each in (value.get("start"), value.get("end"))
            if isinstance(each, Mapping)
        }
        if len(offsets) > 1:
            yield f"{path}: start and end must both have an offset or neither"
    updated = value.get("balanceUpdateTime", {"date": "Z"})
    if isinstance(updated, Mapping) and not _OFFSET.search(str(updated.get("date", ""))):
        yield f"{path}.balanceUpdateTime: has no offset"
    if name == "Barcode":
        yield from _barcode(path, value)


def _date(path: str, value: Mapping[str, Any]) -> Iterator[str]:
    try:
        datetime.fromisoformat(str(value.get("date", "")))
    except ValueError:
        yield f"{path}.date: is not ISO 8601"


def _barcode(path: str, value: Mapping[str, Any]) -> Iterator[str]:
    kind = value.get("type")
    if kind is None:
        yield f"{path}.type: is missing"
    if kind == "TEXT_ONLY" and "alternateText" in value:
        yield f"{path}.alternateText: is forbidden beside TEXT_ONLY"
    if "renderEncoding" in value and kind != "QR_CODE":
        yield f"{path}.renderEncoding: is for QR codes only"
    symbology = _BARCODES.get(str(kind))
    if symbology is not None and value.get("renderEncoding") != "UTF_8":
        try:
            check_payload(f"{path}.value", str(value.get("value", "")), symbology)
        except ContentError as error:
            yield f"{error.field}: {error.cause}"
