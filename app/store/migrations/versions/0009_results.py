"""What a hold's basket came to, the cards that replace others, and free codes found by an index.

SQLite uses a partial index only where the query says the same: there a truth is "= 1".
"""

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
    _find_free_codes("free = 1")


def _find_free_codes(where: str) -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.drop_index("ix_code_free", "code")
        op.create_index(
            "ix_code_free", "code", ["import_job_id", "id"], sqlite_where=sa.text(where)
        )


def downgrade() -> None:
    _find_free_codes("free")
    op.drop_index("ix_voucher_replaced_by_id", "voucher")
    with op.batch_alter_table("hold") as batch_op:
        batch_op.drop_column("basket_minor")
