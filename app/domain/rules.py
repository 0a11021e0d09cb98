"""Whether a voucher may be used now, here and for this basket: pure decisions.

`objections` lists everything that stands against a use, the most telling first; a supervisor may
set some of them aside. Counters are looked at here only so that the answer is early and precise:
what decides is the conditional UPDATE of the row that holds the counter.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from app.domain.baskets import Basket, eligible
from app.domain.campaign import Authority, BenefitType, Channel, OpenHours, Products, Terms
from app.domain.refusals import Reason, Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A voucher and its campaign as they stand; times are aware UTC, money in minor units."""

    status: str
    starts_at: dt.datetime | None
    ends_at: dt.datetime | None
    uses: int | None
    used: int
    held: int
    balance_minor: int
    held_minor: int
    replaced: bool
    campaign_status: str
    authority: str
    currency: str | None
    timezone: str
    holds_money: bool
    #: Whether it belongs to nobody and came from typing a code that many share.
    bare: bool = False
    #: Whether a budget of money bounds its campaign, so that each discount has to be known.
    budgeted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceOfUse:
    """Where a use happens; keys are empty when the till did not say."""

    store: str = ""
    terminal: str = ""
    channel: str = Channel.STORE


#: Articles of each kind that a refusal names at most.
MOST_NAMED = 10

_STATUS_REASONS = {
    "pending": Reason.NOT_ACTIVATED,
    "blocked": Reason.BLOCKED,
    "revoked": Reason.REVOKED,
    "deactivated": Reason.REVOKED,
    "expired": Reason.EXPIRED,
}


#: Benefits whose worth depends on the basket.
_COSTING = frozenset({BenefitType.PERCENT, BenefitType.AMOUNT})


def objections(
    standing: Standing,
    terms: Terms,
    *,
    place: PlaceOfUse,
    basket: Basket | None,
    now: dt.datetime,
) -> list[Refused]:
    """Everything that stands against a use now, the most telling first."""
    if standing.authority == Authority.PARTNER:
        return [Refused(reason=Reason.PARTNER_ONLY)]
    if standing.replaced:
        return [Refused(reason=Reason.STALE_BARCODE)]
    return [
        *_of_voucher(standing, now),
        *_of_counters(standing),
        *_of_campaign(standing, terms, place=place, now=now),
        *_of_basket(standing, terms, basket),
    ]


def money_objections(standing: Standing, amount: int | None, currency: str | None) -> list[Refused]:
    """What stands against taking `amount` from a gift card: none given, or another currency.

    Whether the balance suffices is `shortfall`'s question, since a till may allow a part.
    """
    if amount is None:
        return [
            Refused(
                reason=Reason.AMOUNT_REQUIRED,
                details={"currency": standing.currency, "available_minor": available(standing)},
            )
        ]
    if currency != standing.currency:
        return [Refused(reason=Reason.CURRENCY_MISMATCH, details={"currency": standing.currency})]
    return []


def combinable(terms: Terms, others: Sequence[Terms]) -> bool:
    """Whether a coupon may join the other coupons of a receipt."""
    return not others or (terms.combinable and all(other.combinable for other in others))


def available(standing: Standing) -> int:
    """Minor units that can be spent now: the balance without what holds set aside."""
    return standing.balance_minor - standing.held_minor


def shortfall(standing: Standing, amount: int, *, allow_partial: bool) -> Refused | None:
    """The refusal when the balance does not suffice; a part is enough only when asked for."""
    rest = available(standing)
    if rest >= amount or (allow_partial and rest > 0):
        return None
    return Refused(
        reason=Reason.INSUFFICIENT_BALANCE,
        details={"available_minor": rest, "currency": standing.currency},
    )


def _of_voucher(standing: Standing, now: dt.datetime) -> list[Refused]:
    found = []
    if (reason := _STATUS_REASONS.get(standing.status)) is not None:
        found.append(Refused(reason=reason))
    if standing.starts_at is not None and now < standing.starts_at:
        found.append(
            Refused(
                reason=Reason.NOT_STARTED, details={"starts_at": standing.starts_at.isoformat()}
            )
        )
    if standing.ends_at is not None and now >= standing.ends_at:
        found.append(
            Refused(reason=Reason.EXPIRED, details={"ended_at": standing.ends_at.isoformat()})
        )
    return found


