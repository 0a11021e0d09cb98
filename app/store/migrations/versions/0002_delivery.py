"""Delivery: leases and reminders per device, devices' complaints, pulses, campaign updates."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002_delivery"
down_revision = "0001"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    with op.batch_alter_table("apple_device") as batch:
        for name in ("pushed_at", "listed_at", "claimed_until", "due_at", "doubtful_at"):
            batch.add_column(sa.Column(name, _INSTANT, nullable=True))
        for name in ("attempts", "reminders"):
            batch.add_column(sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
        batch.add_column(sa.Column("failure", sa.String(), nullable=True))
        batch.create_index(batch.f("ix_apple_device_due_at"), ["due_at"])
    with op.batch_alter_table("apple_device") as batch:
        for name in ("attempts", "reminders"):
            batch.alter_column(name, server_default=None)
    # Leases are per device now: one push serves all of its passes.
    with op.batch_alter_table("apple_registration") as batch:
        for name in ("attempts", "due_at", "claimed_until", "failure"):
            batch.drop_column(name)
        for name in ("listed_at", "fetched_at"):
            batch.add_column(sa.Column(name, _INSTANT, nullable=True))
    with op.batch_alter_table("campaign") as batch:
        batch.add_column(
            sa.Column("delivery_paused", sa.Boolean(), nullable=False, server_default=sa.false())
        )
    with op.batch_alter_table("campaign") as batch:
        batch.alter_column("delivery_paused", server_default=None)
    # The clockwork finds what starts and ends by these.
    with op.batch_alter_table("voucher") as batch:
        batch.create_index(batch.f("ix_voucher_starts_at"), ["starts_at"])
        batch.create_index(batch.f("ix_voucher_ends_at"), ["ends_at"])
    op.create_table(
        "apple_log",
        sa.Column("id", _ID, nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("serial", sa.String(), nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_apple_log")),
    )
    op.create_table(
        "pulse",
        sa.Column("process", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.Column("data", _JSON, nullable=False),
        sa.PrimaryKeyConstraint("process", name=op.f("pk_pulse")),
    )
    op.create_table(
        "clockwork",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("done_until", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_clockwork")),
    )
    op.create_table(
        "campaign_update",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("campaign_id", _ID, nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("change", _JSON, nullable=False),
        sa.Column("apply_at", _INSTANT, nullable=False),
        sa.Column("applied_at", _INSTANT, nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("installed", sa.Integer(), nullable=False),
        sa.Column("failure", sa.String(), nullable=True),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("api_key_id", _ID, nullable=True),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaign.id"], name=op.f("fk_campaign_update_campaign_id")
        ),
        sa.ForeignKeyConstraint(
            ["api_key_id"], ["api_key.id"], name=op.f("fk_campaign_update_api_key_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaign_update")),
    )
    with op.batch_alter_table("campaign_update") as batch:
        batch.create_index(batch.f("ix_campaign_update_campaign_id"), ["campaign_id"])
        batch.create_index(batch.f("ix_campaign_update_apply_at"), ["apply_at"])


def downgrade() -> None:
    for table in ("campaign_update", "clockwork", "pulse", "apple_log"):
        op.drop_table(table)
    with op.batch_alter_table("voucher") as batch:
        batch.drop_index(batch.f("ix_voucher_ends_at"))
        batch.drop_index(batch.f("ix_voucher_starts_at"))
    with op.batch_alter_table("campaign") as batch:
        batch.drop_column("delivery_paused")
    with op.batch_alter_table("apple_registration") as batch:
        for name in ("listed_at", "fetched_at"):
            batch.drop_column(name)
        for name in ("due_at", "claimed_until"):
            batch.add_column(sa.Column(name, _INSTANT, nullable=True))
        batch.add_column(sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"))
        batch.add_column(sa.Column("failure", sa.String(), nullable=True))
    with op.batch_alter_table("apple_device") as batch:
        batch.drop_index(batch.f("ix_apple_device_due_at"))
        for name in (
            "pushed_at",
            "listed_at",
            "claimed_until",
            "due_at",
            "doubtful_at",
            "attempts",
            "reminders",
            "failure",
        ):
            batch.drop_column(name)
