"""A campaign's override: terms changed for all holders at once, stored on the campaign alone.

Holders keep the terms they were given; an override is one row that counts for all of them, term by
term in their favour only, unless it is forced (a product recall, a mistake in the law): a later
end, more uses, a higher benefit of the same type, a smaller basket.
It does not give what a holder has without limit a limit, unless forced.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from app.domain.campaign import Benefit, BenefitType, Terms
from app.domain.inputs import MOST_MINOR

#: Every term that an override can name, as it is stored.
TERMS = ("ends_at", "uses", "percent", "amount_minor", "min_basket_minor")
#: The uses that an override may set at most: what the database's integers hold, with room.
MOST_USES = 1_000_000
#: The clockwork's row that says until when the ends of overrides are counted into versions.
ENDS_COUNTED = "override_ends"


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """Terms for all holders; None leaves a term as each holder has it.

    Args:
        ends_at: until when vouchers are good; aware.
        uses: uses of one voucher.
        percent: the percentage of coupons that grant one, above 0 and up to 100.
        amount_minor: the amount of coupons that grant one, in the campaign's minor units.
        min_basket_minor: the basket that is needed, in minor units; 0 is none.
        forced: the names of terms that count even where they are worse.
    """

    ends_at: dt.datetime | None = None
    uses: int | None = None
    percent: Decimal | None = None
    amount_minor: int | None = None
    min_basket_minor: int | None = None
    forced: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return any(getattr(self, name) is not None for name in TERMS)

    def faults(self) -> list[str]:
        """What is wrong with it, in words."""
        found = []
        if self.uses is not None and not 1 <= self.uses <= MOST_USES:
            found.append(f"uses is {self.uses}: give 1 to {MOST_USES}.")
        if self.percent is not None and not 0 < self.percent <= 100:
            found.append(f"percent is {self.percent}: give more than 0 and up to 100.")
        if self.amount_minor is not None and not 0 < self.amount_minor <= MOST_MINOR:
            found.append(f"amount_minor is {self.amount_minor}: give 1 to {MOST_MINOR}.")
        if self.min_basket_minor is not None and not 0 <= self.min_basket_minor <= MOST_MINOR:
            found.append(f"min_basket_minor is {self.min_basket_minor}: give 0 to {MOST_MINOR}.")
        return found


def stored(override: Override) -> dict[str, Any]:
    """The form in which an override stands in the campaign's row; `forced` is a sorted list."""
    found: dict[str, Any] = {}
    for name in TERMS:
        value = getattr(override, name)
        if isinstance(value, dt.datetime):
            value = value.astimezone(dt.UTC).isoformat()
        elif isinstance(value, Decimal):
            value = str(value)
        if value is not None:
            found[name] = value
    if forced := override.forced & found.keys():
        found["forced"] = sorted(forced)
    return found


def shown(override: Override | None) -> dict[str, Any]:
    """What of an override a pass can show, in its stored form: all but the smallest basket."""
    return stored(replace(override, min_basket_minor=None)) if override else {}


def read(found: Mapping[str, Any] | None, *, forced: bool) -> Override | None:
    """An override from its stored form; None if there is none.

    Args:
        forced: whether any term of it is forced. One that does not say which means the end, the
            only term that could be overridden once.
    """
    if not found:
        return None
    ends_at, percent = found.get("ends_at"), found.get("percent")
    return Override(
        ends_at=None if ends_at is None else dt.datetime.fromisoformat(ends_at),
        uses=found.get("uses"),
        percent=None if percent is None else Decimal(percent),
        amount_minor=found.get("amount_minor"),
        min_basket_minor=found.get("min_basket_minor"),
        forced=frozenset(found.get("forced", ("ends_at",))) if forced else frozenset(),
    )


def laid_over(before: Override | None, after: Override) -> Override:
    """An override with a later one over it: what the later does not name stays as it was."""
    if before is None:
        return after
    named = {name for name in TERMS if getattr(after, name) is not None}
    return replace(
        before,
        **{name: getattr(after, name) for name in named},
        forced=(before.forced - named) | (after.forced & named),
    )


def end_for(own: dt.datetime | None, override: Override | None) -> dt.datetime | None:
    """When a voucher ends: its own end, or the override's where that is later or forced."""
    if override is None or override.ends_at is None:
        return own
    if "ends_at" in override.forced:
        return override.ends_at
    return None if own is None else max(own, override.ends_at)


def uses_for(own: int | None, override: Override | None) -> int | None:
    """How often a voucher may be used: as often as it says, or as the override does if more."""
    if override is None or override.uses is None:
        return own
    if "uses" in override.forced:
        return override.uses
    return None if own is None else max(own, override.uses)


def terms_for(own: Terms, override: Override | None) -> Terms:
    """A voucher's terms with the override's benefit and basket where they are better, or forced."""
    if override is None:
        return own
    benefit, basket = _benefit_for(own.benefit, override), _basket_for(own, override)
    if benefit == own.benefit and basket == own.min_basket_minor:
        return own
    return replace(own, benefit=benefit, min_basket_minor=basket)


def _benefit_for(own: Benefit, override: Override) -> Benefit:
    """Only a benefit of the same type can be compared; no override turns one into another."""
    percent, minor, forced = override.percent, override.amount_minor, override.forced
    if own.type is BenefitType.PERCENT and percent is not None:
        better = own.percent is None or percent > own.percent
        return replace(own, percent=percent) if better or "percent" in forced else own
    if own.type is BenefitType.AMOUNT and minor is not None:
        better = own.minor is None or minor > own.minor
        return replace(own, minor=minor) if better or "amount_minor" in forced else own
    return own


def _basket_for(own: Terms, override: Override) -> int | None:
    given, basket = own.min_basket_minor, override.min_basket_minor
    if basket is None:
        return given
    if "min_basket_minor" not in override.forced:
        if given is None:
            return None
        basket = min(given, basket)
    # A smallest basket of nothing is none, so that no till has to send a basket for it.
    return basket or None
