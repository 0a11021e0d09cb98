"""The calls about leased objects: built from the database, made in turn, answers kept in the job.

No call begins that might outlast its lease; a message follows the change it speaks of; a
change that shows nowhere on the object costs no call.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

from sqlalchemy import select

from app.delivery.google import messages
from app.delivery.google.bodies import patch_body
from app.delivery.google.calls import LATER, Calls, RateExhausted
from app.delivery.google.classes import bring, digest_of
from app.delivery.google.objects.job import ObjectJob
from app.delivery.google.rest import Collection, GoogleAnswer, Patch, ResourceVerdict
from app.delivery.outcomes import DONE, Done, Outcome, RequestFault, Retry
from app.domain.kinds import KINDS
from app.services.wallets import holdings
from app.services.wallets.google import digests, resources
from passes.errors import PassError
from passes.google import OBJECT_TYPES

#: Objects that one request changes: as many as may go at once while a call is left for a till.
TOGETHER = 4
#: Calls under way at a time; Google answers in about a tenth of a second.
THREADS = 4
#: The longest that a call may take with all its waiting; none begins with less of a lease left.
CALL_TAKES = dt.timedelta(seconds=60)

_LATE = Retry(LATER, "Its lease was about to end.")


@dataclass(frozen=True, slots=True)
class _Built:
    collection: Collection
    body: Mapping[str, Any]
    digest: bytes


class CallRunner:
    """Makes the calls of one worker, some at a time."""

    def __init__(self, calls: Calls, *, batch: int) -> None:
        self._calls = calls
        self.batch = batch
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="google")

    def deliver(
        self, jobs: Iterable[ObjectJob], *, now: dt.datetime
    ) -> Iterator[tuple[ObjectJob, Outcome]]:
        # No more than can be called about before the leases end; the engine offers a whole sweep.
        taken = list(islice(jobs, self.batch))
        single = [job for job in taken if not job.campaign_only]
        edits = [job for job in taken if job.campaign_only]
        groups = [[job] for job in single]
        groups += [edits[at : at + TOGETHER] for at in range(0, len(edits), TOGETHER)]
        running = [self._pool.submit(self._of_group, group, now=now) for group in groups]
        try:
            for done in as_completed(running):
                yield from done.result()
        finally:
            # Whoever takes the answers may fail; no lease is given up while a call is under way.
            for each in running:
                each.cancel()
            wait(running)

    def _of_group(
        self, group: Sequence[ObjectJob], *, now: dt.datetime
    ) -> list[tuple[ObjectJob, Outcome]]:
        if group[0].campaign_only:
            return list(self._together(group, now=now))
        return [(job, self._one(job, now=now)) for job in group]

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
        except RateExhausted:
            job.waited = True
            return Retry(LATER, "Google's rate is taken up.")
        except PassError as error:
            return RequestFault(str(error), error.remedy)

    def _build(self, job: ObjectJob, *, now: dt.datetime) -> _Built | None:
        house = self._calls.deployment
        with house.database.read() as session:
            counted_until = session.scalar(select(digests.override_ends()))
            job.holding = holdings.find(session, job.public_id)
            if job.holding is None:
                return None
            job.campaign_digest = digests.digest(
                session, job.holding.campaign, job.holding.latest, counted_until
            )
        # What the clockwork counted as ended has ended, whatever this machine's clock said then.
        now = max(now, counted_until or now)
        body = resources.object_resource(house, job.holding, now=now)
        # A voucher that was given another public id keeps the object that phones hold.
        body["id"] = job.object_id
        kind = KINDS[job.holding.campaign.kind].shown_as
        return _Built(cast(Collection, OBJECT_TYPES[kind]), body, digest_of(body))

    def _bring(self, job: ObjectJob, built: _Built) -> Outcome:
        calls = self._calls
        answer: GoogleAnswer | None = None
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
                yield job, RequestFault(str(error), error.remedy)
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
        except RateExhausted:
            for job, _ in changes:
                job.waited = True
                yield job, Retry(LATER, "Google's rate is taken up.")
            return
        answers = calls.api.patch_all(
            [
                Patch(built.collection, job.object_id, patch_body(built.collection, built.body))
                for job, built in changes
            ]
        )
        for (job, built), answer in zip(changes, answers, strict=True):
            calls.heed(answer)
            yield job, self._noted(job, built, answer)

    def _noted(self, job: ObjectJob, built: _Built, answer: GoogleAnswer) -> Outcome:
        if answer.ok:
            job.sent = built.digest
            users = answer.resource.get("hasUsers") if answer.resource else None
            job.has_users = users if isinstance(users, bool) else None
        job.unclear = answer.verdict is ResourceVerdict.UNCLEAR
        job.gone = answer.verdict is ResourceVerdict.MISSING
        job.waited = answer.verdict is ResourceVerdict.BUSY
        return self._calls.outcome(answer, job.attempts)

    def close(self) -> None:
        """Let the calls under way end, and close every connection."""
        self._pool.shutdown()
        self._calls.close()
