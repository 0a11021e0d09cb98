"""Classes at Google as the engine sees them: one for a campaign and variant, patched by revisions.

A campaign edit that shows only on the class is one call, however many hold the pass, and
no object's row is touched; an edit that shows nowhere at Google is none. Objects are owed an edit
once their class had its turn. It does not repeat content that Google refused before
hours have passed or the campaign changed.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.orm import Session

from app.delivery.engine import Rest, SweepStep
from app.delivery.google.bodies import patch_body
from app.delivery.google.calls import LATER, Calls, RateExhausted
from app.delivery.google.rest import Collection, GoogleAnswer, ResourceVerdict
from app.delivery.outcomes import DONE, Done, Outcome, RequestFault, Retry
from app.domain.kinds import KINDS
from app.services import changes
from app.services.campaigns.stored import latest_revision
from app.services.wallets.google import digests, resources
from app.store.models import Campaign, GoogleClass
from passes.errors import PassError
from passes.google import CLASS_TYPES

#: How long refused content is left alone; doubling with each refusal.
REFUSED_FOR = dt.timedelta(hours=1)


@dataclass(slots=True)
class ClassJob:
    """A leased class, with the campaign's version that was read with it."""

    row_id: int
    #: When the lease lapses; nobody else's lease of the row lapses then.
    until: dt.datetime
    class_id: str
    campaign_id: int
    variant: str
    #: The campaign's.
    kind: str
    version: int
    inserted: bool
    digest: bytes | None
    attempts: int
    #: What objects take from the campaign at that version, and whether that is news to them.
    objects: bytes
    reaches: bool
    #: What was sent, once it was.
    sent: bytes | None = field(default=None)
    gone: bool = False
    #: Google may have changed it, or not.
    unclear: bool = False


