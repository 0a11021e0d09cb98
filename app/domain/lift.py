"""What a campaign brought, against those who were held out of it: differences with intervals.

Shares are compared by Newcombe's hybrid score interval (Statistics in Medicine 17, 1998, method
10), which covers the truth at its stated rate for small groups and for shares near 0 too; means by
Welch's interval with the normal quantile, for which groups of some dozens suffice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """A group: how many people, how many of them acted, what they spent in minor units (sum, and
    sum of each person's squared spending).
    """

    people: int
    acted: int = 0
    spent_minor: int = 0
    spent_squared: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A difference, and the interval in which the true one lies at the stated confidence."""

    value: float
    low: float
    high: float
    confidence: float

    @property
    def proven(self) -> bool:
        """Whether the interval leaves out no difference at all."""
        return self.low > 0 or self.high < 0


def share(treated: Arm, held_out: Arm, *, confidence: float = 0.95) -> Difference | None:
    """How much larger the acting share is among the treated (0.02 is two points of a hundred);
    None when a group is empty.
    """
    if not treated.people or not held_out.people:
        return None
    z = _quantile(confidence)
    one, other = treated.acted / treated.people, held_out.acted / held_out.people
    low_one, high_one = _wilson(treated.acted, treated.people, z)
    low_other, high_other = _wilson(held_out.acted, held_out.people, z)
    difference = one - other
    return Difference(
        value=difference,
        low=difference - math.hypot(one - low_one, high_other - other),
        high=difference + math.hypot(high_one - one, other - low_other),
        confidence=confidence,
    )


def spending(treated: Arm, held_out: Arm, *, confidence: float = 0.95) -> Difference | None:
    """How much more the treated spent per person, in minor units; None when a group has fewer
    than two people.
    """
    if treated.people < 2 or held_out.people < 2:
        return None
    z = _quantile(confidence)
    difference = treated.spent_minor / treated.people - held_out.spent_minor / held_out.people
    width = z * math.sqrt(_variance_of_mean(treated) + _variance_of_mean(held_out))
    return Difference(
        value=difference, low=difference - width, high=difference + width, confidence=confidence
    )


def _quantile(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError("A confidence lies between 0 and 1, such as 0.95.")
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def _wilson(acted: int, people: int, z: float) -> tuple[float, float]:
    share = acted / people
    middle = share + z * z / (2 * people)
    width = z * math.sqrt(share * (1 - share) / people + z * z / (4 * people * people))
    scale = 1 + z * z / people
    return max(0.0, (middle - width) / scale), min(1.0, (middle + width) / scale)


def _variance_of_mean(arm: Arm) -> float:
    mean = arm.spent_minor / arm.people
    variance = max(0.0, arm.spent_squared - arm.people * mean * mean) / (arm.people - 1)
    return variance / arm.people
