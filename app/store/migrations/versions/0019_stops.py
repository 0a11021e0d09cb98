"""Stop conditions act on what the service books from now on, not on what it booked before.

A database without events needs no row: there the log is read from its beginning.
"""

from __future__ import annotations

import datetime as dt
import json

import sqlalchemy as sa
from alembic import op

from app.store.models import Instant

revision = "0019_stops"
down_revision = "0018_orders"
branch_labels = None
depends_on = None

_READER = sa.table(
    "log_reader",
    sa.column("name", sa.String()),
    sa.column("position", sa.Text()),
    sa.column("current_at", Instant()),
)


def upgrade() -> None:
    connection = op.get_bind()
    last = connection.scalar(sa.text("SELECT max(id) FROM event"))
    if last is None:
        return
    # As `app.services.eventlog` writes positions: the snapshot that was read, or the last id.
    position = ["", "", last]
    if connection.dialect.name == "postgresql":
        position = [connection.scalar(sa.text("SELECT pg_current_snapshot()::text")), "", 0]
    op.execute(
        sa.insert(_READER).values(
            name="stops", position=json.dumps(position), current_at=dt.datetime.now(dt.UTC)
        )
    )


def downgrade() -> None:
    op.execute(sa.delete(_READER).where(_READER.c.name == "stops"))
