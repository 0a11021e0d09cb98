"""What the redemptions of a basket have in common, so that it is revenue while one of them stands.

Until now one hold of a campaign knew the basket, which was lost with it, and a reversal took
nothing off. Baskets with an open hold learn what they have in common. What was settled before stays
told as it was, and a reversal of it takes nothing off, as before: finding out would read the whole
ledger while tills wait.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011_baskets"
down_revision = "0010_operators"
branch_labels = None
depends_on = None

_SHARED = sa.text("basket_id IS NOT NULL")

#: Holds of one call and campaign have its client and its moment in common.
_HOLDS = """
    UPDATE hold SET basket_id = grouped.first_id, basket_minor = grouped.minor
    FROM (
        SELECT hold.id,
            first_value(hold.id) OVER (
                PARTITION BY hold.api_key_id, hold.created_at, voucher.campaign_id ORDER BY hold.id
            ) AS first_id,
            max(hold.basket_minor) OVER (
                PARTITION BY hold.api_key_id, hold.created_at, voucher.campaign_id
            ) AS minor
        FROM hold JOIN voucher ON voucher.id = hold.voucher_id
        WHERE (hold.api_key_id, hold.created_at) IN (
            SELECT api_key_id, created_at FROM hold WHERE status = 'open'
        )
    ) AS grouped
    WHERE grouped.id = hold.id AND grouped.minor IS NOT NULL
"""
#: Redemptions from such a basket, if one of them told what it came to.
_ENTRIES = """
    UPDATE entry SET basket_id = hold.basket_id, basket_minor = hold.basket_minor
    FROM hold
    WHERE hold.basket_id IS NOT NULL
        AND entry.voucher_id = hold.voucher_id AND entry.hold_id = hold.id
        AND entry.kind = 'redemption'
        AND hold.basket_id IN (
            SELECT first.basket_id FROM hold AS first
            JOIN event ON event.voucher_id = first.voucher_id
            JOIN entry AS told ON told.id = event.entry_id AND told.hold_id = first.id
            WHERE first.basket_id IS NOT NULL AND {minor} IS NOT NULL
        )
"""


def upgrade() -> None:
    # Not in a batch, which would copy the ledger on SQLite.
    op.add_column("hold", sa.Column("basket_id", sa.Uuid(), nullable=True))
    op.add_column("entry", sa.Column("basket_id", sa.Uuid(), nullable=True))
    op.add_column("entry", sa.Column("basket_minor", sa.BigInteger(), nullable=True))
    minor = (
        "json_extract(event.data, '$.basket_minor')"
        if op.get_bind().dialect.name == "sqlite"
        else "(event.data ->> 'basket_minor')"
    )
    for statement in (_HOLDS, _ENTRIES.format(minor=minor)):
        op.get_bind().exec_driver_sql(statement)
    op.create_index(
        "ix_entry_basket_id",
        "entry",
        ["basket_id"],
        sqlite_where=_SHARED,
        postgresql_where=_SHARED,
    )


def downgrade() -> None:
    op.execute("UPDATE hold SET basket_minor = NULL WHERE basket_id <> id")
    op.drop_index("ix_entry_basket_id", "entry")
    op.drop_column("entry", "basket_minor")
    op.drop_column("entry", "basket_id")
    op.drop_column("hold", "basket_id")
