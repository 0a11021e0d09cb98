"""Runs the imports that are due: queued ones, and those that a crash interrupted.

Any number of processes may ask at any time: each import is run by the one that claims it.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

import structlog
from sqlalchemy import and_, or_, select

from app.services.codes import from_file, generated, jobs, moved
from app.services.codes.claims import (
    LEASE,
    READING_LIMIT,
    Claim,
    Interrupted,
    Stopped,
    claim_as_seen,
)
from app.services.codes.jobs import ImportFault, ImportProgress
from app.services.codes.sources import CampaignSource, FileSource, PatternSource, source_of
from app.services.deployment import Deployment
from app.store.models import ImportJob
from app.store.session import Unavailable

#: Seconds between two looks for imports that are due.
LOOK = 0.5


def resume(deployment: Deployment) -> list[ImportProgress]:
    """Run every import that is due and can be run on this machine, one after another."""
    done = []
    while (ran := run_next(deployment)) is not None:
        done.append(ran)
    return done


def run_until(deployment: Deployment, stop: Event) -> None:
    """Run imports as they become due, one after another, until `stop` is set; for a thread."""
    while not stop.is_set():
        ran = None
        try:
            ran = run_next(deployment, leaving=stop.is_set)
        except Unavailable as fault:
            structlog.get_logger().warning("import_waits", reason=str(fault))
        except Exception:
            # One import must not end the others; it is taken up again when its claim has ended.
            structlog.get_logger().exception("import_interrupted")
        if ran is None:
            stop.wait(LOOK)


def run_next(
    deployment: Deployment, *, leaving: Callable[[], bool] = lambda: False
) -> ImportProgress | None:
    """Run the oldest import that is due and can be run here; None when there is none.

    Args:
        leaving: whether the process wants to end; the import is then left to another.
    """
    for job in _due(deployment):
        source = source_of(job)
        claim = claim_as_seen(deployment, job) if _is_possible(deployment, job) else None
        if claim is None:
            continue
        claim.leaving = leaving
        try:
            done = _run(claim, job)
        except ImportFault:
            done = jobs.progress(deployment, job.id)
        except Interrupted:
            claim.let_go()
            return None
        structlog.get_logger().info(
            "import_run",
            campaign=done.campaign,
            kind=source.kind,
            status=done.status,
            accepted=done.accepted,
        )
        return done
    return None


def _due(deployment: Deployment) -> list[ImportJob]:
    now = deployment.now()
    # The release before says no moment; it shows by `updated_at` that it is at work.
    stands_still = and_(
        ImportJob.due_at.is_(None),
        or_(
            ImportJob.updated_at < now - READING_LIMIT,
            and_(ImportJob.status != "reading", ImportJob.updated_at < now - LEASE),
        ),
    )
    with deployment.database.read() as session:
        return list(
            session.scalars(
                select(ImportJob)
                .where(
                    ImportJob.finished_at.is_(None),
                    ImportJob.status.in_(jobs.UNFINISHED),
                    or_(ImportJob.due_at < now, stands_still),
                )
                .order_by(ImportJob.created_at, ImportJob.id)
            )
        )


def _is_possible(deployment: Deployment, job: ImportJob) -> bool:
    """Tell whether this machine has what the import needs: sealed rows may wait on another."""
    waits_in_spool = job.status == "loading" and isinstance(source_of(job), FileSource)
    return not waits_in_spool or jobs.spool_of(deployment, job.id).complete


def _run(claim: Claim, job: ImportJob) -> ImportProgress:
    if job.status == "cancelling":
        return jobs.discard(claim.deployment, job.id)
    match source_of(job):
        case CampaignSource():
            return moved.move(claim)
        case PatternSource() as source:
            return generated.make(claim, source)
        case FileSource() if job.status == "loading":
            return from_file.load_claimed(claim)
        case FileSource():
            try:
                return jobs.fail(claim, "The file broke off: send it again.")
            except Stopped:
                return jobs.stopped(claim.deployment, job.id)
