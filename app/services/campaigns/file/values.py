"""Refuses what the `[rules]` of a file say and no decision reads.

A value is one benefit of a coupon, or the balance of a card; a value that is issued from another
campaign is looked at when the file is applied, since only there that campaign's kind is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation

from app.domain.values import AMOUNTS
from app.services.campaigns.file.faults import Fault
from app.services.campaigns.file.unread import says
from app.services.campaigns.rules import ConditionSection, RulesSection, TierSection, ValueSection

#: Values of which a tier or a variant gives one.
_COUPON = ("percent", "amount", "free_shipping")
_VALUES = (*_COUPON, "card")


def rules_faults(rules: RulesSection, *, money: bool | None) -> Iterator[Fault]:
    """Every option of the rules that counts for nothing.

    Args:
        money: whether the campaign's vouchers hold money; None is not known.
    """
    rest = False
    for number, tier in enumerate(rules.tiers):
        at = f"rules.tiers.{number}"
        if rest:
            yield Fault(
                at,
                "is never reached: a tier before it has no conditions.",
                "Move that one to the end, or write its conditions.",
            )
        rest = rest or not tier.when
        yield from _of_value(at, tier, money)
        yield from _of_nothing(at, tier)
        yield from _of_conditions(at, tier.when)
    for number, variant in enumerate(rules.variants):
        yield from _of_value(f"rules.variants.{number}", variant, money)
    for number, stop in enumerate(rules.stops):
        at = f"rules.stops.{number}"
        yield from _of_conditions(at, stop.when)
        if stop.event is None and says(stop, "days"):
            yield Fault(f"{at}.days", "counts from an event.", "Write event as well.")
    if not rules.points and says(rules, "points_within_days"):
        yield Fault(
            "rules.points_within_days",
            "is a window of points, and no event gives any.",
            "Write points as well, such as points = { purchase = 10 }.",
        )


def _of_value(at: str, value: ValueSection, money: bool | None) -> Iterator[Fault]:
    given = [name for name in _VALUES if says(value, name)]
    for name in given[1:]:
        yield Fault(f"{at}.{name}", f"is a second value beside {given[0]}.", "Keep one of them.")
    if says(value, "cap") and "percent" not in given:
        yield Fault(f"{at}.cap", "limits a percentage.", "Write percent as well, or leave it out.")
    elif value.campaign is None and money is not None:
        yield from _of_kind(at, value, money=money)
    for language, words in value.texts.items():
        if not words.offer and not words.terms:
            yield Fault(f"{at}.texts.{language}", "says nothing.", "Write offer or terms.")


def _of_kind(at: str, value: ValueSection, *, money: bool) -> Iterator[Fault]:
    """Values that a voucher of this kind cannot have."""
    for name in ("card",) if not money else (*_COUPON, "cap"):
        if says(value, name):
            yield Fault(
                f"{at}.{name}",
                "is for coupons." if money else "is for gift cards.",
                "Write card, the balance." if money else "Write percent, amount or free_shipping.",
            )


def _of_nothing(at: str, tier: TierSection) -> Iterator[Fault]:
    if not tier.nothing:
        return
    for name in (*_VALUES, "cap", "campaign", "texts"):
        if says(tier, name):
            yield Fault(f"{at}.{name}", "stands beside nothing = true.", "Keep one of them.")


def _of_conditions(at: str, conditions: list[ConditionSection]) -> Iterator[Fault]:
    """Amounts that are compared with words."""
    for number, condition in enumerate(conditions):
        operator, value = condition.compared()[0]
        if condition.fact not in AMOUNTS:
            continue
        for each in value if isinstance(value, list) else [value]:
            try:
                Decimal(each)
            except InvalidOperation:
                yield Fault(
                    f"{at}.when.{number}.{operator}",
                    f"{each!r} is no amount, and {condition.fact} is one.",
                    'Write it as "15.00".',
                )
