"""Vouchers that a stop condition takes back: decisions marked until it is done."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008_stopping"
down_revision = "0008_google_reach"
branch_labels = None
depends_on = None

# SQLite uses a partial index only where the query says the same, and there a truth is "= 1".
_STOPPING_SQLITE = sa.text("stopping = 1")
_STOPPING = sa.text("stopping")


def upgrade() -> None:
    with op.batch_alter_table("decision") as batch_op:
        batch_op.add_column(
            sa.Column("stopping", sa.Boolean(), nullable=False, server_default=sa.false())
        )
    op.create_index(
        "ix_decision_stopping",
        "decision",
        ["voucher_id"],
        sqlite_where=_STOPPING_SQLITE,
        postgresql_where=_STOPPING,
    )


def downgrade() -> None:
    op.drop_index("ix_decision_stopping", "decision")
    with op.batch_alter_table("decision") as batch_op:
        batch_op.drop_column("stopping")
