"""Vouchers that a stop condition takes back are marked by rows of their own, decided or not."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012_stopping"
down_revision = "0011_baskets"
branch_labels = None
depends_on = None

# SQLite uses a partial index only where the query says the same, and there a truth is "= 1".
_MARKED_SQLITE = sa.text("stopping = 1")
_MARKED = sa.text("stopping")


def upgrade() -> None:
    op.create_table(
        "stopping",
        sa.Column("voucher_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("voucher_id", name=op.f("pk_stopping")),
    )
    op.execute(
        "INSERT INTO stopping (voucher_id) SELECT DISTINCT voucher_id FROM decision "
        "WHERE stopping AND voucher_id IS NOT NULL"
    )
    op.drop_index("ix_decision_stopping", "decision")
    op.drop_column("decision", "stopping")


def downgrade() -> None:
    op.add_column(
        "decision", sa.Column("stopping", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.execute(
        "UPDATE decision SET stopping = true WHERE voucher_id IN (SELECT voucher_id FROM stopping)"
    )
    op.create_index(
        "ix_decision_stopping",
        "decision",
        ["voucher_id"],
        sqlite_where=_MARKED_SQLITE,
        postgresql_where=_MARKED,
    )
    op.drop_table("stopping")
