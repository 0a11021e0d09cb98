"""Alembic migrations: `upgrade` brings a database to the newest schema, `pending` says if it lags.

A migration must suit the release that is still running while it runs: add before use, remove a
release later. So a schema that is `ahead`, because a later release migrated it, is good to serve on
until that release takes over. Long work is batched. On PostgreSQL one migrator works at a time
(advisory lock).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, text

from app.store.session import Database, DatabaseFault

if TYPE_CHECKING:
    from alembic.config import Config


class SchemaFault(DatabaseFault):
    """The database's schema does not suit this release."""


# Alembic is loaded where it is used: a server process needs it for /readyz only.

_CHECK = "PRAGMA foreign_key_check"
_ADVISORY_LOCK = 0x50415353  # "PASS": any number that nothing else in the database uses


def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the schema to `revision`; nothing happens when it is there already."""
    from alembic import command

    _run(database, lambda config: command.upgrade(config, revision))


def downgrade(database: Database, revision: str) -> None:
    """Take the schema back to `revision`; for tests and for a release that must be undone."""
    from alembic import command

    _run(database, lambda config: command.downgrade(config, revision))


def pending(database: Database) -> bool:
    """Whether the schema lacks migrations of this release."""
    found = current(database)
    return found != head() and (found is None or found in _revisions())


def ahead(database: Database) -> bool:
    """Whether the schema is a later release's, which this release knows nothing of."""
    found = current(database)
    return found is not None and found not in _revisions()


def insist(database: Database) -> None:
    """Refuse a database that lacks migrations of this release.

    Raises:
        SchemaFault: says whether it lacks all of them.
    """
    if not pending(database):
        return
    if current(database) is None:
        raise SchemaFault("The database has no schema yet: run `passerelle migrate` first.")
    raise SchemaFault(
        "The database's schema is older than this release: run `passerelle migrate` first."
    )


def current(database: Database) -> str | None:
    """The revision that the database has; None when it has no schema yet."""
    from alembic.runtime.migration import MigrationContext

    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


@cache
def head() -> str | None:
    """The revision that this release works with; its scripts are read once in a process."""
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_config()).get_current_head()


@cache
def _revisions() -> frozenset[str]:
    """Every revision of this release and those before it."""
    from alembic.script import ScriptDirectory

    return frozenset(
        script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()
    )


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    return config


def _run(database: Database, action: Callable[[Config], None]) -> None:
    config = _config()
    with (
        database.engine.execution_options(passerelle_write=True).connect() as connection,
        _references_unchecked(connection) if database.is_sqlite else nullcontext(),
        connection.begin(),
    ):
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": _ADVISORY_LOCK})
            connection.execute(text("SET LOCAL lock_timeout = 0"))
        config.attributes["connection"] = connection
        action(config)
        if database.is_sqlite and (broken := connection.exec_driver_sql(_CHECK).all()):
            raise RuntimeError(f"The migration would leave {len(broken)} references broken.")


@contextmanager
def _references_unchecked(connection: Connection) -> Iterator[None]:
    """Let SQLite build a table anew to which others refer, as https://sqlite.org/lang_altertable.html
    prescribes; what it leaves is checked before the commit. The switch works outside transactions
    only, so it goes past SQLAlchemy, which would begin one.
    """
    switch = connection.connection.cursor()
    switch.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        switch.execute("PRAGMA foreign_keys=ON")
        switch.close()
