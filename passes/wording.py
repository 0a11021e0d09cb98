"""Amounts, dates and numbers as a person reads them in a language (Unicode CLDR, through Babel).

A validity that begins or ends with a day is read as that day; any other moment has its hour, too.
"""

from __future__ import annotations

from datetime import datetime, time
from typing import TYPE_CHECKING

from passes.money import Money
from passes.text import Localized, Text, in_language

if TYPE_CHECKING:
    from babel import Locale


#: Ends are shown by their last second, so a day ends with its last minute.
_LAST_MINUTE = time(23, 59)


def starts_with_day(moment: datetime) -> bool:
    """Say whether `moment` is a day's first, in the zone it carries."""
    return moment.time() == time()


def ends_with_day(moment: datetime) -> bool:
    """Say whether `moment` is within a day's last minute, in the zone it carries."""
    return moment.time() >= _LAST_MINUTE


def spoken(
    value: Text | Money | datetime | int, language: str, default: str, *, show_time: bool = False
) -> str:
    """Return `value` as a text in `language`, falling back to `default` for texts without it."""
    if isinstance(value, (str, Localized)):
        return in_language(value, language, default)
    from babel.dates import format_date, format_time
    from babel.numbers import format_currency, format_decimal

    locale = _locale(language)
    if isinstance(value, Money):
        return format_currency(value.major, value.currency, locale=locale)
    if isinstance(value, datetime):
        day = format_date(value.date(), "medium", locale=locale)
        if not show_time:
            return day
        return f"{day}, {format_time(value.time(), 'short', locale=locale)}"
    return format_decimal(value, locale=locale)


def _locale(language: str) -> Locale:
    from babel import Locale, UnknownLocaleError

    try:
        return Locale.parse(language, sep="-")
    except (UnknownLocaleError, ValueError):
        return Locale.parse("en")
