"""Stores sealed rows in the table of codes, in short transactions.

Rows come sorted, so that indexes grow at one place. On SQLite a transaction is kept to a few
milliseconds (its size follows what the last ones took) and the next begins after a pause, so that
a till beside it waits for one of them at most. On PostgreSQL rows are copied; only when one of
them exists already does the batch take the slower way through a temporary table.

A row that exists under the same import was put there before a crash and counts as accepted, so
that loading may be begun again at any time with the same end.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from psycopg.errors import UniqueViolation
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.services.codes.claims import NOTE_EVERY, Claim, Stopped
from app.services.codes.jobs import OnProgress, progress
from app.services.codes.reasons import Reject, RejectReason
from app.services.codes.sealing import SealedRow
from app.services.codes.sources import PatternSource, source_of
from app.services.codes.spool import Spool
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
#: What the table itself refuses; other rejects are found while a file is read.
_FOUND_HERE = (RejectReason.DUPLICATE, RejectReason.IN_CAMPAIGN, RejectReason.IN_OTHER_CAMPAIGN)


def fill(claim: Claim, spool: Spool, on_progress: OnProgress) -> int:
    """Store the rows of a spool as codes of an import that is loading; returns how many it has.

    Raises:
        Stopped, Interrupted: somebody cancelled it or took it over, or the process ends.
        SpoolBroken: the spool is not whole.
    """
    deployment, job_id = claim.deployment, claim.job_id
    with deployment.database.read() as session:
        job = session.get_one(ImportJob, job_id)
        if job.status != "loading":
            raise Stopped
        generated = isinstance(source_of(job), PatternSource)
        loader = Loader(
            claim=claim,
            database=deployment.database,
            campaign_id=job.campaign_id,
            key_id=job.options["key_id"],
            generated=generated,
            accepted=job.accepted if generated else 0,
        )
        # Rejects found while reading are stored; those that loading finds are counted as it goes.
        found = session.execute(
            select(ImportReject.reason, ImportReject.line).where(
                ImportReject.import_job_id == job_id, ImportReject.reason.not_in(_FOUND_HERE)
            )
        )
        for reason, line in found:
            loader.count([Reject(line, RejectReason(reason))])
    noted = time.monotonic()
    for rows, repeats in _gathered(spool):
        loader.load(rows, repeats)
        if time.monotonic() - noted > NOTE_EVERY:
            on_progress(progress(deployment, job_id))
            noted = time.monotonic()
    # What was refused is told though there was no row to load it with.
    loader.note()
    return loader.accepted


def _gathered(spool: Spool) -> Iterator[tuple[list[SealedRow], list[Reject]]]:
    """Yield sorted rows in pieces that are worth a transaction."""
    rows: list[SealedRow] = []
    repeats: list[Reject] = []
    for more, again in spool.sorted_rows():
        rows += more
        repeats += again
        if len(rows) >= COPY_ROWS:
            yield rows, repeats
            rows, repeats = [], []
    yield rows, repeats


@dataclass(slots=True)
class Loader:
    """Loads the rows of one import."""

    claim: Claim
    database: Database
    campaign_id: int
    key_id: int
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

    def load(self, rows: Sequence[SealedRow], repeats: Sequence[Reject]) -> None:
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
                store_rejects(session, self.claim.job_id, [*refused, *found])
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
        self.claim.note(
            session,
            held="loading",
            accepted=self.accepted,
            rejected=self.rejected,
            reasons=dict(self.reasons),
        )

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

    def _insert(self, session: Session, rows: Sequence[SealedRow]) -> int:
        """Insert rows that are new; returns how many were."""
        if not rows:
            return 0
        if self.database.is_sqlite:
            return self._insert_sqlite(session, rows)
        return self._copy(session, rows)

    def _insert_sqlite(self, session: Session, rows: Sequence[SealedRow]) -> int:
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
            f"'{self.claim.job_id.hex}', 1, 0, 0) ON CONFLICT (lookup) DO NOTHING",
            rows,
        )
        count: int = cursor.rowcount
        cursor.execute("PRAGMA cache_size=-65536")
        return count

    def _copy(self, session: Session, rows: Sequence[SealedRow]) -> int:
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

    def _as_text(self, rows: Sequence[SealedRow]) -> str:
        r"""Write rows in PostgreSQL's COPY text format; hints are ASCII, a backslash is doubled."""
        end = f"\t{self.key_id}\t{self.campaign_id}\t{self.claim.job_id}\tt\t0\t0\n"
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

    def _refused(self, session: Session, rows: Sequence[SealedRow]) -> list[Reject]:
        """Tell which of the rows belong to others."""
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
                RejectReason.IN_CAMPAIGN
                if owners[row[0]][0] == self.campaign_id
                else RejectReason.IN_OTHER_CAMPAIGN,
            )
            for row in rows
            if owners[row[0]][1] != self.claim.job_id
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
