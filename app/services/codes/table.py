"""Putting sealed rows into the table of codes, in short transactions.

Rows come sorted, so that indexes grow at one place. On SQLite a transaction is kept to a few
milliseconds (its size follows what the last ones took) and the next begins after a pause, so that
a till beside it waits for one of them at most. On PostgreSQL rows are copied; only when one of
them exists already does the batch take the slower way through a temporary table.

A row that exists under the same import was put there before a crash and counts as accepted, so
that loading may be begun again at any time with the same end.
"""

from __future__ import annotations

import datetime as dt
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from psycopg.errors import UniqueViolation
from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from app.services.codes.reasons import Reason, Reject
from app.services.codes.sealing import Row
from app.store.dialects import insert_for
from app.store.models import Code, ImportJob, ImportReject
from app.store.session import Database

#: Seconds a transaction on SQLite should take, and rows it has at first, at least and at most.
TARGET = 0.025
FIRST_ROWS, LEAST_ROWS, MOST_ROWS = 1_000, 250, 6_000
COPY_ROWS = 16_384
#: Rows after which the log is brought into the file, and pages of it at which SQLite itself would.
CHECKPOINT_ROWS, LOG_PAGES = 8_000, 16_000
_LOOKED_UP = 500


_JOB = ImportJob.__table__.c
_NOTE = (
    update(ImportJob.__table__)  # type: ignore[arg-type]
    .where(_JOB.id == bindparam("job_id"), _JOB.status == "loading")
    .values({name: bindparam(name) for name in ("accepted", "rejected", "reasons", "updated_at")})
    .returning(_JOB.id)
)


class Stopped(Exception):
    """The import is no longer loading: it was cancelled, or finished elsewhere."""


