"""Lets one process at a time work on an import; who stands still loses it.

The row of an import says from when on a worker may take it up. Whoever works on it moves that
moment ahead with every batch that he stores. The moment is his claim as well: each of his writes
asks whether it still stands there. So a killed process's import is taken up by another as soon as
the claim ends, and a process that only seemed dead stores nothing more.
"""

from __future__ import annotations

import datetime as dt
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.services.deployment import Deployment
from app.store.models import ImportJob

#: How long a claim holds when nothing is stored: far longer than a batch takes on a slow disk.
LEASE = dt.timedelta(seconds=60)
#: How long a file may stand still while it is sent.
READING_LIMIT = dt.timedelta(minutes=15)
#: The moment that lets an import wait for the next free worker.
AT_ONCE = dt.datetime.fromtimestamp(0, dt.UTC)
#: Seconds between two notes of what stores nothing else.
NOTE_EVERY = 1.0

_JOB = ImportJob.__table__.c


class Stopped(Exception):
    """The import is nobody's to work on, or another's: cancelled, finished or taken over.

    Nothing of the present batch is stored.
    """


class Interrupted(Exception):
    """The process ends and leaves its import to another; nothing of the present batch is stored."""


def _never() -> bool:
    return False


@dataclass(slots=True)
class Claim:
    """The right to work on one import.

    Attributes:
        until: when it ends, as the import's row says it.
        leaving: whether the process wants to end, asked before every batch is stored.
    """

    deployment: Deployment
    job_id: uuid.UUID
    until: dt.datetime
    leaving: Callable[[], bool] = _never
    _noted: float = field(default_factory=time.monotonic)

    def note(
        self, session: Session, *, held: str, lease: dt.timedelta = LEASE, **values: Any
    ) -> None:
        """Store `values` with the import, and hold it for longer.

        Args:
            held: the status that it has to have.

        Raises:
            Stopped: it is not, or is another's.
            Interrupted: the process ends.
        """
        if self.leaving():
            raise Interrupted
        until = self.deployment.now() + lease
        self._store(session, held, due_at=until, **values)
        self.until, self._noted = until, time.monotonic()

    def keep(self, *, held: str) -> None:
        """Hold the import for longer, if that was not said within the last second.

        Raises:
            Stopped, Interrupted: as `note`.
        """
        if time.monotonic() - self._noted > NOTE_EVERY:
            with self.deployment.database.write() as session:
                self.note(session, held=held)

    def hand_over(self, *, held: str, **values: Any) -> None:
        """Store `values`, and leave the import to the next free worker.

        Raises:
            Stopped: as `note`.
        """
        with self.deployment.database.write() as session:
            self._store(session, held, due_at=AT_ONCE, **values)

    def finish(self, session: Session, *, held: str, **values: Any) -> None:
        """Store the last `values` of the import, on which nobody works from now on.

        Args:
            held: the status that it has to have.

        Raises:
            Stopped: as `note`.
        """
        self._store(session, held, due_at=None, **values)

    def let_go(self) -> None:
        """Leave the import as it is to the next free worker; nothing happens if it is another's."""
        with self.deployment.database.write() as session:
            session.execute(
                update(ImportJob.__table__)  # type: ignore[arg-type]
                .where(_JOB.id == self.job_id, _JOB.due_at == self.until)
                .values(due_at=AT_ONCE)
            )

    def _store(self, session: Session, held: str, **values: Any) -> None:
        stored = session.execute(
            update(ImportJob.__table__)  # type: ignore[arg-type]
            .where(_JOB.id == self.job_id, _JOB.status == held, _JOB.due_at == self.until)
            .values({"updated_at": self.deployment.now(), **values})
            .returning(_JOB.id)
        )
        if stored.first() is None:
            raise Stopped


def take_over(deployment: Deployment, job_id: uuid.UUID) -> Claim:
    """Claim an unfinished import, whoever works on it: a person asked for it again.

    Raises:
        Stopped: it is finished.
    """
    with deployment.database.write() as session:
        job = session.scalars(
            select(ImportJob).where(ImportJob.id == job_id).with_for_update()
        ).one()
        if job.finished_at is not None:
            raise Stopped
        # A moment that nobody else holds, also where the clock stands still.
        until = deployment.now() + LEASE
        if job.due_at is not None and job.due_at >= until:
            until = job.due_at + dt.timedelta(microseconds=1)
        job.due_at = until
    return Claim(deployment, job_id, until)


def claim_as_seen(deployment: Deployment, job: ImportJob) -> Claim | None:
    """Claim an import that was seen to be due; None when another was first."""
    until = deployment.now() + LEASE
    with deployment.database.write() as session:
        taken = session.execute(
            update(ImportJob.__table__)  # type: ignore[arg-type]
            .where(
                _JOB.id == job.id,
                _JOB.status == job.status,
                _JOB.updated_at == job.updated_at,
                _JOB.due_at.is_not_distinct_from(job.due_at),
            )
            .values(due_at=until, updated_at=deployment.now())
            .returning(_JOB.id)
        ).first()
    return Claim(deployment, job.id, until) if taken is not None else None
