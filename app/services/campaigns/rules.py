"""The `[rules]` of a campaign file: who gets which value, read whole with every fault named.

Conditions are written as tables, `{ fact = "score", above = 500 }`; facts that are amounts
(`basket`, `lifetime`) are written as amounts. Stored rules are read back by `rules_of`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any

import orjson
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationInfo,
    field_validator,
    model_validator,
)

from app.domain.campaign import Benefit, BenefitType, Texts
from app.domain.values import (
    AMOUNTS,
    PURCHASE,
    Condition,
    Frequency,
    Grant,
    Operator,
    Rules,
    Stop,
    Tier,
    Variant,
)
from app.services.campaigns.file.sections import MOST_COUNT, Count, Number, Percent
from app.services.campaigns.money import Amount, read_amount
from app.store.models import Campaign

_RULES: TypeAdapter[Rules] = TypeAdapter(Rules)
_Text = Annotated[str, Field(max_length=200)]
_Key = Annotated[str, Field(pattern=r"^[a-z0-9]+(?:[-_][a-z0-9]+)*$", max_length=40)]
#: Minor units of an amount written as people write it; None after a fault at the place given.
Minor = Callable[[str, Decimal | None], int | None]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ConditionSection(_Section):
    """One comparison of a fact, as it is written."""

    fact: str = Field(min_length=1, max_length=100)
    at_least: Number | None = None
    above: Number | None = None
    at_most: Number | None = None
    below: Number | None = None
    is_: _Text | Number | None = Field(default=None, alias="is")
    is_not: _Text | Number | None = None
    one_of: list[_Text] | None = Field(default=None, min_length=1)

    @field_validator(
        *("at_least", "above", "at_most", "below", "is_", "is_not", "one_of"), mode="before"
    )
    @classmethod
    def _amounts(cls, given: Any, info: ValidationInfo) -> Any:
        """Facts that are amounts are compared with amounts, by the one reader of them."""
        if given is None or info.data.get("fact") not in AMOUNTS:
            return given
        if isinstance(given, list):
            return [str(read_amount(each, info)) for each in given]
        return read_amount(given, info)

    @model_validator(mode="after")
    def _one(self) -> ConditionSection:
        if len(self.compared()) != 1:
            raise ValueError(
                "compares a fact once: give one of at_least, above, at_most, below, is, is_not, "
                "one_of"
            )
        return self

    def compared(self) -> list[tuple[Operator, Any]]:
        """Operators with what they compare the fact with."""
        return [
            (operator, value)
            for operator in Operator
            if (value := getattr(self, "is_" if operator is Operator.IS else operator.value))
            is not None
        ]


class _Words(_Section):
    """What a pass can say for itself; its title and description are its campaign's."""

    offer: str = Field(default="", max_length=40)
    terms: str = Field(default="", max_length=20_000)


class ValueSection(_Section):
    """What a tier or a variant gives, as it is written."""

    percent: Percent | None = Field(default=None, gt=0)
    amount: Amount | None = Field(default=None, gt=0)
    #: The most that a percentage takes off.
    cap: Amount | None = Field(default=None, gt=0)
    free_shipping: bool = False
    #: Opening balance of a gift card.
    card: Amount | None = Field(default=None, gt=0)
    campaign: str | None = None
    texts: dict[str, _Words] = {}


class TierSection(ValueSection):
    """A value with its conditions, as it is written."""

    key: _Key
    when: list[ConditionSection] = []
    nothing: bool = False


class _Variant(ValueSection):
    key: _Key
    weight: int = Field(default=1, ge=0, le=1_000_000)


class _Frequency(_Section):
    group: _Key
    count: Count = 1
    days: int = Field(default=30, ge=1, le=3_650)


class _Stop(_Section):
    when: list[ConditionSection] = []
    event: str | None = Field(default=None, min_length=1, max_length=100)
    days: int = Field(default=0, ge=0, le=3_650)
    #: Whether unused vouchers are taken back; left out, after every event but a purchase.
    withdraw: bool | None = None

    @property
    def withdraws(self) -> bool:
        """A purchase may be the very one that uses the voucher, and the shop may report the use
        later; every other event means that the voucher's reason is gone.
        """
        if self.withdraw is not None:
            return self.withdraw
        return self.event is not None and self.event != PURCHASE

    @model_validator(mode="after")
    def _something(self) -> _Stop:
        if not self.when and self.event is None:
            raise ValueError("says when to stop: give `when` or `event`")
        return self


class RulesSection(_Section):
    """The section as it is written."""

    tiers: list[TierSection] = []
    variants: list[_Variant] = []
    holdout_percent: Percent = Field(default=Decimal(0), ge=0, lt=100)
    frequency: _Frequency | None = None
    stops: list[_Stop] = []
    points: dict[str, Annotated[int, Field(ge=-MOST_COUNT, le=MOST_COUNT)]] = {}
    points_within_days: int | None = Field(default=None, ge=1, le=3_650)
    most_vouchers: Count | None = None
    most_cost: Amount | None = Field(default=None, gt=0)

    @field_validator("points", mode="before")
    @classmethod
    def _numbers(cls, value: object) -> object:
        if isinstance(value, Mapping) and any(isinstance(each, Mapping) for each in value.values()):
            raise ValueError(
                "is a number for each event, such as { purchase = 10 }; how long all of them count "
                "is points_within_days"
            )
        return value

    @model_validator(mode="after")
    def _distinct(self) -> RulesSection:
        for what, keys in (
            ("tiers", [tier.key for tier in self.tiers]),
            ("variants", [variant.key for variant in self.variants]),
        ):
            if len(set(keys)) != len(keys):
                raise ValueError(f"{what} share a key: give each its own")
        if self.variants and not sum(variant.weight for variant in self.variants):
            raise ValueError("variants have no weight: give at least one of them some")
        return self


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
            Stop(
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
