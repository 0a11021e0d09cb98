"""The audit: proof on a live database that the books are right.

Every counter is compared with the ledger that it summarises, every limit with what was taken,
every kept answer with the entries that it names. Each check is one consistent statement or reads
in batches, takes no lock, and may run beside a working service. A finding names the voucher,
campaign or key; an empty list is the proof.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import (
    and_,
    case,
    func,
    or_,
    select,
)
from sqlalchemy.orm import Session

from app.domain import codes
from app.domain.ledger import EntryKind, HoldStatus
from app.services import closing
from app.services.redeeming import caps
from app.services.reporting import misplaced, recount
from app.store.models import (
    ApiKey,
    Campaign,
    Code,
    Entry,
    Event,
    Hold,
    IdempotencyRecord,
    ImportJob,
    OperatorDay,
    RecipientUse,
    Voucher,
)
from app.store.session import Database

BATCH = 500


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not right: about what, and how."""

    about: str
    cause: str


@dataclass(frozen=True, slots=True)
class Section:
    """One check: what it proves, and what speaks against it."""

    claim: str
    findings: tuple[Finding, ...]


def run(database: Database, *, progress: Callable[[str], None] = lambda _: None) -> list[Section]:
    """Run every check, in the order in which faults are looked into."""
    sections = []
    for claim, check in CHECKS:
        progress(claim)
        with database.read() as session:
            sections.append(Section(claim, tuple(check(session))))
    return sections


def _vouchers(session: Session) -> Iterator[Finding]:
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
                    _voucher(row.public_id), f"counts {counter} {name}, its ledger says {booked}"
                )


def _holds(session: Session) -> Iterator[Finding]:
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
            _voucher(public_id),
            f"sets aside {held} uses and {held_minor} minor units, "
            f"its open holds {held_uses} and {held_money}",
        )


def _held_counters(session: Session) -> Iterator[Finding]:
    """Codes and budgets set aside what the open holds of their vouchers say."""
    uses = func.coalesce(func.sum(Hold.uses), 0)
    codes_ = (
        select(Code.id, Code.held, uses)
        .outerjoin(Voucher, Voucher.code_id == Code.id)
        .outerjoin(
            Hold, and_(Hold.voucher_id == Voucher.id, Hold.status == HoldStatus.OPEN, Hold.on_code)
        )
        .group_by(Code.id)
        .having(Code.held != uses)
    )
    for code_id, held, booked in session.execute(codes_):
        yield Finding(f"code row {code_id}", f"sets aside {held} uses, its open holds {booked}")
    money = func.coalesce(
        func.sum(Hold.amount_minor - Hold.captured_minor + Hold.discount_minor), 0
    )
    budgets = (
        select(Campaign.key, Campaign.held, uses, Campaign.held_minor, money)
        .outerjoin(Voucher, Voucher.campaign_id == Campaign.id)
        .outerjoin(
            Hold,
            and_(Hold.voucher_id == Voucher.id, Hold.status == HoldStatus.OPEN, Hold.on_budget),
        )
        .group_by(Campaign.id)
        .having(or_(Campaign.held != uses, Campaign.held_minor != money))
    )
    for key, held, held_uses, held_minor, held_money in session.execute(budgets):
        yield Finding(
            f"campaign {key}",
            f"sets aside {held} uses and {held_minor} minor units of its budget, "
            f"the open holds {held_uses} and {held_money}",
        )


def _captures(session: Session) -> Iterator[Finding]:
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
            _voucher(public_id),
            f"hold {hold_id} says {captured} minor units captured, the ledger {entries}",
        )


def _transfers(session: Session) -> Iterator[Finding]:
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


def _reports(session: Session) -> Iterator[Finding]:
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


def _running(session: Session) -> Iterator[Finding]:
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
                    _voucher(row.public_id),
                    f"entry {row.id} says {after} {name} after it, the sum is {booked}",
                )


def _codes(session: Session) -> Iterator[Finding]:
    booked = func.coalesce(func.sum(Entry.uses), 0)
    query = (
        select(Code.id, Code.used, booked.label("booked"))
        .outerjoin(Entry, and_(Entry.code_id == Code.id, Entry.on_code))
        .group_by(Code.id)
        .having(Code.used != booked)
    )
    for code_id, used, entries in session.execute(query):
        yield Finding(f"code row {code_id}", f"counts {used} uses, the ledger says {entries}")


