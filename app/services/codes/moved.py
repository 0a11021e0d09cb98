"""Moves codes that nobody was given out of one campaign into another.

Only codes that wait for a voucher move: one that was ever issued, typed at a till or used stays
with its campaign, whose books name it. A move is an import of the campaign that takes: its record
says from where, how many, when and by which key; its codes are usable by neither campaign until
all have come, and then all together. It works in short transactions beside tills and issuing, goes
on after a crash, and cancelled half-way gives back what it took.

Refuses campaigns between which codes mean another thing: of another kind, authority or currency,
or whose codes do not come from a pool.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Sequence
from zoneinfo import ZoneInfo

import orjson
import structlog
from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from app.domain.campaign import Source
from app.domain.kinds import KINDS
from app.services import campaigns
from app.services.campaigns import barcodes
from app.services.codes.claims import AT_ONCE, LEASE, NOTE_EVERY, Claim, Stopped, take_over
from app.services.codes.jobs import (
    ImportFault,
    ImportProgress,
    OnProgress,
    complete,
    progress,
    progress_of,
    stopped,
)
from app.services.codes.reasons import RejectReason
from app.services.codes.sources import CampaignSource, source_of
from app.services.deployment import Deployment
from app.store.models import Campaign, Code, ImportJob
from passes.symbology import narrow

#: Codes of one transaction: few enough that a till beside it does not wait.
BATCH = 1_000
_POOLED = (Source.LIST.value, Source.GENERATED.value)


def take(
    deployment: Deployment,
    target: str,
    source: str,
    *,
    count: int | None = None,
    name: str = "",
    on_progress: OnProgress = lambda _: None,
) -> ImportProgress:
    """Take unused codes of the campaign `source` into `target`; returns when they are usable.

    As `begin_taking` and then `go_on`.
    """
    begun = begin_taking(deployment, target, source, count=count, name=name)
    return begun if begun.known else go_on(deployment, begun.id, on_progress=on_progress)


def begin_taking(
    deployment: Deployment,
    target: str,
    source: str,
    *,
    count: int | None = None,
    name: str = "",
    api_key_id: int | None = None,
    queued: bool = False,
) -> ImportProgress:
    """Open a move, or find the one that was asked for before.

    Args:
        target, source: keys of campaigns.
        count: at most so many; None is all that are unused.
        name: tells apart moves of the same number. The same number under the same name is the
            same move, which is made once however often it is asked for.
        api_key_id: who asked, for the record.
        queued: whether a worker is to make it; the caller goes on with it otherwise.

    Raises:
        ImportFault: a campaign is unknown, or codes of the one are no codes of the other.
    """
    now = deployment.now()
    filename = CampaignSource.label(source)
    digest = ""
    if count is not None:
        digest = hashlib.sha256(orjson.dumps([source, count, name])).hexdigest()
    with deployment.database.read() as session:
        _refuse_unreadable(session, deployment, source, target)
    with deployment.database.write() as session:
        giving, taking = campaigns.required(session, source), campaigns.required(session, target)
        _refuse(session, giving, taking, deployment)
        # Whoever asks for the same at the same time waits here, and finds the move.
        session.execute(
            select(Campaign.id).where(Campaign.id == taking.id).with_for_update(key_share=True)
        ).all()
        twin = session.scalars(
            select(ImportJob)
            .where(
                ImportJob.campaign_id == taking.id,
                ImportJob.filename == filename,
                ImportJob.sha256 == digest,
                ImportJob.status.in_(("loading", "complete") if digest else ("loading",)),
            )
            .order_by(ImportJob.created_at)
            .limit(1)
        ).first()
        if twin is not None:
            return progress_of(session, twin, now=now, known=twin.status == "complete")
        pools = _pools(session, giving)
        if not pools:
            raise ImportFault(f"The campaign {source} has no codes to give.")
        origin = CampaignSource(
            campaign_id=giving.id, home=pools[0], count=count, name=name, api_key_id=api_key_id
        )
        job = ImportJob(
            campaign_id=taking.id,
            status="loading",
            kind=origin.kind,
            due_at=AT_ONCE if queued else now + LEASE,
            filename=filename,
            sha256=digest,
            options=origin.options(),
            created_at=now,
            updated_at=now,
        )
        session.add(job)
        session.flush()
        return progress_of(session, job, now=now)


def go_on(
    deployment: Deployment, job_id: uuid.UUID, *, on_progress: OnProgress = lambda _: None
) -> ImportProgress:
    """Move what is still to be moved, and make it usable; safe to call again at any time."""
    try:
        claim = take_over(deployment, job_id)
    except Stopped:
        return progress(deployment, job_id)
    return move(claim, on_progress=on_progress)


def move(claim: Claim, *, on_progress: OnProgress = lambda _: None) -> ImportProgress:
    """Go on with a move that is claimed already, as `go_on` does."""
    deployment, job_id = claim.deployment, claim.job_id
    noted = time.monotonic()
    try:
        while _move_batch(claim):
            if time.monotonic() - noted > NOTE_EVERY:
                on_progress(progress(deployment, job_id))
                noted = time.monotonic()
        _note_left(claim)
        done = complete(claim)
    except Stopped:
        return stopped(deployment, job_id)
    structlog.get_logger().info(
        "codes_moved", to=done.campaign, origin=done.filename, codes=done.accepted
    )
    return done


def _move_batch(claim: Claim) -> int:
    """Move one batch, and let others have their turn; returns how many codes it had."""
    database = claim.deployment.database
    began = time.perf_counter()
    with database.write() as session:
        job = session.get_one(ImportJob, claim.job_id, with_for_update=True)
        if job.status != "loading":
            raise Stopped
        moved = _move(session, job)
        accepted = job.accepted + moved
        claim.note(session, held="loading", accepted=accepted, read=accepted)
    if moved and database.is_sqlite:
        # Whoever waits for the file's lock looks again after some milliseconds, not at once.
        time.sleep(min(0.005, (time.perf_counter() - began) / 4))
    return moved


def _move(session: Session, job: ImportJob) -> int:
    """Move one batch; returns how many codes it had."""
    source = _source(job)
    left = BATCH if source.count is None else min(BATCH, source.count - job.accepted)
    giving = session.get_one(Campaign, source.campaign_id)
    taking = session.get_one(Campaign, job.campaign_id)
    for pool in _pools(session, giving) if left > 0 else ():
        # Chosen by a statement of its own: within the UPDATE PostgreSQL may choose more than once,
        # and move more than were asked for.
        chosen = session.scalars(
            select(Code.id)
            .where(*_unused(pool), *_fitting(session, taking))
            .order_by(Code.id)
            .limit(left)
            # What another transaction is issuing right now is passed over.
            .with_for_update(skip_locked=True)
        ).all()
        if chosen:
            session.execute(
                update(Code)
                .where(Code.id.in_(chosen))
                .values(campaign_id=taking.id, import_job_id=job.id)
                .execution_options(synchronize_session=False)
            )
            return len(chosen)
    return 0


def _unused(pool: uuid.UUID) -> tuple[ColumnElement[bool], ...]:
    return (Code.import_job_id == pool, Code.free.is_(True), Code.used == 0, Code.held == 0)


def _fitting(session: Session, taking: Campaign) -> tuple[ColumnElement[bool], ...]:
    """Leave out cards without an amount where the campaign that takes has none either."""
    if not KINDS[taking.kind].holds_money:
        return ()
    terms = campaigns.terms_of(campaigns.latest_revision(session, taking))
    return (Code.amount_minor.is_not(None),) if terms.amount_minor is None else ()


def _note_left(claim: Claim) -> None:
    """Count the codes that stay because they have no amount."""
    with claim.deployment.database.write() as session:
        job = session.get_one(ImportJob, claim.job_id)
        source, taking = _source(job), session.get_one(Campaign, job.campaign_id)
        if not _fitting(session, taking) or source.count is not None:
            return
        giving = session.get_one(Campaign, source.campaign_id)
        left = sum(
            session.scalar(select(func.count(Code.id)).where(*_unused(pool))) or 0
            for pool in _pools(session, giving)
        )
        if left:
            reasons = {RejectReason.MISSING_AMOUNT.value: left}
            claim.note(session, held="loading", rejected=left, reasons=reasons)


def _source(job: ImportJob) -> CampaignSource:
    source = source_of(job)
    assert isinstance(source, CampaignSource)  # noqa: S101 - only moves come here
    return source


def _pools(session: Session, campaign: Campaign) -> Sequence[uuid.UUID]:
    """Imports whose codes are usable, oldest first."""
    return session.scalars(
        select(ImportJob.id)
        .where(ImportJob.campaign_id == campaign.id, ImportJob.status == "complete")
        .order_by(ImportJob.finished_at, ImportJob.id)
    ).all()


def _refuse_unreadable(session: Session, deployment: Deployment, source: str, target: str) -> None:
    """Raise ImportFault where tills could not read codes off the passes that they would be on."""
    giving, taking = campaigns.required(session, source), campaigns.required(session, target)
    shown = campaigns.presentation_of(campaigns.latest_revision(session, taking))
    symbology = barcodes.symbology_of_codes(shown, taking.authority)
    if symbology is None:
        return
    found = barcodes.misfits(session, deployment.keyring, giving, symbology, unissued=True)
    if found:
        raise ImportFault(
            f"{barcodes.counted(found)} of the codes of {source} are too long for the"
            f" {symbology.value} barcode of {target}, which tills read with {narrow(symbology)}.",
            "Show codes as qr there, or take from another campaign.",
        )


def _refuse(session: Session, giving: Campaign, taking: Campaign, deployment: Deployment) -> None:
    if giving.id == taking.id:
        raise ImportFault("A campaign cannot take its own codes.", "Name another campaign.")
    for campaign in (giving, taking):
        if campaign.source not in _POOLED:
            raise ImportFault(
                f"The codes of {campaign.key} are {campaign.source}.",
                "Only those that come from a list or were generated ahead move.",
            )
    for what, of_one, of_other in (
        ("kind", giving.kind, taking.kind),
        ("authority", giving.authority, taking.authority),
        (
            "currency",
            giving.currency if KINDS[giving.kind].holds_money else None,
            taking.currency if KINDS[taking.kind].holds_money else None,
        ),
    ):
        if of_one != of_other:
            raise ImportFault(
                f"The {what} of {giving.key} is {of_one} and that of {taking.key} is {of_other}.",
                "Choose a campaign that has the same.",
            )
    terms = campaigns.terms_of(campaigns.latest_revision(session, taking))
    ends = campaigns.issues_until(taking, terms)
    if ends is not None and ends <= deployment.now():
        local = ends.astimezone(ZoneInfo(taking.timezone))
        raise ImportFault(
            f"The campaign {taking.key} ended on {local:%Y-%m-%d %H:%M}.",
            "Give it a later end first.",
        )
