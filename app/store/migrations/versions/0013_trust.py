"""Security events have a log of their own, and a till page's session can be ended."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013_trust"
down_revision = "0012_stopping"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "security_event",
        sa.Column("id", _ID, nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("key_prefix", sa.String(), nullable=True),
        sa.Column("terminal", sa.String(), nullable=True),
        sa.Column("operator", sa.String(), nullable=True),
        sa.Column("command", sa.String(), nullable=True),
        sa.Column("address", sa.String(), nullable=True),
        sa.Column("object", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_security_event")),
    )
    op.create_index(op.f("ix_security_event_at"), "security_event", ["at"])
    op.create_index("ix_security_event_kind_at", "security_event", ["kind", "at"])
    op.create_table(
        "till_sign_out",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("ends_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_till_sign_out")),
    )
    op.create_index(op.f("ix_till_sign_out_ends_at"), "till_sign_out", ["ends_at"])


def downgrade() -> None:
    op.drop_table("till_sign_out")
    op.drop_table("security_event")
