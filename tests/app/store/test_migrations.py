"""Migrations build the schema that the models describe, and take it away again."""

import datetime as dt
import uuid
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData, func, insert, inspect, select

from app.services.codes.sources import source_of
from app.settings import Settings
from app.store import migrations
from app.store.models import AppleDevice, Base, Campaign, Code, Event, ImportJob, Voucher
from app.store.session import Database
from tests.conftest import later

NOW = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)


def test_migrated_database_is_what_the_models_describe(settings: Settings) -> None:
    database = Database(settings.database_url)

    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, Base.metadata)

    database.close()
    assert differences == []


def test_downgrade_leaves_nothing_and_upgrade_builds_it_again(settings: Settings) -> None:
    database = Database(settings.database_url)

    migrations.downgrade(database, "base")
    left = set(inspect(database.engine).get_table_names()) - {"alembic_version"}
    assert left == set()
    assert migrations.pending(database)

    migrations.upgrade(database)
    assert not migrations.pending(database)
    database.close()


def test_a_later_schema_is_ahead_and_an_older_one_pending(settings: Settings) -> None:
    database = Database(settings.database_url)
    assert (migrations.pending(database), migrations.ahead(database)) == (False, False)
    migrations.downgrade(database, "-1")
    assert (migrations.pending(database), migrations.ahead(database)) == (True, False)
    migrations.upgrade(database)
    later(database)
    assert (migrations.pending(database), migrations.ahead(database)) == (False, True)
    database.close()


def test_a_filled_database_keeps_its_rows_through_every_migration(settings: Settings) -> None:
    database = Database(settings.database_url)
    migrations.downgrade(database, "0001")
    assert _fill(database) == 1

    migrations.upgrade(database)

    with database.read() as session:
        voucher = session.scalars(select(Voucher)).one()
        campaign = session.scalars(select(Campaign)).one()
        code = session.scalars(select(Code)).one()
        event = session.scalars(select(Event)).one()
        device = session.scalars(select(AppleDevice)).one()
    database.close()
    assert (voucher.public_id, voucher.balance_minor, voucher.version) == (-7, 1500, 3)
    assert (campaign.key, campaign.source_options, campaign.budget_minor) == ("sun", {}, 90_000)
    assert (code.lookup, code.amount_minor) == (b"0123456789abcdef", 1500)
    assert (event.kind, event.number, event.at) == ("issued", 1, NOW)
    assert device.push_token == "aa"


def _fill(database: Database) -> int:
    """Put rows into the first release's tables, as it would have; returns the vouchers there."""
    tables = MetaData()
    with database.engine.connect() as connection:
        tables.reflect(connection)
    rows: list[tuple[str, dict[str, Any]]] = [
        (
            "campaign",
            {
                "id": 1,
                "key": "sun",
                "name": "Sun",
                "kind": "gift_card",
                "authority": "passerelle",
                "source": "list",
                "source_options": {},
                "status": "live",
                "currency": "EUR",
                "timezone": "UTC",
                "version": 2,
                "revision": 1,
                "override_forced": False,
                "budget_minor": 90_000,
                "used": 0,
                "held": 0,
                "used_minor": 0,
                "held_minor": 0,
                "created_at": NOW,
                "updated_at": NOW,
            },
        ),
        (
            "revision",
            {
                "id": 1,
                "campaign_id": 1,
                "number": 1,
                "terms": {},
                "presentation": {},
                "created_at": NOW,
            },
        ),
        (
            "code",
            {
                "id": 1,
                "lookup": b"0123456789abcdef",
                "sealed": b"x",
                "key_id": 1,
                "campaign_id": 1,
                "free": False,
                "amount_minor": 1500,
                "used": 0,
                "held": 0,
            },
        ),
        (
            "voucher",
            {
                "id": 1,
                "public_id": -7,
                "key_id": 1,
                "campaign_id": 1,
                "revision_id": 1,
                "code_id": 1,
                "occasion": "",
                "status": "active",
                "used": 0,
                "held": 0,
                "balance_minor": 1500,
                "held_minor": 0,
                "version": 3,
                "events": 1,
                "issued_at": NOW,
            },
        ),
        (
            "event",
            {"kind": "issued", "at": NOW, "campaign_id": 1, "voucher_id": 1, "number": 1},
        ),
        (
            "apple_device",
            {
                "id": 1,
                "library_id": "d",
                "push_token": "aa",
                "generation": 0,
                "created_at": NOW,
                "updated_at": NOW,
            },
        ),
    ]
    with database.engine.execution_options(passerelle_write=True).begin() as connection:
        for name, row in rows:
            connection.execute(insert(tables.tables[name]), row)
        return connection.execute(
            select(func.count()).select_from(tables.tables["voucher"])
        ).scalar_one()


def test_imports_get_their_kind_from_how_the_release_before_named_them(settings: Settings) -> None:
    database = Database(settings.database_url)
    migrations.downgrade(database, "0001")
    _fill(database)
    migrations.upgrade(database, "0019_stops")
    tables = MetaData()
    with database.engine.connect() as connection:
        tables.reflect(connection, only=["import_job"])
    options: dict[str, dict[str, Any]] = {
        "codes.csv": {"columns": None, "coupon": None, "key_id": 1},
        "(generated)": {"count": 40, "key_id": 1},
        "(from sun)": {"from": 1, "home": "0" * 32, "count": None, "name": "", "api_key_id": None},
        # Files may be called anything.
        "(from a friend)": {"columns": {"code": "1"}, "coupon": None, "key_id": 1},
    }
    with database.transaction() as connection:
        for filename, said in options.items():
            connection.execute(
                insert(tables.tables["import_job"]).values(
                    id=uuid.uuid4() if not database.is_sqlite else uuid.uuid4().hex,
                    campaign_id=1,
                    status="complete",
                    filename=filename,
                    sha256="",
                    options=said,
                    read=0,
                    accepted=0,
                    rejected=0,
                    reasons={},
                    created_at=NOW,
                    updated_at=NOW,
                )
            )

    migrations.upgrade(database)

    with database.read() as session:
        kinds = {
            job.filename: (job.kind, type(source_of(job)).__name__, job.due_at)
            for job in session.scalars(select(ImportJob))
            if job.filename in options
        }
    database.close()
    assert kinds == {
        "codes.csv": ("file", "FileSource", None),
        "(generated)": ("pattern", "PatternSource", None),
        "(from sun)": ("campaign", "CampaignSource", None),
        "(from a friend)": ("file", "FileSource", None),
    }
