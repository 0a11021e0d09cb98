"""Vouchers that a stop condition takes back are marked by rows of their own, decided or not.

`decision.stopping` stays for the release that still runs meanwhile; what that marks is taken over.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012_stopping"
down_revision = "0011_baskets"
branch_labels = None
depends_on = None


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
    op.execute("UPDATE decision SET stopping = false WHERE stopping")


def downgrade() -> None:
    op.execute(
        "UPDATE decision SET stopping = true WHERE voucher_id IN (SELECT voucher_id FROM stopping)"
    )
    op.drop_table("stopping")
