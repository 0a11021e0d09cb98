"""The roll-up counts the log of events by slice, day and store.

Every event is counted once, in the order of its voucher, however many workers run and
whenever one is killed: counts and the place in the log change in one transaction. `recount` does
the same from the log alone and names what differs.
It does not count what it has not read; `log_reader.current_at` says until when it had read
everything.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from app.domain import funnel
from app.domain.funnel import Stage
from app.domain.ledger import REPLACED
from app.services import eventlog, wallets
from app.services.deployment import Deployment
from app.services.eventlog import BEGINNING, EVENT, Position
from app.services.reports.replaced_cards import firsts
from app.store.dialects import insert_for
from app.store.models import (
    Campaign,
    Decision,
    Entry,
    FunnelCount,
    LogReader,
    Milestone,
    Recipient,
    Slice,
    Voucher,
)

READER = "funnel"
#: Events of one transaction: few enough that a till beside it on SQLite does not wait long.
BATCH = 1_000
#: Rows of one statement, within SQLite's number of variables.
_ROWS = 500

#: Slice, stage, day, store, reason.
Key = tuple[int, str, dt.date, int, str]

_WANTED = (
    select(
        EVENT.c.id,
        EVENT.c.kind,
        EVENT.c.at,
        EVENT.c.campaign_id,
        EVENT.c.voucher_id,
        EVENT.c.store_id,
        EVENT.c.reason,
        EVENT.c.data,
        Entry.discount_minor,
        Entry.amount_minor,
        Campaign.timezone,
    )
    .select_from(EVENT)
    .join(Campaign, Campaign.id == EVENT.c.campaign_id)
    .outerjoin(Entry, Entry.id == EVENT.c.entry_id)
)


@dataclass(slots=True)
class _Count:
    vouchers: int = 0
    times: int = 0
    discount_minor: int = 0
    spent_minor: int = 0
    revenue_minor: int = 0


def stages() -> tuple[Stage, ...]:
    """Return every stage that reports count, the wallets' own among them, in their order."""
    own = (wallet.added for wallet in wallets.WALLETS)
    return (*funnel.BEFORE_WALLETS, *own, *funnel.AFTER_WALLETS)


def roll_up(deployment: Deployment, *, limit: int = BATCH) -> bool:
    """Count the next events; returns whether there may be more right now."""
    now = deployment.now()
    with deployment.database.read() as session:
        stored = session.scalar(select(LogReader.position).where(LogReader.name == READER))
        position = BEGINNING if stored is None else Position.parse(stored)
        if stored is not None and not eventlog.read(session, position, limit=1).events:
            return False
    with deployment.database.write() as session:
        reader = _reader(session, now=now)
        if reader is None:
            return False
        page = eventlog.read(session, Position.parse(reader.position), limit=limit, columns=_WANTED)
        rows = [row for row in page.events if row.voucher_id is not None]
        if rows:
            vouchers = {row.voucher_id for row in rows}
            known = _stored(session, vouchers)
            new = vouchers - known.keys()
            first = firsts(session, new)
            known |= _milestones(session, {first.get(each, each) for each in new})
            before = dict(known)
            counts = _count(rows, known, first)
            _add(session, counts)
            _store(session, {key: value for key, value in known.items() if before[key] != value})
        reader.position = str(page.position)
        if not page.more:
            reader.current_at = now
    return page.more


def _count(
    rows: Iterable[Any], known: dict[int, tuple[int, int]], first: Mapping[int, int]
) -> dict[Key, _Count]:
    """What these events add; `known` maps vouchers to slice and stages, and is kept up.

    Args:
        first: the first card of the chain, of vouchers that replace one.
    """
    counts: dict[Key, _Count] = defaultdict(_Count)
    added = {wallet.name: wallet.added for wallet in wallets.WALLETS}
    for row in rows:
        voucher_id = first.get(row.voucher_id, row.voucher_id)
        slice_id, reached = known[voucher_id]
        day = row.at.astimezone(_zone(row.timezone)).date()
        for stage in funnel.stages(row.kind, row.data, added=added):
            reason = (row.reason or "") if stage is funnel.REFUSED else ""
            count = counts[slice_id, stage.name, day, row.store_id or 0, reason]
            count.times += 1
            if not reached & stage.bit:
                count.vouchers += 1
                reached |= stage.bit
            if stage in (funnel.REDEEMED, funnel.REVERSED):
                count.discount_minor += row.discount_minor or 0
                count.spent_minor -= row.amount_minor or 0
                # Whoever books sees to it that a basket counts once, while a redemption stands.
                count.revenue_minor += int((row.data or {}).get("basket_minor") or 0)
        known[voucher_id] = slice_id, reached
    return counts


