"""Dates and money as a person reads them on the pages (Unicode CLDR, through Babel).

`locale` is a language, with a region where one is known, as `passes.language.regional` returns it.
"""

from __future__ import annotations

import datetime as dt

from babel import Locale
from babel.dates import format_date, format_time
from babel.numbers import format_currency

from passes.content import Money
from passes.wording import ends_with_day, starts_with_day


def money(amount: Money, locale: str) -> str:
    """Such as "€12.50" or "12,50 €"."""
    return format_currency(amount.major, amount.currency, locale=Locale.parse(locale))


def first_day(moment: dt.datetime, locale: str) -> str:
    """When something begins, in the zone the moment carries; midnight goes without saying."""
    return _moment(moment, locale, exact=not starts_with_day(moment))


def last_day(moment: dt.datetime, locale: str) -> str:
    """When something ends, in the zone the moment carries; a day's end goes without saying."""
    return _moment(moment, locale, exact=not ends_with_day(moment))


def _moment(moment: dt.datetime, locale: str, *, exact: bool) -> str:
    known = Locale.parse(locale)
    day = format_date(moment.date(), "long", locale=known)
    if not exact:
        return day
    time = format_time(moment.timetz(), "short", locale=known)
    # CLDR has no short names of most zones; the zone's own, such as CET, is what people know.
    return f"{day}, {time} {moment.tzname()}"
