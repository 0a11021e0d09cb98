"""Genuine callbacks of Google's that nothing was done for, kept for operators to see."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016_google_callbacks"
down_revision = "0015_artwork"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "google_callback",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("nonce", sa.String(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_google_callback")),
        sa.UniqueConstraint("nonce", name=op.f("uq_google_callback_nonce")),
    )


def downgrade() -> None:
    op.drop_table("google_callback")
