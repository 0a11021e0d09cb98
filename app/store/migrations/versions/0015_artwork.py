"""Pictures are kept in the sizes that the wallets want, so that no process makes them twice."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.store.models import Instant

revision = "0015_artwork"
down_revision = "0014_forgotten"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "prepared_artwork",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_prepared_artwork")),
    )


def downgrade() -> None:
    op.drop_table("prepared_artwork")
