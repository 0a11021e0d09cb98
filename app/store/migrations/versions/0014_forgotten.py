"""What had been given to people who are forgotten stays given: keyed digests, and since when."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.store.models import Instant

revision = "0014_forgotten"
down_revision = "0013_trust"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "forgotten",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_forgotten")),
    )


def downgrade() -> None:
    op.drop_table("forgotten")
