"""What the redemptions of a basket have in common, so that it is revenue while one of them stands.

Until now one hold or event of a campaign knew the basket, which was lost with it, and a reversal
took nothing off. What the log told stays told: redemptions that stand and whose basket it knows
learn of it, and so do the others of the same call; open holds learn of the basket of their call.
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
    ) AS grouped
    WHERE grouped.id = hold.id AND grouped.minor IS NOT NULL
"""
#: A redemption stands while a use or a minor unit of it was not given back.
_TOLD = """
    UPDATE entry SET basket_minor = told.minor
    FROM (
        SELECT entry_id, {minor} AS minor FROM event
        WHERE kind IN ('redeemed', 'captured') AND entry_id IS NOT NULL AND {minor} IS NOT NULL
    ) AS told
    WHERE told.entry_id = entry.id AND entry.kind = 'redemption' AND (
        entry.uses + coalesce((
            SELECT sum(back.uses) FROM entry AS back
            WHERE back.refers_to_id = entry.id AND back.kind IN ('reversal', 'refund')
        ), 0) > 0
        OR entry.amount_minor + coalesce((
            SELECT sum(back.amount_minor) FROM entry AS back
            WHERE back.refers_to_id = entry.id AND back.kind IN ('reversal', 'refund')
        ), 0) < 0
    )
"""
_SIBLINGS = """
    UPDATE entry SET basket_id = grouped.basket_id, basket_minor = grouped.minor
    FROM (
        SELECT entry.id, count(*) OVER same AS entries, max(entry.basket_minor) OVER same AS minor,
            coalesce(
                hold.basket_id,
                first_value(entry.id) OVER (
                    PARTITION BY entry.api_key_id, entry.created_at, entry.campaign_id,
                        hold.basket_id
                    ORDER BY entry.id
                )
            ) AS basket_id,
            hold.basket_id IS NOT NULL AS held
        FROM entry LEFT JOIN hold ON hold.id = entry.hold_id
        WHERE entry.kind = 'redemption'
            AND (entry.hold_id IS NULL OR hold.basket_id IS NOT NULL)
        WINDOW same AS (
            PARTITION BY entry.campaign_id, hold.basket_id,
                CASE WHEN hold.basket_id IS NULL THEN entry.api_key_id END,
                CASE WHEN hold.basket_id IS NULL THEN entry.created_at END
        )
    ) AS grouped
    WHERE grouped.id = entry.id AND grouped.minor IS NOT NULL
        AND (grouped.entries > 1 OR grouped.held)
"""


def upgrade() -> None:
    # Not in a batch, which would copy the ledger on SQLite.
    op.add_column("hold", sa.Column("basket_id", sa.Uuid(), nullable=True))
    op.add_column("entry", sa.Column("basket_id", sa.Uuid(), nullable=True))
    op.add_column("entry", sa.Column("basket_minor", sa.BigInteger(), nullable=True))
    minor = (
        "json_extract(data, '$.basket_minor')"
        if op.get_bind().dialect.name == "sqlite"
        else "(data ->> 'basket_minor')::bigint"
    )
    for statement in (_HOLDS, _TOLD.format(minor=minor), _SIBLINGS):
        op.get_bind().exec_driver_sql(statement)
    op.create_index(
        "ix_entry_basket_id",
        "entry",
        ["basket_id"],
        sqlite_where=_SHARED,
        postgresql_where=_SHARED,
    )


def downgrade() -> None:
    op.drop_index("ix_entry_basket_id", "entry")
    op.drop_column("entry", "basket_minor")
    op.drop_column("entry", "basket_id")
    op.drop_column("hold", "basket_id")
