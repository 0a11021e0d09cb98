"""Values by rule, webhooks, and what came of campaigns."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006_values"
down_revision = "0003_money"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "log_reader",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("position", sa.Text(), nullable=False),
        sa.Column("current_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_log_reader")),
    )
    op.create_table(
        "webhook",
        sa.Column("id", _ID, nullable=False),
        sa.Column("public_id", sa.Uuid(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("kinds", _JSON, nullable=False),
        sa.Column("campaigns", _JSON, nullable=False),
        sa.Column("key_id", sa.SmallInteger(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("previous_secret", sa.LargeBinary(), nullable=True),
        sa.Column("previous_until", _INSTANT, nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("position", sa.Text(), nullable=False),
        sa.Column("failure", sa.String(), nullable=True),
        sa.Column("due_at", _INSTANT, nullable=True),
        sa.Column("claimed_until", _INSTANT, nullable=True),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("updated_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook")),
        sa.UniqueConstraint("public_id", name=op.f("uq_webhook_public_id")),
    )
    with op.batch_alter_table("webhook", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_webhook_due_at"), ["due_at"], unique=False)

    op.create_table(
        "activity",
        sa.Column("id", _ID, nullable=False),
        sa.Column("recipient_id", _ID, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("value_minor", sa.BigInteger(), nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["recipient_id"], ["recipient.id"], name=op.f("fk_activity_recipient_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_activity")),
        sa.UniqueConstraint(
            "recipient_id", "name", "key", name=op.f("uq_activity_recipient_id_name_key")
        ),
    )
    with op.batch_alter_table("activity", schema=None) as batch_op:
        batch_op.create_index("ix_activity_recipient_id_at", ["recipient_id", "at"], unique=False)

    op.create_table(
        "arm_count",
        sa.Column("campaign_id", _ID, nullable=False),
        sa.Column("held_out", sa.Boolean(), nullable=False),
        sa.Column("variant", sa.String(), nullable=False),
        sa.Column("people", sa.BigInteger(), nullable=False),
        sa.Column("acted", sa.BigInteger(), nullable=False),
        sa.Column("spent_minor", sa.BigInteger(), nullable=False),
        sa.Column("spent_squared", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaign.id"], name=op.f("fk_arm_count_campaign_id")
        ),
        sa.PrimaryKeyConstraint("campaign_id", "held_out", "variant", name=op.f("pk_arm_count")),
    )
    op.create_table(
        "disclosure",
        sa.Column("id", _ID, nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.Column("api_key_id", _ID, nullable=True),
        sa.Column("campaign_id", _ID, nullable=True),
        sa.Column("what", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["api_key_id"], ["api_key.id"], name=op.f("fk_disclosure_api_key_id")
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaign.id"], name=op.f("fk_disclosure_campaign_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_disclosure")),
    )
    op.create_table(
        "slice",
        sa.Column("id", _ID, nullable=False),
        sa.Column("campaign_id", _ID, nullable=False),
        sa.Column("variant", sa.String(), nullable=False),
        sa.Column("tier", sa.String(), nullable=False),
        sa.Column("segment", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaign.id"], name=op.f("fk_slice_campaign_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_slice")),
        sa.UniqueConstraint(
            "campaign_id",
            "variant",
            "tier",
            "segment",
            name=op.f("uq_slice_campaign_id_variant_tier_segment"),
        ),
    )
    op.create_table(
        "funnel_count",
        sa.Column("slice_id", _ID, nullable=False),
        sa.Column("stage", sa.String(length=20), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("store_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("vouchers", sa.BigInteger(), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.Column("discount_minor", sa.BigInteger(), nullable=False),
        sa.Column("spent_minor", sa.BigInteger(), nullable=False),
        sa.Column("revenue_minor", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["slice_id"], ["slice.id"], name=op.f("fk_funnel_count_slice_id")),
        sa.PrimaryKeyConstraint(
            "slice_id", "stage", "day", "store_id", "reason", name=op.f("pk_funnel_count")
        ),
    )
    op.create_table(
        "decision",
        sa.Column("id", _ID, nullable=False),
        sa.Column("campaign_id", _ID, nullable=False),
        sa.Column("recipient_id", _ID, nullable=False),
        sa.Column("occasion", sa.String(), nullable=False),
        sa.Column("held_out", sa.Boolean(), nullable=False),
        sa.Column("tier", sa.String(), nullable=False),
        sa.Column("variant", sa.String(), nullable=False),
        sa.Column("segment", sa.String(), nullable=False),
        sa.Column("voucher_id", _ID, nullable=True),
        sa.Column("group", sa.String(), nullable=True),
        sa.Column("most_minor", sa.BigInteger(), nullable=True),
        sa.Column("acted_at", _INSTANT, nullable=True),
        sa.Column("spent_minor", sa.BigInteger(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaign.id"], name=op.f("fk_decision_campaign_id")
        ),
        sa.ForeignKeyConstraint(
            ["recipient_id"], ["recipient.id"], name=op.f("fk_decision_recipient_id")
        ),
        sa.ForeignKeyConstraint(
            ["voucher_id"], ["voucher.id"], name=op.f("fk_decision_voucher_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decision")),
        sa.UniqueConstraint(
            "campaign_id",
            "recipient_id",
            "occasion",
            name=op.f("uq_decision_campaign_id_recipient_id_occasion"),
        ),
    )
    with op.batch_alter_table("decision", schema=None) as batch_op:
        batch_op.create_index(
            "ix_decision_recipient_id_created_at", ["recipient_id", "created_at"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_decision_voucher_id"), ["voucher_id"], unique=False)

    op.create_table(
        "milestone",
        sa.Column("voucher_id", _ID, autoincrement=False, nullable=False),
        sa.Column("slice_id", _ID, nullable=False),
        sa.Column("stages", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["slice_id"], ["slice.id"], name=op.f("fk_milestone_slice_id")),
        sa.ForeignKeyConstraint(
            ["voucher_id"], ["voucher.id"], name=op.f("fk_milestone_voucher_id")
        ),
        sa.PrimaryKeyConstraint("voucher_id", name=op.f("pk_milestone")),
    )
    with op.batch_alter_table("milestone", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_milestone_slice_id"), ["slice_id"], unique=False)

    op.create_table(
        "webhook_delivery",
        sa.Column("id", _ID, nullable=False),
        sa.Column("webhook_id", _ID, nullable=False),
        sa.Column("event_id", _ID, nullable=False),
        sa.Column("voucher_id", _ID, nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", _INSTANT, nullable=False),
        sa.Column("failure", sa.String(), nullable=True),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["event_id"], ["event.id"], name=op.f("fk_webhook_delivery_event_id")
        ),
        sa.ForeignKeyConstraint(
            ["voucher_id"], ["voucher.id"], name=op.f("fk_webhook_delivery_voucher_id")
        ),
        sa.ForeignKeyConstraint(
            ["webhook_id"], ["webhook.id"], name=op.f("fk_webhook_delivery_webhook_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_delivery")),
        sa.UniqueConstraint(
            "webhook_id", "event_id", name=op.f("uq_webhook_delivery_webhook_id_event_id")
        ),
    )
    with op.batch_alter_table("webhook_delivery", schema=None) as batch_op:
        batch_op.create_index(
            "ix_webhook_delivery_due", ["webhook_id", "status", "due_at"], unique=False
        )
        batch_op.create_index(
            "ix_webhook_delivery_voucher", ["webhook_id", "voucher_id"], unique=False
        )

    with op.batch_alter_table("campaign", schema=None) as batch_op:
        batch_op.add_column(sa.Column("rules", _JSON, nullable=True))
        batch_op.add_column(sa.Column("seed", sa.LargeBinary(), nullable=True))
        batch_op.add_column(
            sa.Column("given", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
        )
        batch_op.add_column(
            sa.Column("given_minor", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
        )

    with op.batch_alter_table("recipient", schema=None) as batch_op:
        batch_op.add_column(sa.Column("previous_segment", sa.String(), nullable=True))

    with op.batch_alter_table("revision", schema=None) as batch_op:
        batch_op.add_column(sa.Column("of_id", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("grant", sa.String(), nullable=True))


def downgrade() -> None:

    with op.batch_alter_table("revision", schema=None) as batch_op:
        batch_op.drop_column("grant")
        batch_op.drop_column("of_id")

    with op.batch_alter_table("recipient", schema=None) as batch_op:
        batch_op.drop_column("previous_segment")

    with op.batch_alter_table("campaign", schema=None) as batch_op:
        batch_op.drop_column("given_minor")
        batch_op.drop_column("given")
        batch_op.drop_column("seed")
        batch_op.drop_column("rules")

    with op.batch_alter_table("webhook_delivery", schema=None) as batch_op:
        batch_op.drop_index("ix_webhook_delivery_voucher")
        batch_op.drop_index("ix_webhook_delivery_due")

    op.drop_table("webhook_delivery")
    with op.batch_alter_table("milestone", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_milestone_slice_id"))

    op.drop_table("milestone")
    with op.batch_alter_table("decision", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_decision_voucher_id"))
        batch_op.drop_index("ix_decision_recipient_id_created_at")

    op.drop_table("decision")
    op.drop_table("funnel_count")
    op.drop_table("disclosure")
    op.drop_table("slice")
    op.drop_table("arm_count")
    with op.batch_alter_table("activity", schema=None) as batch_op:
        batch_op.drop_index("ix_activity_recipient_id_at")

    op.drop_table("activity")
    with op.batch_alter_table("webhook", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_webhook_due_at"))

    op.drop_table("webhook")
    op.drop_table("log_reader")
