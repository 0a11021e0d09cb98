"""Runs migrations on the connection that `app.store.migrations` hands over."""

from __future__ import annotations

from typing import Literal

from alembic import context
from sqlalchemy import JSON

from app.store.models import Base, Instant


def render_item(kind: str, item: object, _context: object) -> str | Literal[False]:
    """Write types into migrations as they are today, not as a name that may change."""
    if kind == "type" and isinstance(item, Instant):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, JSON):
        return 'sa.JSON().with_variant(postgresql.JSONB(), "postgresql")'
    return False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    # SQLite changes a column by building the table anew.
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
    render_item=render_item,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