def _belonging(session: Session) -> Iterator[Finding]:
    """Codes are where their import and their vouchers are, also those that moved."""
    strays = (
        select(Code.id, Campaign.key)
        .join(Campaign, Campaign.id == Code.campaign_id)
        .join(ImportJob, ImportJob.id == Code.import_job_id)
        .where(ImportJob.campaign_id != Code.campaign_id)
    )
    for code_id, key in session.execute(strays):
        yield Finding(f"code row {code_id}", f"is of {key}, its import is of another campaign")
    held = (
        select(Code.id, Voucher.public_id)
        .join(Voucher, Voucher.code_id == Code.id)
        .where(
            or_(
                Voucher.campaign_id != Code.campaign_id,
                and_(Code.free, Code.import_job_id.is_not(None)),
            )
        )
    )
    for code_id, public_id in session.execute(held):
        yield Finding(
            _voucher(public_id), f"has code row {code_id}, which is free or another campaign's"
        )


def _campaigns(session: Session) -> Iterator[Finding]:
    uses = func.coalesce(func.sum(Entry.uses), 0)
    money = func.coalesce(func.sum(Entry.discount_minor - Entry.amount_minor), 0)
    query = (
        select(Campaign.key, Campaign.used, uses.label("uses"), Campaign.used_minor, money)
        .outerjoin(Entry, and_(Entry.campaign_id == Campaign.id, Entry.on_budget))
        .group_by(Campaign.id)
        .having(or_(Campaign.used != uses, Campaign.used_minor != money))
    )
    for key, used, booked, used_minor, booked_minor in session.execute(query):
        yield Finding(
            f"campaign {key}",
            f"counts {used} uses and {used_minor} minor units on its budget, "
            f"the ledger says {booked} and {booked_minor}",
        )


def _recipients(session: Session) -> Iterator[Finding]:
    booked = func.coalesce(func.sum(Entry.uses), 0)
    counted = or_(
        and_(RecipientUse.day == "", Entry.on_recipient), Entry.on_day == RecipientUse.day
    )
    query = (
        select(RecipientUse.id, RecipientUse.used, booked.label("booked"))
        .outerjoin(Voucher, Voucher.recipient_id == RecipientUse.recipient_id)
        .outerjoin(
            Entry,
            and_(
                Entry.voucher_id == Voucher.id,
                Entry.campaign_id == RecipientUse.campaign_id,
                counted,
            ),
        )
        .group_by(RecipientUse.id)
        .having(RecipientUse.used != booked)
    )
    for row_id, used, entries in session.execute(query):
        yield Finding(
            f"recipient's counter {row_id}", f"counts {used} uses, the ledger says {entries}"
        )


def _held_recipients(session: Session) -> Iterator[Finding]:
    """Recipients' counters set aside what the open holds on their vouchers say."""
    booked = func.coalesce(func.sum(Hold.uses), 0)
    counted = or_(and_(RecipientUse.day == "", Hold.on_recipient), Hold.on_day == RecipientUse.day)
    query = (
        select(RecipientUse.id, RecipientUse.held, booked.label("booked"))
        .outerjoin(
            Voucher,
            and_(
                Voucher.recipient_id == RecipientUse.recipient_id,
                Voucher.campaign_id == RecipientUse.campaign_id,
            ),
        )
        .outerjoin(
            Hold, and_(Hold.voucher_id == Voucher.id, Hold.status == HoldStatus.OPEN, counted)
        )
        .group_by(RecipientUse.id)
        .having(RecipientUse.held != booked)
    )
    for row_id, held, holds in session.execute(query):
        yield Finding(
            f"recipient's counter {row_id}", f"sets aside {held} uses, the open holds {holds}"
        )