class GoogleClasses:
    """`Installations` for Google's classes; its targets are rows of `google_class`."""

    name = "google_classes"
    batch = 10

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def rest(self) -> Rest | None:
        return self._calls.rest()

    def owed(self, session: Session, vouchers: Sequence[int], *, now: dt.datetime) -> list[int]:
        return []

    def sweep(self, session: Session, *, campaign: int | None, after: int, limit: int) -> SweepStep:
        query = (
            select(GoogleClass.id)
            .join(Campaign, Campaign.id == GoogleClass.campaign_id)
            .where(
                _lags(),
                ~Campaign.delivery_paused,
            )
        )
        if campaign is not None:
            query = query.where(GoogleClass.campaign_id == campaign)
        return SweepStep(tuple(session.scalars(query)), None)

    def due(self, session: Session, *, now: dt.datetime, limit: int) -> list[int]:
        query = select(GoogleClass.id).where(GoogleClass.due_at <= now).limit(limit)
        return list(session.scalars(query))

    def lease(
        self, session: Session, targets: Sequence[int], *, now: dt.datetime, until: dt.datetime
    ) -> list[ClassJob]:
        rows = session.execute(
            select(GoogleClass, Campaign, digests.override_ends().label("counted_until"))
            .join(Campaign, Campaign.id == GoogleClass.campaign_id)
            .where(
                GoogleClass.id.in_(targets),
                or_(GoogleClass.claimed_until.is_(None), GoogleClass.claimed_until <= now),
                _lags(),
            )
            .order_by(GoogleClass.id)
            .with_for_update(skip_locked=True, of=GoogleClass)
        ).all()
        jobs = []
        for row, campaign, counted_until in rows:
            version = campaign.version
            waits = row.due_at is not None and row.due_at > now
            if waits and row.refused_campaign in (None, version):
                continue
            row.claimed_until = row.due_at = until
            # Until the outcome is known, nobody knows what Google shows.
            digest, row.sent_digest = row.sent_digest, None
            latest = latest_revision(session, campaign)
            objects = digests.digest(session, campaign, latest, counted_until)
            jobs.append(
                ClassJob(
                    row.id,
                    until,
                    row.class_id,
                    row.campaign_id,
                    row.variant,
                    campaign.kind,
                    version,
                    row.status == "inserted",
                    digest,
                    row.attempts,
                    objects,
                    objects != row.objects_digest,
                )
            )
        return jobs

    def deliver(
        self, jobs: Iterable[ClassJob], *, now: dt.datetime
    ) -> Iterator[tuple[ClassJob, Outcome]]:
        for job in jobs:
            try:
                yield job, self._bring(job, now=now)
            except RateExhausted:
                yield job, Retry(LATER, "Google's rate is taken up.")
            except PassError as error:
                yield job, RequestFault(str(error), error.remedy)

    def _bring(self, job: ClassJob, *, now: dt.datetime) -> Outcome:
        house = self._calls.deployment
        body = resources.class_resource(house, job.campaign_id, job.variant, now=now)
        digest = digest_of(body)
        if job.inserted and digest == job.digest:
            job.sent = digest
            return DONE
        collection = cast(Collection, CLASS_TYPES[KINDS[job.kind].shown_as])
        answer = bring(self._calls, collection, body, inserted=job.inserted)
        if answer.ok:
            job.sent = digest
        job.gone = answer.verdict is ResourceVerdict.MISSING
        job.unclear = answer.verdict is ResourceVerdict.UNCLEAR
        return self._calls.outcome(answer, job.attempts)

    def record(
        self,
        session: Session,
        results: Sequence[tuple[ClassJob, Outcome]],
        *,
        now: dt.datetime,
    ) -> None:
        for job, outcome in results:
            if isinstance(outcome, Done):
                values: dict[str, Any] = {
                    "status": "inserted",
                    "sent_campaign": job.version,
                    "sent_digest": job.sent,
                    "sent_at": now,
                    "attempts": 0,
                    "due_at": None,
                    "failure": None,
                    "refused_campaign": None,
                }
            elif isinstance(outcome, Retry):
                values = {
                    "attempts": job.attempts + 1,
                    "due_at": now + outcome.after,
                    "failure": outcome.reason,
                }
            else:
                wait = REFUSED_FOR * 2 ** min(job.attempts, 5)
                values = {
                    "attempts": job.attempts + 1,
                    "due_at": now + wait if isinstance(outcome, RequestFault) else now,
                    "failure": outcome.reason,
                    "refused_campaign": job.version if isinstance(outcome, RequestFault) else None,
                }
            if job.sent is None and not job.unclear:
                values["sent_digest"] = job.digest
            if job.gone:
                values["status"] = "wanted"
            if job.reaches:
                values["objects_digest"] = job.objects
                changes.campaign(session, job.campaign_id)
            session.execute(
                update(GoogleClass)
                .where(GoogleClass.id == job.row_id, GoogleClass.claimed_until == job.until)
                .values(claimed_until=None, **values)
            )

    def release(self, session: Session, jobs: Sequence[ClassJob], *, now: dt.datetime) -> None:
        session.execute(
            update(GoogleClass)
            .where(
                GoogleClass.id.in_([job.row_id for job in jobs]),
                GoogleClass.claimed_until.in_({job.until for job in jobs}),
            )
            .values(claimed_until=None, due_at=now)
        )

    def close(self) -> None:
        self._calls.close()


def _lags() -> ColumnElement[bool]:
    """Whether a class is behind its campaign, or what objects take from that is not known yet."""
    return or_(
        GoogleClass.sent_campaign.is_distinct_from(Campaign.version),
        GoogleClass.objects_digest.is_(None),
    )


def bring(
    calls: Calls, collection: Collection, body: Mapping[str, Any], *, inserted: bool
) -> GoogleAnswer:
    """Insert a resource or change it; an insert that finds it there changes it instead."""
    if not inserted:
        answer = calls.paced(lambda: calls.api.insert(collection, body))
        if answer.verdict is not ResourceVerdict.EXISTS:
            return answer
    change = patch_body(collection, body)
    return calls.paced(lambda: calls.api.patch(collection, body["id"], change))


def digest_of(body: Mapping[str, Any]) -> bytes:
    """Return the SHA-256 of a resource, by which an unchanged one is known."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest()