def _of_counters(standing: Standing) -> list[Refused]:
    if standing.holds_money or standing.uses is None:
        return []
    if standing.used >= standing.uses:
        once = standing.uses == 1
        return [
            Refused(
                reason=Reason.ALREADY_REDEEMED if once else Reason.LIMIT_REACHED,
                details={"uses": standing.uses},
            )
        ]
    if standing.used + standing.held >= standing.uses:
        return [Refused(reason=Reason.HELD_ELSEWHERE)]
    return []


def _of_campaign(
    standing: Standing, terms: Terms, *, place: PlaceOfUse, now: dt.datetime
) -> list[Refused]:
    found = []
    if standing.campaign_status != "live":
        found.append(
            Refused(reason=Reason.CAMPAIGN_PAUSED, details={"status": standing.campaign_status})
        )
    if not is_open(terms.hours, now.astimezone(ZoneInfo(standing.timezone))):
        found.append(Refused(reason=Reason.NOT_NOW))
    if (
        (terms.stores and place.store not in terms.stores)
        or (terms.terminals and place.terminal not in terms.terminals)
        or place.channel not in terms.channels
    ):
        found.append(Refused(reason=Reason.WRONG_STORE))
    if standing.bare and terms.holder_required:
        found.append(Refused(reason=Reason.HOLDER_REQUIRED))
    return found


def _of_basket(standing: Standing, terms: Terms, basket: Basket | None) -> list[Refused]:
    if standing.holds_money:
        return []
    chosen = terms.products != Products()
    if basket is None:
        counted = standing.budgeted and terms.benefit.type in _COSTING
        required = chosen or counted or terms.min_basket_minor is not None
        return [_basket_required(standing, terms)] if required else []
    found = []
    if standing.currency is not None and basket.currency != standing.currency:
        found.append(
            Refused(reason=Reason.CURRENCY_MISMATCH, details={"currency": standing.currency})
        )
    if terms.min_basket_minor is not None and basket.total_minor < terms.min_basket_minor:
        found.append(
            Refused(
                reason=Reason.MIN_BASKET,
                details={
                    "minimum_minor": terms.min_basket_minor,
                    "missing_minor": terms.min_basket_minor - basket.total_minor,
                    "currency": basket.currency,
                },
            )
        )
    if chosen and not any(eligible(terms.products, line) for line in basket.lines):
        found.append(Refused(reason=Reason.PRODUCTS_NOT_ELIGIBLE))
    return found


def _basket_required(standing: Standing, terms: Terms) -> Refused:
    """The refusal that says what of the basket has to be known."""
    details: dict[str, object] = {}
    if standing.currency is not None:
        details["currency"] = standing.currency
    if terms.min_basket_minor is not None:
        details["minimum_minor"] = terms.min_basket_minor
    if terms.products != Products():
        for name in ("skus", "prefixes", "categories"):
            if named := getattr(terms.products, name):
                details[name] = sorted(named)[:MOST_NAMED]
    return Refused(reason=Reason.BASKET_REQUIRED, details=details)


def is_open(hours: Sequence[OpenHours], local: dt.datetime) -> bool:
    """Whether `local`, a time in the campaign's zone, lies in one of the weekly windows.

    A window that closes before it opens runs past midnight and belongs to the day it opens on.
    """
    if not hours:
        return True
    today, clock = local.isoweekday(), local.time()
    yesterday = (local - dt.timedelta(days=1)).isoweekday()
    midnight = dt.time(0, 0)
    for window in hours:
        ends = window.closes
        if ends == midnight or window.opens < ends:
            if (
                today in window.weekdays
                and window.opens <= clock
                and (ends == midnight or clock < ends)
            ):
                return True
        elif (today in window.weekdays and clock >= window.opens) or (
            yesterday in window.weekdays and clock < ends
        ):
            return True
    return False
