"""Imports from the first byte to usable codes, and what becomes of them after a crash.

`reading`: records are checked and sealed into a spool; nothing is in the table of codes.
`loading`: the spool goes into the table; its codes are not usable yet.
`complete`: every code of it became usable in one moment. `cancelled`, `failed`: its codes are gone.

A crash while reading loses the attempt (send the file again); one while loading loses nothing:
`resume` goes on, and so does importing the same file. Of codes that are generated, `resume` makes
those that are lacking. A file is known by the SHA-256 of its bytes:
importing it again into the same campaign adds nothing and answers with the earlier import.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

from babel.numbers import get_currency_precision
from sqlalchemy import delete, func, select, true, update

from app.domain.campaign import Source
from app.domain.kinds import KINDS
from app.faults import Fault, ImportUnknown
from app.services import campaigns
from app.services.campaigns import barcodes
from app.services.codes import table
from app.services.codes.formats import FileFault
from app.services.codes.reasons import REASONS, REPEATS, Expected, Reason, Reject
from app.services.codes.spool import Spool
from app.services.deployment import Deployment
from app.store.models import Campaign, Code, ImportJob, ImportReject

#: After this long without progress nobody is at work on an import that is being read, or on a
#: generation of codes.
READING_LIMIT = dt.timedelta(minutes=15)


#: What stands in the place of a file's name for codes that are made here.
GENERATED = "(generated)"
#: Imports that a list shows.
MOST_LISTED = 200


NOTE_EVERY = 1.0


#: How much of an import's time goes into reading its file.
READING_SHARE = 0.6


Progress = Callable[["Standing"], None]


class ImportFault(Fault):
    """The import cannot begin or go on; says the remedy.

    Where the file has to be sent again with an answer, `asked` has what there is to choose from.
    """

    code = "import_refused"

    def __init__(self, cause: str, remedy: str = "", *, asked: FileFault | None = None) -> None:
        self.asked = asked
        super().__init__(cause, remedy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
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
    #: How much of the work is done, from 0 to 1.
    share: float = 0.0

    @property
    def repeated(self) -> int:
        """Of the records refused, those whose code the campaign has."""
        return sum(self.reasons.get(reason, 0) for reason in REPEATS)


def cancel(deployment: Deployment, job_id: uuid.UUID) -> Standing:
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
            return standing_of(job, session.get_one(Campaign, job.campaign_id).key)
        job.status = "cancelling"
    return discard(deployment, job_id, "cancelled", None)


def standing(deployment: Deployment, job_id: uuid.UUID, *, known: bool = False) -> Standing:
    """How far an import is.

    Raises:
        ImportUnknown: there is none.
    """
    with deployment.database.read() as session:
        job = session.get(ImportJob, job_id)
        if job is None:
            raise ImportUnknown(job_id)
        return standing_of(job, session.get_one(Campaign, job.campaign_id).key, known=known)


def listed(
    deployment: Deployment, campaign_keys: Collection[str] | None = None
) -> tuple[int, list[Standing]]:
    """How many imports there are, and the newest of them.

    Args:
        campaign_keys: only theirs; None is every campaign.
    """
    theirs = true() if campaign_keys is None else Campaign.key.in_(campaign_keys)
    jobs = ImportJob.__table__.join(Campaign, Campaign.id == ImportJob.campaign_id)
    with deployment.database.read() as session:
        total = session.scalar(select(func.count()).select_from(jobs).where(theirs)) or 0
        rows = session.execute(
            select(ImportJob, Campaign.key)
            .select_from(jobs)
            .where(theirs)
            .order_by(ImportJob.created_at.desc(), ImportJob.id.desc())
            .limit(MOST_LISTED)
        )
        return total, [standing_of(row[0], row[1]) for row in rows]


def rejects(deployment: Deployment, job_id: uuid.UUID) -> Iterator[tuple[int, str, str]]:
    """Line, reason and its text of every refused record, by line."""
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
            text = REASONS[Reason(reject.reason)]
            if reject.detail and reject.reason == Reason.DUPLICATE.value:
                text = f"Line {reject.detail} has the same code."
            yield reject.line, reject.reason, text
        if len(found) < 1_000:
            return
        last = found[-1].line


def begin(
    deployment: Deployment,
    campaign_key: str,
    *,
    filename: str,
    options: dict[str, Any],
    files: bool = True,
    job: ImportJob | None = None,
) -> uuid.UUID:
    """Open an import, or an interrupted one anew.

    Raises:
        ImportFault: the campaign is unknown, or takes no codes from files.
    """
    now, newest = deployment.now(), deployment.keyring.newest
    with deployment.database.write() as session:
        campaign = campaigns.required(session, campaign_key)
        if files and campaign.source != Source.LIST.value:
            raise ImportFault(
                f"The codes of {campaign_key} are {campaign.source}.",
                'Only a campaign whose source is "list" takes files.',
            )
        noted = {**options, "key_id": newest}
        if job is not None:
            session.execute(delete(ImportReject).where(ImportReject.import_job_id == job.id))
            session.execute(
                update(ImportJob)
                .where(ImportJob.id == job.id)
                .values(status="reading", options=noted, read=0, updated_at=now, error=None)
            )
            return job.id
        fresh = ImportJob(
            campaign_id=campaign.id,
            status="reading",
            filename=filename[:200],
            sha256="",
            options=noted,
            created_at=now,
            updated_at=now,
        )
        session.add(fresh)
        session.flush()
        return fresh.id


def note_progress(
    deployment: Deployment, job_id: uuid.UUID, count: int, refused: list[Reject]
) -> list[Reject]:
    """Store how far reading is and some rejects; returns those that are left."""
    with deployment.database.write() as session:
        table.store_rejects(session, job_id, refused[:1_000])
        changed = session.execute(
            update(ImportJob)
            .where(ImportJob.id == job_id, ImportJob.status == "reading")
            .values(read=count, updated_at=deployment.now())
            .returning(ImportJob.id)
        ).first()
        if changed is None:
            raise ImportFault("The import was cancelled while its file was read.")
    return refused[1_000:]


def note_read(
    deployment: Deployment, job_id: uuid.UUID, digest: str, *, read: int | None = None
) -> None:
    """Everything is read: the import is loading from now on."""
    values: dict[str, Any] = {"sha256": digest, "status": "loading"}
    if read is not None:
        values["read"] = read
    with deployment.database.write() as session:
        changed = session.execute(
            update(ImportJob)
            .where(ImportJob.id == job_id, ImportJob.status.in_(("reading", "loading")))
            .values(**values, updated_at=deployment.now())
            .returning(ImportJob.id)
        ).first()
        if changed is None:
            raise ImportFault("The import was cancelled while its file was read.")


def complete(deployment: Deployment, job_id: uuid.UUID) -> Standing:
    """Make every code of the import usable in one moment."""
    now = deployment.now()
    with deployment.database.write() as session:
        session.execute(
            update(ImportJob)
            .where(ImportJob.id == job_id, ImportJob.status == "loading")
            .values(status="complete", updated_at=now, finished_at=now)
        )
    spool_of(deployment, job_id).remove()
    return standing(deployment, job_id)


def nothing_used(found: Standing) -> str | None:
    """Why a file was of no use at all; None when some of it was, or the campaign has it already."""
    if found.accepted or found.repeated or (found.read and not found.rejected):
        return None
    if not found.rejected:
        return "The file has no codes: choose the one with the codes."
    often = max(found.reasons, key=lambda reason: found.reasons[reason])
    return (
        f"Nothing of the file could be used: {found.rejected} of {found.read} rows were refused, "
        f"{found.reasons[often]} as {often}. {REASONS[Reason(often)]} Mend the file and send it "
        "again."
    )


def discard(deployment: Deployment, job_id: uuid.UUID, status: str, error: str | None) -> Standing:
    """End an import without its codes, which nobody can have used; taken ones go back."""
    with deployment.database.write() as session:
        session.execute(
            update(ImportJob)
            .where(ImportJob.id == job_id, ImportJob.status != "complete")
            .values(status="cancelling", error=error)
        )
        options = session.get_one(ImportJob, job_id).options
    spool_of(deployment, job_id).remove()
    while True:
        with deployment.database.write() as session:
            ids = session.scalars(
                select(Code.id).where(Code.import_job_id == job_id, Code.free).limit(500)
            ).all()
            if ids:
                own = Code.id.in_(ids)
                session.execute(
                    update(Code)
                    .where(own)
                    .values(campaign_id=options["from"], import_job_id=uuid.UUID(options["home"]))
                    .execution_options(synchronize_session=False)
                    if "from" in options
                    else delete(Code).where(own)
                )
        if not ids:
            break
    now = deployment.now()
    with deployment.database.write() as session:
        session.execute(
            update(ImportJob)
            .where(ImportJob.id == job_id, ImportJob.status == "cancelling")
            .values(status=status, accepted=0, updated_at=now, finished_at=now)
        )
    return standing(deployment, job_id)


def expected(deployment: Deployment, campaign: Campaign) -> Expected:
    """What records of a file must be like to be codes of the campaign."""
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


def standing_of(job: ImportJob, campaign_key: str, *, known: bool = False) -> Standing:
    """How far `job` is."""
    return Standing(
        id=job.id,
        campaign=campaign_key,
        status=job.status,
        filename=job.filename,
        read=job.read,
        accepted=job.accepted,
        rejected=job.rejected,
        reasons=dict(job.reasons or {}),
        error=job.error,
        known=known,
    )


def spool_of(deployment: Deployment, job_id: uuid.UUID) -> Spool:
    """Where sealed rows of an import wait."""
    return Spool(deployment.settings.spool / job_id.hex)
