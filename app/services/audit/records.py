"""These checks compare records with the ledger: reversals, events, kept answers, counts."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import orjson
from sqlalchemy import (
    and_,
    exists,
    func,
    or_,
    select,
)
from sqlalchemy.orm import Session, aliased

from app.domain.ledger import DEAD, REPLACED, EntryKind
from app.services.audit.findings import BATCH, Finding, voucher_name
from app.services.issuance.serials import ALIVE
from app.services.reports import misplaced, recount
from app.store.models import (
    ApiKey,
    Code,
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


def given_up(session: Session) -> Iterator[Finding]:
    """A code that was given up has no living voucher, and waits for none.

    Given up is what a row had that was followed by one with another code; a card that replaces
    another keeps its number.
    """
    before, after, other = aliased(Voucher), aliased(Voucher), aliased(Voucher)
    rows = session.execute(
        select(before.public_id, other.public_id, Code.free)
        .join(after, after.id == before.replaced_by_id)
        .join(Code, Code.id == before.code_id)
        .outerjoin(
            other,
            and_(
                other.code_id == before.code_id,
                other.replaced_by_id.is_(None),
                other.status.in_(ALIVE),
            ),
        )
        .where(
            or_(after.code_id.is_(None), after.code_id != before.code_id),
            or_(other.id.is_not(None), Code.free),
        )
    )
    for given, living, free in rows:
        cause = "its code, which is free" if free else f"its code, which {voucher_name(living)} has"
        yield Finding(voucher_name(given), f"gave up {cause}")


def beside(session: Session) -> Iterator[Finding]:
    """No voucher is redeemable beside its replacement, and nothing is replaced by nothing."""
    after = aliased(Voucher)
    rows = session.execute(
        select(
            Voucher.public_id,
            Voucher.status,
            Voucher.used,
            Voucher.held,
            Voucher.balance_minor,
            Voucher.recipient_id,
            after.public_id.label("successor"),
        )
        .outerjoin(after, after.id == Voucher.replaced_by_id)
        .where(
            or_(
                and_(after.id.is_not(None), Voucher.status.not_in([*DEAD, REPLACED])),
                and_(after.id.is_(None), Voucher.status == REPLACED),
                # One way to withdraw took the name for the voucher, which stayed good.
                and_(
                    Voucher.status == "revoked",
                    after.status.in_(ALIVE),
                    ~exists().where(Event.voucher_id == Voucher.id, Event.kind == "issued"),
                ),
                # What a voucher was called before has no books and no holder.
                and_(
                    Voucher.status == REPLACED,
                    or_(
                        Voucher.used != 0,
                        Voucher.held != 0,
                        Voucher.balance_minor != 0,
                        Voucher.recipient_id.is_not(None),
                    ),
                ),
            )
        )
    )
    for row in rows:
        if row.successor is None:
            cause = "is replaced by no voucher"
        elif row.status == "revoked":
            cause = f"was withdrawn, but {voucher_name(row.successor)}, which replaces it, is good"
        elif row.status == REPLACED:
            cause = f"has books of its own beside {voucher_name(row.successor)}"
        else:
            cause = f"is {row.status} beside {voucher_name(row.successor)}, which replaces it"
        yield Finding(voucher_name(row.public_id), cause)
