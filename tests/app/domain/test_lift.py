"""Lift against the holdout covers the true effect as often as it says."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.lift import Arm, share, spending


@pytest.mark.parametrize(("treated", "held_out"), [(0.12, 0.10), (0.02, 0.01), (0.3, 0.3)])
def test_interval_of_a_share_covers_the_true_effect_at_its_stated_rate(
    treated: float, held_out: float
) -> None:
    dice = random.Random(7)
    covered = 0
    runs = 600
    for _ in range(runs):
        one = Arm(people=900, acted=sum(dice.random() < treated for _ in range(900)))
        other = Arm(people=300, acted=sum(dice.random() < held_out for _ in range(300)))
        found = share(one, other, confidence=0.9)
        assert found is not None
        covered += found.low <= treated - held_out <= found.high

    # The rate itself varies by chance: four standard deviations of 600 runs are 0.05.
    assert 0.85 < covered / runs < 0.96


def test_interval_of_spending_covers_the_true_effect_at_its_stated_rate() -> None:
    dice = random.Random(11)
    covered = 0
    runs = 600
    for _ in range(runs):
        arms = []
        for people, mean in ((400, 3000), (200, 2500)):
            spent = [round(dice.expovariate(1 / mean)) for _ in range(people)]
            arms.append(
                Arm(
                    people=people,
                    spent_minor=sum(spent),
                    spent_squared=float(sum(each * each for each in spent)),
                )
            )
        found = spending(arms[0], arms[1], confidence=0.9)
        assert found is not None
        covered += found.low <= 500 <= found.high

    assert 0.85 < covered / runs < 0.95


@given(
    st.tuples(st.integers(1, 10_000), st.integers(1, 10_000)).flatmap(
        lambda sizes: st.tuples(st.just(sizes), st.integers(0, sizes[0]), st.integers(0, sizes[1]))
    )
)
def test_interval_holds_its_value_stays_possible_and_mirrors(
    drawn: tuple[tuple[int, int], int, int],
) -> None:
    (size, other_size), acted, other_acted = drawn
    one, other = Arm(people=size, acted=acted), Arm(people=other_size, acted=other_acted)

    found, mirrored = share(one, other), share(other, one)

    assert found is not None
    assert mirrored is not None
    assert found.low + 1e-9 >= -1
    assert found.low <= found.value <= found.high <= 1 + 1e-9
    assert found.low == pytest.approx(-mirrored.high, abs=1e-9)


def test_known_example_agrees_with_newcombes_table() -> None:
    """56 of 70 against 48 of 80: method 10 gives 0.0524 to 0.3339 (Newcombe 1998, table II)."""
    found = share(Arm(people=70, acted=56), Arm(people=80, acted=48))

    assert found is not None
    assert found.low == pytest.approx(0.0524, abs=1e-4)
    assert found.high == pytest.approx(0.3339, abs=1e-4)
    assert found.proven


def test_nothing_is_claimed_without_people() -> None:
    assert share(Arm(people=0), Arm(people=5)) is None
    assert spending(Arm(people=1), Arm(people=5)) is None
    with pytest.raises(ValueError, match="confidence"):
        share(Arm(people=5), Arm(people=5), confidence=95)
