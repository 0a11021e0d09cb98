"""Failed look-ups of codes are counted, and whoever fails too often has to wait.

Failures at tills are counted for the terminal, the API key and the beginning of the code; those of
callers without a key for their network address, which tills behind one router or proxy share and so
never answer for. They are counted in the database, so that all processes count together. A count
is written only when a look-up fails, and asked only in this process's memory: an honest till pays
nothing. A genuine barcode token or key is never refused here, because it cannot be guessed: a
guesser costs his neighbours no scan. Each process that did not see the limit passed allows one more
failure.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Mapping

from sqlalchemy import case, delete
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from app.faults import Fault
from app.services import security
from app.store.keyring import Keyring
from app.store.models import GuessCount
from app.store.session import Database

WINDOW = dt.timedelta(minutes=10)
#: Failures within the window by one subject of a kind, before it has to wait. A till that types
#: codes all day fails a few times; a list of guesses fails thousands of times. A key that many
#: terminals share waits when ten of them would, and codes of one beginning when ten keys would: who
#: has to wait costs the others nothing.
LIMITS = {"terminal": 30, "key": 300, "address": 60, "prefix": 3_000}


class Guessing(Fault):
    """Too many failed look-ups; `retry_after` seconds remain. Nothing was looked up."""

    code = "guessing"
    retry_after: int

    def __init__(self, retry_after: int) -> None:
        super().__init__(
            "Too many codes that do not exist were tried from here.",
            f"Wait {retry_after} seconds; genuine passes still scan.",
            retry_after=retry_after,
        )


class Guesses:
    """Counts failures of one deployment's clients; safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._blocked: dict[tuple[str, str], dt.datetime] = {}
        self._guard = threading.Lock()

    def check(self, subjects: Mapping[str, str], *, now: dt.datetime) -> None:
        """Let a look-up pass, or not.

        Args:
            subjects: kind (a key of LIMITS) to the subject's name; empty names do not count.

        Raises:
            Guessing: one of them has failed too often.
        """
        if not self._blocked:
            return
        with self._guard:
            self._blocked = {name: until for name, until in self._blocked.items() if until > now}
            until = max(
                (self._blocked[name] for name in subjects.items() if name in self._blocked),
                default=None,
            )
        if until is not None:
            raise Guessing(max(1, round((until - now).total_seconds())))

    def failed(self, subjects: Mapping[str, str], *, keyring: Keyring, now: dt.datetime) -> None:
        """Count a failed look-up, in a transaction of its own.

        Raises:
            Guessing: this failure was one too many.
        """
        build = sqlite_insert if self._database.is_sqlite else postgresql_insert
        table = GuessCount.__table__.c
        named = {
            keyring.fingerprint(f"guess\0{kind}\0{name}".encode()): (kind, name)
            for kind, name in subjects.items()
            if name
        }
        over = table.since < now - WINDOW
        with self._database.transaction() as connection:
            # In one order, so that two failures never wait for each other.
            for digest in sorted(named):
                row = connection.execute(
                    build(GuessCount)
                    .values(subject=digest, since=now, failures=1)
                    .on_conflict_do_update(
                        index_elements=[table.subject],
                        set_={
                            "failures": case((over, 1), else_=table.failures + 1),
                            "since": case((over, now), else_=table.since),
                        },
                    )
                    .returning(table.failures, table.since)
                ).one()
                kind = named[digest][0]
                if row.failures == LIMITS[kind] + 1:
                    # Once for each subject and window, whichever process sees it. The beginning of
                    # a code that may exist is not told.
                    security.record(
                        connection,
                        security.SecurityEventKind.GUESSING_LOCKED,
                        now=now,
                        object=f"counted by {kind}",
                        reason=f"more than {LIMITS[kind]} failures within {WINDOW}",
                    )
                if row.failures > LIMITS[kind]:
                    with self._guard:
                        self._blocked[named[digest]] = row.since + WINDOW
        self.check(subjects, now=now)

    def forget(self, *, now: dt.datetime) -> int:
        """Remove counts whose window is over; returns how many."""
        with self._database.write() as session:
            done = session.execute(delete(GuessCount).where(GuessCount.since < now - WINDOW))
            count: int = done.rowcount  # type: ignore[attr-defined] # a DELETE's result has one
            return count
