"""A backup holds the whole database at one moment, in one file, for SQLite and PostgreSQL.

A backup is a ZIP file with the data and a manifest, taken from a working service without stopping
it: SQLite's online backup, or every table by COPY out of one snapshot. It needs no program beside
this one. Codes and PINs in it are sealed as in the database; master keys are never in it, and
without them it is worthless, so keep both, apart. A master key also proves it (`manifest`): one
that was changed, cut off or put together anew is refused before anything of it is believed.

Restore writes into an empty database of the same kind and release, checks every digest and count
on the way, and ends with the audit, with who may act on the database (`inventory`) and with what
tills have to send again: whatever they sent after the backup's moment, under the same keys. Calls
that the backup knows get the answer they got before.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import shutil
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Table, create_engine, delete, func, select, text
from sqlalchemy.orm import Session

from app.services import eventlog, security
from app.services.backup.inventory import Differences, Inventory, compared, taken
from app.services.backup.manifest import (
    CHUNK,
    MANIFEST,
    PROOF,
    BackupFault,
    BackupReader,
    Made,
    Writer,
)
from app.services.decisions import stop
from app.services.eventlog import Position
from app.services.reports.rollup import READER
from app.services.security import SecurityEventKind
from app.store import migrations, private
from app.store.models import (
    ApiKey,
    Base,
    Entry,
    FunnelCount,
    IdempotencyRecord,
    LogReader,
    MasterKey,
    Milestone,
    Store,
    Terminal,
    Webhook,
)
from app.store.session import Database

__all__ = [
    "MANIFEST",
    "PROOF",
    "BackupFault",
    "Differences",
    "Inventory",
    "Made",
    "Replay",
    "backup",
    "compared",
    "inspect",
    "replays",
    "restore",
    "taken",
]

SQLITE_FILE = "database.sqlite"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What one till's key has to send again after a restore: whatever came after `last_at`."""

    key: str
    store: str | None
    terminal: str | None
    calls: int
    last_at: dt.datetime | None


def backup(
    database: Database, target: Path, *, master_keys: Mapping[int, bytes], now: dt.datetime
) -> Made:
    """Write a backup of the database to the file `target`, whole or not at all.

    Args:
        master_keys: the newest proves the backup; that it was made is a security event.

    Raises:
        BackupFault: the file exists, or the database is not migrated.
    """
    if target.exists():
        raise BackupFault(f"{target} exists: name a file that does not.")
    if migrations.pending(database):
        raise BackupFault(
            "The database's schema is older than this release: run `passerelle migrate`."
        )
    if migrations.ahead(database):
        # What the later release keeps in tables of its own would be missing.
        raise BackupFault(
            "The database's schema is a later release's: take the backup with that release."
        )
    private.folder(target.parent)
    part = target.with_name(f"{target.name}.part")
    try:
        with (
            open(part, "wb", opener=private.owner_only) as file,
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        ):
            writer = Writer(archive)
            about = (_backup_sqlite if database.is_sqlite else _backup_postgresql)(database, writer)
            about |= {
                "made_at": now.isoformat(),
                "revision": migrations.head(),
                "database": "sqlite" if database.is_sqlite else "postgresql",
            }
            made = writer.finish(about, master_keys=master_keys)
        with database.write() as session:
            security.record(
                session, SecurityEventKind.BACKUP_MADE, now=now, object=f"backup {target.name}"
            )
        part.rename(target)
    finally:
        part.unlink(missing_ok=True)
    return made


def inspect(
    source: Path, *, master_keys: Mapping[int, bytes], unauthenticated: bool = False
) -> Made:
    """What a backup says of itself; raises as `restore` does of the file."""
    return BackupReader(source, master_keys=master_keys, unauthenticated=unauthenticated).made


