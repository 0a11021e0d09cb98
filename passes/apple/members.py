"""How pass.json writes what a content holds: colours, times, amounts, fields, links, places."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from html import escape
from typing import Any

import orjson

from passes.colour import rgb
from passes.content import Field, Link, Place, RelevantDate
from passes.money import Money
from passes.symbology import Symbology
from passes.text import Text

STYLES = {"coupon": "coupon", "gift_card": "storeCard"}
"""Apple's style of each kind. A `posterGeneric` would stand beside it, never instead of it."""
FORMATS = {
    Symbology.QR: "PKBarcodeFormatQR",
    Symbology.PDF417: "PKBarcodeFormatPDF417",
    Symbology.AZTEC: "PKBarcodeFormatAztec",
    Symbology.CODE128: "PKBarcodeFormatCode128",
    Symbology.EAN13: "PKBarcodeFormatEAN13",
    Symbology.CODE39: "PKBarcodeFormatCode39",
    Symbology.CODABAR: "PKBarcodeFormatCodabar",
    Symbology.ITF14: "PKBarcodeFormatI2of5",
}
# The older `barcode` member knows three formats; Android readers still look there first.
OLD_FORMATS = {Symbology.QR, Symbology.PDF417, Symbology.AZTEC}
Key = Callable[[Text], str]
Shown = orjson.Fragment | dict[str, Any]


def write_colour(colour: str) -> str:
    """Return `#rrggbb` as Apple writes it."""
    return "rgb({}, {}, {})".format(*rgb(colour))


def write_time(moment: datetime) -> str:
    """Return an aware time as iOS reads it."""
    # The offset has a colon and no fraction of a second: iOS refuses `+0000`.
    return moment.isoformat(timespec="seconds")


def money_members(money: Money) -> dict[str, Any]:
    """Return the members of a field that show an amount, in major units."""
    digits = money.digits
    return {
        "value": money.minor / 10**digits if digits else money.minor,
        "currencyCode": money.currency,
    }


def date_field(key: str, label: str, moment: datetime, *, time: bool = False) -> dict[str, Any]:
    """Return a field that shows a date, and with `time` the time of day."""
    # Shown in the zone it carries, which is the shop's, wherever the phone is.
    return {
        "key": key,
        "label": label,
        "value": write_time(moment),
        "dateStyle": "PKDateStyleMedium",
        "timeStyle": "PKDateStyleShort" if time else "PKDateStyleNone",
        "ignoresTimeZone": True,
    }


def plain_field(key: str, label: str, value: str) -> dict[str, Any]:
    """Return a field of the back in which nothing can be tapped."""
    # No data detectors: a card number is not a telephone number.
    return {"key": key, "label": label, "value": value, "dataDetectorTypes": []}


def field_member(each: Field, key: Key) -> dict[str, Any]:
    """Return a field as pass.json has it; `key` registers its translations."""
    value = each.value
    label = None if each.label is None else key(each.label)
    shown: dict[str, Any]
    if isinstance(value, datetime):
        shown = date_field(each.key, "", value, time=each.show_time)
        del shown["label"]
    elif isinstance(value, Money):
        shown = {"key": each.key, **money_members(value)}
    elif isinstance(value, int):
        shown = {"key": each.key, "value": value}
    else:
        shown = {"key": each.key, "value": key(value)}
    if label is not None:
        shown["label"] = label
    if each.change_message is not None:
        shown["changeMessage"] = key(each.change_message)
    return shown


def field_fragment(each: Field, key: Key) -> orjson.Fragment:
    """Return a field that is the same in all passes, written once."""
    return orjson.Fragment(orjson.dumps(field_member(each, key)))


def link_fragment(number: int, link: Link, key: Key) -> orjson.Fragment:
    """Return a field of the back that can be tapped, written once."""

    def anchor(label: str) -> str:
        return f'<a href="{escape(link.url)}">{escape(label)}</a>'

    text: Text = link.label
    if not isinstance(text, str):
        text = type(text)({language: anchor(text[language]) for language in text.languages})
    else:
        text = anchor(text)
    return orjson.Fragment(
        orjson.dumps({"key": f"link-{number}", "value": link.url, "attributedValue": key(text)})
    )


def place_member(place: Place, key: Key) -> dict[str, Any]:
    """Return an entry of `locations`."""
    shown: dict[str, Any] = {"latitude": place.latitude, "longitude": place.longitude}
    if place.text is not None:
        shown["relevantText"] = key(place.text)
    return shown


def relevant_member(moment: RelevantDate) -> dict[str, str]:
    """Return an entry of `relevantDates`."""
    start = write_time(moment.start)
    if moment.end is not None:
        return {"startDate": start, "endDate": write_time(moment.end)}
    # The member was called relevantDate in iOS 18 and is called date since iOS 26.
    return {"date": start, "relevantDate": start}
