"""Since which version of a campaign its objects at Google show what they show now."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008_google_reach"
down_revision = "0007_receipts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("google_class", sa.Column("objects_digest", sa.LargeBinary(), nullable=True))
    op.add_column(
        "google_class",
        sa.Column("objects_since", sa.Integer(), nullable=False, server_default=sa.text("0")),
    )
    # What lagged so far lags still; the next edit finds the digest missing and touches all once.
    op.execute(
        "UPDATE google_class SET objects_since ="
        " (SELECT version FROM campaign WHERE campaign.id = google_class.campaign_id)"
    )


def downgrade() -> None:
    op.drop_column("google_class", "objects_since")
    op.drop_column("google_class", "objects_digest")
