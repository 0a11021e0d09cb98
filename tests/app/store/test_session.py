"""The session commits once, rolls back on an exception, and calls a lost database unavailable."""

import datetime as dt
import threading
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from app.settings import Settings
from app.store.models import Store, new_id
from app.store.session import Database, Unavailable

NOW = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)


@pytest.fixture
def database(settings: Settings) -> Database:
    return Database(settings.database_url)


def _store(key: str) -> Store:
    return Store(key=key, name=key, created_at=NOW)


def test_a_write_is_there_afterwards_and_a_failed_one_is_not(database: Database) -> None:
    with database.write() as session:
        session.add(_store("paris"))
    with pytest.raises(ZeroDivisionError), database.write() as session:
        session.add(_store("lyon"))
        session.flush()
        _ = 1 // 0

    with database.read() as session:
        assert session.scalars(select(Store.key)).all() == ["paris"]
    database.close()


def test_reading_never_writes(database: Database) -> None:
    with database.read() as session:
        session.add(_store("paris"))
        session.flush()

    with database.read() as session:
        assert session.scalars(select(Store.key)).all() == []
    database.close()


def test_times_come_back_aware_and_naive_ones_are_refused(database: Database) -> None:
    paris = dt.timezone(dt.timedelta(hours=2))
    with database.write() as session:
        session.add(Store(key="a", name="a", created_at=dt.datetime(2026, 7, 1, 2, tzinfo=paris)))
    with database.read() as session:
        assert session.scalar(select(Store.created_at)) == dt.datetime(2026, 7, 1, tzinfo=dt.UTC)

    naive = dt.datetime(2026, 7, 1)  # noqa: DTZ001 - the fault under test
    with pytest.raises(Exception, match="needs a zone"), database.write() as session:
        session.add(Store(key="b", name="b", created_at=naive))
    database.close()


def test_writers_of_many_threads_all_get_their_turn(database: Database) -> None:
    with database.write() as session:
        session.add(_store("0"))

    def write() -> None:
        for _ in range(10):
            with database.write() as session:
                session.execute(text("UPDATE store SET name = name || 'x'"))

    threads = [threading.Thread(target=write) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with database.read() as session:
        assert session.scalar(select(Store.name)) == "0" + "x" * 60
    database.close()


def test_a_broken_rule_is_not_mistaken_for_an_outage(database: Database) -> None:
    with database.write() as session:
        session.add(_store("paris"))
    with pytest.raises(IntegrityError), database.write() as session:
        session.add(_store("paris"))
    database.close()


def test_a_statement_that_cannot_work_is_not_mistaken_for_an_outage(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    with pytest.raises(OperationalError), database.read() as session:
        session.execute(text("SELECT * FROM nowhere"))
    database.close()


def test_a_database_that_nobody_serves_is_unavailable() -> None:
    database = Database("postgresql+psycopg://nobody@127.0.0.1:9/none")
    with pytest.raises(Unavailable), database.read() as session:
        session.execute(text("SELECT 1"))


def test_a_connection_that_is_cut_is_unavailable_and_the_next_works(postgres_url: str) -> None:
    database = Database(postgres_url)
    with database.read() as session:
        session.execute(text("SELECT 1"))
    with pytest.raises(Unavailable), database.read() as session:
        session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with database.read() as session:
        assert session.scalar(text("SELECT 1")) == 1
    database.close()


def test_a_row_that_stays_locked_is_unavailable(postgres_url: str) -> None:
    database = Database(postgres_url)
    with database.write() as session:
        session.add(_store("paris"))
    with database.write() as session:
        session.execute(text("UPDATE store SET name = 'first'"))
        with pytest.raises(Unavailable), database.write() as other:
            other.execute(text("SET LOCAL lock_timeout = 50"))
            other.execute(text("UPDATE store SET name = 'second'"))
    database.close()


def test_a_server_that_only_reads_is_unavailable(postgres_url: str) -> None:
    database = Database(postgres_url)
    with pytest.raises(Unavailable), database.write() as session:
        session.execute(text("SET TRANSACTION READ ONLY"))
        session.execute(text("UPDATE store SET name = 'x'"))
    database.close()


def test_another_process_that_writes_sqlite_for_long_is_unavailable(sqlite_url: str) -> None:
    ours, theirs = Database(sqlite_url), Database(sqlite_url)
    with theirs.write() as session:
        session.execute(text("UPDATE store SET name = 'x'"))
        with ours.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout=50")
        with pytest.raises(Unavailable), ours.write() as other:
            other.execute(text("UPDATE store SET name = 'y'"))
    ours.close()
    theirs.close()


def test_a_database_does_not_show_its_password() -> None:
    assert "secret" not in repr(Database("postgresql+psycopg://u:secret@127.0.0.1/d"))


def test_ids_are_version_7_and_in_time_order() -> None:
    ids = [new_id() for _ in range(5)]

    assert {made.version for made in ids} == {7}
    assert len(set(ids)) == 5
    assert sorted(made.int >> 80 for made in ids) == [made.int >> 80 for made in ids]


def test_sqlite_is_durable_and_checks_references(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    with database.read() as session:
        pragmas = {
            name: session.scalar(text(f"PRAGMA {name}"))
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    database.close()

    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    assert Path(sqlite_url.removeprefix("sqlite:///")).exists()


def test_what_need_not_last_is_committed_without_a_flush_and_all_else_with_one(
    database: Database,
) -> None:
    ask = "PRAGMA synchronous" if database.is_sqlite else "SHOW synchronous_commit"
    said = []
    for lasting in (True, False, True, False):
        with database.transaction(lasting=lasting) as connection:
            said.append(str(connection.scalar(text(ask))))
        with database.write(lasting=not lasting) as session:
            said.append(str(session.scalar(text(ask))))
    database.close()

    flushed, hasty = ("2", "1") if database.is_sqlite else ("on", "off")
    assert said == [flushed, hasty, hasty, flushed] * 2
