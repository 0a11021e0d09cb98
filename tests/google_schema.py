"""Google's own discovery document as a check of what is sent: reference/google-wallet.md section 6.

The document is read from the package that Google publishes; nothing here repeats the stand-in.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any

_COLLECTIONS = {
    "offerClass": "OfferClass",
    "offerObject": "OfferObject",
    "giftCardClass": "GiftCardClass",
    "giftCardObject": "GiftCardObject",
}


@cache
def schemas() -> dict[str, dict[str, Any]]:
    documents = files("googleapiclient.discovery_cache").joinpath("documents")
    text = documents.joinpath("walletobjects.v1.json").read_text(encoding="utf-8")
    found: dict[str, dict[str, Any]] = json.loads(text)["schemas"]
    return found


def schema_faults(collection: str, method: str, body: Mapping[str, Any]) -> list[str]:
    """List what Google's schema has against one request; PATCH bodies may be partial."""
    if method == "addMessage":
        return list(_object("AddMessageRequest", body, "body", partial=False))
    said = _without_nulls(body) if method == "PATCH" else body
    return list(_object(_COLLECTIONS[collection], said, collection, partial=method == "PATCH"))


def assert_follows_schema(collection: str, method: str, body: Mapping[str, Any]) -> None:
    faults = schema_faults(collection, method, body)
    assert not faults, f"{method} {collection}: " + "; ".join(faults)


def _without_nulls(value: Any) -> Any:
    """Leave out what a PATCH removes: null is no value of any member."""
    if isinstance(value, Mapping):
        return {name: _without_nulls(each) for name, each in value.items() if each is not None}
    return value


def _object(schema: str, body: Mapping[str, Any], where: str, *, partial: bool) -> Iterator[str]:
    properties = schemas()[schema].get("properties", {})
    if not partial:
        for name, rule in properties.items():
            if rule.get("description", "").startswith("Required.") and body.get(name) in (None, ""):
                yield f"{where}.{name} is required"
    for name, value in body.items():
        if name not in properties:
            yield f"{where}.{name} is not in the schema"
        else:
            yield from _value(properties[name], value, f"{where}.{name}")


def _value(rule: Mapping[str, Any], value: Any, where: str) -> Iterator[str]:
    description = rule.get("description", "")
    if description.startswith("Deprecated"):
        yield f"{where} is deprecated"
    if "$ref" in rule:
        if isinstance(value, Mapping):
            yield from _object(rule["$ref"], value, where, partial=False)
        else:
            yield f"{where} must be an object"
        if rule["$ref"] == "DateTime" and isinstance(value, Mapping):
            try:
                datetime.fromisoformat(value.get("date", ""))
            except ValueError:
                yield f"{where}.date is no ISO 8601 time"
    elif rule["type"] == "array":
        if not isinstance(value, list):
            yield f"{where} must be a list"
            return
        for position, item in enumerate(value):
            yield from _value(rule["items"], item, f"{where}[{position}]")
    elif "enum" in rule:
        # Lower-case spellings are legacy aliases; the unspecified ones say nothing.
        if value not in rule["enum"] or not re.fullmatch(r"[A-Z0-9_]+", str(value)):
            yield f"{where}: {value!r} is not one of {rule['enum']}"
    elif rule["type"] == "string":
        if not isinstance(value, str):
            yield f"{where} must be a string"
        elif rule.get("format") == "int64" and not re.fullmatch(r"-?\d+", value):
            yield f"{where} must be an int64 as a string"
    elif rule["type"] == "boolean" and not isinstance(value, bool):
        yield f"{where} must be a boolean"
    elif rule["type"] in ("integer", "number") and (
        isinstance(value, bool) or not isinstance(value, int | float)
    ):
        yield f"{where} must be a number"