def _milestones(session: Session, vouchers: set[int]) -> dict[int, tuple[int, int]]:
    """Slice and stages of each voucher; a voucher that is new gets its slice."""
    found = _stored(session, vouchers)
    ids = sorted(vouchers - found.keys())
    for at in range(0, len(ids), _ROWS):
        some = ids[at : at + _ROWS]
        described = session.execute(described_vouchers().where(Voucher.id.in_(some))).all()
        slices = _slices(session, {tuple(row[1:]) for row in described})
        for row in described:
            found[row.id] = slices[tuple(row[1:])], 0
    return found


def _stored(session: Session, vouchers: set[int]) -> dict[int, tuple[int, int]]:
    """Slice and stages of the vouchers that were counted before."""
    found: dict[int, tuple[int, int]] = {}
    ids = sorted(vouchers)
    for at in range(0, len(ids), _ROWS):
        for row in session.execute(
            select(Milestone.voucher_id, Milestone.slice_id, Milestone.stages).where(
                Milestone.voucher_id.in_(ids[at : at + _ROWS])
            )
        ):
            found[row.voucher_id] = row.slice_id, row.stages
    return found


def described_vouchers() -> Any:
    """Vouchers with what decides their slice: campaign, variant, tier, segment."""
    return (
        select(
            Voucher.id,
            # A rule may issue from another campaign; its own is the one that is reported on.
            func.coalesce(Decision.campaign_id, Voucher.campaign_id).label("campaign_id"),
            func.coalesce(Decision.variant, Voucher.variant, "").label("variant"),
            func.coalesce(Decision.tier, "").label("tier"),
            func.coalesce(Decision.segment, Recipient.segment, "").label("segment"),
        )
        .outerjoin(Decision, Decision.voucher_id == Voucher.id)
        .outerjoin(Recipient, Recipient.id == Voucher.recipient_id)
    )


def _slices(session: Session, wanted: set[tuple[Any, ...]]) -> dict[tuple[Any, ...], int]:
    """Ids of slices, made where they are new."""
    campaigns = {key[0] for key in wanted}

    def stored() -> dict[tuple[Any, ...], int]:
        return {
            (row.campaign_id, row.variant, row.tier, row.segment): row.id
            for row in session.scalars(select(Slice).where(Slice.campaign_id.in_(campaigns)))
        }

    found = stored()
    if missing := sorted(wanted - found.keys()):
        session.execute(
            insert_for(session, Slice).on_conflict_do_nothing(),
            [
                dict(zip(("campaign_id", "variant", "tier", "segment"), key, strict=True))
                for key in missing
            ],
        )
        found = stored()
    return found


def _add(session: Session, counts: Mapping[Key, _Count]) -> None:
    # The tables rather than the classes: the ORM's bookkeeping would cost as much as the rows.
    insert = insert_for(session, FunnelCount.__table__)
    numbers = ("vouchers", "times", "discount_minor", "spent_minor", "revenue_minor")
    statement = insert.on_conflict_do_update(
        index_elements=["slice_id", "stage", "day", "store_id", "reason"],
        set_={name: getattr(FunnelCount, name) + insert.excluded[name] for name in numbers},
    )
    rows = [
        {
            "slice_id": key[0],
            "stage": key[1],
            "day": key[2],
            "store_id": key[3],
            "reason": key[4],
            **{name: getattr(count, name) for name in numbers},
        }
        for key, count in sorted(counts.items())
    ]
    for at in range(0, len(rows), _ROWS):
        session.execute(statement, rows[at : at + _ROWS])


def _store(session: Session, milestones: Mapping[int, tuple[int, int]]) -> None:
    insert = insert_for(session, Milestone.__table__)
    statement = insert.on_conflict_do_update(
        index_elements=["voucher_id"], set_={"stages": insert.excluded.stages}
    )
    rows = [
        {"voucher_id": voucher_id, "slice_id": slice_id, "stages": reached}
        for voucher_id, (slice_id, reached) in sorted(milestones.items())
    ]
    for at in range(0, len(rows), _ROWS):
        session.execute(statement, rows[at : at + _ROWS])


