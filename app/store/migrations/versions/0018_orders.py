"""The codes of one order may be reported under one id: a use is of a voucher, too."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018_orders"
down_revision = "0017_told"
branch_labels = None
depends_on = None

_OLD, _NEW = "ix_entry_reported", "ix_entry_reported_use"


def _index(name: str, *columns: str) -> None:
    op.create_index(
        name,
        "entry",
        list(columns),
        unique=True,
        sqlite_where=sa.text("reported_id IS NOT NULL"),
        postgresql_where=sa.text("reported_id IS NOT NULL"),
    )


def upgrade() -> None:
    # The release before asks for the id before it books, under a lock, and needs no index for it.
    _index(_NEW, "campaign_id", "reported_id", "voucher_id")
    op.drop_index(_OLD, "entry")


def downgrade() -> None:
    # Two codes of one order cannot both keep its id there.
    op.execute(
        "UPDATE entry SET reported_id = NULL WHERE reported_id IS NOT NULL AND EXISTS ("
        "SELECT 1 FROM entry AS other WHERE other.campaign_id = entry.campaign_id "
        "AND other.reported_id = entry.reported_id AND other.id < entry.id)"
    )
    _index(_OLD, "campaign_id", "reported_id")
    op.drop_index(_NEW, "entry")
