"""A refusal speaks to the cashier in the store's language, to the customer in the customer's.

Times are the store's, whoever reads them; dates and amounts are written as the reader's language
and region write them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime
from babel.numbers import format_currency, get_currency_precision

from app.domain.refusals import Reason
from app.words import speaks, words_in
from app.words.catalogue import ReasonWords, Words
from passes.language import regional
from passes.wording import ends_with_day, starts_with_day

_MONEY = {
    "available_minor": "available",
    "missing_minor": "missing",
    "minimum_minor": "minimum",
    "left_minor": "left",
    "cap_minor": "cap",
}
_TIMES = frozenset({"starts_at", "ended_at", "at", "until"})
_DAYS = frozenset({"starts_at", "ended_at"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalTexts:
    """The texts of a refusal, and the language of the customer's."""

    cashier: str
    customer: str
    customer_language: str


def texts_of(
    reason: Reason,
    details: Mapping[str, object],
    *,
    language: str,
    own: str | None,
    timezone: str,
    zone: str | None,
) -> RefusalTexts:
    """Return what the cashier and the customer are told.

    Args:
        details: of the refusal: times as ISO 8601, money in minor units.
        language, timezone: the store's.
        own: the recipient's language; where it is not known or has no catalogue, the store's is
            spoken.
        zone: the campaign's time zone, by which its days begin and end; None without a campaign.
    """
    store = words_in(language)
    said = _in_words(details, store, language, timezone, zone)
    cashier = _sentence(store.refusals.cashier, reason, said)
    customer = store
    if own is not None and own != language and speaks(own):
        customer = words_in(own)
        said = _in_words(details, customer, own, timezone, zone)
    return RefusalTexts(
        cashier=cashier,
        customer=_sentence(customer.refusals.customer, reason, said),
        customer_language=customer.tag,
    )


class _Blank(dict[str, str]):
    """Leaves out what is not known."""

    def __missing__(self, key: str) -> str:
        return "–"


def _sentence(words: ReasonWords, reason: Reason, said: _Blank) -> str:
    text: str = getattr(words, reason.value)
    return text.format_map(said).rstrip()


def _in_words(
    details: Mapping[str, object], words: Words, tag: str, timezone: str, zone: str | None
) -> _Blank:
    """Return the details as people read them who speak `tag`, for which `words` are."""
    locale = regional(words.tag, [tag])
    texts = words.refusals
    said = _Blank()
    for name, value in details.items():
        if name in _TIMES:
            moment = dt.datetime.fromisoformat(str(value))
            day = _day(name, moment.astimezone(ZoneInfo(zone))) if zone and name in _DAYS else None
            if day is not None:
                said[name] = format_date(day, "long", locale=locale)
            else:
                local = moment.astimezone(ZoneInfo(timezone))
                said[name] = format_datetime(local, "short", locale=locale)
            if name == "ended_at":
                ended = texts.ended if day is None else texts.last_day
                said["ended"] = ended.format(when=said[name])
        elif name in _MONEY and isinstance(value, int):
            said[_MONEY[name]] = _money(value, str(details.get("currency") or ""), locale)
        elif value is not None and not isinstance(value, bool):
            said[name] = str(value)
    said["layout"] = f" ({details['layout']})" if details.get("layout") else ""
    same = details.get("same_receipt")
    said["receipt"] = "" if same is None else texts.same_receipt if same else texts.other_receipt
    return said


def _day(name: str, moment: dt.datetime) -> dt.date | None:
    """The first or last day that a moment means in its campaign's zone; None for one within a day.

    An end is the first moment that is not valid any more.
    """
    if name == "ended_at":
        last = moment - dt.timedelta(microseconds=1)
        return last.date() if ends_with_day(last) else None
    return moment.date() if starts_with_day(moment) else None


def _money(minor: int, currency: str, locale: str) -> str:
    if not currency:
        return str(minor)
    exact = Decimal(minor).scaleb(-get_currency_precision(currency))
    return format_currency(exact, currency, locale=locale)
