"""Records of what was done: reversals, events, kept answers and what reports counted."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import orjson
from sqlalchemy import (
    func,
    or_,
    select,
)
from sqlalchemy.orm import Session

from app.domain.ledger import EntryKind
from app.services.audit.findings import BATCH, Finding, voucher_name
from app.services.reporting import misplaced, recount
from app.store.models import (
    ApiKey,
    Entry,
    Event,
    IdempotencyRecord,
    Voucher,
)


def returns(session: Session) -> Iterator[Finding]:
    """Nothing is taken back twice, or for more than it was."""
    taken = Entry.__table__.alias("taken")
    query = (
        select(Voucher.public_id, taken.c.id)
        .select_from(taken)
        .join(Entry, Entry.refers_to_id == taken.c.id)
        .join(Voucher, Voucher.id == taken.c.voucher_id)
        .where(Entry.kind.in_([EntryKind.REVERSAL, EntryKind.REFUND]))
        .group_by(Voucher.public_id, taken.c.id, taken.c.uses, taken.c.amount_minor)
        .having(
            or_(
                func.sum(Entry.uses) + taken.c.uses < 0,
                func.sum(Entry.amount_minor) + taken.c.amount_minor > 0,
            )
        )
    )
    for public_id, entry_id in session.execute(query):
        yield Finding(voucher_name(public_id), f"got back more than entry {entry_id} took")


def events(session: Session) -> Iterator[Finding]:
    """Events are numbered without gaps, and every entry has one."""
    count = func.count(Event.id)
    last = func.coalesce(func.max(Event.number), 0)
    query = (
        select(Voucher.public_id, Voucher.events, count, last)
        .outerjoin(Event, Event.voucher_id == Voucher.id)
        .group_by(Voucher.id)
        .having(or_(Voucher.events != count, Voucher.events != last))
    )
    for public_id, events, found, highest in session.execute(query):
        yield Finding(
            voucher_name(public_id),
            f"counts {events} events; there are {found}, the last is {highest}",
        )
    silent = (
        select(Voucher.public_id, Entry.id)
        .join(Voucher, Voucher.id == Entry.voucher_id)
        .outerjoin(Event, Event.entry_id == Entry.id)
        .where(Event.id.is_(None), Entry.kind != EntryKind.ACTIVATE)
    )
    for row in session.execute(silent):
        yield Finding(voucher_name(row.public_id), f"entry {row.id} has no event")


def answers(session: Session) -> Iterator[Finding]:
    """Every kept answer's redemptions and reversals are in the ledger."""
    wanted: dict[uuid.UUID, str] = {}
    rows = session.execute(
        select(ApiKey.prefix, IdempotencyRecord.key, IdempotencyRecord.body)
        .join(ApiKey, ApiKey.id == IdempotencyRecord.api_key_id)
        .where(IdempotencyRecord.status == 200)
        .execution_options(yield_per=BATCH)
    )
    for prefix, key, body in rows:
        answer = orjson.loads(body)
        named = [part["redemption_id"] for part in answer.get("redemptions", [])]
        named += [part["reversal_id"] for part in answer.get("reversals", [])]
        named += [answer[name] for name in ("entry_id", "refund_id") if name in answer]
        for entry_id in named:
            wanted[uuid.UUID(entry_id)] = f"key {key!r} of pk_{prefix}_…"
        if len(wanted) >= BATCH:
            yield from _missing(session, wanted)
            wanted = {}
    yield from _missing(session, wanted)


def _missing(session: Session, wanted: dict[uuid.UUID, str]) -> Iterator[Finding]:
    found = set(session.scalars(select(Entry.id).where(Entry.id.in_(wanted))))
    for entry_id, about in wanted.items():
        if entry_id not in found:
            yield Finding(about, f"was answered with entry {entry_id}, which is not in the ledger")


def counts(session: Session) -> Iterator[Finding]:
    """Reports count what the log of events says."""
    for each in recount(session):
        yield Finding(
            about=f"campaign {each.campaign}, {each.stage} on {each.day}",
            cause=f"counts {each.stored} and the log says {each.counted}",
        )
    for public_id, campaign in misplaced(session):
        yield Finding(
            about=voucher_name(public_id), cause=f"is counted in another part of {campaign}"
        )
