"""Reads dates as exports write them: ISO, by day or by month first, with names of months.

Which of `03/04/2026` is the day is decided by the other dates of the column. Where none decides,
both readings are kept, so that the stricter can be taken.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from functools import cache

from babel.dates import get_month_names

from app.services.codes.formats.headings.meanings import squeezed
from app.services.codes.formats.headings.words import WORDS

#: What stands in a column of dates when there is none.
NONE = frozenset(
    [
        "-",
        "–",
        "—",
        "never",
        "none",
        "null",
        "n/a",
        "na",
        "nil",
        "unlimited",
        "no",
        "jamais",
        "nie",
        "niemals",
        "nunca",
        "mai",
        "nooit",
        "nigdy",
        "keine",
        "aucun",
        "aucune",
        "ninguno",
        "nessuna",
        "geen",
        "brak",
        "nenhum",
        "sans",
        "∞",
        "0",
        "0000-00-00",
        "infinity",
    ]
) | {"no expiry", "never expires", "does not expire", "no expiration", "0000-00-00 00:00:00"}

_ISO = re.compile(
    r"(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})"
    r"(?:[T ,]+(?P<time>.+))?"
)
_NUMBERS = re.compile(
    r"(?P<one>\d{1,2})[-/. ]+(?P<two>\d{1,2})[-/. ]+(?P<year>\d{4}|\d{2})(?:[T ,]+(?P<time>.+))?"
)
_NAMED = re.compile(
    r"(?:[^\W\d]+,?\s+)?(?:(?P<day>\d{1,2})(?:\.|st|nd|rd|th|er|º)?[\s.-]+(?:de\s+)?(?P<month>[^\W\d]+)"
    r"|(?P<month2>[^\W\d]+)\.?\s+(?P<day2>\d{1,2})(?:st|nd|rd|th)?,?)"
    r"[\s.,-]+(?:de\s+)?(?P<year>\d{4})(?:[T ,]+(?P<time>.+))?",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"(?:at\s+|à\s+|um\s+)?(?P<hour>\d{1,2})[:h.](?P<minute>\d{2})(?:[:.](?P<second>\d{2}))?"
    r"(?:[.,]\d+)?\s*(?P<half>[ap]\.?m\.?)?\s*"
    r"(?P<zone>Z|UTC|GMT|[+-]\d{2}:?(?:\d{2})?)?(?:\s+[A-Za-z]{2,5})?(?:\s+uhr)?",
    re.IGNORECASE,
)


def order_of(texts: Iterable[str]) -> bool | None:
    """Tell whether days stand first in a column of dates; None when nothing decides."""
    found = set()
    for text in texts:
        match = _NUMBERS.fullmatch(text.strip())
        if match is None:
            continue
        if "." in text[:6] or int(match["one"]) > 12:
            found.add(True)
        elif int(match["two"]) > 12:
            found.add(False)
    return found.pop() if len(found) == 1 else None


def is_date(text: str) -> bool:
    """Tell whether a text is a date, in whichever order its numbers stand."""
    try:
        return moments_of(text, day_first=None, zone=dt.UTC, ends=False) is not None
    except ValueError:
        return False


def moments_of(
    text: str, *, day_first: bool | None, zone: dt.tzinfo, ends: bool
) -> tuple[dt.datetime, dt.datetime] | None:
    """Return the earliest and the latest moment that a date may mean; None when there is no date.

    Args:
        zone: of a date without an offset.
        ends: whether a date without a time is over when its day is.

    Raises:
        ValueError: the text is no date.
    """
    plain = " ".join(text.split())
    if not plain or plain.casefold() in NONE:
        return None
    readings = _readings(plain, day_first)
    moments = sorted(
        _moment(date, time, zone, ends=ends) for date, time in readings if date is not None
    )
    if not moments:
        raise ValueError("is no date: write it as 2026-12-31")
    return moments[0], moments[-1]


def _readings(text: str, day_first: bool | None) -> list[tuple[dt.date | None, str | None]]:
    if (match := _ISO.fullmatch(text)) is not None:
        return [(_date(match["year"], match["month"], match["day"]), match["time"])]
    if (match := _NUMBERS.fullmatch(text)) is not None:
        by_day = (_date(match["year"], match["two"], match["one"]), match["time"])
        by_month = (_date(match["year"], match["one"], match["two"]), match["time"])
        if day_first is None:
            return [by_day, by_month]
        return [by_day] if day_first else [by_month]
    if (match := _NAMED.fullmatch(text)) is not None:
        month = _months().get(squeezed(match["month"] or match["month2"]))
        if month is not None:
            day = match["day"] or match["day2"]
            return [(_date(match["year"], str(month), day), match["time"])]
    return []


def _date(year: str, month: str, day: str) -> dt.date | None:
    number = int(year) + (2000 if len(year) == 2 else 0)
    try:
        return dt.date(number, int(month), int(day))
    except ValueError:
        return None


def _moment(date: dt.date, time: str | None, zone: dt.tzinfo, *, ends: bool) -> dt.datetime:
    """Return the instant in UTC; dates past what a clock can tell are the last that it can."""
    if not 1970 <= date.year < 9000:
        date = date.replace(year=min(max(date.year, 1970), 8999), day=min(date.day, 28))
    if time is None:
        day = dt.datetime.combine(date, dt.time(), zone)
        return (day + dt.timedelta(days=ends)).astimezone(dt.UTC)
    match = _TIME.fullmatch(time.strip())
    if match is None:
        raise ValueError("has a time that is not known: write it as 2026-12-31T18:00")
    hour = int(match["hour"]) % 12 if match["half"] else int(match["hour"])
    if (match["half"] or "").lower().startswith("p"):
        hour += 12
    try:
        clock = dt.time(hour % 24, int(match["minute"]), min(int(match["second"] or 0), 59))
    except ValueError:
        raise ValueError("has a time that no clock shows: write it as 2026-12-31T18:00") from None
    return dt.datetime.combine(date, clock, _zone(match["zone"], zone)).astimezone(dt.UTC)


def _zone(text: str | None, default: dt.tzinfo) -> dt.tzinfo:
    if text is None:
        return default
    if text.upper() in ("Z", "UTC", "GMT"):
        return dt.UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    offset = dt.timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return dt.timezone(-offset if text[0] == "-" else offset)


@cache
def _months() -> dict[str, int]:
    """Names of months in the languages of the catalogue, long and short."""
    names: dict[str, int] = {}
    for language in WORDS:
        for width in ("wide", "abbreviated"):
            for context in ("format", "stand-alone"):
                for number, name in get_month_names(width, context, language).items():
                    names[squeezed(name)] = number
    return names
