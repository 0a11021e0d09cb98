"""This module turns the `[rules]` of a campaign file into stored rules, and reads those back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

import orjson
from pydantic import TypeAdapter

from app.domain.campaign import Benefit, BenefitType, Texts
from app.domain.values import (
    AMOUNTS,
    Condition,
    Frequency,
    Grant,
    Rules,
    StopCondition,
    Tier,
    Variant,
)
from app.services.campaigns.file.rule_sections import (
    ConditionSection,
    RulesSection,
    ValueSection,
)
from app.store.models import Campaign

_RULES: TypeAdapter[Rules] = TypeAdapter(Rules)
#: Minor units of an amount written as people write it; None after a fault at the place given.
Minor = Callable[[str, Decimal | None], int | None]


def built(section: RulesSection, minor: Minor) -> dict[str, Any]:
    """The stored form of the rules, amounts in minor units."""
    rules = Rules(
        tiers=tuple(
            Tier(
                key=tier.key,
                when=_conditions(f"rules.tiers.{at}", tier.when, minor),
                grant=None if tier.nothing else _grant(f"rules.tiers.{at}", tier, minor),
            )
            for at, tier in enumerate(section.tiers)
        ),
        variants=tuple(
            Variant(
                key=variant.key,
                weight=variant.weight,
                grant=_grant(f"rules.variants.{at}", variant, minor)
                if variant.model_fields_set - {"key", "weight"}
                else None,
            )
            for at, variant in enumerate(section.variants)
        ),
        holdout_percent=section.holdout_percent,
        frequency=Frequency(**section.frequency.model_dump()) if section.frequency else None,
        stops=tuple(
            StopCondition(
                when=_conditions(f"rules.stops.{at}", stop.when, minor),
                event=stop.event,
                days=stop.days,
                withdraw=stop.withdraws,
            )
            for at, stop in enumerate(section.stops)
        ),
        points=section.points,
        points_within_days=section.points_within_days,
        most_vouchers=section.most_vouchers,
        most_minor=minor("rules.most_cost", section.most_cost),
    )
    stored: dict[str, Any] = _RULES.dump_python(rules, mode="json")
    if rules.points_within_days is None:
        # As it was stored before there were windows: the same file applied again changes nothing.
        del stored["points_within_days"]
    return stored


def rules_of(campaign: Campaign) -> Rules:
    """How a campaign decides; without rules everybody gets its own value."""
    return read_rules(campaign.rules)


def read_rules(stored: Mapping[str, Any] | None) -> Rules:
    """Rules as they are stored, or as a draft would store them."""
    return Rules() if stored is None else _read(orjson.dumps(stored))


@lru_cache(maxsize=512)
def _read(stored: bytes) -> Rules:
    return _RULES.validate_json(stored)


def _conditions(at: str, conditions: list[ConditionSection], minor: Minor) -> tuple[Condition, ...]:
    found = []
    for number, condition in enumerate(conditions):
        operator, value = condition.compared()[0]
        values = tuple(value) if isinstance(value, list) else (value,)
        if condition.fact in AMOUNTS:
            place = f"{at}.when.{number}"
            values = tuple(minor(place, Decimal(each)) or 0 for each in values)
        # A whole number is stored as one, so that it is compared without being read each time.
        values = tuple(
            int(each) if isinstance(each, Decimal) and each == each.to_integral_value() else each
            for each in values
        )
        found.append(Condition(of=condition.fact, operator=operator, values=values))
    return tuple(found)


def _grant(at: str, value: ValueSection, minor: Minor) -> Grant:
    benefit = None
    if value.percent is not None:
        benefit = Benefit(
            type=BenefitType.PERCENT,
            percent=value.percent,
            cap_minor=minor(f"{at}.cap", value.cap),
        )
    elif value.amount is not None:
        benefit = Benefit(type=BenefitType.AMOUNT, minor=minor(f"{at}.amount", value.amount))
    elif value.free_shipping:
        benefit = Benefit(type=BenefitType.FREE_SHIPPING)
    return Grant(
        benefit=benefit,
        amount_minor=minor(f"{at}.card", value.card),
        campaign=value.campaign,
        texts={language: Texts(**texts.model_dump()) for language, texts in value.texts.items()},
    )
