"""What somebody did may count for some campaigns alone: those of the key that reported it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017_told"
down_revision = "0016_google_callbacks"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # None is every campaign, as what was reported before and by the release before counts.
    op.add_column("activity", sa.Column("campaigns", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("activity", "campaigns")
