"""The jobs of one delivery: leased as they are needed, recorded as they are done.

What is leased is delivered, or freed when the feed closes. It does not keep results back
for a job that takes long.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

from app.delivery.outcomes import Outcome

J = TypeVar("J")

#: While deliveries are under way: seconds between two looks for more (unless so many were found),
#: and the age at which results are recorded.
ASK = 0.02
MANY = 250
RECORD = 0.25


class JobSource(Protocol[J]):
    """What a feed asks of its runner: targets, leases, and that results are stored."""

    batch: int

    def take(self) -> tuple[bool, Sequence[int], bool]:
        """The next targets: whether they are urgent, they, and whether a sweep moved on."""

    def follow(self) -> Sequence[int]:
        """The next targets of the sweep."""

    def lease(self, targets: Sequence[int], results: Sequence[tuple[J, Outcome]]) -> list[J]:
        """The jobs of those targets that are free; results are stored on the way."""

    def record(self, results: Sequence[tuple[J, Outcome]], *, left: Sequence[J] = ()) -> None:
        """Store results, and free what was leased and not delivered."""


class Feed(Iterator[J]):
    """What a runner hands to whoever delivers.

    Iterating gives the targets that the delivery began with and, in a sweep, those that follow.
    `poll` gives the next job of all that is owed by then, urgent first, or None if there is none at
    the moment; it may be asked again, and `prepare` reads ahead for it. Either way what was done
    meanwhile is recorded, so that a job that takes long keeps no other's result from being stored.
    """

    def __init__(self, runner: JobSource[J], targets: Sequence[int], *, follows: bool) -> None:
        self._runner = runner
        self._targets = targets
        self._follows = follows
        self._ready: deque[J] = deque()
        self._waiting: dict[int, J] = {}
        self._results: list[tuple[J, Outcome]] = []
        self._asked_at = self._recorded_at = time.monotonic()

    def __next__(self) -> J:
        while not self._ready:
            targets, self._targets = self._targets, ()
            if not targets and self._follows:
                targets = self._runner.follow()
            if not targets:
                raise StopIteration
            self._lease(targets, urgent=False)
        return self._ready.popleft()

    def poll(self) -> J | None:
        """The next job, or None if there is none at the moment."""
        if not self._ready:
            self.prepare()
        return self._ready.popleft() if self._ready else None

    def prepare(self) -> None:
        """Lease what is owed by now, ahead of its turn, and record what was done.

        Best called while deliveries are under way; it does little if there is little to do.
        """
        if len(self._ready) >= self._runner.batch:
            return
        now = time.monotonic()
        urgent, targets, self._targets = False, self._targets, ()
        if not targets and now - self._asked_at >= ASK:
            urgent, targets, _ = self._runner.take()
            # Many small transactions would cost the tills their turns.
            if len(targets) < MANY:
                self._asked_at = now
        if targets:
            self._lease(targets, urgent=urgent)
        elif self._results and now - self._recorded_at >= RECORD:
            self._record()

    def done(self, job: J, outcome: Outcome) -> None:
        """Take the outcome of a job."""
        del self._waiting[id(job)]
        self._results.append((job, outcome))
        if len(self._results) >= 2 * self._runner.batch:
            self._record()

    def close(self) -> None:
        """Record what was done, and free what was not."""
        if self._waiting or self._results:
            left, self._waiting = tuple(self._waiting.values()), {}
            results, self._results = self._results, []
            self._runner.record(results, left=left)

    def _lease(self, targets: Sequence[int], *, urgent: bool) -> None:
        jobs = self._runner.lease(targets, self._results)
        self._results = []
        self._recorded_at = time.monotonic()
        self._waiting.update((id(job), job) for job in jobs)
        if urgent:
            self._ready.extendleft(reversed(jobs))
        else:
            self._ready.extend(jobs)

    def _record(self) -> None:
        results, self._results = self._results, []
        self._runner.record(results)
        self._recorded_at = time.monotonic()
