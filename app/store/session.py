"""The database and its one commit.

`read()` never writes: it rolls back. `write()` commits once, when its block ends without an
exception. `transaction()` is the same for a bare connection, without the bookkeeping of the ORM,
for the till's path. Nothing else in the service commits.

SQLite: WAL, `synchronous=FULL`, `BEGIN IMMEDIATE` for writers. Writers of this process queue in
arrival order before they touch the file, because busy-waiting on SQLite's lock starves some of
them for hundreds of milliseconds. PostgreSQL: READ COMMITTED, as many writers as come.

A transaction that says `lasting=False` is committed like any other, but what it wrote may be lost
if the machine (not the process) fails within moments: for notes that are made again by themselves.
A later lasting commit makes it last too, so that what is found afterwards is always what was true
at one moment. It spares the disk a flush, and so the tills their waiting for it.

A lost connection, a fail-over, a deadlock or a lock that did not come in time raises
`Unavailable`: nothing was written, and the same request may be sent again. (After a connection
lost *during* the commit the outcome is unknown; idempotency keys answer that.)
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from app.faults import Fault
from app.store import private

#: Where a transaction leaves word of what it did, in the `info` of its session or connection.
NOTES = "passerelle_notes"
#: Connections beyond those that are kept; each is opened and closed again for one use.
SPARE = 4
#: How long a statement waits for another transaction's row lock (milliseconds).
LOCK_TIMEOUT_MS = 2_000
#: Serialization, deadlock, lock timeout; and read-only, as a server is that another took over from.
_PASSING = frozenset({"40001", "40P01", "55P03", "25006"})


class DatabaseFault(Fault):
    """The database cannot be used as it is; trying again changes nothing."""


class Unavailable(Fault):
    """The database cannot answer now; trying again later is safe."""

    code = "unavailable"
    retry_after = 2


#: What an operator mends, by SQLite's name of the error, https://www.sqlite.org/rescode.html.
_SQLITE = {
    "SQLITE_NOTADB": (
        "The file of PASSERELLE_DATABASE_URL is no SQLite database.",
        "Name another, or move it away and run `passerelle migrate`.",
    ),
    "SQLITE_CORRUPT": (
        "The database's file is damaged.",
        "Move it away and restore the latest backup with `passerelle restore`.",
    ),
    "SQLITE_READONLY": (
        "The database's file or folder cannot be written.",
        "Let this user write both.",
    ),
    "SQLITE_PERM": ("The database's file cannot be opened.", "Let this user read and write it."),
    "SQLITE_CANTOPEN": (
        "The database's file cannot be opened.",
        "Name a file in a folder that this user can write in PASSERELLE_DATABASE_URL.",
    ),
    "SQLITE_FULL": ("The disk of the database is full.", "Make room and repeat it."),
    "SQLITE_IOERR": (
        "The disk of the database fails.",
        "Look into the system's log, and restore the latest backup if the file is damaged.",
    ),
}
#: The same by SQLSTATE, https://www.postgresql.org/docs/current/errcodes-appendix.html.
_POSTGRESQL = {
    "42501": (
        "The database does not let its user do this.",
        "Grant the user of PASSERELLE_DATABASE_URL the rights to the schema and its tables.",
    ),
    "22001": ("A text is too long for what it is to be.", "Shorten it."),
    "22003": ("A number is too large.", "Give a smaller one."),
}


#: The execution option of connections that write.
WRITES = "passerelle_write"
#: Of those whose commit need not reach the disk at once.
_HASTY = "passerelle_hasty"


class Database:
    """A deployment's database; one per process, safe to share between threads.

    What a transaction left in its `info[NOTES]` (a session's or a connection's) is handed to
    `committed` right after the commit, when the writer's turn is over; it must not raise.
    """

    def __init__(self, url: str, *, pool_size: int = 16) -> None:
        try:
            parsed = make_url(url)
        except (ArgumentError, ValueError):
            # It may hold a password, so that nothing of it is repeated.
            raise DatabaseFault(
                "PASSERELLE_DATABASE_URL is no address of a database.",
                "Write sqlite:///path or postgresql://user:password@host/name.",
            ) from None
        self.committed: Callable[[Collection[Any]], None] = lambda _notes: None
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        pool: dict[str, Any] = {
            "pool_size": pool_size,
            "max_overflow": SPARE,
            # Those used last have their statements prepared and their catalogue read.
            "pool_use_lifo": True,
            # Errors are logged, and parameters are recipients, device ids and hashes.
            "hide_parameters": True,
        }
        if self.is_sqlite:
            if parsed.database and parsed.database != ":memory:":
                private.database_file(Path(parsed.database))
            self.engine = create_engine(parsed, **pool)
            event.listen(self.engine, "connect", _configure_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
        else:
            self.engine = create_engine(
                parsed,
                **pool,
                pool_timeout=5,
                # The first ones may idle for long, and be dropped on the way without a word.
                pool_recycle=1_800,
                pool_pre_ping=False,
                connect_args={
                    "connect_timeout": 5,
                    "keepalives_idle": 60,
                    "tcp_user_timeout": 10_000,
                    "options": f"-c timezone=UTC -c lock_timeout={LOCK_TIMEOUT_MS}",
                },
            )
            event.listen(self.engine, "begin", _begin_postgresql)
        self._writer: Engine = self.engine.execution_options(**{WRITES: True})
        self._hasty: Engine = self._writer.execution_options(**{_HASTY: True})
        self._turn = _Turnstile() if self.is_sqlite else nullcontext()

    def __repr__(self) -> str:
        return f"Database({self.engine.url.render_as_string(hide_password=True)})"

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session for reading; whatever it holds at the end is rolled back."""
        with _faults_as_unavailable(), Session(self.engine, autoflush=False) as session:
            yield session

    @contextmanager
    def write(self, *, lasting: bool = True) -> Iterator[Session]:
        """A session whose work is committed when the block ends, or rolled back if it raises."""
        with (
            _faults_as_unavailable(),
            self._turn,
            Session(self._writer if lasting else self._hasty, expire_on_commit=False) as session,
        ):
            yield session
            session.commit()
        if notes := session.info.get(NOTES):
            self.committed(notes)

    @contextmanager
    def transaction(self, *, lasting: bool = True) -> Iterator[Connection]:
        """A connection whose statements are committed together when the block ends, or not at
        all.
        """
        writer = self._writer if lasting else self._hasty
        with _faults_as_unavailable(), self._turn, writer.begin() as connection:
            # The pool keeps a connection's info: notes of a transaction that failed are void.
            connection.info.pop(NOTES, None)
            yield connection
            notes = connection.info.pop(NOTES, None)
        if notes:
            self.committed(notes)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection for reading; whatever it holds at the end is rolled back."""
        with _faults_as_unavailable(), self.engine.connect() as connection:
            yield connection

    def checkpoint(self) -> None:
        """Bring SQLite's log into the database file, while others write; nothing on PostgreSQL.

        https://www.sqlite.org/wal.html#ckpt, passive: it waits for nobody, and nobody for it.
        """
        if self.is_sqlite:
            connection = self.engine.raw_connection()
            try:
                connection.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            finally:
                connection.close()

    def close(self) -> None:
        """Give the connections back; a process that forks calls it first."""
        self.engine.dispose()


class _Turnstile:
    """A lock that serves in arrival order, which `threading.Lock` does not promise."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._taken = False
        self._owner: int | None = None

    def __enter__(self) -> None:
        me = threading.get_ident()
        if self._owner == me:
            raise RuntimeError("A transaction that writes is open in this thread already.")
        gate = None
        with self._guard:
            if self._taken:
                gate = threading.Lock()
                gate.acquire()
                self._waiting.append(gate)
            self._taken = True
        if gate is not None:
            gate.acquire()
        self._owner = me

    def __exit__(self, *_: object) -> None:
        self._owner = None
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False


