"""Codes that nobody was given, taken out of one campaign into another.

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
from app.services.codes import load
from app.services.codes.jobs import (
    NOTE_EVERY,
    ImportFault,
    Progress,
    Standing,
    complete,
    standing,
)
from app.services.codes.sealing import Reason
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
    progress: Progress = lambda _: None,
) -> Standing:
    """Take unused codes of the campaign `source` into `target`; returns when they are usable.

    As `begin_taking` and then `go_on`.
    """
    begun = begin_taking(deployment, target, source, count=count, name=name)
    return begun if begun.known else go_on(deployment, begun.id, progress=progress)


def begin_taking(
    deployment: Deployment,
    target: str,
    source: str,
    *,
    count: int | None = None,
    name: str = "",
    api_key_id: int | None = None,
) -> Standing:
    """Open a move, or find the one that was asked for before.

    Args:
        target, source: keys of campaigns.
        count: at most so many; None is all that are unused.
        name: tells apart moves of the same number. The same number under the same name is the
            same move, which is made once however often it is asked for.
        api_key_id: who asked, for the record.

    Raises:
        ImportFault: a campaign is unknown, or codes of the one are no codes of the other.
    """
    now = deployment.now()
    filename = f"(from {source})"
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
            job_id, known = twin.id, twin.status == "complete"
        else:
            pools = _pools(session, giving)
            if not pools:
                raise ImportFault(f"The campaign {source} has no codes to give.")
            job = ImportJob(
                campaign_id=taking.id,
                status="loading",
                filename=filename,
                sha256=digest,
                options={
                    "from": giving.id,
                    "home": pools[0].hex,
                    "count": count,
                    "name": name,
                    "api_key_id": api_key_id,
                },
                created_at=now,
                updated_at=now,
            )
            session.add(job)
            session.flush()
            job_id, known = job.id, False
    return standing(deployment, job_id, known=known)


def go_on(
    deployment: Deployment, job_id: uuid.UUID, *, progress: Progress = lambda _: None
) -> Standing:
    """Move what is still to be moved, and make it usable; safe to call again at any time."""
    noted = time.monotonic()
    while True:
        began = time.perf_counter()
        with deployment.database.write() as session:
            job = session.get_one(ImportJob, job_id, with_for_update=True)
            if job.status != "loading":
                break
            moved = _move(session, job)
            job.accepted += moved
            job.read = job.accepted
            job.updated_at = deployment.now()
        if not moved:
            _note_left(deployment, job_id)
            done = complete(deployment, job_id)
            structlog.get_logger().info(
                "codes_moved", to=done.campaign, origin=done.filename, codes=done.accepted
            )
            return done
        if time.monotonic() - noted > NOTE_EVERY:
            progress(standing(deployment, job_id))
            noted = time.monotonic()
        if deployment.database.is_sqlite:
            # Whoever waits for the file's lock looks again after some milliseconds, not at once.
            time.sleep(min(0.005, (time.perf_counter() - began) / 4))
    return load.stopped(deployment, job_id)


def _move(session: Session, job: ImportJob) -> int:
    """Move one batch; returns how many codes it had."""
    asked = job.options["count"]
    left = BATCH if asked is None else min(BATCH, asked - job.accepted)
    giving = session.get_one(Campaign, job.options["from"])
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
    """A card without an amount of its own takes the campaign's; where that has none it stays."""
    if not KINDS[taking.kind].holds_money:
        return ()
    terms = campaigns.terms_of(campaigns.latest_revision(session, taking))
    return (Code.amount_minor.is_not(None),) if terms.amount_minor is None else ()


def _note_left(deployment: Deployment, job_id: uuid.UUID) -> None:
    """Count the codes that stay because they have no amount."""
    with deployment.database.write() as session:
        job = session.get_one(ImportJob, job_id)
        taking = session.get_one(Campaign, job.campaign_id)
        if not _fitting(session, taking) or job.options["count"] is not None:
            return
        giving = session.get_one(Campaign, job.options["from"])
        left = sum(
            session.scalar(select(func.count(Code.id)).where(*_unused(pool))) or 0
            for pool in _pools(session, giving)
        )
        if left:
            job.rejected = left
            job.reasons = {Reason.MISSING_AMOUNT.value: left}


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
