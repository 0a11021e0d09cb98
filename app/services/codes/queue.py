"""What a crash left behind, gone on with: the worker asks now and then."""

from __future__ import annotations

from sqlalchemy import select, update

from app.services.codes.generated import make
from app.services.codes.jobs import (
    GENERATED,
    READING_LIMIT,
    ImportFault,
    Standing,
    discard,
    spool_of,
    standing,
)
from app.services.codes.load import load
from app.services.codes.moved import go_on
from app.services.deployment import Deployment
from app.store.models import Campaign, ImportJob


def resume(deployment: Deployment) -> list[Standing]:
    """Go on with what a crash interrupted on this machine; the worker calls it now and then."""
    with deployment.database.read() as session:
        jobs = session.scalars(
            select(ImportJob).where(ImportJob.status.in_(("reading", "loading", "cancelling")))
        ).all()
    results = []
    for job in jobs:
        idle = deployment.now() - job.updated_at
        if job.status == "cancelling":
            results.append(discard(deployment, job.id, "cancelled", None))
        elif "from" in job.options:
            if idle > READING_LIMIT and _taken_over(deployment, job):
                results.append(go_on(deployment, job.id))
        elif job.filename == GENERATED:
            if idle > READING_LIMIT and _taken_over(deployment, job):
                results.append(_made_on(deployment, job))
        elif job.status == "reading":
            if idle > READING_LIMIT:
                results.append(
                    discard(deployment, job.id, "failed", "The file broke off: send it again.")
                )
        elif spool_of(deployment, job.id).complete:
            results.append(load(deployment, job.id))
    return results


def _taken_over(deployment: Deployment, job: ImportJob) -> bool:
    """Whether this worker, and no other, goes on with codes that stand still on their way."""
    with deployment.database.write() as session:
        taken = session.execute(
            update(ImportJob)
            .where(
                ImportJob.id == job.id,
                ImportJob.status == job.status,
                ImportJob.updated_at == job.updated_at,
            )
            # The codes that are still to be made are sealed with the newest key.
            .values(
                updated_at=deployment.now(),
                options={**job.options, "key_id": deployment.keyring.newest},
            )
            .returning(ImportJob.id)
        ).first()
    return taken is not None


def _made_on(deployment: Deployment, job: ImportJob) -> Standing:
    with deployment.database.read() as session:
        campaign = session.get_one(Campaign, job.campaign_id)
    try:
        return make(deployment, job.id, campaign, lambda _: None)
    except ImportFault:
        return standing(deployment, job.id)