@contextmanager
def _faults_as_unavailable() -> Iterator[None]:
    try:
        yield
    except PoolTimeout as error:
        raise Unavailable("Every database connection is in use.") from error
    except DBAPIError as error:
        if _passes(error):
            raise Unavailable("The database cannot answer now.") from error
        raise


def fault_of(error: DBAPIError) -> Fault | None:
    """Say what an operator has to mend when the database refuses; None when it is the program."""
    if _passes(error):
        return Unavailable("The database cannot answer now.")
    if isinstance(error.orig, sqlite3.Error):
        name = getattr(error.orig, "sqlite_errorname", "")
        found = next((words for start, words in _SQLITE.items() if name.startswith(start)), None)
    else:
        found = _POSTGRESQL.get(getattr(error.orig, "sqlstate", None) or "")
    return None if found is None else DatabaseFault(*found)


def _passes(error: DBAPIError) -> bool:
    """Whether the same may succeed later without anything being mended in the database."""
    return (
        error.connection_invalidated
        or getattr(error.orig, "sqlstate", None) in _PASSING
        or _is_lost(error)
    )


def _is_lost(error: DBAPIError) -> bool:
    if not isinstance(error, OperationalError):
        return False
    if isinstance(error.orig, sqlite3.OperationalError):
        # Only these pass by themselves; "no such table" and "disk I/O error" do not.
        return error.orig.sqlite_errorname.startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))
    # psycopg raises OperationalError without a state when a connection cannot be made, and with
    # class 08, 53 or 57 when the server shuts down, is full or is in recovery.
    state = getattr(error.orig, "sqlstate", None)
    return state is None or state[:2] in ("08", "53", "57")


def _configure_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    # pysqlite opens transactions by itself, too late and without IMMEDIATE: ours do, in `begin`.
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "busy_timeout=10000",
        "cache_size=-65536",
        "temp_store=MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Any) -> None:
    options = connection.get_execution_options()
    if not options.get(WRITES):
        connection.exec_driver_sql("BEGIN")
        return
    hasty = options.get(_HASTY, False)
    if connection.info.get(_HASTY, False) != hasty:
        # Without a flush of the log at its commit; the next lasting one flushes all before it.
        connection.exec_driver_sql(f"PRAGMA synchronous={'NORMAL' if hasty else 'FULL'}")
        connection.info[_HASTY] = hasty
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin_postgresql(connection: Any) -> None:
    if connection.get_execution_options().get(_HASTY):
        connection.exec_driver_sql("SET LOCAL synchronous_commit TO off")
