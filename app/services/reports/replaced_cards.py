"""A card and its replacements count as one voucher, the first.

Money that comes back to a dead card goes to a fresh one, which keeps the number and the holder.
Counted by itself it would be issued again to somebody who got one card, and its holder would be
both a redeemer and none.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.ledger import REPLACED
from app.store.models import Milestone, Voucher

_ROWS = 500


def firsts(session: Session, vouchers: Collection[int]) -> dict[int, int]:
    """The first card of the chain, of those vouchers that replace one.

    Args:
        vouchers: those that were not counted by themselves. A replacement that was, before chains
            were counted as one, stays the first of its own.
    """
    found: dict[int, int] = {}
    asked = {each: [each] for each in vouchers}
    while asked:
        ids, before = sorted(asked), dict[int, list[int]]()
        for at in range(0, len(ids), _ROWS):
            for row in session.execute(
                select(Voucher.id, Voucher.replaced_by_id, Milestone.voucher_id.label("counted"))
                .outerjoin(Milestone, Milestone.voucher_id == Voucher.id)
                .where(Voucher.replaced_by_id.in_(ids[at : at + _ROWS]), Voucher.status != REPLACED)
            ):
                for each in asked[row.replaced_by_id]:
                    found[each] = row.id
                if row.counted is None:
                    before[row.id] = asked[row.replaced_by_id]
        asked = before
    return found


def replaced(session: Session, vouchers: Collection[int]) -> dict[int, list[int]]:
    """All cards that each of these vouchers replaces, the nearest first; most replace none."""
    found: dict[int, list[int]] = {}
    last_of = {each: each for each in vouchers}
    while last_of:
        before: dict[int, int] = {}
        ids = sorted(last_of)
        for at in range(0, len(ids), _ROWS):
            for row in session.execute(
                select(Voucher.id, Voucher.replaced_by_id).where(
                    Voucher.replaced_by_id.in_(ids[at : at + _ROWS]), Voucher.status != REPLACED
                )
            ):
                before[row.id] = last_of[row.replaced_by_id]
                found.setdefault(last_of[row.replaced_by_id], []).append(row.id)
        last_of = before
    return found