@dataclass(slots=True)
class Loader:
    """Loads the rows of one import."""

    database: Database
    job_id: uuid.UUID
    campaign_id: int
    key_id: int
    clock: Callable[[], dt.datetime]
    #: Rows made here: one that exists already is made anew instead of being refused.
    generated: bool = False
    accepted: int = 0
    rejected: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    _rows: int = FIRST_ROWS
    #: Rows in the log that are not in the file yet.
    _logged: int = 0

    def count(self, rejects: Sequence[Reject]) -> None:
        """Count rejects that are stored already."""
        self.rejected += len(rejects)
        for reject in rejects:
            self.reasons[reject.reason.value] = self.reasons.get(reject.reason.value, 0) + 1

    def load(self, rows: Sequence[Row], repeats: Sequence[Reject]) -> None:
        """Store sorted rows without repeats, and the rejects that sorting found.

        Raises:
            Stopped: the import is not loading any more; nothing of the present batch is stored.
        """
        pending = [] if self.generated else list(repeats)
        at = 0
        while at < len(rows) or pending:
            size = self._rows if self.database.is_sqlite else COPY_ROWS
            batch = rows[at : at + size]
            refused, pending = pending[:size], pending[size:]
            began = time.perf_counter()
            with self.database.write() as session:
                began = time.perf_counter()
                inserted = self._insert(session, batch)
                found = []
                if inserted < len(batch) and not self.generated:
                    found = self._refused(session, batch)
                store_rejects(session, self.job_id, [*refused, *found])
                self.count([*refused, *found])
                self.accepted += inserted if self.generated else len(batch) - len(found)
                self._note(session)
            at += len(batch)
            if self.database.is_sqlite:
                self._adapt(time.perf_counter() - began)
                self._make_room(len(batch), time.perf_counter() - began)

    def note(self) -> None:
        """Store how far the import is; raises Stopped."""
        with self.database.write() as session:
            self._note(session)

    def _note(self, session: Session) -> None:
        """Store how far the import is, unless somebody stopped it: then nothing is stored."""
        noted = session.execute(
            _NOTE,
            {
                "job_id": self.job_id,
                "accepted": self.accepted,
                "rejected": self.rejected,
                "reasons": dict(self.reasons),
                "updated_at": self.clock(),
            },
        )
        if noted.first() is None:
            raise Stopped

    def _adapt(self, seconds: float) -> None:
        factor = min(1.5, max(0.5, TARGET / max(seconds, 0.000_1)))
        self._rows = max(LEAST_ROWS, min(MOST_ROWS, int(self._rows * factor)))

    def _make_room(self, stored: int, seconds: float) -> None:
        """Let others have the file's lock for a while, and use it for what needs no lock.

        Whoever waits for the lock looks again after some milliseconds, not at once. Bringing the
        log into the file takes as long as such a pause and holds up nobody; done inside a
        transaction, as SQLite does it by itself, it would hold up everybody.
        """
        self._logged += stored
        if self._logged >= CHECKPOINT_ROWS:
            self._logged = 0
            self.database.checkpoint()
        else:
            time.sleep(min(0.002, seconds / 4))

    def _insert(self, session: Session, rows: Sequence[Row]) -> int:
        """How many of the rows are new."""
        if not rows:
            return 0
        if self.database.is_sqlite:
            return self._insert_sqlite(session, rows)
        return self._copy(session, rows)

    def _insert_sqlite(self, session: Session, rows: Sequence[Row]) -> int:
        # The driver itself: for each row SQLAlchemy would cost as much again. Only numbers and a
        # UUID's hexadecimal digits stand in the statement's text.
        cursor = session.connection().connection.cursor()
        # Sorted rows need few pages at once; a full cache would grow with the size of the import.
        cursor.execute("PRAGMA cache_size=-8192")
        cursor.execute(f"PRAGMA wal_autocheckpoint={LOG_PAGES:d}")
        cursor.executemany(
            'INSERT INTO code (lookup, sealed, hint, pin, amount_minor, "limit", '  # noqa: S608
            "key_id, campaign_id, import_job_id, free, used, held) "
            f"VALUES (?1, ?3, ?4, ?5, ?6, ?7, {self.key_id:d}, {self.campaign_id:d}, "
            f"'{self.job_id.hex}', 1, 0, 0) ON CONFLICT (lookup) DO NOTHING",
            rows,
        )
        count: int = cursor.rowcount
        cursor.execute("PRAGMA cache_size=-65536")
        return count

    def _copy(self, session: Session, rows: Sequence[Row]) -> int:
        connection = session.connection().connection.driver_connection
        assert connection is not None  # noqa: S101 - a connection that is in use has one
        cursor = connection.cursor()
        columns = (
            'lookup, sealed, hint, pin, amount_minor, "limit", key_id, campaign_id, '
            "import_job_id, free, used, held"
        )
        data = self._as_text(rows)
        cursor.execute("SAVEPOINT copied")
        try:
            with cursor.copy(f"COPY code ({columns}) FROM STDIN") as copy:
                copy.write(data)
        except UniqueViolation:
            cursor.execute("ROLLBACK TO SAVEPOINT copied")
        else:
            cursor.execute("RELEASE SAVEPOINT copied")
            return len(rows)
        cursor.execute(
            "CREATE TEMPORARY TABLE IF NOT EXISTS arriving (LIKE code) ON COMMIT DELETE ROWS"
        )
        cursor.execute("ALTER TABLE arriving ALTER COLUMN id DROP NOT NULL")
        with cursor.copy(f"COPY arriving ({columns}) FROM STDIN") as copy:
            copy.write(data)
        cursor.execute(
            f"INSERT INTO code ({columns}) SELECT {columns} FROM arriving ORDER BY lookup "  # noqa: S608
            "ON CONFLICT (lookup) DO NOTHING"
        )
        count: int = cursor.rowcount
        return count

    def _as_text(self, rows: Sequence[Row]) -> str:
        r"""Rows in PostgreSQL's COPY text format; hints are ASCII, a backslash is doubled."""
        end = f"\t{self.key_id}\t{self.campaign_id}\t{self.job_id}\tt\t0\t0\n"
        return "".join(
            [
                f"\\\\x{lookup.hex()}\t\\\\x{sealed.hex()}\t"
                f"{chr(92) + 'N' if hint is None else hint.replace(chr(92), chr(92) * 2)}\t"
                f"{chr(92) + 'N' if pin is None else chr(92) * 2 + 'x' + pin.hex()}\t"
                f"{chr(92) + 'N' if amount is None else amount}\t"
                f"{chr(92) + 'N' if limit is None else limit}{end}"
                for lookup, _, sealed, hint, pin, amount, limit in rows
            ]
        )

    def _refused(self, session: Session, rows: Sequence[Row]) -> list[Reject]:
        """Which of the rows belong to others."""
        owners: dict[bytes, tuple[int, uuid.UUID | None]] = {}
        for at in range(0, len(rows), _LOOKED_UP):
            for lookup, campaign_id, job_id in session.execute(
                select(Code.lookup, Code.campaign_id, Code.import_job_id).where(
                    Code.lookup.in_([row[0] for row in rows[at : at + _LOOKED_UP]])
                )
            ):
                owners[lookup] = (campaign_id, job_id)
        return [
            Reject(
                row[1],
                Reason.IN_CAMPAIGN
                if owners[row[0]][0] == self.campaign_id
                else Reason.IN_OTHER_CAMPAIGN,
            )
            for row in rows
            if owners[row[0]][1] != self.job_id
        ]


def store_rejects(session: Session, job_id: uuid.UUID, rejects: Sequence[Reject]) -> None:
    """Store rejects; those of an earlier attempt stay as they are."""
    if not rejects:
        return
    session.execute(
        insert_for(session, ImportReject).on_conflict_do_nothing(),
        [
            {
                "import_job_id": job_id,
                "line": reject.line,
                "reason": reject.reason.value,
                "detail": reject.detail,
            }
            for reject in rejects
        ],
    )
