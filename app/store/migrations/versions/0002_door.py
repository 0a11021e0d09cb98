"""When a voucher's page was last seen, so that a view is counted once an hour."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002_door"
down_revision = "0002_tills"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("voucher", sa.Column("viewed_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("voucher", "viewed_at")
