"""These are the sections of `[rules]`: each key with its type, default, meaning and an example.

Conditions are written as tables, `{ fact = "score", above = 500 }`; facts that are amounts
(`basket`, `lifetime`) are written as amounts.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator, model_validator

from app.domain.values import (
    AMOUNTS,
    PURCHASE,
    Operator,
)
from app.services.campaigns.file.sections import MOST_COUNT, Count, Number, Percent, Section
from app.services.campaigns.money import Amount, read_amount

_Text = Annotated[str, Field(max_length=200)]
_Key = Annotated[str, Field(pattern=r"^[a-z0-9]+(?:[-_][a-z0-9]+)*$", max_length=40)]


class ConditionSection(Section):
    """One comparison of a fact with a value. A fact that is not known matches nothing."""

    fact: str = Field(
        min_length=1,
        max_length=100,
        description="What is compared: `score`, `segment`, `previous_segment`, `points`, "
        "`language`, `occasion`, the amounts `basket` and `lifetime`, or any attribute of the "
        "recipient.",
        examples=["score"],
    )
    at_least: Number | None = Field(
        default=None, description="The fact is this number or more.", examples=[500]
    )
    above: Number | None = Field(
        default=None, description="The fact is more than this number.", examples=[500]
    )
    at_most: Number | None = Field(
        default=None, description="The fact is this number or less.", examples=[30]
    )
    below: Number | None = Field(
        default=None, description="The fact is less than this number.", examples=[30]
    )
    is_: _Text | Number | None = Field(
        default=None,
        alias="is",
        description="The fact is this text, whatever its case, or this number.",
        examples=["gold"],
    )
    is_not: _Text | Number | None = Field(
        default=None,
        description="The fact is known and is anything else.",
        examples=["gold"],
    )
    one_of: list[_Text] | None = Field(
        default=None,
        min_length=1,
        description="The fact is one of these.",
        examples=[["gold", "silver"]],
    )

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


class WordsSection(Section):
    """What a pass can say for itself; its title and description are its campaign's."""

    offer: str = Field(
        default="",
        max_length=40,
        description="The offer of this value. Without it the offer is written from the value.",
        examples=["−30 %"],
    )
    terms: str = Field(
        default="",
        max_length=20_000,
        description="The conditions of this value. Without them the campaign's hold.",
        examples=["For our best customers, once."],
    )


class ValueSection(Section):
    """What a tier or a variant gives; without a value it is the campaign's own."""

    percent: Percent | None = Field(
        default=None, gt=0, description="A percentage off the basket.", examples=[30]
    )
    amount: Amount | None = Field(
        default=None, gt=0, description="An amount off the basket.", examples=["20.00"]
    )
    cap: Amount | None = Field(
        default=None,
        gt=0,
        description="The most that the percentage takes off.",
        examples=["80.00"],
    )
    free_shipping: bool = Field(default=False, description="Free shipping.", examples=[True])
    card: Amount | None = Field(
        default=None, gt=0, description="The opening balance of the gift card.", examples=["30.00"]
    )
    campaign: str | None = Field(
        default=None,
        description="The voucher is issued from this campaign instead, which may be of another "
        "kind.",
        examples=["gift-30"],
    )
    texts: dict[str, WordsSection] = Field(
        default={}, description="What the pass says of this value, by language."
    )


class TierSection(ValueSection):
    """A value with its conditions. Of the tiers the first whose conditions all hold counts."""

    key: _Key = Field(description="Names the tier in reports; each has its own.", examples=["best"])
    when: list[ConditionSection] = Field(
        default=[], description="The conditions; none holds for everybody."
    )
    nothing: bool = Field(
        default=False, description="Who is in this tier gets nothing.", examples=[True]
    )


class VariantSection(ValueSection):
    """An arm of a test. Without a value of its own it gives what the tier gives."""

    key: _Key = Field(
        description="Names the variant in reports; each has its own.", examples=["control"]
    )
    weight: int = Field(
        default=1,
        ge=0,
        le=1_000_000,
        description="The variant's share of the recipients, beside the weights of the others.",
        examples=[2],
    )


class FrequencySection(Section):
    """How often a recipient gets something, from all campaigns that name the same group."""

    group: _Key = Field(
        description="Names the group; campaigns that name the same one count together.",
        examples=["newsletter"],
    )
    count: Count = Field(
        default=1, description="The most vouchers that a recipient gets.", examples=[2]
    )
    days: int = Field(default=30, ge=1, le=3_650, description="Within so many days.", examples=[7])


class StopSection(Section):
    """Who gets nothing any more: those of whom all conditions hold, or who did the event."""

    when: list[ConditionSection] = Field(
        default=[], description="The conditions, all of which hold."
    )
    event: str | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="What the recipient did: an event that is reported to "
        "`POST /api/v1/activities`, or `redeemed`, `added` or `viewed`, which the service knows.",
        examples=["purchase"],
    )
    days: int = Field(
        default=0,
        ge=0,
        le=3_650,
        description="The event counts for so many days; 0 is for ever.",
        examples=[30],
    )
    withdraw: bool | None = Field(
        default=None,
        description="What they got and did not use is taken back. Left out, every event but "
        "`purchase` does so, and conditions do not.",
        examples=[True],
    )

    @property
    def withdraws(self) -> bool:
        """A purchase may be the very one that uses the voucher, and the shop may report the use
        later; every other event means that the voucher's reason is gone.
        """
        if self.withdraw is not None:
            return self.withdraw
        return self.event is not None and self.event != PURCHASE

    @model_validator(mode="after")
    def _something(self) -> StopSection:
        if not self.when and self.event is None:
            raise ValueError("says when to stop: give `when` or `event`")
        return self


class RulesSection(Section):
    """Who gets which value. With rules a recipient is decided about instead of issued to."""

    tiers: list[TierSection] = Field(
        default=[],
        description="Values by conditions; the first that matches counts. Who matches none gets "
        "nothing; without tiers everybody gets the campaign's own value.",
    )
    variants: list[VariantSection] = Field(
        default=[],
        description="The arms of a test. Each recipient is in one, the same for ever.",
    )
    holdout_percent: Percent = Field(
        default=Decimal(0),
        ge=0,
        lt=100,
        description="The share of recipients who get nothing, so that the effect can be measured.",
        examples=[10],
    )
    frequency: FrequencySection | None = Field(
        default=None, description="How often a recipient gets something."
    )
    stops: list[StopSection] = Field(default=[], description="Who gets nothing any more.")
    points: dict[str, Annotated[int, Field(ge=-MOST_COUNT, le=MOST_COUNT)]] = Field(
        default={},
        description="The points of each event, which add up to the fact `points`.",
        examples=[{"purchase": 10, "visit": 1}],
    )
    points_within_days: int | None = Field(
        default=None,
        ge=1,
        le=3_650,
        description="Events give points for so many days. Without it they do so for ever.",
        examples=[365],
    )
    most_vouchers: Count | None = Field(
        default=None, description="The most vouchers that the rules give.", examples=[500]
    )
    most_cost: Amount | None = Field(
        default=None,
        gt=0,
        description="The most that all vouchers given may cost together. A value without a known "
        "most, such as a percentage without `cap`, is then not given.",
        examples=["5000.00"],
    )

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
