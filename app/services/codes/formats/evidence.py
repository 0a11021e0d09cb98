"""Measures what a column's values look like: codes, money, dates or states.

Every function takes the values of one column, without those that are empty.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence

from app.domain import amounts
from app.services.codes.formats import dates, status_words
from app.services.codes.formats.spreadsheets import damage
from app.services.codes.formats.table_bounds import form_of, has_digit

#: Shares from which on a column is taken for something: under a name that says so little, and under
#: none.
MOSTLY, _ALL = 0.9, 0.98

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+#&*-]{3,63}")
_OTHER = re.compile(
    r"\d{4}-\d\d-\d\d.*|\d{1,2}[./]\d{1,2}[./]\d{2,4}.*|\d+[.,]\d+|\d{1,5}|true|false|yes|no|"
    r"[A-Z]{3}|\S+@\S+",
    re.IGNORECASE,
)


def share(values: Sequence[str], test: Callable[[str], bool]) -> float:
    """Return the share of values that pass a test, from 0 to 1."""
    return sum(map(test, values)) / len(values) if values else 0.0


def quality(values: Sequence[str]) -> float:
    """Measure how much values look like codes, from 0 to 1: their form, and that they differ."""
    if not values:
        return 0.0
    likely = share(values, lambda text: bool(_CODE.fullmatch(text)) and not _OTHER.fullmatch(text))
    damaged = share(values, lambda text: damage(text) is not None)
    return max(likely, damaged) * len(set(values)) / len(values)


def look_like_codes(values: Sequence[str]) -> bool:
    """Tell whether values can hardly be but codes, though no heading says so."""
    return (
        quality(values) >= _ALL
        and any(map(has_digit, values))
        and (len({form_of(text) for text in values}) == 1 or any(map(_is_mixed, values)))
    )


def look_like_money(values: Sequence[str]) -> bool:
    """Tell whether values may be amounts: with decimals or a currency, or no running number."""
    if share(values, amounts.looks_like_money) >= 0.5:
        return True
    if share(values, str.isdigit) < MOSTLY:
        return False
    numbers = [int(text) for text in values if text.isdigit() and len(text) < 10]
    return bool(numbers) and numbers != list(range(numbers[0], numbers[0] + len(numbers)))


def span(values: Sequence[str], now: dt.datetime | None) -> bool:
    """Tell whether some of the dates are past and some are to come."""
    if now is None:
        return False
    order = dates.order_of(values)
    found = [
        moment[0] <= now
        for text in values
        if is_date(text)
        and (moment := dates.moments_of(text, day_first=order, zone=dt.UTC, ends=True))
    ]
    return any(found) and not all(found)


def is_date(text: str) -> bool:
    """Tell whether a text is a date, or says that there is none."""
    return text.casefold() in dates.NONE or dates.is_date(text)


def is_state(text: str) -> bool:
    """Tell whether a text is a status that is known."""
    return status_words.state_of(text) is not None or status_words.flag_of(text) is not None


def is_flag(text: str) -> bool:
    """Tell whether a text is a yes, a no, a count, a status or a date."""
    return is_state(text) or status_words.share_of(text) is not None or dates.is_date(text)


def _is_mixed(text: str) -> bool:
    return any(map(str.isdigit, text)) and any(map(str.isalpha, text))
