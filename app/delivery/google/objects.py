"""Objects at Google as the engine sees them: inserted when wanted, patched on change, told of news.

Promises: one call at a time for each object; what is recorded is the pair that was read before
building; a change that shows nowhere on the object costs no call; whether anybody holds an object
is Google's word alone, since many may. A message follows the change it speaks of. Refuses: to call
for an object that nobody holds, and to repeat content that Google refused before it changes (it is
tried again after hours, in case a picture was only out of reach).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, cast

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select, update
from sqlalchemy.orm import Session

from app.delivery.engine import Found, Rest
from app.delivery.google import messages
from app.delivery.google.bodies import patch_body
from app.delivery.google.calls import LATER, Busy, Calls
from app.delivery.google.classes import REFUSED_FOR, bring, digest_of
from app.delivery.google.rest import Answer, Change, Collection, Verdict
from app.delivery.outcomes import DONE, Done, Fault, Outcome, Retry
from app.domain.kinds import KINDS
from app.services import events, google_wallet, installations, presenting
from app.services.presenting import Holding
from app.store.models import Campaign, GoogleClass, GoogleMessage, GoogleObject, Voucher
from passes.errors import PassError
from passes.google import OBJECT_TYPES

#: Objects that one request changes: half a second's worth of Google's rate.
TOGETHER = 10
#: How long after an insert that no callback followed Google is asked whether anybody holds it.
ASK_UNHEARD = dt.timedelta(days=1)
#: Calls under way at a time; Google answers in about a tenth of a second.
THREADS = 4

#: The longest that a call may take with all its waiting; none begins with less of a lease left.
CALL_TAKES = dt.timedelta(seconds=60)

_LATE = Retry(LATER, "Its lease was about to end.")
_OPEN = ("wanted", "unclear")
_LOOKED_THROUGH = 20


@dataclass(slots=True)
class ObjectJob:
    """A leased object, as it stood when it was leased."""

    row_id: int
    #: When the lease lapses; nobody else's lease of the row lapses then.
    until: dt.datetime
    voucher_id: int
    public_id: int
    object_id: str
    inserted: bool
    #: Only the campaign changed: many of these may share a request.
    campaign_only: bool
    asks: bool
    speaks: bool
    digest: bytes | None
    ask_users_at: dt.datetime | None
    attempts: int
    #: What was found and sent, once it was.
    holding: Holding | None = field(default=None, repr=False)
    sent: bytes | None = None
    has_users: bool | None = None
    #: Google does not have it, or its class.
    gone: bool = False
    waited: bool = False


@dataclass(frozen=True, slots=True)
class _Built:
    collection: Collection
    body: Mapping[str, Any]
    digest: bytes


class GoogleObjects:
    """`Installations` for Google's objects; its targets are rows of `google_object`."""

    name = "google"
    #: A second's worth of Google's rate: a redemption waits no longer behind a campaign edit.
    batch = 20

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="google")

    def rest(self) -> Rest | None:
        return self._calls.rest()

    def owed(self, session: Session, vouchers: Sequence[int], *, now: dt.datetime) -> list[int]:
        query = _rows(select(GoogleObject.id)).where(
            GoogleObject.voucher_id.in_(vouchers),
            or_(GoogleObject.status == "wanted", _differs()),
        )
        return list(session.scalars(query))

    def sweep(self, session: Session, *, campaign: int | None, after: int, limit: int) -> Found:
        window = (
            select(GoogleObject.id)
            .where(GoogleObject.id > after)
            .order_by(GoogleObject.id)
            .limit(limit)
            .subquery()
        )
        last, count = session.execute(select(func.max(window.c.id), func.count())).one()
        if not count:
            return Found((), None)
        query = _rows(select(GoogleObject.id)).where(
            GoogleObject.id > after,
            GoogleObject.id <= last,
            or_(
                # Those that have a time of their own are found by it.
                and_(_differs(), GoogleObject.due_at.is_(None)),
                # What Google refused is worth another try as soon as it reads differently.
                and_(
                    GoogleObject.refused_voucher.is_not(None),
                    or_(
                        GoogleObject.refused_voucher.is_distinct_from(Voucher.version),
                        GoogleObject.refused_campaign.is_distinct_from(Campaign.version),
                    ),
                ),
            ),
        )
        if campaign is not None:
            query = query.where(Voucher.campaign_id == campaign)
        found = tuple(session.scalars(query.order_by(GoogleObject.id)))
        return Found(found, None if count < limit else last)

    def due(self, session: Session, *, now: dt.datetime, limit: int) -> list[int]:
        # A customer who waits comes first. Only a second's worth is taken at a time, so that a
        # redemption never stands behind a long queue of these.
        first = case((GoogleObject.status == "wanted", 0), else_=1)
        query = (
            select(GoogleObject.id)
            .where(GoogleObject.due_at <= now)
            .order_by(first, GoogleObject.due_at)
            .limit(min(limit, _LOOKED_THROUGH))
        )
        return list(session.scalars(query))

    def lease(
        self, session: Session, targets: Sequence[int], *, now: dt.datetime, until: dt.datetime
    ) -> list[ObjectJob]:
        speaks = exists().where(
            GoogleMessage.object_id == GoogleObject.id, GoogleMessage.status.in_(_OPEN)
        )
        voucher_differs = GoogleObject.sent_voucher.is_distinct_from(Voucher.version)
        rows = session.execute(
            _rows(
                select(
                    GoogleObject,
                    Voucher.public_id,
                    Voucher.version.label("voucher"),
                    Campaign.version.label("campaign"),
                    _differs().label("differs"),
                    voucher_differs.label("voucher_differs"),
                    speaks.label("speaks"),
                )
            )
            .where(
                GoogleObject.id.in_(targets),
                or_(GoogleObject.claimed_until.is_(None), GoogleObject.claimed_until <= now),
            )
            .order_by(GoogleObject.id)
            .with_for_update(skip_locked=True, of=GoogleObject)
        ).all()
        jobs: list[ObjectJob] = []
        for found in rows:
            row: GoogleObject = found.GoogleObject
            waits = row.due_at is not None and row.due_at > now
            other = (row.refused_voucher, row.refused_campaign) != (found.voucher, found.campaign)
            asks = row.ask_users_at is not None and row.ask_users_at <= now
            wanted = row.status == "wanted"
            held = row.status == "inserted" and row.has_users is not False
            if waits and not (row.refused_voucher is not None and other) and not _ahead(row, now):
                continue
            if not (wanted or found.differs or asks or (found.speaks and held)):
                if not waits:
                    row.due_at, row.claimed_until = row.ask_users_at, None
                continue
            row.claimed_until = row.due_at = until
            jobs.append(
                ObjectJob(
                    row_id=row.id,
                    until=until,
                    voucher_id=row.voucher_id,
                    public_id=found.public_id,
                    object_id=row.object_id,
                    inserted=not wanted,
                    campaign_only=not wanted
                    and not found.voucher_differs
                    and not asks
                    and not found.speaks,
                    asks=asks,
                    speaks=bool(found.speaks) and held,
                    digest=row.sent_digest,
                    ask_users_at=row.ask_users_at,
                    attempts=row.attempts,
                )
            )
        return jobs

    def deliver(
        self, jobs: Iterable[ObjectJob], *, now: dt.datetime
    ) -> Iterator[tuple[ObjectJob, Outcome]]:
        # No more than can be called about before the leases end; the engine offers a whole sweep.
        taken = list(islice(jobs, self.batch))
        single = [job for job in taken if not job.campaign_only]
        edits = [job for job in taken if job.campaign_only]
        running = {self._pool.submit(self._one, job, now=now): job for job in single}
        for done in as_completed(running):
            yield running[done], done.result()
        for start in range(0, len(edits), TOGETHER):
            yield from self._together(edits[start : start + TOGETHER], now=now)

    def _ends_soon(self, job: ObjectJob) -> bool:
        """Whether a call begun now might still be under way when somebody else has the lease."""
        job.waited = self._calls.deployment.now() > job.until - CALL_TAKES
        return job.waited

    def _one(self, job: ObjectJob, *, now: dt.datetime) -> Outcome:
        if self._ends_soon(job):
            return _LATE
        try:
            built = self._build(job, now=now)
            if built is None:
                return DONE
            return self._bring(job, built)
        except Busy:
            job.waited = True
            return Retry(LATER, "Google's rate is taken up.")
        except PassError as error:
            return Fault(str(error), error.remedy)

    def _build(self, job: ObjectJob, *, now: dt.datetime) -> _Built | None:
        house = self._calls.deployment
        with house.database.read() as session:
            job.holding = presenting.find(session, job.public_id)
        if job.holding is None:
            return None
        body = google_wallet.object_resource(house, job.holding, now=now)
        # A voucher that was given another public id keeps the object that phones hold.
        body["id"] = job.object_id
        kind = KINDS[job.holding.campaign.kind].name
        return _Built(cast(Collection, OBJECT_TYPES[kind]), body, digest_of(body))

    def _bring(self, job: ObjectJob, built: _Built) -> Outcome:
        calls = self._calls
        answer: Answer | None = None
        if not job.inserted or built.digest != job.digest:
            answer = bring(calls, built.collection, built.body, inserted=job.inserted)
        elif job.asks:
            answer = calls.paced(lambda: calls.api.get(built.collection, job.object_id))
        if answer is not None:
            outcome = self._noted(job, built, answer)
            if not isinstance(outcome, Done):
                return outcome
        job.sent = built.digest
        if job.speaks:
            said = messages.send_open(
                calls, row_id=job.row_id, collection=built.collection, object_id=job.object_id
            )
            if said is not None:
                return calls.outcome(said, job.attempts)
        return DONE

    def _together(
        self, jobs: Sequence[ObjectJob], *, now: dt.datetime
    ) -> Iterator[tuple[ObjectJob, Outcome]]:
        """Change several objects in one request; what shows no change is only recorded."""
        changes: list[tuple[ObjectJob, _Built]] = []
        for job in jobs:
            if self._ends_soon(job):
                yield job, _LATE
                continue
            try:
                built = self._build(job, now=now)
            except PassError as error:
                yield job, Fault(str(error), error.remedy)
                continue
            if built is None or built.digest == job.digest:
                job.sent = job.digest
                yield job, DONE
            else:
                changes.append((job, built))
        if not changes:
            return
        calls = self._calls
        try:
            calls.wait_for(len(changes))
        except Busy:
            for job, _ in changes:
                job.waited = True
                yield job, Retry(LATER, "Google's rate is taken up.")
            return
        answers = calls.api.patch_all(
            [
                Change(built.collection, job.object_id, patch_body(built.collection, built.body))
                for job, built in changes
            ]
        )
        for (job, built), answer in zip(changes, answers, strict=True):
            calls.heed(answer)
            yield job, self._noted(job, built, answer)

    def _noted(self, job: ObjectJob, built: _Built, answer: Answer) -> Outcome:
        if answer.ok:
            job.sent = built.digest
            users = answer.resource.get("hasUsers") if answer.resource else None
            job.has_users = users if isinstance(users, bool) else None
        job.gone = answer.verdict is Verdict.MISSING
        job.waited = answer.verdict is Verdict.BUSY
        return self._calls.outcome(answer, job.attempts)

    def record(
        self,
        session: Session,
        results: Sequence[tuple[ObjectJob, Outcome]],
        *,
        now: dt.datetime,
    ) -> None:
        for job, outcome in sorted(results, key=lambda each: each[0].row_id):
            row = session.get(GoogleObject, job.row_id, with_for_update=True)
            if row is None or row.claimed_until != job.until:
                # The lease lapsed and somebody else is at it: that call, made later, counts.
                continue
            row.claimed_until = None
            if job.sent is not None:
                self._record_sent(session, row, job, now=now)
            if isinstance(outcome, Done):
                row.attempts, row.failure = 0, None
                row.refused_voucher = row.refused_campaign = None
                row.due_at = self._next(session, row, now=now)
                continue
            row.failure = outcome.reason
            row.attempts = job.attempts + (0 if job.waited else 1)
            if isinstance(outcome, Retry):
                row.due_at = now + outcome.after
            elif isinstance(outcome, Fault):
                row.due_at = now + REFUSED_FOR * 2 ** min(job.attempts, 5)
                if job.holding is not None:
                    row.refused_voucher, row.refused_campaign = job.holding.pair
            else:
                row.due_at = now
            if job.gone:
                self._missing(session, row, job, now=now)

    @staticmethod
    def _record_sent(
        session: Session, row: GoogleObject, job: ObjectJob, *, now: dt.datetime
    ) -> None:
        first = row.status != "inserted"
        row.status = "inserted"
        if job.sent != row.sent_digest:
            row.sent_at = now
        row.sent_digest = job.sent
        if job.holding is not None:
            messages.announce(session, row, job.holding, now=now)
            row.sent_voucher, row.sent_campaign = job.holding.pair
        if job.has_users is None:
            return
        # Unless another callback came while Google was asked, the question is answered.
        if row.ask_users_at == job.ask_users_at:
            row.ask_users_at = None
        before = row.has_users
        if job.has_users:
            row.has_users = True
            if before is not True:
                installations.record_added(session, row.voucher_id, wallet="google", now=now)
        elif before is True:
            row.has_users = False
            events.append(session, "removed", row.voucher_id, now=now, data={"wallet": "google"})
        elif first:
            # A callback that came meanwhile asks sooner.
            row.ask_users_at = row.ask_users_at or now + ASK_UNHEARD
        elif job.asks:
            row.has_users = False

    @staticmethod
    def _next(session: Session, row: GoogleObject, *, now: dt.datetime) -> dt.datetime | None:
        """Say when an object is to be looked at by itself: news to tell, or users to ask for."""
        session.flush()
        news = session.scalar(
            select(
                exists().where(GoogleMessage.object_id == row.id, GoogleMessage.status.in_(_OPEN))
            )
        )
        if news and row.has_users is not False:
            return now
        return row.ask_users_at

    @staticmethod
    def _missing(session: Session, row: GoogleObject, job: ObjectJob, *, now: dt.datetime) -> None:
        """Take a 404 for what it says: the object is not there, or its class is not."""
        if job.inserted:
            row.status = "wanted"
            return
        row.due_at = now + LATER
        if job.holding is None:
            return
        session.execute(
            update(GoogleClass)
            .where(
                GoogleClass.campaign_id == job.holding.campaign.id,
                GoogleClass.variant == (job.holding.voucher.variant or ""),
                GoogleClass.status == "inserted",
                GoogleClass.claimed_until.is_(None),
            )
            .values(status="wanted", sent_campaign=None, sent_digest=None, due_at=now)
            .execution_options(synchronize_session=False)
        )

    def release(self, session: Session, jobs: Sequence[ObjectJob], *, now: dt.datetime) -> None:
        session.execute(
            update(GoogleObject)
            .where(
                GoogleObject.id.in_([job.row_id for job in jobs]),
                GoogleObject.claimed_until.in_({job.until for job in jobs}),
            )
            .values(claimed_until=None, due_at=now)
            .execution_options(synchronize_session=False)
        )

    def close(self) -> None:
        self._pool.shutdown()
        self._calls.close()


def _rows(query: Any) -> Any:
    return query.join(Voucher, Voucher.id == GoogleObject.voucher_id).join(
        Campaign, Campaign.id == Voucher.campaign_id
    )


def _differs() -> ColumnElement[bool]:
    """Whether an object that somebody may hold lags; edits of a paused campaign are not owed."""
    return and_(
        GoogleObject.status == "inserted",
        GoogleObject.has_users.is_not(False),
        or_(
            GoogleObject.sent_voucher.is_distinct_from(Voucher.version),
            and_(
                GoogleObject.sent_campaign.is_distinct_from(Campaign.version),
                ~Campaign.delivery_paused,
            ),
        ),
    )


def _ahead(row: GoogleObject, now: dt.datetime) -> bool:
    """Whether its time is only the day on which Google is asked for users, not a pause."""
    return row.due_at == row.ask_users_at and row.failure is None
