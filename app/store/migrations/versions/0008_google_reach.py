"""What objects at Google took from their campaign, so that an edit of the class touches none.

Nothing is known of what was sent so far: the next look at each class finds that out, and its
objects are gone through once, without a call for those that show what they should.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008_google_reach"
down_revision = "0007_receipts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("google_class", sa.Column("objects_digest", sa.LargeBinary(), nullable=True))
    op.add_column("google_object", sa.Column("campaign_digest", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    op.drop_column("google_object", "campaign_digest")
    op.drop_column("google_class", "objects_digest")
