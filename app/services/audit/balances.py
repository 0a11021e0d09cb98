"""These checks compare vouchers with their ledgers: uses, money, holds and transfers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    and_,
    case,
    func,
    or_,
    select,
)
from sqlalchemy.orm import Session

from app.domain.ledger import EntryKind
from app.services import closing
from app.services.audit.findings import Finding, voucher_name
from app.store.models import (
    Campaign,
    Entry,
    Event,
    Hold,
    Voucher,
)


def vouchers(session: Session) -> Iterator[Finding]:
    """Vouchers count what their ledgers say."""
    uses = func.coalesce(func.sum(case((Entry.kind == EntryKind.CONFLICT, 0), else_=Entry.uses)), 0)
    conflicts = func.coalesce(
        func.sum(case((Entry.kind == EntryKind.CONFLICT, Entry.uses), else_=0)), 0
    )
    money = func.coalesce(func.sum(Entry.amount_minor), 0)
    query = (
        select(
            Voucher.public_id,
            Voucher.used,
            uses.label("uses"),
            Voucher.conflicts,
            conflicts.label("entries"),
            Voucher.balance_minor,
            money.label("money"),
        )
        .outerjoin(Entry, Entry.voucher_id == Voucher.id)
        .group_by(Voucher.id)
        .having(
            or_(
                Voucher.used != uses,
                Voucher.conflicts != conflicts,
                Voucher.balance_minor != money,
            )
        )
    )
    for row in session.execute(query):
        for name, counter, booked in (
            ("uses", row.used, row.uses),
            ("conflicts", row.conflicts, row.entries),
            ("minor units", row.balance_minor, row.money),
        ):
            if counter != booked:
                yield Finding(
                    voucher_name(row.public_id),
                    f"counts {counter} {name}, its ledger says {booked}",
                )


def holds(session: Session) -> Iterator[Finding]:
    """Vouchers set aside what their open holds say."""
    uses = func.coalesce(func.sum(Hold.uses), 0)
    money = func.coalesce(func.sum(Hold.amount_minor - Hold.captured_minor), 0)
    query = (
        select(Voucher.public_id, Voucher.held, uses, Voucher.held_minor, money)
        .outerjoin(Hold, and_(Hold.voucher_id == Voucher.id, Hold.status == "open"))
        .group_by(Voucher.id)
        .having(or_(Voucher.held != uses, Voucher.held_minor != money))
    )
    for public_id, held, held_uses, held_minor, held_money in session.execute(query):
        yield Finding(
            voucher_name(public_id),
            f"sets aside {held} uses and {held_minor} minor units, "
            f"its open holds {held_uses} and {held_money}",
        )


def captures(session: Session) -> Iterator[Finding]:
    """What holds say was captured is in the ledger."""
    booked = func.coalesce(func.sum(-Entry.amount_minor), 0)
    query = (
        select(Voucher.public_id, Hold.id, Hold.captured_minor, booked)
        .join(Voucher, Voucher.id == Hold.voucher_id)
        .outerjoin(Entry, and_(Entry.hold_id == Hold.id, Entry.kind == EntryKind.REDEMPTION))
        .group_by(Voucher.public_id, Hold.id)
        .having(Hold.captured_minor != booked)
    )
    for public_id, hold_id, captured, entries in session.execute(query):
        yield Finding(
            voucher_name(public_id),
            f"hold {hold_id} says {captured} minor units captured, the ledger {entries}",
        )


def transfers(session: Session) -> Iterator[Finding]:
    """Money that moves between cards neither appears nor vanishes."""
    moved = func.sum(Entry.amount_minor)
    query = (
        select(Campaign.key, moved)
        .join(Entry, Entry.campaign_id == Campaign.id)
        .where(Entry.kind == EntryKind.TRANSFER)
        .group_by(Campaign.id)
        .having(moved != 0)
    )
    for key, left in session.execute(query):
        yield Finding(f"campaign {key}", f"has transfers that leave {left} minor units over")


def reports(session: Session) -> Iterator[Finding]:
    """What the liability report says is owed is what is on the cards."""
    owed = {
        line.campaign: line.closing_minor
        for line in closing.liability(session, until=dt.datetime.max.replace(tzinfo=dt.UTC))
    }
    balances = session.execute(
        select(Campaign.key, func.coalesce(func.sum(Voucher.balance_minor), 0))
        .outerjoin(Voucher, Voucher.campaign_id == Campaign.id)
        .where(Campaign.key.in_(owed))
        .group_by(Campaign.id)
    )
    for key, balance in balances:
        if owed[key] != balance:
            yield Finding(
                f"campaign {key}", f"owes {owed[key]} by the report, its cards hold {balance}"
            )


def running(session: Session) -> Iterator[Finding]:
    """Each entry's state after it is the sum of the entries up to it, in the order of events.

    What a card was issued with has no event and comes first.
    """
    number = func.coalesce(Event.number, 0)

    def so_far(what: Any) -> Any:
        return func.sum(what).over(partition_by=Entry.voucher_id, order_by=number)

    lines = (
        select(
            Entry.id,
            Entry.voucher_id,
            Entry.used_after,
            so_far(case((Entry.kind == EntryKind.CONFLICT, 0), else_=Entry.uses)).label("uses"),
            Entry.balance_after_minor,
            so_far(Entry.amount_minor).label("money"),
        )
        .outerjoin(Event, Event.entry_id == Entry.id)
        .subquery()
    )
    query = (
        select(Voucher.public_id, lines)
        .join(lines, lines.c.voucher_id == Voucher.id)
        .where(
            or_(
                lines.c.used_after != lines.c.uses,
                lines.c.balance_after_minor != lines.c.money,
            )
        )
    )
    for row in session.execute(query):
        for name, after, booked in (
            ("uses", row.used_after, row.uses),
            ("minor units", row.balance_after_minor, row.money),
        ):
            if after != booked:
                yield Finding(
                    voucher_name(row.public_id),
                    f"entry {row.id} says {after} {name} after it, the sum is {booked}",
                )
