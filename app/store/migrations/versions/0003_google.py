"""Google: classes, messages, callbacks, pace."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003_google"
down_revision = "0002_door"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.DateTime(timezone=True)
_JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")


def upgrade() -> None:
    op.create_table(
        "google_class",
        sa.Column("id", _ID, nullable=False),
        sa.Column("campaign_id", _ID, nullable=False),
        sa.Column("variant", sa.String(), nullable=False),
        sa.Column("class_id", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("sent_campaign", sa.Integer(), nullable=True),
        sa.Column("sent_digest", sa.LargeBinary(), nullable=True),
        sa.Column("sent_at", _TIME, nullable=True),
        sa.Column("refused_campaign", sa.Integer(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", _TIME, nullable=True),
        sa.Column("claimed_until", _TIME, nullable=True),
        sa.Column("failure", sa.String(), nullable=True),
        sa.Column("created_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaign.id"], name=op.f("fk_google_class_campaign_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_google_class")),
        sa.UniqueConstraint("class_id", name=op.f("uq_google_class_class_id")),
        sa.UniqueConstraint(
            "campaign_id", "variant", name=op.f("uq_google_class_campaign_id_variant")
        ),
    )
    with op.batch_alter_table("google_object") as batch_op:
        batch_op.add_column(sa.Column("sent_digest", sa.LargeBinary(), nullable=True))
        batch_op.add_column(sa.Column("sent_balance_minor", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("refused_voucher", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("refused_campaign", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("ask_users_at", _TIME, nullable=True))
        batch_op.create_index(batch_op.f("ix_google_object_due_at"), ["due_at"])
    op.create_table(
        "google_message",
        sa.Column("id", _ID, nullable=False),
        sa.Column("object_id", _ID, nullable=False),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("texts", _JSON, nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("notified_at", _TIME, nullable=True),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("sent_at", _TIME, nullable=True),
        sa.Column("created_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["object_id"], ["google_object.id"], name=op.f("fk_google_message_object_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_google_message")),
        sa.UniqueConstraint("message_id", name=op.f("uq_google_message_message_id")),
    )
    open_messages = sa.text("status IN ('wanted', 'unclear')")
    op.create_index(
        "ix_google_message_open",
        "google_message",
        ["object_id", "id"],
        sqlite_where=open_messages,
        postgresql_where=open_messages,
    )
    op.create_index(
        "ix_google_message_object_id_notified_at", "google_message", ["object_id", "notified_at"]
    )
    op.create_table(
        "google_nonce",
        sa.Column("nonce", sa.String(), nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("nonce", name=op.f("pk_google_nonce")),
    )
    op.create_index(op.f("ix_google_nonce_expires_at"), "google_nonce", ["expires_at"])
    op.create_table(
        "google_root_keys",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("fetched_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_google_root_keys")),
    )
    op.create_table(
        "pace",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("next_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_pace")),
    )


def downgrade() -> None:
    for table in ("pace", "google_root_keys", "google_nonce", "google_message"):
        op.drop_table(table)
    with op.batch_alter_table("google_object") as batch_op:
        batch_op.drop_index(batch_op.f("ix_google_object_due_at"))
        for name in (
            "ask_users_at",
            "refused_campaign",
            "refused_voucher",
            "sent_balance_minor",
            "sent_digest",
        ):
            batch_op.drop_column(name)
    op.drop_table("google_class")
