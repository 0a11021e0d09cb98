"""From a spool to usable codes, safe to begin again at any time."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from dataclasses import replace

from sqlalchemy import select

from app.services.codes import table
from app.services.codes.jobs import (
    GENERATED,
    NOTE_EVERY,
    READING_SHARE,
    ImportFault,
    Progress,
    Standing,
    complete,
    discard,
    nothing_used,
    spool_of,
    standing,
)
from app.services.codes.reasons import Reason, Reject
from app.services.codes.sealing import Row
from app.services.codes.spool import Spool, SpoolBroken
from app.services.deployment import Deployment
from app.store.models import ImportJob, ImportReject


def load(
    deployment: Deployment, job_id: uuid.UUID, *, progress: Progress = lambda _: None
) -> Standing:
    """Load what has been read, and make its codes usable; safe to call again at any time."""
    try:
        fill(deployment, job_id, progress)
    except table.Stopped:
        return stopped(deployment, job_id)
    except SpoolBroken as broken:
        discard(deployment, job_id, "failed", str(broken))
        raise ImportFault(str(broken)) from None
    if (cause := nothing_used(standing(deployment, job_id))) is not None:
        return discard(deployment, job_id, "failed", cause)
    return complete(deployment, job_id)


def stopped(deployment: Deployment, job_id: uuid.UUID) -> Standing:
    """What became of an import that somebody cancelled, or finished, while it was loading."""
    found = standing(deployment, job_id)
    if found.status == "cancelling":
        return discard(deployment, job_id, "cancelled", None)
    return found


def fill(deployment: Deployment, job_id: uuid.UUID, progress: Progress) -> None:
    """Load the spool of an import that is loading; raises Stopped or SpoolBroken."""
    with deployment.database.read() as session:
        job = session.get_one(ImportJob, job_id)
        if job.status != "loading":
            raise table.Stopped
        loader = table.Loader(
            database=deployment.database,
            job_id=job_id,
            campaign_id=job.campaign_id,
            key_id=job.options["key_id"],
            clock=deployment.now,
            generated=job.filename == GENERATED,
            accepted=job.accepted if job.filename == GENERATED else 0,
        )
        # Rejects found while reading are stored; those that loading finds are counted as it goes.
        found = session.execute(
            select(ImportReject.reason, ImportReject.line).where(
                ImportReject.import_job_id == job_id,
                ImportReject.reason.not_in(
                    (Reason.DUPLICATE, Reason.IN_CAMPAIGN, Reason.IN_OTHER_CAMPAIGN)
                ),
            )
        )
        for reason, line in found:
            loader.count([Reject(line, Reason(reason))])
    noted = time.monotonic()
    for rows, repeats in _gathered(spool_of(deployment, job_id)):
        loader.load(rows, repeats)
        if time.monotonic() - noted > NOTE_EVERY:
            now = standing(deployment, job_id)
            share = (now.accepted + now.rejected) / max(now.read, 1)
            progress(replace(now, share=READING_SHARE + (1 - READING_SHARE) * min(share, 1)))
            noted = time.monotonic()
    # What was refused is told though there was no row to load it with.
    loader.note()


def _gathered(spool: Spool) -> Iterator[tuple[list[Row], list[Reject]]]:
    """Sorted rows, in pieces that are worth a transaction though the import be small."""
    rows: list[Row] = []
    repeats: list[Reject] = []
    for more, again in spool.sorted_rows():
        rows += more
        repeats += again
        if len(rows) >= table.COPY_ROWS:
            yield rows, repeats
            rows, repeats = [], []
    yield rows, repeats
