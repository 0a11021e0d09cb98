"""Open holds by receipt: coupons that are set aside count among those of their receipt."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007_receipts"
down_revision = "0006_values"
branch_labels = None
depends_on = None

_OPEN = sa.text("status = 'open' AND receipt IS NOT NULL")


def upgrade() -> None:
    op.create_index(
        "ix_hold_receipt", "hold", ["receipt"], sqlite_where=_OPEN, postgresql_where=_OPEN
    )


def downgrade() -> None:
    op.drop_index("ix_hold_receipt", "hold")
