"""Backup and restore: the whole database at one moment, in one file, for SQLite and PostgreSQL.

A backup is a ZIP file with a manifest and the data, taken from a working service without stopping
it: SQLite's online backup, or every table by COPY out of one snapshot. It needs no program beside
this one. Codes and PINs in it are sealed as in the database; master keys are never in it, and
without them it is worthless, so keep both, apart.

Restore writes into an empty database of the same kind and release, checks every digest on the way,
and ends with the audit and with what tills have to send again: whatever they sent after the
backup's moment, under the same keys. Calls that the backup knows get the answer they got before.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import shutil
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson
from sqlalchemy import Table, delete, func, select, text
from sqlalchemy.orm import Session

from app.services import eventlog
from app.services.eventlog import Position
from app.services.reporting.rollup import READER
from app.store import migrations
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

FORMAT = 1
MANIFEST = "manifest.json"
SQLITE_FILE = "database.sqlite"
CHUNK = 1 << 20


class BackupFault(Exception):
    """A backup cannot be made or restored; says the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What one till's key has to send again after a restore: whatever came after `last_at`."""

    key: str
    store: str | None
    terminal: str | None
    calls: int
    last_at: dt.datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A backup as its manifest describes it."""

    made_at: dt.datetime
    database: str
    revision: str
    entries: int
    master_keys: tuple[int, ...]


def backup(database: Database, target: Path, *, now: dt.datetime) -> Made:
    """Write a backup of the database to the file `target`, whole or not at all.

    Raises:
        BackupFault: the file exists, or the database is not migrated.
    """
    if target.exists():
        raise BackupFault(f"{target} exists: name a file that does not.")
    if migrations.pending(database):
        raise BackupFault("The database's schema is not this release's: run `passerelle migrate`.")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            part.chmod(0o600)
            writer = _backup_sqlite if database.is_sqlite else _backup_postgresql
            manifest = writer(database, archive)
            manifest |= {
                "format": FORMAT,
                "made_at": now.isoformat(),
                "revision": migrations.head(),
                "database": "sqlite" if database.is_sqlite else "postgresql",
            }
            archive.writestr(MANIFEST, orjson.dumps(manifest, option=orjson.OPT_INDENT_2))
        part.rename(target)
    finally:
        part.unlink(missing_ok=True)
    return _made(manifest)


def inspect(source: Path) -> Made:
    """What a backup says of itself.

    Raises:
        BackupFault: the file is no backup of ours.
    """
    return _made(_manifest(source))


def restore(database: Database, source: Path) -> Made:
    """Fill an empty database from a backup.

    Raises:
        BackupFault: the database is not empty, the backup is of another kind or release, or its
            data is damaged. The database is then left empty.
    """
    manifest = _manifest(source)
    made = _made(manifest)
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
    with zipfile.ZipFile(source) as archive:
        if database.is_sqlite:
            _restore_sqlite(database, archive, manifest)
        else:
            _restore_postgresql(database, archive, manifest)
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


def _backup_sqlite(database: Database, archive: zipfile.ZipFile) -> dict[str, Any]:
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
            entries = plain.execute("SELECT count(*) FROM entry").fetchone()[0]
            keys = [row[0] for row in plain.execute("SELECT id FROM master_key ORDER BY id")]
        digest = hashlib.sha256()
        with copy.open("rb") as data, archive.open(SQLITE_FILE, "w", force_zip64=True) as out:
            while chunk := data.read(CHUNK):
                digest.update(chunk)
                out.write(chunk)
    return {
        "files": {SQLITE_FILE: digest.hexdigest()},
        "entries": entries,
        "master_keys": keys,
    }


def _restore_sqlite(
    database: Database, archive: zipfile.ZipFile, manifest: Mapping[str, Any]
) -> None:
    path = Path(str(database.engine.url.database))
    database.close()
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as out:
            for chunk in _checked(archive, SQLITE_FILE, manifest):
                out.write(chunk)
        with contextlib.closing(sqlite3.connect(part)) as plain:
            told = plain.execute("PRAGMA integrity_check").fetchone()[0]
        if told != "ok":
            raise BackupFault(f"SQLite finds the backup damaged: {told}. Take an older one.")
        for beside in ("-wal", "-shm"):
            path.with_name(path.name + beside).unlink(missing_ok=True)
        shutil.move(part, path)
    finally:
        part.unlink(missing_ok=True)


# -- PostgreSQL --


def _backup_postgresql(database: Database, archive: zipfile.ZipFile) -> dict[str, Any]:
    files, counts = {}, {}
    engine = database.engine.execution_options(isolation_level="REPEATABLE READ")
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        for table in Base.metadata.sorted_tables:
            counts[str(table.name)] = connection.execute(
                select(func.count()).select_from(table)
            ).scalar_one()
            digest = hashlib.sha256()
            with (
                archive.open(f"{table.name}.copy", "w", force_zip64=True) as out,
                driver.cursor().copy(f"COPY {_columns(table)} TO STDOUT") as rows,
            ):
                for row in rows:
                    chunk = bytes(row)
                    digest.update(chunk)
                    out.write(chunk)
            files[f"{table.name}.copy"] = digest.hexdigest()
        keys = list(connection.execute(select(MasterKey.id).order_by(MasterKey.id)).scalars())
        entries = counts[Entry.__tablename__]
    return {"files": files, "rows": counts, "entries": entries, "master_keys": keys}


def _restore_postgresql(
    database: Database, archive: zipfile.ZipFile, manifest: Mapping[str, Any]
) -> None:
    migrations.upgrade(database)
    with database.transaction() as connection:
        driver: Any = connection.connection.driver_connection
        for table in Base.metadata.sorted_tables:
            with driver.cursor().copy(f"COPY {_columns(table)} FROM STDIN") as rows:
                for chunk in _checked(archive, f"{table.name}.copy", manifest):
                    rows.write(chunk)
            _set_sequence(connection, table)
        with Session(bind=connection) as session:
            _move_readers(session)
            # Numbers of transactions are those of the server that was backed up: here every one
            # of them is over.
            session.execute(text("UPDATE event SET transaction = 0"))
            session.flush()


def _move_readers(session: Session) -> None:
    """Let webhooks go on where they were, and reports count anew: they must count nothing twice."""
    for webhook in session.scalars(select(Webhook)):
        webhook.position = str(eventlog.rebased(session, Position.parse(webhook.position)))
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


def _manifest(source: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(source) as archive:
            manifest: dict[str, Any] = orjson.loads(archive.read(MANIFEST))
    except (OSError, KeyError, zipfile.BadZipFile, orjson.JSONDecodeError) as error:
        raise BackupFault(f"{source} is no backup of Passerelle: {error}.") from None
    if manifest.get("format") != FORMAT:
        raise BackupFault(f"{source} is of another format: restore it with the release it is of.")
    return manifest


def _made(manifest: Mapping[str, Any]) -> Made:
    return Made(
        made_at=dt.datetime.fromisoformat(manifest["made_at"]),
        database=manifest["database"],
        revision=manifest["revision"],
        entries=manifest["entries"],
        master_keys=tuple(manifest["master_keys"]),
    )


def _checked(archive: zipfile.ZipFile, name: str, manifest: Mapping[str, Any]) -> Iterator[bytes]:
    """The bytes of a member; a digest that differs is a fault at the end."""
    digest = hashlib.sha256()
    try:
        with archive.open(name) as data:
            yield from _chunks(data, digest)
    except (KeyError, zipfile.BadZipFile) as error:
        raise BackupFault(f"{name} is damaged ({error}): take another backup.") from None
    if digest.hexdigest() != manifest["files"].get(name):
        raise BackupFault(f"{name} is damaged: its digest differs. Take another backup.")


def _chunks(data: IO[bytes], digest: Any) -> Iterator[bytes]:
    while chunk := data.read(CHUNK):
        digest.update(chunk)
        yield chunk
