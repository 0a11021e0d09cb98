"""Failures of the Google stand-in, on command or at random, and the rate it allows.

Promises: random failures repeat themselves by their seed. A failure comes before the work is done,
after it (so that the caller cannot know), or as no answer at all.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field

__all__ = ["Bucket", "Chaos", "PlannedFault"]


@dataclass(slots=True)
class PlannedFault:
    """A failure on command for the next ``times`` calls that match.

    ``status`` 0 closes the connection without an answer; ``after`` does the work first, so that
    the answer is lost but the change is not. ``delay`` makes the work take seconds longer; ``hang``
    holds the answer back for seconds once the work is done.
    """

    status: int
    method: str = ".*"
    path: str = ".*"
    times: int = 1
    after: bool = False
    retry_after: int | None = None
    reason: str = "Fault on command."
    delay: float = 0.0
    hang: float = 0.0


@dataclass
class Chaos:
    """Random faults on a ``share`` of the calls, repeatable through ``seed``."""

    share: float
    seed: int = 1
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311  (repeatable, not secret)

    def next(self) -> PlannedFault | None:
        if self._random.random() >= self.share:
            return None
        return self._random.choice(
            [
                PlannedFault(503),
                PlannedFault(500, after=True),
                PlannedFault(0),
                PlannedFault(0, after=True),
                PlannedFault(429, retry_after=1),
            ]
        )


@dataclass
class Bucket:
    """A token bucket: ``rate`` calls a second, ``burst`` at once."""

    rate: float
    burst: float
    tokens: float = 0.0
    seen: float = 0.0

    def take(self) -> bool:
        """Take a call's worth, if there is one."""
        now = time.monotonic()
        if not self.seen:
            self.tokens, self.seen = self.burst, now
        self.tokens = min(self.burst, self.tokens + (now - self.seen) * self.rate)
        self.seen = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True
