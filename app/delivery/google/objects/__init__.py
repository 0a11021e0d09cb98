"""Objects at Google as the engine sees them: inserted when wanted, patched on change, told of news.

One call at a time for each object; what is recorded is the pair that was read before
building; a change that shows nowhere on the object costs no call; whether anybody holds an object
is Google's word alone, since many may. A message follows the change it speaks of. It does not call
for an object that nobody holds, and to repeat content that Google refused before it changes (it is
tried again after hours, in case a picture was only out of reach).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy.orm import Session

from app.delivery.engine import Rest, SweepStep
from app.delivery.google.calls import Calls
from app.delivery.google.objects import leases
from app.delivery.google.objects.caller import CallRunner
from app.delivery.google.objects.job import ObjectJob
from app.delivery.google.objects.results import record, release
from app.delivery.outcomes import Outcome

__all__ = ["GoogleEdits", "GoogleObjects", "ObjectJob"]


class GoogleObjects:
    """`Installations` for Google's objects; its targets are rows of `google_object`.

    This is the lane of vouchers: redemptions, customers who wait for a link, callbacks, balances.
    """

    name = "google"
    #: A second's worth of Google's rate.
    batch = 20
    lane = leases.Lane.VOUCHERS

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._caller = CallRunner(calls, batch=self.batch)

    def rest(self) -> Rest | None:
        return self._calls.rest()

    def owed(self, session: Session, vouchers: Sequence[int], *, now: dt.datetime) -> list[int]:
        return leases.owed(session, vouchers, now=now)

    def sweep(self, session: Session, *, campaign: int | None, after: int, limit: int) -> SweepStep:
        return leases.sweep(session, self.lane, campaign=campaign, after=after, limit=limit)

    def due(self, session: Session, *, now: dt.datetime, limit: int) -> list[int]:
        return leases.due(session, self.lane, now=now, limit=limit)

    def lease(
        self, session: Session, targets: Sequence[int], *, now: dt.datetime, until: dt.datetime
    ) -> list[ObjectJob]:
        return leases.lease(session, self.lane, targets, now=now, until=until)

    def deliver(
        self, jobs: Iterable[ObjectJob], *, now: dt.datetime
    ) -> Iterator[tuple[ObjectJob, Outcome]]:
        return self._caller.deliver(jobs, now=now)

    def record(
        self,
        session: Session,
        results: Sequence[tuple[ObjectJob, Outcome]],
        *,
        now: dt.datetime,
    ) -> None:
        record(session, results, now=now)

    def release(self, session: Session, jobs: Sequence[ObjectJob], *, now: dt.datetime) -> None:
        release(session, jobs, now=now)

    def close(self) -> None:
        self._caller.close()


class GoogleEdits(GoogleObjects):
    """The lane of campaigns: edits that show on objects, and what marketers tell all holders.

    It has a thread of its own and, with ``Calls(spare=True)``, only what the other leaves over of
    Google's rate, so that no redemption ever stands behind it.
    """

    name = "google_edits"
    lane = leases.Lane.CAMPAIGNS

    def owed(self, session: Session, vouchers: Sequence[int], *, now: dt.datetime) -> list[int]:
        return []
