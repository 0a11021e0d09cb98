"""Keeps the record of an import, from its first byte to usable codes.

`reading`: records are checked and sealed into a spool; nothing is in the table of codes.
`loading`: the spool goes into the table, or codes of another campaign come; none is usable yet.
`complete`: every code of it became usable in one moment. `cancelled`, `failed`: its codes are gone.

A crash while reading loses the attempt (send the file again); one while loading loses nothing:
a worker resumes it, and so does importing the same file. Of codes that are generated a worker makes
those that are lacking. A file is known by the SHA-256 of its bytes: importing it again into the
same campaign adds nothing and answers with the earlier import.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from babel.numbers import get_currency_precision
from sqlalchemy import and_, delete, func, select, true, update
from sqlalchemy.orm import Session

from app.domain.campaign import Source
from app.domain.kinds import KINDS
from app.faults import Fault, ImportUnknown
from app.services import campaigns, heartbeats
from app.services.campaigns import barcodes
from app.services.codes.claims import LEASE, READING_LIMIT, Claim, Stopped
from app.services.codes.formats.records import FileFault
from app.services.codes.reasons import REASONS, REPEATS, Expected, RejectReason
from app.services.codes.sources import CampaignSource, FileSource, ImportSource, source_of
from app.services.codes.spool import Spool, identity
from app.services.deployment import Deployment
from app.store.models import Campaign, Code, ImportJob, ImportReject

#: Imports that a list shows.
MOST_LISTED = 200
#: How much of an import's time goes into reading its file.
READING_SHARE = 0.6
#: What is not finished yet.
UNFINISHED = ("reading", "loading", "cancelling")

_NO_WORKER = (
    "It is queued, and no worker runs: start `passerelle worker`, or `passerelle serve` without "
    "--no-worker."
)
_NO_SPOOL = (
    "It is queued, and no worker that runs can read the folder in which its codes wait: start "
    "`passerelle worker` on the machine that received them, or give all machines one folder as "
    "PASSERELLE_SPOOL."
)
_IN_TURN = "It is queued: the next free worker takes it up."

OnProgress = Callable[["ImportProgress"], None]


class ImportFault(Fault):
    """The import cannot begin or go on; says the remedy.

    Where the file has to be sent again with an answer, `asked` has what there is to choose from.
    """

    code = "import_refused"

    def __init__(self, cause: str, remedy: str = "", *, asked: FileFault | None = None) -> None:
        self.asked = asked
        super().__init__(cause, remedy)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportProgress:
    """How far an import is."""

    id: uuid.UUID
    campaign: str
    status: str
    filename: str
    read: int
    accepted: int
    rejected: int
    reasons: dict[str, int]
    error: str | None = None
    #: Whether the same file had been imported before, so that nothing was added now.
    known: bool = False
    #: Why nobody works on it, and what to do; None while somebody does, and when it is finished.
    waiting: str | None = None
    #: How much of the work is done, from 0 to 1.
    share: float = 0.0

    @property
    def repeated(self) -> int:
        """Count the refused records whose code the campaign has."""
        return sum(self.reasons.get(reason, 0) for reason in REPEATS)


def cancel(deployment: Deployment, job_id: uuid.UUID) -> ImportProgress:
    """Stop an import and take its codes away again.

    Raises:
        ImportUnknown: there is none.
        ImportFault: it is complete already.
    """
    with deployment.database.write() as session:
        job = session.get(ImportJob, job_id, with_for_update=True)
        if job is None:
            raise ImportUnknown(job_id)
        if job.status == "complete":
            raise ImportFault(
                "The import is complete and its codes are in use.", "Pause the campaign instead."
            )
        if job.status in ("cancelled", "failed"):
            return progress_of(session, job, now=deployment.now())
        _begin_discarding(job, None, now=deployment.now())
    return discard(deployment, job_id)


def progress(deployment: Deployment, job_id: uuid.UUID, *, known: bool = False) -> ImportProgress:
    """Say how far an import is.

    Raises:
        ImportUnknown: there is none.
    """
    with deployment.database.read() as session:
        job = session.get(ImportJob, job_id)
        if job is None:
            raise ImportUnknown(job_id)
        return progress_of(session, job, now=deployment.now(), known=known)


def listed(
    deployment: Deployment, campaign_keys: Collection[str] | None = None
) -> tuple[int, list[ImportProgress]]:
    """Count the imports, and list the newest of them.

    Args:
        campaign_keys: only theirs; None is every campaign.
    """
    theirs = true() if campaign_keys is None else Campaign.key.in_(campaign_keys)
    jobs = ImportJob.__table__.join(Campaign, Campaign.id == ImportJob.campaign_id)
    with deployment.database.read() as session:
        total = session.scalar(select(func.count()).select_from(jobs).where(theirs)) or 0
        found = session.scalars(
            select(ImportJob)
            .select_from(jobs)
            .where(theirs)
            .order_by(ImportJob.created_at.desc(), ImportJob.id.desc())
            .limit(MOST_LISTED)
        ).all()
        return total, [progress_of(session, job, now=deployment.now()) for job in found]


def rejects(deployment: Deployment, job_id: uuid.UUID) -> Iterator[tuple[int, str, str]]:
    """Yield line, reason and its text of every refused record, by line."""
    last = -1
    while True:
        with deployment.database.read() as session:
            found = session.scalars(
                select(ImportReject)
                .where(ImportReject.import_job_id == job_id, ImportReject.line > last)
                .order_by(ImportReject.line)
                .limit(1_000)
            ).all()
        for reject in found:
            text = REASONS[RejectReason(reject.reason)]
            if reject.detail and reject.reason == RejectReason.DUPLICATE.value:
                text = f"Line {reject.detail} has the same code."
            yield reject.line, reject.reason, text
        if len(found) < 1_000:
            return
        last = found[-1].line


def begin(
    deployment: Deployment,
    campaign_key: str,
    source: ImportSource,
    *,
    filename: str,
    again: uuid.UUID | None = None,
) -> Claim:
    """Open an import, which begins by reading.

    Args:
        filename: how lists call it.
        again: an interrupted import that begins anew.

    Raises:
        CampaignUnknown: there is none.
        ImportFault: it takes no codes from files, or the interrupted import has ended since it was
            found.
    """
    now = deployment.now()
    reads_file = isinstance(source, FileSource)
    until = now + (READING_LIMIT if reads_file else LEASE)
    options = {**source.options(), "key_id": deployment.keyring.newest}
    if reads_file:
        options["spool"] = identity(deployment.settings.spool)
    with deployment.database.write() as session:
        campaign = campaigns.required(session, campaign_key)
        if reads_file and campaign.source != Source.LIST.value:
            raise ImportFault(
                f"The codes of {campaign_key} are {campaign.source}.",
                'Only a campaign whose source is "list" takes files.',
            )
        if again is not None:
            session.execute(delete(ImportReject).where(ImportReject.import_job_id == again))
            begun = session.execute(
                update(ImportJob)
                .where(ImportJob.id == again, ImportJob.status.in_(("reading", "loading")))
                .values(
                    status="reading",
                    options=options,
                    read=0,
                    updated_at=now,
                    due_at=until,
                    error=None,
                )
                .returning(ImportJob.id)
            )
            if begun.first() is None:
                raise ImportFault(
                    "Another has ended the import of the same file.", "Import the file again."
                )
            return Claim(deployment, again, until)
        job = ImportJob(
            campaign_id=campaign.id,
            status="reading",
            kind=source.kind,
            due_at=until,
            filename=filename[:200],
            sha256="",
            options=options,
            created_at=now,
            updated_at=now,
        )
        session.add(job)
        session.flush()
        return Claim(deployment, job.id, until)


def complete(claim: Claim) -> ImportProgress:
    """Make every code of the import usable in one moment.

    Raises:
        Stopped: it is another's, or was cancelled.
    """
    deployment = claim.deployment
    with deployment.database.write() as session:
        claim.finish(session, held="loading", status="complete", finished_at=deployment.now())
    spool_of(deployment, claim.job_id).remove()
    return progress(deployment, claim.job_id)


def fail(claim: Claim, error: str) -> ImportProgress:
    """End the import without its codes, because of what `error` says.

    Raises:
        Stopped: it is another's, or was cancelled.
    """
    deployment = claim.deployment
    with deployment.database.write() as session:
        job = session.get_one(ImportJob, claim.job_id, with_for_update=True)
        if job.due_at != claim.until or job.status not in ("reading", "loading"):
            raise Stopped
        _begin_discarding(job, error, now=deployment.now())
    return discard(deployment, claim.job_id)


def stopped(deployment: Deployment, job_id: uuid.UUID) -> ImportProgress:
    """Say what became of an import that its holder lost; one that was cancelled is cleared."""
    found = progress(deployment, job_id)
    return discard(deployment, job_id) if found.status == "cancelling" else found


def discard(deployment: Deployment, job_id: uuid.UUID) -> ImportProgress:
    """Take away the codes of an import that is `cancelling`; those of a campaign go back to it.

    Nobody can have used one. It may be called again at any time, and by several at once.
    """
    spool_of(deployment, job_id).remove()
    while True:
        with deployment.database.write() as session:
            job = session.get_one(ImportJob, job_id)
            if job.status != "cancelling":
                return progress_of(session, job, now=deployment.now())
            ids = session.scalars(
                select(Code.id).where(Code.import_job_id == job_id, Code.free).limit(500)
            ).all()
            if not ids:
                job.status = "cancelled" if job.error is None else "failed"
                job.accepted, job.due_at = 0, None
                job.updated_at = job.finished_at = deployment.now()
                return progress_of(session, job, now=deployment.now())
            job.due_at = deployment.now() + LEASE
            # Another who discards may have moved some of them on since.
            own = and_(Code.id.in_(ids), Code.import_job_id == job_id)
            source = source_of(job)
            session.execute(
                update(Code)
                .where(own)
                .values(campaign_id=source.campaign_id, import_job_id=source.home)
                .execution_options(synchronize_session=False)
                if isinstance(source, CampaignSource)
                else delete(Code).where(own)
            )


def _begin_discarding(job: ImportJob, error: str | None, *, now: dt.datetime) -> None:
    job.status, job.error = "cancelling", error
    job.updated_at, job.due_at = now, now + LEASE


def nothing_used(found: ImportProgress) -> str | None:
    """Say why a file was of no use; None when some of it was, or the campaign has it already."""
    if found.accepted or found.repeated or (found.read and not found.rejected):
        return None
    if not found.rejected:
        return "The file has no codes: choose the one with the codes."
    often = max(found.reasons, key=lambda reason: found.reasons[reason])
    return (
        f"Nothing of the file could be used: {found.rejected} of {found.read} rows were refused, "
        f"{found.reasons[often]} as {often}. {REASONS[RejectReason(often)]} Mend the file and send "
        "it again."
    )


def expected(deployment: Deployment, campaign: Campaign) -> Expected:
    """Say what records of a file must be like to be codes of the campaign."""
    with deployment.database.read() as session:
        latest = campaigns.latest_revision(session, campaign)
        terms = campaigns.terms_of(latest)
        shown = campaigns.presentation_of(latest)
    return Expected(
        holds_money=KINDS[campaign.kind].holds_money,
        currency=campaign.currency,
        digits=get_currency_precision(campaign.currency) if campaign.currency else 2,
        amount_minor=terms.amount_minor,
        uses=terms.uses,
        starts_at=terms.validity.starts_at,
        now=deployment.now(),
        timezone=campaign.timezone,
        symbology=barcodes.symbology_of_codes(shown, campaign.authority),
    )


def progress_of(
    session: Session, job: ImportJob, *, now: dt.datetime, known: bool = False
) -> ImportProgress:
    """Say how far `job` is."""
    return ImportProgress(
        id=job.id,
        campaign=session.get_one(Campaign, job.campaign_id).key,
        status=job.status,
        filename=job.filename,
        read=job.read,
        accepted=job.accepted,
        rejected=job.rejected,
        reasons=dict(job.reasons or {}),
        error=job.error,
        known=known,
        waiting=_waiting(session, job, now=now),
    )


def spool_of(deployment: Deployment, job_id: uuid.UUID) -> Spool:
    """Find where sealed rows of an import wait."""
    return Spool(deployment.settings.spool / job_id.hex)


def _waiting(session: Session, job: ImportJob, *, now: dt.datetime) -> str | None:
    if job.status not in UNFINISHED or job.due_at is None or job.due_at >= now:
        return None
    workers = heartbeats.heard(session, heartbeats.WORKER, now=now)
    if not workers:
        return _NO_WORKER
    folder = job.options.get("spool")
    if folder is None or job.status != "loading":
        return _IN_TURN
    # A worker of the release before does not say which folder it reads.
    if all(worker.data.get("spool", folder) != folder for worker in workers):
        return _NO_SPOOL
    return _IN_TURN
