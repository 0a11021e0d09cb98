"""What stop conditions take back, what a hold's basket came to, and cards that replace others."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008_results"
down_revision = "0007_receipts"
branch_labels = None
depends_on = None

_STOPPING = sa.text("stopping")
_REPLACED = sa.text("replaced_by_id IS NOT NULL")


def upgrade() -> None:
    with op.batch_alter_table("decision") as batch_op:
        batch_op.add_column(
            sa.Column("stopping", sa.Boolean(), nullable=False, server_default=sa.false())
        )
    op.create_index(
        "ix_decision_stopping",
        "decision",
        ["voucher_id"],
        sqlite_where=_STOPPING,
        postgresql_where=_STOPPING,
    )
    with op.batch_alter_table("hold") as batch_op:
        batch_op.add_column(sa.Column("basket_minor", sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_voucher_replaced_by_id",
        "voucher",
        ["replaced_by_id"],
        sqlite_where=_REPLACED,
        postgresql_where=_REPLACED,
    )


def downgrade() -> None:
    op.drop_index("ix_voucher_replaced_by_id", "voucher")
    with op.batch_alter_table("hold") as batch_op:
        batch_op.drop_column("basket_minor")
    op.drop_index("ix_decision_stopping", "decision")
    with op.batch_alter_table("decision") as batch_op:
        batch_op.drop_column("stopping")
