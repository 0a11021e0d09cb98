"""Holds that know what they hold, PIN tries, operators' caps, and what the clock asks for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003_money"
down_revision = "0003_google"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "operator_day",
        sa.Column("id", _ID, nullable=False),
        sa.Column("campaign_id", _ID, nullable=False),
        sa.Column("operator", sa.String(), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("given_minor", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaign.id"], name=op.f("fk_operator_day_campaign_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operator_day")),
        sa.UniqueConstraint(
            "campaign_id", "operator", "day", name=op.f("uq_operator_day_campaign_id_operator_day")
        ),
    )
    op.add_column(
        "voucher",
        sa.Column("pin_tries", sa.SmallInteger(), nullable=False, server_default=sa.text("0")),
    )
    op.create_index(
        "ix_voucher_ending",
        "voucher",
        ["ends_at"],
        sqlite_where=sa.text("balance_minor > 0"),
        postgresql_where=sa.text("balance_minor > 0"),
    )
    with op.batch_alter_table("hold") as hold:
        hold.add_column(
            sa.Column(
                "discount_minor", sa.BigInteger(), nullable=False, server_default=sa.text("0")
            )
        )
        hold.add_column(sa.Column("currency", sa.String(length=3), nullable=True))
        for name in ("on_code", "on_budget", "on_recipient"):
            hold.add_column(
                sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false())
            )
        hold.add_column(sa.Column("on_day", sa.String(length=10), nullable=True))
        hold.add_column(sa.Column("api_key_id", _ID, nullable=True))
        hold.add_column(sa.Column("operator", sa.String(), nullable=True))
        hold.add_column(sa.Column("receipt", sa.String(), nullable=True))
        hold.create_foreign_key(op.f("fk_hold_api_key_id"), "api_key", ["api_key_id"], ["id"])
        hold.create_check_constraint(
            op.f("ck_hold_money"), "captured_minor >= 0 AND captured_minor <= amount_minor"
        )
    op.create_index(
        "ix_hold_due",
        "hold",
        ["expires_at"],
        sqlite_where=sa.text("status = 'open'"),
        postgresql_where=sa.text("status = 'open'"),
    )


def downgrade() -> None:
    op.drop_index("ix_hold_due", "hold")
    with op.batch_alter_table("hold") as hold:
        hold.drop_constraint(op.f("ck_hold_money"), type_="check")
        hold.drop_constraint(op.f("fk_hold_api_key_id"), type_="foreignkey")
        for name in (
            "receipt",
            "operator",
            "api_key_id",
            "on_day",
            "on_recipient",
            "on_budget",
            "on_code",
            "currency",
            "discount_minor",
        ):
            hold.drop_column(name)
    op.drop_index("ix_voucher_ending", "voucher")
    op.drop_column("voucher", "pin_tries")
    op.drop_table("operator_day")
