"""Who gets which value: tiers, the variants of a test, a holdout, caps and stop conditions.

The same rules, facts and recipient always give the same decision; of the tiers the
first that matches wins; a recipient's place in a test depends on the campaign's seed and on
nothing that changes. A fact that is not known matches no condition.
It does not read a clock, a database or a file; how often a recipient got something lately, and
what they did, is handed in.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from app.domain.campaign import Benefit, BenefitType, Terms, Texts

#: What the marketer's system says of a recipient or of an occasion: numbers, or text. Amounts are
#: in minor units.
Fact = str | int | Decimal
Facts = Mapping[str, Fact]

#: Whole numbers rather than fractions, because everybody is placed and they cost less.
_PLACES = 1 << 64

#: Facts that are no attribute: everything else is looked up among the recipient's attributes.
AMOUNTS = frozenset({"basket", "lifetime"})
#: What a recipient did, in points.
POINTS = "points"
NAMED = frozenset(
    {"score", "segment", "previous_segment", POINTS, "language", "occasion", *AMOUNTS}
)

#: The reported event by which campaigns are measured.
PURCHASE = "purchase"
#: Events that the service knows from its own books: a recipient's voucher was redeemed, added to a
#: wallet or looked at. Reported as well, what is more counts, so that nothing counts twice.
REDEEMED = "redeemed"
OWN_EVENTS = frozenset({REDEEMED, "added", "viewed"})


class Operator(StrEnum):
    """How a fact is compared."""

    AT_LEAST = "at_least"
    ABOVE = "above"
    AT_MOST = "at_most"
    BELOW = "below"
    IS = "is"
    IS_NOT = "is_not"
    ONE_OF = "one_of"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One comparison, such as score above 500; `values` has one value unless it is `one_of`."""

    of: str
    operator: Operator
    values: tuple[str | int | Decimal, ...]

    def holds(self, facts: Facts) -> bool:
        """Whether the fact is known and compares as it should."""
        fact = facts.get(self.of)
        if fact is None:
            return False
        if self.operator is Operator.IS_NOT:
            return not any(_equal(fact, value) for value in self.values)
        if self.operator in (Operator.IS, Operator.ONE_OF):
            return any(_equal(fact, value) for value in self.values)
        value = self.values[0]
        # Whole numbers, which most facts are, compare as they are.
        number = fact if isinstance(fact, (int, Decimal)) else _number(fact)
        limit = value if isinstance(value, (int, Decimal)) else _number(value)
        if number is None or limit is None:
            return False
        match self.operator:
            case Operator.AT_LEAST:
                return number >= limit
            case Operator.ABOVE:
                return number > limit
            case Operator.AT_MOST:
                return number <= limit
        return number < limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A value that differs from the campaign's own; what is None stays as the campaign says.

    `campaign` names another campaign that the voucher is issued from, of any kind: that is how a
    test compares a coupon with a gift card.
    """

    benefit: Benefit | None = None
    amount_minor: int | None = None
    campaign: str | None = None
    texts: dict[str, Texts] = field(default_factory=dict)

    @property
    def changes_terms(self) -> bool:
        return self.benefit is not None or self.amount_minor is not None

    def terms(self, terms: Terms) -> Terms:
        """The campaign's terms with this value."""
        return replace(
            terms,
            benefit=terms.benefit if self.benefit is None else self.benefit,
            amount_minor=terms.amount_minor if self.amount_minor is None else self.amount_minor,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """A value for those of whom every condition holds; without a grant they get nothing."""

    key: str
    when: tuple[Condition, ...] = ()
    grant: Grant | None = field(default_factory=Grant)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One arm of a test; without a grant of its own it gives what the tier gives."""

    key: str
    weight: int = 1
    grant: Grant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Frequency:
    """At most `count` vouchers in `days` days from all campaigns that share `group`."""

    group: str
    count: int = 1
    days: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class StopCondition:
    """Who gets nothing any more: those of whom all conditions hold, or who did `event` within
    `days` (0: ever). `withdraw` also takes back what they got and did not use.
    """

    when: tuple[Condition, ...] = ()
    event: str | None = None
    days: int = 0
    withdraw: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How a campaign decides. Without tiers everybody gets the campaign's own value."""

    tiers: tuple[Tier, ...] = ()
    variants: tuple[Variant, ...] = ()
    #: Share of those who would get something that gets nothing, to measure the effect, in percent.
    holdout_percent: Decimal = Decimal(0)
    frequency: Frequency | None = None
    stops: tuple[StopCondition, ...] = ()
    #: Points of each event, reported or of `OWN_EVENTS`, by its name.
    points: dict[str, int] = field(default_factory=dict)
    #: How many days an event gives its points; None is for ever.
    points_within_days: int | None = None
    #: Most vouchers that are issued, and the most that they may cost together, in minor units.
    most_vouchers: int | None = None
    most_minor: int | None = None

    def points_since(self, now: dt.datetime) -> dt.datetime | None:
        """After when an event gives points at `now`; None is ever."""
        days = self.points_within_days
        return None if days is None else now - dt.timedelta(days=days)


class Why(StrEnum):
    """Why a recipient gets nothing."""

    NO_TIER = "no_tier"
    TIER_OF_NOTHING = "tier_of_nothing"
    STOPPED = "stopped"
    CAPPED = "capped"
    HOLDOUT = "holdout"
    BUDGET = "budget"
    #: The most that it can cost is not known, and the budget has a limit.
    UNBOUNDED = "unbounded"
    NO_CODE = "no_code"
    #: They were forgotten, or had it before they were.
    FORGOTTEN = "forgotten"
    #: The campaign gives a voucher for each birthday: none of this recipient is due, or known.
    NOT_DUE = "not_due"
    NO_BIRTHDAY = "no_birthday"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A recipient gets `grant`, by the rules named."""

    grant: Grant
    tier: str = ""
    variant: str = ""

    @property
    def key(self) -> str:
        """Name of what is given, the same for the same value: of the variant, else of the tier."""
        return ".".join(filter(None, (self.tier, self.variant)))


@dataclass(frozen=True, slots=True, kw_only=True)
class NotGiven:
    """A recipient gets nothing, and why; `tier` names what they would have got."""

    why: Why
    tier: str = ""


def decide(
    rules: Rules,
    facts: Facts,
    *,
    seed: bytes,
    recipient: str,
    lately: int = 0,
    done: Sequence[str] = (),
) -> Given | NotGiven:
    """What a recipient gets.

    Args:
        seed: the campaign's, random and kept for its life.
        recipient: what names the recipient for ever.
        lately: vouchers that the recipient got within the frequency's window and group.
        done: events that the recipient did within the window of the stop that names them.
    """
    if stopped(rules, facts, done=done):
        return NotGiven(why=Why.STOPPED)
    if rules.frequency is not None and lately >= rules.frequency.count:
        return NotGiven(why=Why.CAPPED)
    tier = next(
        (tier for tier in rules.tiers if all(condition.holds(facts) for condition in tier.when)),
        None,
    )
    if tier is None and rules.tiers:
        return NotGiven(why=Why.NO_TIER)
    if tier is not None and tier.grant is None:
        return NotGiven(why=Why.TIER_OF_NOTHING, tier=tier.key)
    name = tier.key if tier is not None else ""
    if held_out(rules, seed=seed, recipient=recipient):
        return NotGiven(why=Why.HOLDOUT, tier=name)
    grant = tier.grant if tier is not None and tier.grant is not None else Grant()
    variant = draw(rules.variants, seed=seed, recipient=recipient)
    if variant is None:
        return Given(grant=grant, tier=name)
    return Given(grant=variant.grant or grant, tier=name, variant=variant.key)


def stopped(rules: Rules, facts: Facts, *, done: Sequence[str] = ()) -> bool:
    """Whether a stop condition holds; `done` as for `decide`."""
    return any(
        (stop.event is not None and stop.event in done)
        or (bool(stop.when) and all(condition.holds(facts) for condition in stop.when))
        for stop in rules.stops
    )


def held_out(rules: Rules, *, seed: bytes, recipient: str) -> bool:
    """Whether a recipient is in the holdout; growing its share only adds people to it."""
    if not rules.holdout_percent:
        return False
    return _place(seed, "holdout", recipient) * 100 < rules.holdout_percent * _PLACES


def draw(variants: Sequence[Variant], *, seed: bytes, recipient: str) -> Variant | None:
    """The recipient's arm, by weight; None when there is no test."""
    total = sum(variant.weight for variant in variants)
    if not total:
        return None
    place = _place(seed, "variant", recipient) * total
    for variant in variants:
        place -= variant.weight * _PLACES
        if place < 0:
            return variant
    raise AssertionError("A place is below their number, so that the weights cannot be used up.")


def most_minor(terms: Terms, *, holds_money: bool) -> int | None:
    """The most that one voucher on these terms costs, in minor units; None when nothing bounds
    it.
    """
    if holds_money:
        return terms.amount_minor
    benefit = terms.benefit
    once = {
        BenefitType.AMOUNT: benefit.minor,
        BenefitType.PERCENT: benefit.cap_minor,
    }.get(benefit.type)
    if once is None or terms.uses is None:
        return None
    return once * terms.uses


def points(rules: Rules, counts: Mapping[str, int]) -> int:
    """The points of a recipient who did these events so many times."""
    return sum(worth * counts.get(name, 0) for name, worth in rules.points.items())


def _place(seed: bytes, what: str, recipient: str) -> int:
    """A recipient's place among `_PLACES`, the same for ever: HMAC-SHA256 under the seed."""
    digest = hmac.digest(seed, f"{what}\0{recipient}".encode(), hashlib.sha256)
    return int.from_bytes(digest[:8], "big")


def _number(value: Fact) -> Decimal | None:
    if isinstance(value, str):
        try:
            number = Decimal(value.strip().replace(",", "."))
        except InvalidOperation:
            return None
        return number if number.is_finite() else None
    return Decimal(value)


def _equal(fact: Fact, value: Fact) -> bool:
    """Text compares without regard to case; a number equals the text that writes it."""
    if isinstance(fact, str) and isinstance(value, str):
        return fact.strip().casefold() == value.strip().casefold()
    one, other = _number(fact), _number(value)
    return one is not None and one == other
