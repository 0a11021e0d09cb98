"""Counters of recipients and guesses, what an entry counted on, reported uses and conflicts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002_tills"
down_revision = "0002_codes"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "guess_count",
        sa.Column("subject", sa.LargeBinary(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_guess_count")),
    )
    op.create_index(op.f("ix_guess_count_since"), "guess_count", ["since"])
    op.create_table(
        "recipient_use",
        sa.Column("id", _ID, nullable=False),
        sa.Column("campaign_id", _ID, nullable=False),
        sa.Column("recipient_id", _ID, nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("held", sa.Integer(), nullable=False),
        sa.CheckConstraint("used >= 0 AND held >= 0", name=op.f("ck_recipient_use_counters")),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaign.id"], name=op.f("fk_recipient_use_campaign_id")
        ),
        sa.ForeignKeyConstraint(
            ["recipient_id"], ["recipient.id"], name=op.f("fk_recipient_use_recipient_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recipient_use")),
        sa.UniqueConstraint(
            "campaign_id",
            "recipient_id",
            "day",
            name=op.f("uq_recipient_use_campaign_id_recipient_id_day"),
        ),
    )
    op.create_index(op.f("ix_recipient_use_recipient_id"), "recipient_use", ["recipient_id"])
    # Adding a column with a constant default rewrites nothing, on either database.
    op.add_column(
        "voucher",
        sa.Column("conflicts", sa.Integer(), nullable=False, server_default=sa.text("0")),
    )
    for name in ("on_code", "on_budget", "on_recipient"):
        op.add_column(
            "entry", sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false())
        )
    op.add_column("entry", sa.Column("on_day", sa.String(length=10), nullable=True))
    op.add_column("entry", sa.Column("reported_id", sa.String(), nullable=True))
    op.create_index(
        "ix_entry_reported",
        "entry",
        ["campaign_id", "reported_id"],
        unique=True,
        sqlite_where=sa.text("reported_id IS NOT NULL"),
        postgresql_where=sa.text("reported_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_entry_reported", "entry")
    for name in ("reported_id", "on_day", "on_recipient", "on_budget", "on_code"):
        op.drop_column("entry", name)
    op.drop_column("voucher", "conflicts")
    op.drop_table("recipient_use")
    op.drop_table("guess_count")
