"""Migrations build the schema that the models describe, and take it away again."""

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect

from app.settings import Settings
from app.store import migrations
from app.store.models import Base
from app.store.session import Database


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
