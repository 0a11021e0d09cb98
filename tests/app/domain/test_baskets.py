"""Discounts, line by line: whole units that add up, by one rounding rule."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from app.domain.baskets import Line, discount, eligible, share
from app.domain.campaign import Benefit, BenefitType, Products


def _percent(percent: str, cap: int | None = None) -> Benefit:
    return Benefit(type=BenefitType.PERCENT, percent=Decimal(percent), cap_minor=cap)


def test_percentage_is_rounded_once_half_up_and_shared_by_largest_remainder() -> None:
    # 15 % of 10.30 is 1.545: 1.55 in all, and not 0.50 + 0.50 + 0.55 rounded line by line.
    assert discount(_percent("15"), [333, 333, 364]) == (50, 50, 55)
    assert discount(_percent("50"), [1]) == (1,)
    assert discount(_percent("20", cap=100), [1000, 1000]) == (50, 50)


def test_amount_takes_no_more_than_there_is() -> None:
    amount = Benefit(type=BenefitType.AMOUNT, minor=500)

    assert discount(amount, [200, 100]) == (200, 100)
    assert discount(amount, []) == ()
    assert discount(Benefit(type=BenefitType.GIFT), [200]) == (0,)


@given(st.lists(st.integers(0, 10**9), max_size=30), st.decimals(0, 100, places=2, allow_nan=False))
def test_lines_add_up_and_none_goes_below_zero(left: list[int], percent: Decimal) -> None:
    parts = discount(_percent(str(percent)), left)

    exact = Decimal(sum(left)) * percent / 100
    assert abs(sum(parts) - exact) <= Decimal("0.5")
    assert all(0 <= part <= line for part, line in zip(parts, left, strict=True))


@given(st.integers(0, 10**9), st.lists(st.integers(0, 10**6), min_size=1, max_size=20))
def test_sharing_loses_nothing(total: int, weights: list[int]) -> None:
    shared = share(total, weights)

    assert sum(shared) == (total if sum(weights) else 0)


def test_products_are_named_by_article_prefix_or_category() -> None:
    shoes = Products(skus=("A1",), prefixes=("SHOE-",), categories=("sport",))

    assert eligible(Products(), Line(id="1", amount_minor=1))
    assert eligible(shoes, Line(id="1", amount_minor=1, sku="A1"))
    assert eligible(shoes, Line(id="1", amount_minor=1, sku="SHOE-9"))
    assert eligible(shoes, Line(id="1", amount_minor=1, category="sport"))
    assert not eligible(shoes, Line(id="1", amount_minor=1, sku="A", category=""))
