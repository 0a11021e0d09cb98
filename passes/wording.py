"""Amounts, dates and numbers as a person reads them in a language (Unicode CLDR, through Babel)."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from passes.money import Money
from passes.text import Localized, Text, in_language

if TYPE_CHECKING:
    from babel import Locale


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
