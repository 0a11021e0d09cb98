"""Cards that replace others: to reports and lists a chain of them is one voucher, the first.

Money that comes back to a dead card goes to a fresh one, which keeps the number and the holder.
Counted by itself it would be issued again to somebody who got one card, and its holder would be
both a redeemer and none.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.store.models import Milestone, Voucher

_ROWS = 500


def firsts(session: Session, vouchers: Collection[int]) -> dict[int, int]:
    """The first card of the chain, of those vouchers that replace one.

    A replacement that was counted by itself, before chains were, stays the first of its own.
    """
    found: dict[int, int] = {}
    asked = set(vouchers)
    while asked:
        before: dict[int, int] = {}
        ids = sorted(asked)
        for at in range(0, len(ids), _ROWS):
            some = ids[at : at + _ROWS]
            counted = set(
                session.scalars(select(Milestone.voucher_id).where(Milestone.voucher_id.in_(some)))
            )
            before |= {
                row.replaced_by_id: row.id
                for row in session.execute(
                    select(Voucher.id, Voucher.replaced_by_id).where(
                        Voucher.replaced_by_id.in_([each for each in some if each not in counted])
                    )
                )
                if row.replaced_by_id is not None
            }
        for voucher_id in vouchers:
            at_now = found.get(voucher_id, voucher_id)
            if at_now in before:
                found[voucher_id] = before[at_now]
        asked = set(before.values())
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
                    Voucher.replaced_by_id.in_(ids[at : at + _ROWS])
                )
            ):
                before[row.id] = last_of[row.replaced_by_id]
                found.setdefault(last_of[row.replaced_by_id], []).append(row.id)
        last_of = before
    return found
