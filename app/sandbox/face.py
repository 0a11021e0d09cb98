"""A pass as an iPhone's owner reads it: its lines, and what the lock screen says when they change.

Promises: it reads pass.json alone, as Wallet does, and announces a field only where that carries a
`changeMessage`. Refuses: to translate; a pass is read in its default language, whose texts are the
keys of the tables for the others.

Rules: developer.apple.com/documentation/walletpasses/passfieldcontent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Face", "announced", "drawn"]

_STYLES = ("coupon", "storeCard", "generic", "eventTicket", "boardingPass")
_FRONT = ("primaryFields", "headerFields", "secondaryFields", "auxiliaryFields")


@dataclass(frozen=True, slots=True)
class Face:
    """The front of a pass: `lines` are label and value by the field's key, the main one first.

    `grey` says that Wallet draws it faded, because it is void.
    """

    title: str
    lines: Mapping[str, tuple[str, str]]
    grey: bool


def drawn(content: Mapping[str, Any]) -> Face:
    """Draw a pass.json."""
    fields = list(_fields(content, _FRONT))
    title = next((str(each["label"]) for each in fields if "label" in each), "")
    return Face(
        title=title or str(content.get("description", "")),
        lines={str(each["key"]): (str(each.get("label", "")), _value(each)) for each in fields},
        grey=bool(content.get("voided")),
    )


def announced(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """What the lock screen says of a change: one text for each changed field that asks for it."""
    old = {each["key"]: _value(each) for each in _fields(before, (*_FRONT, "backFields"))}
    return tuple(
        str(each["changeMessage"]).replace("%@", _value(each))
        for each in _fields(after, (*_FRONT, "backFields"))
        if each.get("changeMessage") and old.get(each["key"]) != _value(each)
    )


def _fields(content: Mapping[str, Any], slots: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    style = next(content[each] for each in _STYLES if each in content)
    for slot in slots:
        yield from style.get(slot, ())


def _value(field: Mapping[str, Any]) -> str:
    value = field["value"]
    if currency := field.get("currencyCode"):
        return f"{float(value):.2f} {currency}"
    if "dateStyle" in field:
        return str(value).partition("T")[0]
    return str(value)
