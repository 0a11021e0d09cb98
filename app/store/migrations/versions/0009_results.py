"""What a hold's basket came to, and the cards that replace others."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009_results"
down_revision = "0008_stopping"
branch_labels = None
depends_on = None

_REPLACED = sa.text("replaced_by_id IS NOT NULL")


def upgrade() -> None:
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
