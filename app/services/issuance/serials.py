"""An old serial means the voucher that replaced it: the caller may not know the new one.

A voucher that was issued anew, and a card that was replaced by another, are still known by their
old serials to whoever has them in a file. What is asked of an old serial is asked of the voucher
that is good in its place, so that nothing is done to a row that no till takes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from app.domain import codes, overrides
from app.domain.campaign import Source
from app.domain.kinds import KINDS
from app.domain.ledger import EntryKind
from app.store.models import Campaign, Entry, Voucher

#: Statuses of a voucher that may still be good.
ALIVE = ("active", "pending", "blocked")


@dataclass(frozen=True, slots=True, kw_only=True)
class Meant:
    """What a serial means now: a row, locked, and its present serial."""

    row_id: int
    serial: str


def meant_by(
    session: Session, serials: Sequence[str], *, only: Collection[str] | None = None
) -> list[tuple[str, Meant | None]]:
    """Each serial with what it means now; None for one that is unknown.

    Args:
        only: keys of campaigns; vouchers of others are as unknown. None is every campaign.
    """
    read = {serial: codes.from_serial(serial) for serial in serials}
    rows = living(session, wanted(serials))
    found = session.execute(
        select(Voucher.id, Voucher.public_id, Campaign.key)
        .join(Campaign, Campaign.id == Voucher.campaign_id)
        .where(Voucher.id.in_(set(rows.values())))
    ).all()
    meant = {
        row.id: Meant(row_id=row.id, serial=codes.serial(row.public_id))
        for row in found
        if only is None or row.key in only
    }
    standing = {serial: rows.get(each) for serial, each in read.items() if each is not None}
    return [(serial, meant.get(standing.get(serial) or 0)) for serial in serials]


def wanted(serials: Sequence[str]) -> set[int]:
    """Public ids of those that are serials at all."""
    return {each for each in map(codes.from_serial, serials) if each is not None}


def living(session: Session, public_ids: Collection[int], *, lock: bool = True) -> dict[int, int]:
    """Row ids of the vouchers that stand for these public ids now, locked in the order of ids.

    Ids that are unknown are left out.
    """
    found: dict[int, int] = {
        row.public_id: row.id
        for row in session.execute(
            select(Voucher.public_id, Voucher.id).where(Voucher.public_id.in_(public_ids))
        )
    }
    for public_id in [each for each in public_ids if each not in found]:
        # Issued anew between two statements of this transaction, the id has another row.
        again = session.scalar(select(Voucher.id).where(Voucher.public_id == public_id))
        if again is not None:
            found[public_id] = again
    ends = {row_id: row_id for row_id in found.values()}
    while True:
        _follow(session, ends)
        last = (
            select(Voucher.id, Voucher.replaced_by_id)
            .where(Voucher.id.in_(set(ends.values())))
            .order_by(Voucher.id)
        )
        rows = session.execute(last.with_for_update() if lock else last).all()
        # A card may be replaced while its lock is awaited.
        if all(row.replaced_by_id is None for row in rows):
            return {public_id: ends[row_id] for public_id, row_id in found.items()}


def _follow(session: Session, ends: dict[int, int]) -> None:
    """Let each row lead to the last of its chain."""
    while True:
        steps: dict[int, int | None] = {
            row.id: row.replaced_by_id
            for row in session.execute(
                select(Voucher.id, Voucher.replaced_by_id).where(
                    Voucher.id.in_(set(ends.values())), Voucher.replaced_by_id.is_not(None)
                )
            )
        }
        if not steps:
            return
        for first, last in ends.items():
            ends[first] = steps.get(last) or last


#: What says whether a voucher is over, of rows that are locked. `spent` says whether money was
#: taken from it: a card that is empty may also wait for its first.
STANDING = (
    select(
        Voucher.status,
        Voucher.ends_at,
        Voucher.uses,
        Voucher.used,
        Voucher.held,
        Voucher.held_minor,
        Voucher.balance_minor,
        Voucher.recipient_id,
        exists()
        .where(Entry.voucher_id == Voucher.id, Entry.kind == EntryKind.REDEMPTION)
        .label("spent"),
        Campaign.kind,
        Campaign.source,
        Campaign.override,
        Campaign.override_forced,
    )
    .join(Campaign, Campaign.id == Voucher.campaign_id)
    .with_for_update(of=Voucher)
)


def over(row: Any, *, now: dt.datetime) -> str | None:
    """Why a voucher is worth nothing any more: `withdrawn`, `redeemed` or `expired`; None while
    it may be good.

    Args:
        row: of `STANDING`.
    """
    if row.status in ("revoked", "deactivated"):
        return "withdrawn"
    override = overrides.read(row.override, forced=row.override_forced)
    if KINDS[row.kind].holds_money:
        if row.status in ALIVE and row.balance_minor == 0 and row.spent:
            return "redeemed"
    else:
        shared = row.source == Source.SHARED and row.recipient_id is None
        uses = row.uses if shared else overrides.uses_for(row.uses, override)
        if uses is not None and row.used >= uses:
            return "redeemed"
    ends_at = overrides.end_for(row.ends_at, override)
    if row.status == "expired" or (ends_at is not None and ends_at <= now):
        return "expired"
    return None
