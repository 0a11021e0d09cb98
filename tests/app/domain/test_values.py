"""Who gets which value: pure rules, for any facts."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.campaign import Benefit, BenefitType, Terms
from app.domain.values import (
    Condition,
    Frequency,
    Given,
    Grant,
    NotGiven,
    Operator,
    Rules,
    StopCondition,
    Tier,
    Variant,
    Why,
    decide,
    draw,
    held_out,
    most_minor,
    points,
)

SEED = bytes(range(16))


def percent(number: int) -> Grant:
    return Grant(benefit=Benefit(type=BenefitType.PERCENT, percent=Decimal(number)))


def above(fact: str, number: int) -> tuple[Condition, ...]:
    return (Condition(of=fact, operator=Operator.ABOVE, values=(number,)),)


SCORES = Rules(
    tiers=(
        Tier(key="best", when=above("score", 500), grant=percent(20)),
        Tier(key="good", when=above("score", 200), grant=percent(15)),
    )
)


@pytest.mark.parametrize(
    ("score", "tier"), [(501, "best"), (500, "good"), (201, "good"), (200, None), (None, None)]
)
def test_first_tier_whose_conditions_hold_gives_its_value_and_nobody_else_gets_one(
    score: int | None, tier: str | None
) -> None:
    facts = {} if score is None else {"score": score}

    decision = decide(SCORES, facts, seed=SEED, recipient="ada")

    if tier is None:
        assert decision == NotGiven(why=Why.NO_TIER)
    else:
        assert isinstance(decision, Given)
        assert decision.tier == tier


@pytest.mark.parametrize(
    ("operator", "values", "fact", "holds"),
    [
        (Operator.AT_LEAST, (5,), 5, True),
        (Operator.ABOVE, (5,), 5, False),
        (Operator.AT_MOST, (5,), 5, True),
        (Operator.BELOW, (5,), 5, False),
        (Operator.BELOW, (5,), "4,5", True),
        (Operator.BELOW, (5,), "NaN", False),
        (Operator.BELOW, (5,), "few", False),
        (Operator.IS, ("Gold",), " gold", True),
        (Operator.IS, (3,), "3.0", True),
        (Operator.IS_NOT, ("gold",), "silver", True),
        (Operator.IS_NOT, ("gold",), "GOLD", False),
        (Operator.ONE_OF, ("a", "b"), "b", True),
        (Operator.ONE_OF, ("a", "b"), "c", False),
    ],
)
def test_conditions_compare_as_their_operator_says(
    operator: Operator, values: tuple[str | int, ...], fact: str | int, holds: bool
) -> None:
    condition = Condition(of="brand", operator=operator, values=values)

    assert condition.holds({"brand": fact}) is holds
    assert condition.holds({}) is False


def test_change_of_segment_is_a_condition_on_both_segments() -> None:
    slipping = Rules(
        tiers=(
            Tier(
                key="slipping",
                when=(
                    Condition(of="previous_segment", operator=Operator.IS, values=("loyal",)),
                    Condition(of="segment", operator=Operator.IS, values=("lapsing",)),
                ),
            ),
        )
    )

    moved = {"segment": "lapsing", "previous_segment": "loyal"}
    assert isinstance(decide(slipping, moved, seed=SEED, recipient="ada"), Given)
    stayed = {"segment": "lapsing", "previous_segment": "lapsing"}
    assert isinstance(decide(slipping, stayed, seed=SEED, recipient="ada"), NotGiven)


def test_who_bought_or_fits_a_stop_condition_or_had_enough_gets_nothing() -> None:
    rules = Rules(
        frequency=Frequency(group="baskets", count=1, days=30),
        stops=(
            StopCondition(event="renewed", days=90),
            StopCondition(when=(Condition(of="vip", operator=Operator.IS, values=("no",)),)),
        ),
    )

    assert isinstance(decide(rules, {}, seed=SEED, recipient="ada"), Given)
    assert decide(rules, {}, seed=SEED, recipient="ada", lately=1) == NotGiven(why=Why.CAPPED)
    stopped = NotGiven(why=Why.STOPPED)
    assert decide(rules, {}, seed=SEED, recipient="ada", done=["renewed"]) == stopped
    assert decide(rules, {"vip": "no"}, seed=SEED, recipient="ada") == stopped
    assert isinstance(decide(rules, {}, seed=SEED, recipient="ada", done=["visit"]), Given)


def test_tier_without_a_grant_shuts_its_people_out() -> None:
    rules = Rules(tiers=(Tier(key="staff", when=above("staff", 0), grant=None), Tier(key="rest")))

    staff = decide(rules, {"staff": 1}, seed=SEED, recipient="ada")
    assert staff == NotGiven(why=Why.TIER_OF_NOTHING, tier="staff")
    rest = decide(rules, {}, seed=SEED, recipient="ada")
    assert isinstance(rest, Given)
    assert rest.tier == "rest"


def test_variant_gives_its_own_value_or_the_tiers() -> None:
    card = Grant(campaign="birthday-card")
    rules = Rules(
        tiers=(Tier(key="all", grant=percent(10)),),
        variants=(Variant(key="card", grant=card), Variant(key="coupon")),
    )

    grants = {}
    for number in range(50):
        decision = decide(rules, {}, seed=SEED, recipient=f"r{number}")
        assert isinstance(decision, Given)
        grants[decision.key] = decision.grant
    assert grants == {"all.card": card, "all.coupon": percent(10)}


@given(
    weights=st.lists(st.integers(0, 9), min_size=1, max_size=5),
    recipient=st.text(min_size=1),
    seed=st.binary(min_size=16, max_size=16),
)
def test_draw_is_stable_and_never_gives_an_arm_without_weight(
    weights: list[int], recipient: str, seed: bytes
) -> None:
    variants = [Variant(key=str(at), weight=weight) for at, weight in enumerate(weights)]

    drawn = draw(variants, seed=seed, recipient=recipient)

    assert drawn == draw(variants, seed=seed, recipient=recipient)
    if sum(weights) == 0:
        assert drawn is None
    else:
        assert drawn is not None
        assert drawn.weight > 0


@given(recipient=st.text(min_size=1), low=st.integers(0, 100), more=st.integers(0, 100))
def test_larger_holdout_only_adds_people(recipient: str, low: int, more: int) -> None:
    small = Rules(holdout_percent=Decimal(low))
    large = Rules(holdout_percent=Decimal(min(100, low + more)))

    if held_out(small, seed=SEED, recipient=recipient):
        assert held_out(large, seed=SEED, recipient=recipient)
    assert held_out(Rules(holdout_percent=Decimal(100)), seed=SEED, recipient=recipient)
    assert not held_out(Rules(), seed=SEED, recipient=recipient)


def test_arms_get_their_shares_and_the_holdout_is_drawn_apart_from_them() -> None:
    rules = Rules(
        variants=(Variant(key="a", weight=3), Variant(key="b", weight=1)),
        holdout_percent=Decimal(20),
    )
    people = [f"person-{number}" for number in range(8_000)]

    decisions = [decide(rules, {}, seed=SEED, recipient=person) for person in people]

    counts = Counter(each.variant if isinstance(each, Given) else each.why for each in decisions)
    # Five standard deviations around what the weights say.
    assert abs(counts[Why.HOLDOUT] - 1_600) < 180
    assert abs(counts["a"] - 4_800) < 220
    assert abs(counts["b"] - 1_600) < 180


def test_another_seed_draws_anew() -> None:
    rules = Rules(holdout_percent=Decimal(50))
    drawn = [
        [held_out(rules, seed=seed, recipient=str(number)) for number in range(200)]
        for seed in (SEED, SEED[::-1])
    ]

    assert drawn[0] != drawn[1]


@given(
    st.dictionaries(
        st.sampled_from(["score", "basket", "segment", "brand"]),
        st.one_of(st.integers(-1000, 1000), st.text(max_size=5)),
    )
)
def test_earlier_tier_always_wins_over_a_later_one(facts: dict[str, int | str]) -> None:
    everyone = Tier(key="everyone")
    matched = decide(SCORES, facts, seed=SEED, recipient="ada")
    with_rest = decide(Rules(tiers=(*SCORES.tiers, everyone)), facts, seed=SEED, recipient="ada")

    assert isinstance(with_rest, Given)
    if isinstance(matched, Given):
        assert with_rest == matched
    else:
        assert with_rest.tier == "everyone"


@pytest.mark.parametrize(
    ("terms", "holds_money", "most"),
    [
        (Terms(benefit=Benefit(type=BenefitType.AMOUNT, minor=500)), False, 500),
        (Terms(benefit=Benefit(type=BenefitType.AMOUNT, minor=500), uses=3), False, 1500),
        (Terms(benefit=Benefit(type=BenefitType.AMOUNT, minor=500), uses=None), False, None),
        (Terms(benefit=Benefit(type=BenefitType.PERCENT, percent=Decimal(20))), False, None),
        (
            Terms(benefit=Benefit(type=BenefitType.PERCENT, percent=Decimal(20), cap_minor=900)),
            False,
            900,
        ),
        (Terms(benefit=Benefit(type=BenefitType.FREE_SHIPPING)), False, None),
        (Terms(amount_minor=1500), True, 1500),
    ],
)
def test_most_that_a_voucher_costs_is_known_only_where_something_bounds_it(
    terms: Terms, holds_money: bool, most: int | None
) -> None:
    assert most_minor(terms, holds_money=holds_money) == most


def test_grant_changes_the_value_and_keeps_every_limit() -> None:
    terms = Terms(uses=2, amount_minor=100, min_basket_minor=5000)

    changed = percent(15).terms(terms)

    assert changed.benefit.percent == 15
    assert (changed.uses, changed.amount_minor, changed.min_basket_minor) == (2, 100, 5000)
    assert Grant(amount_minor=0).terms(terms).amount_minor == 0
    assert Grant().terms(terms) == terms
    assert not Grant(campaign="other").changes_terms


def test_points_count_each_event_by_its_worth() -> None:
    rules = Rules(points={"purchase": 10, "visit": 1})

    assert points(rules, {"purchase": 3, "visit": 4, "view": 9}) == 34
