"""Apple's rules for the fields of a style: their groups, members and values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from passes.apple.dates import check_date
from passes.errors import ContentError, PackageError
from passes.money import Money

GROUPS: dict[str, int | None] = {
    "headerFields": 3,
    "primaryFields": 1,
    "secondaryFields": 4,
    "auxiliaryFields": 4,
    "backFields": None,
}
MOST_SECOND_ROW = 4
"""Secondary and auxiliary fields share one row on coupons and store cards."""

_MEMBERS = frozenset(
    (
        *("key", "label", "value", "attributedValue", "changeMessage", "currencyCode"),
        *("numberStyle", "dateStyle", "timeStyle", "isRelative", "ignoresTimeZone"),
        *("dataDetectorTypes", "textAlignment", "semantics"),
    )
)
_NUMBER_STYLES = {f"PKNumberStyle{each}" for each in ("Decimal", "Percent", "Scientific")} | {
    "PKNumberStyleSpellOut"
}
_DATE_STYLES = {f"PKDateStyle{each}" for each in ("None", "Short", "Medium", "Long", "Full")}
_ALIGNMENTS = {f"PKTextAlignment{each}" for each in ("Left", "Center", "Right", "Natural")}
_DETECTORS = {
    f"PKDataDetectorType{each}" for each in ("PhoneNumber", "Link", "Address", "CalendarEvent")
}
_ANCHOR = re.compile(r"""<a\s+href=(?:"[^"<>]*"|'[^'<>]*')\s*>|</a>""")


def check_style(name: str, style: object) -> None:
    """Raise PackageError unless `style` is a dictionary of fields that a pass can show."""
    if not isinstance(style, Mapping):
        raise PackageError(name, "The style is not a dictionary.", "Give its groups of fields.")
    for group in style:
        if group not in GROUPS:
            raise PackageError(
                f"{name}.{group}", "This style has no such group.", f"Use {', '.join(GROUPS)}."
            )
    seen: set[str] = set()
    count: dict[str, int] = {}
    for group, most in GROUPS.items():
        fields = style.get(group, [])
        if not isinstance(fields, list):
            raise PackageError(f"{name}.{group}", "It is not a list.", "Give a list of fields.")
        count[group] = len(fields)
        if most is not None and len(fields) > most:
            raise PackageError(
                f"{name}.{group}",
                f"It has {len(fields)} fields, and {most} are shown.",
                "Move the others to backFields.",
            )
        for number, each in enumerate(fields):
            _check_field(f"{name}.{group}[{number}]", each, group, seen)
    if count["secondaryFields"] + count["auxiliaryFields"] > MOST_SECOND_ROW:
        raise PackageError(
            f"{name}.auxiliaryFields",
            f"Secondary and auxiliary fields together are more than {MOST_SECOND_ROW}.",
            "Move some to backFields.",
        )


def _check_field(name: str, each: object, group: str, seen: set[str]) -> None:
    if not isinstance(each, Mapping):
        raise PackageError(name, "The field is not a dictionary.", "Give key, label and value.")
    for member in each:
        if member not in _MEMBERS:
            raise PackageError(f"{name}.{member}", "Fields have no such member.", "Remove it.")
    key = each.get("key")
    if not isinstance(key, str) or not key:
        raise PackageError(f"{name}.key", "The field has no key.", "Give it one of its own.")
    if key in seen:
        raise PackageError(
            f"{name}.key", f"Two fields have the key {key!r}.", "Give each a key of its own."
        )
    seen.add(key)
    _check_value(name, each)
    _check_texts(name, each)
    _check_styles(name, each)
    _check_placement(name, each, group)


def _check_value(name: str, each: Mapping[str, Any]) -> None:
    value = each.get("value")
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise PackageError(
            f"{name}.value", "The value is missing or null.", "Give a text, a number or a date."
        )
    numeric = not isinstance(value, str)
    if "currencyCode" in each:
        try:
            Money(0, each["currencyCode"])
        except (ContentError, TypeError) as error:
            raise PackageError(
                f"{name}.currencyCode",
                "It is not an ISO 4217 currency.",
                "Use a code such as EUR.",
            ) from error
        if not numeric:
            raise PackageError(
                f"{name}.value", "An amount with a currency must be a number.", "Write 12.5."
            )
        if "numberStyle" in each:
            raise PackageError(
                f"{name}.numberStyle", "It contradicts currencyCode.", "Remove one of the two."
            )
    if "numberStyle" in each:
        if each["numberStyle"] not in _NUMBER_STYLES:
            raise PackageError(
                f"{name}.numberStyle", "It is unknown.", f"Use {', '.join(sorted(_NUMBER_STYLES))}."
            )
        if not numeric:
            raise PackageError(f"{name}.value", "numberStyle wants a number.", "Give a number.")
    if "dateStyle" in each or "timeStyle" in each:
        check_date(f"{name}.value", value)


def _check_texts(name: str, each: Mapping[str, Any]) -> None:
    for member in ("label", "changeMessage", "attributedValue"):
        if member in each and not isinstance(each[member], str):
            raise PackageError(f"{name}.{member}", "It is not a text.", "Give a text.")
    if "%@" not in each.get("changeMessage", "%@"):
        raise PackageError(
            f"{name}.changeMessage",
            "Without %@ a phone does not announce the change.",
            "Put %@ where the new value belongs.",
        )
    if "<" in _ANCHOR.sub("", each.get("attributedValue", "")):
        raise PackageError(
            f"{name}.attributedValue", "Only links are shown.", 'Use <a href="…">…</a> alone.'
        )


def _check_styles(name: str, each: Mapping[str, Any]) -> None:
    for member in ("dateStyle", "timeStyle"):
        if member in each and each[member] not in _DATE_STYLES:
            raise PackageError(
                f"{name}.{member}", "It is unknown.", f"Use {', '.join(sorted(_DATE_STYLES))}."
            )
    for member in ("isRelative", "ignoresTimeZone"):
        if member in each and not isinstance(each[member], bool):
            raise PackageError(f"{name}.{member}", "It is not true or false.", "Give a boolean.")
    if not isinstance(each.get("semantics", {}), Mapping):
        raise PackageError(f"{name}.semantics", "It is not a dictionary.", "Give one.")


def _check_placement(name: str, each: Mapping[str, Any], group: str) -> None:
    if "dataDetectorTypes" in each:
        kinds = each["dataDetectorTypes"]
        if group != "backFields":
            raise PackageError(
                f"{name}.dataDetectorTypes", "It works on the back only.", "Remove it."
            )
        if not isinstance(kinds, list) or not set(kinds) <= _DETECTORS:
            raise PackageError(
                f"{name}.dataDetectorTypes",
                "It is not a list of known types.",
                f"Use {', '.join(sorted(_DETECTORS))}, or [] for none.",
            )
    if "textAlignment" in each:
        if group in ("primaryFields", "backFields"):
            raise PackageError(
                f"{name}.textAlignment", "It is ignored in this group.", "Remove it."
            )
        if each["textAlignment"] not in _ALIGNMENTS:
            raise PackageError(
                f"{name}.textAlignment", "It is unknown.", f"Use {', '.join(sorted(_ALIGNMENTS))}."
            )
