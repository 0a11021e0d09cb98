"""Baskets, and what a coupon takes off them, line by line.

The rounding rule: a coupon's discount is computed once on the sum of its eligible lines and
rounded half up to a minor unit; the total is then shared over those lines in proportion to what
is left of each, by largest remainder (ties to the earlier line). Lines therefore always add up to
the total, no line goes below zero, and coupons of one receipt apply in the order of the call, each
to what the earlier ones left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from app.domain.campaign import Benefit, BenefitType, Products


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a receipt; `amount_minor` is for the whole quantity, taxes included."""

    id: str
    amount_minor: int
    sku: str = ""
    category: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Basket:
    """What is being bought, in one currency."""

    currency: str
    lines: tuple[Line, ...] = ()

    @property
    def total_minor(self) -> int:
        return sum(line.amount_minor for line in self.lines)


def eligible(products: Products, line: Line) -> bool:
    """Whether a coupon for `products` applies to `line`; a coupon for nothing is for all."""
    if not (products.skus or products.prefixes or products.categories):
        return True
    return (
        line.sku in products.skus
        or (bool(products.prefixes) and line.sku.startswith(products.prefixes))
        or (bool(line.category) and line.category in products.categories)
    )


def discount(benefit: Benefit, left: Sequence[int]) -> tuple[int, ...]:
    """What `benefit` takes off each eligible line, of which `left` minor units are left.

    Only percentages and amounts take something off; the others are the till's to grant.
    """
    base = sum(left)
    if benefit.type is BenefitType.PERCENT and benefit.percent is not None:
        exact = Decimal(base) * benefit.percent / 100
        total = int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))
        if benefit.cap_minor is not None:
            total = min(total, benefit.cap_minor)
    elif benefit.type is BenefitType.AMOUNT and benefit.minor is not None:
        total = benefit.minor
    else:
        total = 0
    return share(min(total, base), left)


def share(total: int, weights: Sequence[int]) -> tuple[int, ...]:
    """`total` over `weights` in proportion, in whole units that add up to it exactly."""
    base = sum(weights)
    if base == 0:
        return tuple(0 for _ in weights)
    floors = [total * weight // base for weight in weights]
    remainders = [total * weight % base for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda index: -remainders[index])
    for index in by_remainder[: total - sum(floors)]:
        floors[index] += 1
    return tuple(floors)