def _reader(session: Session, *, now: dt.datetime) -> LogReader | None:
    """The reader's row, locked; None while another worker counts."""
    session.execute(
        insert_for(session, LogReader)
        .values(name=READER, position=str(BEGINNING), current_at=now)
        .on_conflict_do_nothing()
    )
    return session.scalar(
        select(LogReader).where(LogReader.name == READER).with_for_update(skip_locked=True)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recount:
    """A slice's stage whose stored sums differ from those of the log."""

    campaign: str
    stage: str
    day: dt.date
    stored: tuple[int, ...]
    counted: tuple[int, ...]


def recount(session: Session) -> Sequence[Recount]:
    """Count the part of the log that was rolled up anew, and name every sum that differs.

    It reads the whole log: for `audit`, not for a request. The session must not see newer states
    of the counts than of the log, so that it runs in one transaction.
    """
    position = session.scalar(select(LogReader.position).where(LogReader.name == READER))
    until = Position.parse(position) if position is not None else None
    keys = {
        row.id: (row.campaign_id, row.variant, row.tier, row.segment)
        for row in session.scalars(select(Slice))
    }
    placed = {
        row.voucher_id: row.slice_id
        for row in session.execute(select(Milestone.voucher_id, Milestone.slice_id))
    }
    known = {voucher_id: (slice_id, 0) for voucher_id, slice_id in placed.items()}
    first = firsts(session, _replacements(session) - placed.keys())
    counted: dict[Key, _Count] = defaultdict(_Count)
    if until is not None:
        for rows in _log(session, until):
            for key, count in _count(
                (row for row in rows if first.get(row.voucher_id, row.voucher_id) in known),
                known,
                first,
            ).items():
                total = counted[key]
                for name in _Count.__slots__:
                    setattr(total, name, getattr(total, name) + getattr(count, name))
    stored = {
        (row.slice_id, row.stage, row.day, row.store_id, row.reason): tuple(
            getattr(row, name) for name in _Count.__slots__
        )
        for row in session.scalars(select(FunnelCount))
    }
    names = {row.id: row.key for row in session.execute(select(Campaign.id, Campaign.key))}
    nothing = (0,) * len(_Count.__slots__)
    differing = []
    for key in sorted(stored.keys() | counted.keys()):
        ours = tuple(getattr(counted[key], name) for name in _Count.__slots__)
        if stored.get(key, nothing) != ours:
            differing.append(
                Recount(
                    campaign=names[keys[key[0]][0]],
                    stage=key[1],
                    day=key[2],
                    stored=stored.get(key, nothing),
                    counted=ours,
                )
            )
    return differing


def misplaced(session: Session) -> Sequence[tuple[int, str]]:
    """Vouchers that are counted in another part than their campaign, variant and tier say, as
    public ids, and in which campaign; segments are those of the first count.
    """
    described = described_vouchers().subquery()
    return [
        (row.public_id, row.key)
        for row in session.execute(
            select(Voucher.public_id, Campaign.key)
            .select_from(Milestone)
            .join(Slice, Slice.id == Milestone.slice_id)
            .join(Campaign, Campaign.id == Slice.campaign_id)
            .join(Voucher, Voucher.id == Milestone.voucher_id)
            .join(described, described.c.id == Milestone.voucher_id)
            .where(
                or_(
                    Slice.campaign_id != described.c.campaign_id,
                    Slice.variant != described.c.variant,
                    Slice.tier != described.c.tier,
                )
            )
            .order_by(Voucher.id)
        )
    ]


def _replacements(session: Session) -> set[int]:
    return {
        each
        for each in session.scalars(
            select(Voucher.replaced_by_id).where(
                Voucher.replaced_by_id.is_not(None), Voucher.status != REPLACED
            )
        )
        if each is not None
    }


def _log(session: Session, until: Position) -> Iterable[Sequence[Any]]:
    """Pages of the log up to where the reader stands, in the order of ids: that of each voucher."""
    after = 0
    while True:
        statement = _WANTED.where(EVENT.c.id > after).order_by(EVENT.c.id).limit(5_000)
        rows = session.execute(eventlog.read_by(session, statement, until)).all()
        if not rows:
            return
        yield rows
        after = rows[-1].id


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
