"""The one rule for text and numbers that come in, whichever the door.

Text has no control character (Unicode's Cc) but tab, line feed and carriage return, no half of a
surrogate pair and no noncharacter: databases, XML and phones refuse some of them, terminals obey
others, and nobody means any. What a scanner read (a member called `barcode`) may have the control
characters that scanners put around a code, but NUL: it is looked up without them and not stored.
An integer fits 64 bits with a sign, as columns and JSON readers expect; any other number is finite
and no larger. Lists and objects nest at most `DEEPEST` deep. Moments lie in years whose every
moment has a date in every time zone. Fields bound what they take more tightly; money by
`MOST_MINOR`.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

#: Most that lists and objects nest; a campaign, the deepest thing that is sent, needs seven.
DEEPEST = 32
#: The integers of a signed 64-bit column.
LEAST_INTEGER, MOST_INTEGER = -(2**63), 2**63 - 1
#: The most that any one amount of money may be, in minor units of its currency.
MOST_MINOR = 10**12

#: Years whose every moment has a date in every time zone; a till whose clock was reset says 1970.
EARLIEST, LATEST = 1970, 2199

#: The last two of each plane of Unicode are noncharacters.
_LAST = (0xFFFE, 0xFFFF)
_UNSTORABLE = "\x00\ud800-\udfff\ufdd0-\ufdef" + "".join(
    chr(plane + last) for plane in range(0, 0x110000, 0x10000) for last in _LAST
)
_CONTROLS = "\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"
_REFUSED = re.compile(f"[{_UNSTORABLE}{_CONTROLS}]")
#: Members whose text comes from scanners.
SCANNED = frozenset({"barcode"})
_REFUSED_OF_SCANNERS = re.compile(f"[{_UNSTORABLE}]")
#: For fields of one line, as a pattern of their own: names, ids and notes have no line breaks.
ONE_LINE = r"^[^\x00-\x1f\x7f]+$"


@dataclass(frozen=True, slots=True)
class InputFault:
    """What of an input is refused: its place, as names and indexes joined by dots, and why."""

    at: str
    cause: str


def text_fault(text: str, *, scanned: bool = False) -> str | None:
    """Say which character of a text is refused, as the end of a sentence; None when none is."""
    found = (_REFUSED_OF_SCANNERS if scanned else _REFUSED).search(text)
    if found is None:
        return None
    # The character's number only: the text may be a code or a PIN.
    return f"has the character U+{ord(found.group()):04X}, which no text may have"


def number_fault(number: float) -> str | None:
    """Say why a number is refused, as the end of a sentence; None when it is not."""
    if isinstance(number, int):
        if LEAST_INTEGER <= number <= MOST_INTEGER:
            return None
        return "is an integer of more than 64 bits"
    if not math.isfinite(number):
        return "is not a finite number"
    # Readers of JSON give an integer that is too large as such a number.
    return None if -(2.0**63) <= number < 2.0**63 else "is a number of more than 64 bits"


def is_reckonable(moment: dt.date) -> bool:
    """Whether calendars of every time zone can reckon with a date or moment."""
    return EARLIEST <= moment.year <= LATEST


def first_fault(value: Any) -> InputFault | None:
    """Find what the rule refuses in a value as JSON and TOML have it: the first place, or None."""
    return next(faults(value), None)


def faults(value: Any) -> Iterator[InputFault]:
    """Find everything that the rule refuses in a value, in its order."""
    if _is_clean(value, DEEPEST):
        return
    pending: list[tuple[Any, tuple[Any, ...]]] = [(value, ())]
    while pending:
        item, place = pending.pop()
        if isinstance(item, str):
            cause = text_fault(item, scanned=bool(place) and place[-1] in SCANNED)
        elif isinstance(item, (int, float)):
            cause = number_fault(item)
        elif isinstance(item, (Mapping, list)):
            cause = None if len(place) < DEEPEST else f"nests more than {DEEPEST} deep"
            if cause is None:
                pending.extend(reversed(list(_members(item, place))))
        else:
            cause = None  # TOML's dates, and nothing.
        if cause is not None:
            yield InputFault(".".join(map(str, place)), cause)


def _is_clean(value: Any, deepest: int) -> bool:
    """Whether nothing in a value is refused: the quick answer for nearly all, without a place."""
    if isinstance(value, str):
        # What is printable has none of the refused characters; asking that is cheaper.
        return value.isprintable() or _REFUSED.search(value) is None
    if value is None or isinstance(value, bool):
        return True
    if isinstance(value, (int, float)):
        return number_fault(value) is None
    if isinstance(value, dict):
        if not deepest:
            return False
        for name, each in value.items():
            if not (name.isprintable() or _REFUSED.search(name) is None):
                return False
            if not _is_clean(each, deepest - 1):
                return False
        return True
    if isinstance(value, list):
        return bool(deepest) and all(_is_clean(each, deepest - 1) for each in value)
    return True


def _members(
    item: Mapping[str, Any] | list[Any], place: tuple[Any, ...]
) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    if isinstance(item, list):
        yield from ((each, (*place, at)) for at, each in enumerate(item))
        return
    for name, each in item.items():
        # A name that is refused is not repeated as a place.
        yield (each, (*place, name)) if text_fault(name) is None else (name, (*place, "(a name)"))