def restore(
    database: Database,
    source: Path,
    *,
    master_keys: Mapping[int, bytes],
    now: dt.datetime,
    unauthenticated: bool = False,
) -> Made:
    """Fill an empty database from a backup.

    Args:
        unauthenticated: take a backup that nothing proves, as releases before this one made them.

    Raises:
        BackupFault: the database is not empty, the backup is of another kind or release, or not
            one that these keys made, or it was changed. The database is then left empty.
    """
    reader = BackupReader(source, master_keys=master_keys, unauthenticated=unauthenticated)
    made = reader.made
    kind = "sqlite" if database.is_sqlite else "postgresql"
    if made.database != kind:
        raise BackupFault(
            f"The backup is of {made.database}: restore it with a PASSERELLE_DATABASE_URL of that."
        )
    if made.revision != migrations.head():
        raise BackupFault(
            f"The backup is of schema {made.revision}, this release has {migrations.head()}: "
            "restore it with the release that made it, then migrate."
        )
    _refuse_filled(database)
    reader.verify()
    (_restore_sqlite if database.is_sqlite else _restore_postgresql)(database, reader)
    with database.write() as session:
        security.record(
            session,
            SecurityEventKind.BACKUP_RESTORED,
            now=now,
            object=f"backup {source.name}",
            reason=f"of {made.made_at.isoformat()}"
            + ("" if made.inventory is not None else ", which nothing proves"),
        )
    return made


def replays(session: Session) -> list[Replay]:
    """Each till's key with its last call that this database knows."""
    rows = session.execute(
        select(
            ApiKey.name,
            Store.key,
            Terminal.key,
            func.count(IdempotencyRecord.key),
            func.max(IdempotencyRecord.created_at),
        )
        .outerjoin(IdempotencyRecord, IdempotencyRecord.api_key_id == ApiKey.id)
        .outerjoin(Store, Store.id == ApiKey.store_id)
        .outerjoin(Terminal, Terminal.id == ApiKey.terminal_id)
        .where(ApiKey.revoked_at.is_(None))
        .group_by(ApiKey.id, ApiKey.name, Store.key, Terminal.key)
        .order_by(Store.key, Terminal.key, ApiKey.id)
    ).all()
    return [
        Replay(key=name, store=store, terminal=terminal, calls=calls, last_at=last_at)
        for name, store, terminal, calls, last_at in rows
        if terminal is not None or calls
    ]


# -- SQLite --


def _backup_sqlite(database: Database, writer: Writer) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="passerelle-backup-") as folder:
        copy = Path(folder) / SQLITE_FILE
        with (
            contextlib.closing(sqlite3.connect(str(database.engine.url.database))) as source,
            contextlib.closing(sqlite3.connect(copy)) as target,
        ):
            # In one step: a copy in several starts anew whenever somebody writes between them.
            source.backup(target)
        with contextlib.closing(sqlite3.connect(copy)) as plain:
            # The copy is of one file, without a log beside it.
            plain.execute("PRAGMA journal_mode=DELETE")
            keys = [row[0] for row in plain.execute("SELECT id FROM master_key ORDER BY id")]
            counts = _counted(plain)
        inventory = _inventory_of_file(copy)
        with copy.open("rb") as data:
            writer.add(SQLITE_FILE, _chunks(data), rows=sum(counts.values()))
    return {
        "entries": counts[Entry.__tablename__],
        "master_keys": keys,
        "tables": counts,
        "inventory": inventory,
    }


def _restore_sqlite(database: Database, reader: BackupReader) -> None:
    path = Path(str(database.engine.url.database))
    database.close()
    part = path.with_name(f"{path.name}.part")
    try:
        (member,) = reader.members
        with open(part, "wb", opener=private.owner_only) as out:
            for chunk in reader.chunks(member):
                out.write(chunk)
        with contextlib.closing(sqlite3.connect(part)) as plain:
            told = plain.execute("PRAGMA integrity_check").fetchone()[0]
            if told != "ok":
                raise BackupFault(f"SQLite finds the backup damaged: {told}. Take an older one.")
            if reader.made.inventory is not None and _counted(plain) != reader.tables:
                raise _uncounted()
        if reader.made.inventory is not None:
            _insist(reader.made.inventory, _inventory_of_file(part))
        for beside in ("-wal", "-shm"):
            path.with_name(path.name + beside).unlink(missing_ok=True)
        shutil.move(part, path)
    finally:
        part.unlink(missing_ok=True)


def _counted(plain: sqlite3.Connection) -> dict[str, int]:
    return {
        str(table.name): plain.execute(f'SELECT count(*) FROM "{table.name}"').fetchone()[0]  # noqa: S608
        for table in Base.metadata.sorted_tables
    }