def _operators(session: Session) -> Iterator[Finding]:
    """What counts against operators' caps is what the ledger's entries say counts."""
    stored = {
        (row.campaign_id, row.operator, row.day): row.given_minor
        for row in session.scalars(select(OperatorDay))
    }
    booked: dict[tuple[int, str, str], int] = defaultdict(int)
    entries = session.execute(
        select(Entry.campaign_id, Entry.operator, Entry.amount_minor, Entry.details)
        .where(Entry.details.is_not(None), Entry.amount_minor != 0)
        .execution_options(yield_per=BATCH)
    )
    for campaign_id, operator, amount, details in entries:
        if (day := details.get(caps.DAY)) is not None:
            booked[campaign_id, details.get(caps.OPERATOR, operator), day] += amount
    names = {row.id: row.key for row in session.execute(select(Campaign.id, Campaign.key))}
    for key in sorted(stored.keys() | booked.keys()):
        campaign_id, operator, day = key
        given, entered = stored.get(key, 0), booked.get(key, 0)
        if given != entered:
            yield Finding(
                f"operator {operator!r} on {day}, campaign {names[campaign_id]}",
                f"gave {given} minor units by the counter, the ledger says {entered}",
            )


def _limits(session: Session) -> Iterator[Finding]:
    for public_id in session.scalars(
        select(Voucher.public_id).where(
            or_(
                Voucher.used < 0,
                Voucher.used + Voucher.held > Voucher.uses,
                Voucher.held_minor < 0,
                Voucher.balance_minor < Voucher.held_minor,
            )
        )
    ):
        yield Finding(_voucher(public_id), "gave more than it had")
    for code_id in session.scalars(
        select(Code.id).where(or_(Code.used < 0, Code.used + Code.held > Code.limit))
    ):
        yield Finding(f"code row {code_id}", "was used beyond its limit")
    for key in session.scalars(
        select(Campaign.key).where(
            or_(
                Campaign.used + Campaign.held > Campaign.budget_uses,
                Campaign.used_minor + Campaign.held_minor > Campaign.budget_minor,
            )
        )
    ):
        yield Finding(f"campaign {key}", "passed its budget")


def _returns(session: Session) -> Iterator[Finding]:
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
        yield Finding(_voucher(public_id), f"got back more than entry {entry_id} took")


def _events(session: Session) -> Iterator[Finding]:
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
            _voucher(public_id),
            f"counts {events} events; there are {found}, the last is {highest}",
        )
    silent = (
        select(Voucher.public_id, Entry.id)
        .join(Voucher, Voucher.id == Entry.voucher_id)
        .outerjoin(Event, Event.entry_id == Entry.id)
        .where(Event.id.is_(None), Entry.kind != EntryKind.ACTIVATE)
    )
    for row in session.execute(silent):
        yield Finding(_voucher(row.public_id), f"entry {row.id} has no event")


def _answers(session: Session) -> Iterator[Finding]:
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


def _voucher(public_id: int) -> str:
    return f"voucher {codes.serial(public_id)}"


def _counts(session: Session) -> Iterator[Finding]:
    for each in recount(session):
        yield Finding(
            about=f"campaign {each.campaign}, {each.stage} on {each.day}",
            cause=f"counts {each.stored} and the log says {each.counted}",
        )
    for public_id, campaign in misplaced(session):
        yield Finding(about=_voucher(public_id), cause=f"is counted in another part of {campaign}")


CHECKS: tuple[tuple[str, Callable[[Session], Iterator[Finding]]], ...] = (
    ("Vouchers count what their ledgers say", _vouchers),
    ("Vouchers set aside what their open holds say", _holds),
    ("Codes and budgets set aside what the open holds say", _held_counters),
    ("Captures are in the ledger", _captures),
    ("Transfers between cards add up to nothing", _transfers),
    ("The liability report is what is on the cards", _reports),
    ("Entries state the sum up to them", _running),
    ("Codes count what the ledger says", _codes),
    ("Codes are of one campaign, and free ones of no voucher", _belonging),
    ("Budgets count what the ledger says", _campaigns),
    ("Recipients' counters are what the ledger says", _recipients),
    ("Recipients' counters set aside what the open holds say", _held_recipients),
    ("Operators gave what the ledger says", _operators),
    ("No limit was passed", _limits),
    ("Nothing was taken back twice", _returns),
    ("Events are numbered without gaps, and every entry has one", _events),
    ("Every kept answer has its entries", _answers),
    ("Reports count what the log of events says", _counts),
)
