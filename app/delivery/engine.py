"""The delivery engine: finds what is owed, leases it, delivers it, records it; for every wallet.

What is owed is read from the database and from nowhere else; hints only say where to
look first. A target is leased in a short transaction, delivered with no transaction open, and
recorded with the state that was read before. A worker killed at any point loses nothing: its
leases end, and others take over. Redemptions go before campaign edits, and campaign edits are
paced. A campaign edited while its last edit is being delivered costs each phone at most one more
delivery.
It does not know a wallet. A kind of installation is an `Installations`; adding one is one line in
`app.delivery.worker.SENDERS`.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections import Counter as _Counted
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import structlog
from prometheus_client import Counter
from sqlalchemy.orm import Session

from app.delivery.feed import Feed
from app.delivery.flow import Flow
from app.delivery.outcomes import DONE, Outcome, RequestFault, StopSender
from app.services.changes import Change, Subject
from app.services.deployment import Deployment
from app.services.metrics import REGISTRY
from app.store.session import Unavailable

J = TypeVar("J")

#: A delivery that was not recorded by then is somebody else's to do.
LEASE = dt.timedelta(seconds=120)
#: Targets taken at once: more makes a redemption wait longer behind a campaign edit.
BATCH = 1_000
#: Registrations that one step of a sweep looks at.
WINDOW = 5_000
#: Seconds between two looks at what is due, and between two full sweeps at least.
LOOK = 0.5
SWEEP_EVERY = 30.0
#: A sweep takes at most this share of the time.
SWEEP_SHARE = 0.05

OUTCOMES = Counter(
    "passerelle_deliveries_total", "Deliveries by outcome", ["kind", "outcome"], registry=REGISTRY
)


@dataclass(frozen=True, slots=True)
class Rest:
    """A sender that does not send at the moment: for how long, why, and what somebody can do."""

    until: dt.timedelta
    reason: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class SweepStep:
    """One step of a sweep: targets that are owed, and where the next step starts (None: done)."""

    targets: tuple[int, ...]
    next: int | None


class Installations(Protocol[J]):
    """One kind of installation: where passes are, and how their wallet is told.

    Targets are surrogate ids of what is told at once (a device, an object); a job `J` is a leased
    target with the state that was read when it was leased.
    """

    name: str
    #: Targets taken at once.
    batch: int

    def rest(self) -> Rest | None:
        """Say whether the sender rests; nothing is leased for it then."""

    def owed(self, session: Session, vouchers: Sequence[int], *, now: dt.datetime) -> list[int]:
        """Return the targets that are owed something for these vouchers."""

    def sweep(self, session: Session, *, campaign: int | None, after: int, limit: int) -> SweepStep:
        """Look at the next `limit` installations (of a campaign, or all) for owed targets."""

    def due(self, session: Session, *, now: dt.datetime, limit: int) -> list[int]:
        """Return targets whose lease or pause ended, or whose reminder has come."""

    def lease(
        self, session: Session, targets: Sequence[int], *, now: dt.datetime, until: dt.datetime
    ) -> list[J]:
        """Lease those that are owed and free; skip what others have."""

    def deliver(self, jobs: Feed[J], *, now: dt.datetime) -> Iterator[tuple[J, Outcome]]:
        """Tell the wallet; may stop early, what it did not yield is released.

        One that has many deliveries under way takes its jobs with `poll`, so that it always has
        what is most urgent; another just iterates over what this delivery is about.
        """

    def record(
        self, session: Session, results: Sequence[tuple[J, Outcome]], *, now: dt.datetime
    ) -> None:
        """Store what became of them, and end their leases."""

    def release(self, session: Session, jobs: Sequence[J], *, now: dt.datetime) -> None:
        """End leases without a result, so that they are owed at once."""

    def close(self) -> None:
        """Close connections."""


@dataclass(slots=True)
class _Sweep:
    """A walk over the installations of a campaign, or over all."""

    campaign: int | None
    after: int = 0
    found: deque[int] = field(default_factory=deque)
    begun: bool = False
    walked: bool = False


class Runner(Generic[J]):
    """Delivers for one kind of installation, in one thread.

    `step` does one piece of work and says whether there was any; `run` repeats it until stopped.
    Where it need not be `lasting`, leases and successes are forgotten if the machine fails right
    afterwards, and the deliveries made again; that spares the disk a flush for each transaction.
    """

    def __init__(
        self,
        deployment: Deployment,
        kind: Installations[J],
        *,
        flow: Flow | None = None,
        batch: int | None = None,
        lasting: bool = True,
    ) -> None:
        self.kind = kind
        self.flow = flow or Flow(deployment)
        #: How the sender was when it was last looked at; other threads may read it.
        self.rests: Rest | None = None
        self._deployment = deployment
        self._lasting = lasting
        #: Targets taken at once.
        self.batch = batch or kind.batch
        self._lock = threading.Lock()
        self._vouchers: set[int] = set()
        self._campaigns: set[int] = set()
        self._urgent: deque[int] = deque()
        self._sweeps: deque[_Sweep] = deque()
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._looked_at = float("-inf")
        self._swept_at = float("-inf")
        self._sweep_cost = 0.0
        self._log = structlog.get_logger().bind(kind=kind.name)

    def hint(self, changes: Iterable[Change]) -> None:
        """Take hints from any thread."""
        with self._lock:
            for change in changes:
                if change.subject is Subject.VOUCHER:
                    self._vouchers.add(change.id)
                else:
                    self._campaigns.add(change.id)
        self._wake.set()

    def stop(self) -> None:
        """Let `run` end after the batch it is at."""
        self._stop.set()
        self._wake.set()

    def run(self) -> None:
        """Work until stopped; a database that cannot answer is waited for."""
        while not self._stop.is_set():
            try:
                worked = self.step()
            except Unavailable as fault:
                self._log.warning("delivery_waits", reason=str(fault))
                self._stop.wait(fault.retry_after)
                continue
            except Exception:
                # One bad row must not end all deliveries; leases see to it that it is not hot.
                self._log.exception("delivery_failed")
                self._stop.wait(1.0)
                continue
            if not worked:
                self._wake.wait(min(LOOK, self.flow.wait() if self._sweeps else LOOK))
                self._wake.clear()
        self.kind.close()

    def step(self) -> bool:
        """Deliver what is owed now, urgent first, or walk one step of a sweep."""
        self.rests = self.kind.rest()
        if self.rests is not None:
            return False
        urgent, targets, walked = self.take()
        if targets:
            self._deliver(targets, follows=not urgent)
        return bool(targets) or walked

    def take(self) -> tuple[bool, Sequence[int], bool]:
        """Take the next targets: whether they are urgent, they, and whether a sweep moved on."""
        if self._stop.is_set():
            return False, (), False
        self._gather()
        if self._urgent:
            count = min(self.batch, len(self._urgent))
            return True, [self._urgent.popleft() for _ in range(count)], False
        walked = self._walk()
        return False, self.follow(), walked

    def follow(self) -> Sequence[int]:
        """Take the next targets of the sweep, as many as the flow allows; none if others wait."""
        if self._vouchers or self._urgent or not self._sweeps:
            return ()
        found = self._sweeps[0].found
        allowed = self.flow.allowance(min(self.batch, len(found))) if found else 0
        return [found.popleft() for _ in range(allowed)]

    def settle(self, *, steps: int = 10_000) -> None:
        """Work until nothing is owed that can be delivered now: for commands and tests."""
        self._swept_at = float("-inf")
        self._looked_at = float("-inf")
        for _ in range(steps):
            if not self.step():
                if not self._sweeps or self.rests is not None:
                    return
                time.sleep(self.flow.wait())

    def _gather(self) -> None:
        """Turn hints, leases that ended and reminders into targets and sweeps."""
        with self._lock:
            vouchers, self._vouchers = self._vouchers, set()
            campaigns, self._campaigns = self._campaigns, set()
        now = self._deployment.now()
        ticks = time.monotonic()
        look = ticks - self._looked_at >= LOOK
        if vouchers or look:
            try:
                with self._deployment.database.read() as session:
                    found: list[int] = []
                    ids = sorted(vouchers)
                    for at in range(0, len(ids), self.batch):
                        found += self.kind.owed(session, ids[at : at + self.batch], now=now)
                    if look:
                        found += self.kind.due(session, now=now, limit=4 * self.batch)
                        self._looked_at = ticks
            except Unavailable:
                with self._lock:
                    self._vouchers |= vouchers
                    self._campaigns |= campaigns
                raise
            waiting = set(self._urgent)
            self._urgent.extend(target for target in dict.fromkeys(found) if target not in waiting)
        for campaign in sorted(campaigns):
            # A walk that began before this edit has passed some phones already: walk anew after.
            if not any(each.campaign == campaign and not each.begun for each in self._sweeps):
                self._sweeps.append(_Sweep(campaign))
        rest = max(SWEEP_EVERY, self._sweep_cost / SWEEP_SHARE)
        if ticks - self._swept_at >= rest and not any(s.campaign is None for s in self._sweeps):
            self._swept_at = ticks
            self._sweep_cost = 0.0
            self._sweeps.append(_Sweep(None))

    def _walk(self) -> bool:
        """Read on in the first sweep, before it is used up; return whether there was anything."""
        if not self._sweeps:
            return False
        sweep = self._sweeps[0]
        if len(sweep.found) >= self.batch:
            return False
        if sweep.walked:
            if not sweep.found:
                self._sweeps.popleft()
            return not sweep.found
        self._deployment.precedence.give_way()
        began = time.monotonic()
        sweep.begun = True
        with self._deployment.database.read() as session:
            step = self.kind.sweep(
                session, campaign=sweep.campaign, after=sweep.after, limit=WINDOW
            )
        sweep.found.extend(step.targets)
        sweep.walked = step.next is None
        sweep.after = step.next or sweep.after
        if sweep.campaign is None:
            self._sweep_cost += time.monotonic() - began
        return True

    def _deliver(self, targets: Sequence[int], *, follows: bool) -> None:
        """Lease, then call, then record; no transaction is open while the network is awaited."""
        feed = Feed(self, targets, follows=follows)
        try:
            for job, outcome in self.kind.deliver(feed, now=self._deployment.now()):
                feed.done(job, outcome)
        finally:
            feed.close()

    def lease(self, targets: Sequence[int], results: Sequence[tuple[J, Outcome]]) -> list[J]:
        """Lease targets, and record results in the same transaction."""
        self._deployment.precedence.give_way()
        now = self._deployment.now()
        with self._deployment.database.write(lasting=self._must_last(results)) as session:
            if results:
                self.kind.record(session, results, now=now)
            jobs = self.kind.lease(session, targets, now=now, until=now + LEASE)
        self._count(results)
        return jobs

    def record(self, results: Sequence[tuple[J, Outcome]], *, left: Sequence[J] = ()) -> None:
        """Store results, and free what was leased and not delivered."""
        now = self._deployment.now()
        for patience in (0.1, 0.5, 2.0, 0.0):
            try:
                with self._deployment.database.write(lasting=self._must_last(results)) as session:
                    self.kind.record(session, results, now=now)
                    if left:
                        self.kind.release(session, left, now=now)
                break
            except Unavailable:
                # What was delivered should be remembered; else it is delivered once more.
                if not patience:
                    raise
                time.sleep(patience)
        self._count(results)

    def _must_last(self, results: Sequence[tuple[J, Outcome]]) -> bool:
        return self._lasting or not all(outcome is DONE for _, outcome in results)

    def _count(self, results: Sequence[tuple[J, Outcome]]) -> None:
        counted = _Counted(type(outcome).__name__.lower() for _, outcome in results)
        for name, count in counted.items():
            OUTCOMES.labels(self.kind.name, name).inc(count)
        for alarming in (StopSender, RequestFault):
            bad = [each for _, each in results if isinstance(each, alarming)]
            if bad:
                self._log.error(
                    "delivery_alarm", reason=bad[0].reason, remedy=bad[0].remedy, count=len(bad)
                )