def _inventory_of_file(path: Path) -> Inventory:
    engine = create_engine(f"sqlite:///{path}")
    try:
        with Session(engine) as session:
            return taken(session)
    finally:
        engine.dispose()


# -- PostgreSQL --


def _backup_postgresql(database: Database, writer: Writer) -> dict[str, Any]:
    engine = database.engine.execution_options(isolation_level="REPEATABLE READ")
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        entries = 0
        for table in Base.metadata.sorted_tables:
            rows = connection.execute(select(func.count()).select_from(table)).scalar_one()
            if table.name == Entry.__tablename__:
                entries = rows
            with driver.cursor().copy(f"COPY {_columns(table)} TO STDOUT") as copy:
                writer.add(f"{table.name}.copy", map(bytes, copy), rows=rows)
        keys = list(connection.execute(select(MasterKey.id).order_by(MasterKey.id)).scalars())
        with Session(bind=connection) as session:
            inventory = taken(session)
    return {"entries": entries, "master_keys": keys, "inventory": inventory}


def _restore_postgresql(database: Database, reader: BackupReader) -> None:
    members = {member.name: member for member in reader.members}
    migrations.upgrade(database)
    with database.transaction() as connection:
        driver: Any = connection.connection.driver_connection
        for table in Base.metadata.sorted_tables:
            member = members.get(f"{table.name}.copy")
            if member is None:
                raise BackupFault(f"{table.name}.copy is damaged (it is missing).")
            cursor = driver.cursor()
            with cursor.copy(f"COPY {_columns(table)} FROM STDIN") as rows:
                for chunk in reader.chunks(member):
                    rows.write(chunk)
            if member.rows not in (-1, cursor.rowcount):
                raise _uncounted()
            _set_sequence(connection, table)
        with Session(bind=connection) as session:
            if reader.made.inventory is not None:
                _insist(reader.made.inventory, taken(session))
            _move_readers(session)
            # Numbers of transactions are those of the server that was backed up: here every one
            # of them is over.
            session.execute(text("UPDATE event SET transaction = 0"))
            session.flush()


def _move_readers(session: Session) -> None:
    """Let webhooks and stop conditions go on where they were, and reports count anew: they must
    count nothing twice.
    """
    stops = select(LogReader).where(LogReader.name == stop.READER)
    for reader in (*session.scalars(select(Webhook)), *session.scalars(stops)):
        reader.position = str(eventlog.rebased(session, Position.parse(reader.position)))
    session.flush()
    for counted in (FunnelCount, Milestone):
        session.execute(delete(counted))
    session.execute(delete(LogReader).where(LogReader.name == READER))


def _set_sequence(connection: Any, table: Table) -> None:
    for column in table.primary_key.columns:
        name = connection.execute(
            text("SELECT pg_get_serial_sequence(:table, :column)"),
            {"table": f'"{table.name}"', "column": column.name},
        ).scalar_one_or_none()
        if name is not None:
            highest = connection.execute(select(func.max(column))).scalar_one()
            if highest is not None:
                connection.execute(
                    text("SELECT setval(:name, :highest)"), {"name": name, "highest": highest}
                )


def _columns(table: Table) -> str:
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    return f'"{table.name}" ({names})'


# -- both --


def _refuse_filled(database: Database) -> None:
    if database.is_sqlite:
        path = Path(str(database.engine.url.database))
        if not path.exists() or path.stat().st_size == 0:
            return
    if migrations.current(database) is None:
        return
    with database.reading() as connection:
        for table in Base.metadata.sorted_tables:
            if connection.execute(select(text("1")).select_from(table).limit(1)).first():
                raise BackupFault(
                    f"The database is not empty (it has rows in {table.name}): restore into a "
                    "fresh one, so that nothing is lost."
                )


def _insist(told: Inventory, found: Inventory) -> None:
    if compared(found, told):
        raise BackupFault(
            "The keys, stores and webhooks in the backup are not those that it was made with: "
            "take another backup."
        )


def _uncounted() -> BackupFault:
    return BackupFault("The backup has other rows than it was made with: take another backup.")


def _chunks(data: IO[bytes]) -> Iterator[bytes]:
    while chunk := data.read(CHUNK):
        yield chunk
