"""A stop condition takes back vouchers that became pointless: issued and not used.

A voucher that somebody used, or that a till holds, is never taken; one that is held is
looked at again when the hold is over. Each is taken back once, however often the same event is
reported and however many workers look, and every phone that shows it is owed the change. The rules
that gave a voucher decide about it; those of its own campaign, where it was issued without any.
It does not take back what the campaign does not say to take back.

How: `note` marks vouchers in the transaction that learns of the event, under the recipients'
locks, by rows of their own. `withdraw` takes the vouchers in transactions of its own, as whatever
takes a voucher back does, so that no till that has a voucher's lock waits for a recipient's. A
crash between the two loses nothing: the clock finds what is marked.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from sqlalchemy import Select, and_, delete, exists, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from app.domain import codes, values
from app.domain.ledger import EntryKind
from app.domain.values import OWN_EVENTS, POINTS, REDEEMED, Rules
from app.services import campaigns, eventlog, security
from app.services.decisions.candidates import Candidate
from app.services.decisions.knowledge import (
    done_since,
    facts_of,
    known_of,
)
from app.services.deployment import Deployment
from app.services.eventlog import BEGINNING, EVENT, Position
from app.services.issuance import (
    Left,
    Person,
    take,
)
from app.store.dialects import insert_for, on_sqlite
from app.store.models import Campaign, Decision, Entry, LogReader, Recipient, Stopping, Voucher
from app.store.session import Database

#: Why the voucher changed, as its event says.
REASON = "stopped"
#: Vouchers of one transaction: few enough that a till beside it does not wait long.
BATCH = 200
_GOOD = ("active", "pending")
#: A blocked voucher waits with its mark for what becomes of it.
_BLOCKED = "blocked"
#: Money that the campaign did not give.
_OWN_MONEY = (EntryKind.LOAD, EntryKind.ADJUST, EntryKind.TRANSFER)
_AT_A_TILL = Entry.operator.is_not(None)
_BOOKED = Entry.voucher_id == Voucher.id
#: Nothing was taken from a voucher, and nobody put their own money on it. The balance is the guard
#: against a till at the same moment; what was booked says whose money it is: a card that was sold
#: or loaded at a till is its holder's.
_UNSPENT = and_(
    Voucher.used == 0,
    Voucher.conflicts == 0,
    Voucher.balance_minor
    == select(func.coalesce(func.sum(Entry.amount_minor), 0))
    .where(_BOOKED, Entry.kind == EntryKind.ACTIVATE)
    .scalar_subquery(),
    ~exists().where(
        _BOOKED,
        or_(Entry.kind.in_(_OWN_MONEY), and_(Entry.kind == EntryKind.ACTIVATE, _AT_A_TILL)),
    ),
)
_TAKEABLE = and_(Voucher.status.in_(_GOOD), _UNSPENT, Voucher.held == 0, Voucher.held_minor == 0)


def note(session: Session, recipient_ids: Collection[int], *, now: dt.datetime) -> int:
    """Mark the vouchers of these recipients that a stop condition takes back; returns how many.

    An event counts when it would have stopped the decision, had it been known then, or when it
    came later; a voucher that no rule decided counts as decided when it was issued. It has to count
    for the campaign whose rules gave the voucher and for the voucher's own. What the service booked
    of a voucher never takes that voucher back.
    """
    if not recipient_ids or not (by_rules := taking(session)):
        return 0
    by, giver = func.coalesce(Decision.campaign_id, Voucher.campaign_id), aliased(Campaign)
    rows = session.execute(
        select(
            Voucher.id,
            Voucher.recipient_id,
            by.label("campaign_id"),
            func.coalesce(Decision.occasion, Voucher.occasion).label("occasion"),
            func.coalesce(Decision.created_at, Voucher.issued_at).label("decided_at"),
            Recipient.external_id,
            Campaign.key,
            giver.key.label("given_by"),
        )
        .join(Recipient, Recipient.id == Voucher.recipient_id)
        .join(Campaign, Campaign.id == Voucher.campaign_id)
        .outerjoin(Decision, Decision.voucher_id == Voucher.id)
        .join(giver, giver.id == by)
        .where(
            Voucher.recipient_id.in_(recipient_ids),
            by.in_(by_rules),
            ~exists().where(Stopping.voucher_id == Voucher.id),
            Recipient.external_id.is_not(None),
            Voucher.status.in_((*_GOOD, _BLOCKED)),
            Voucher.used == 0,
            # What is over by itself is left as it is.
            or_(Voucher.ends_at.is_(None), Voucher.ends_at > now, Campaign.override.is_not(None)),
        )
        .order_by(Voucher.id)
    ).all()
    found: set[int] = set()
    mine: dict[tuple[int, str, str], list[Any]] = defaultdict(list)
    for row in rows:
        mine[row.campaign_id, row.given_by, row.key].append(row)
    for (campaign_id, *keys), some in mine.items():
        rules, currency = by_rules[campaign_id]
        ids = {row.external_id: row.recipient_id for row in some}
        known = known_of(session, rules, ids, campaigns=set(map(str, keys)), now=now)
        for row in some:
            asked = Candidate(person=Person(external_id=row.external_id), occasion=row.occasion)
            # A look at this very voucher is no reason to take it out of its holder's hands.
            done = done_since(rules, known, row.external_id, now=row.decided_at, besides=row.id)
            if values.stopped(rules, facts_of(rules, asked, known, currency=currency), done=done):
                found.add(row.id)
    _mark(session, found)
    return len(found)


def takeable(
    session: Session, recipient_ids: Collection[int], *, only: Collection[str] | None = None
) -> list[str]:
    """Serials of the vouchers of these recipients that `withdraw` would take, as they are now.

    `only` are keys of the campaigns whose vouchers may be told of; None is every campaign.
    """
    query = (
        select(Voucher.public_id)
        .join(Stopping, Stopping.voucher_id == Voucher.id)
        .join(Campaign, Campaign.id == Voucher.campaign_id)
        .where(Voucher.recipient_id.in_(recipient_ids), _TAKEABLE)
        .order_by(Voucher.id)
    )
    if only is not None:
        query = query.where(Campaign.key.in_(only))
    public_ids = session.scalars(query)
    return [codes.serial(each) for each in public_ids]


def withdraw(database: Database, *, now: dt.datetime) -> int:
    """Take back what is marked, in short transactions; returns how many vouchers.

    One that a till holds, or that is blocked, stays marked; one that was used meanwhile is the
    holder's.
    """
    _take_over(database)
    count = 0
    with database.read() as session:
        ids = list(session.scalars(select(Stopping.voucher_id).order_by(Stopping.voucher_id)))
    for at in range(0, len(ids), BATCH):
        with database.write() as session:
            count += _withdraw(session, ids[at : at + BATCH], now=now)
    return count


def _withdraw(session: Session, ids: Collection[int], *, now: dt.datetime) -> int:
    # Marks before vouchers, as everything that locks both does.
    marked = session.scalars(
        select(Stopping.voucher_id)
        .where(Stopping.voucher_id.in_(ids))
        .order_by(Stopping.voucher_id)
        .with_for_update(skip_locked=True)
    ).all()
    taken, waiting = list[int](), set[int]()
    for voucher_id in marked:
        left = take(session, voucher_id, now=now, reason=REASON, only=_TAKEABLE)
        if left is None:
            taken.append(voucher_id)
        # What is over is left for good; what is held or blocked is looked at again.
        elif left in (Left.HELD, Left.KEPT) and session.scalar(
            select(Voucher.id).where(
                Voucher.id == voucher_id, Voucher.status.in_((*_GOOD, _BLOCKED)), _UNSPENT
            )
        ):
            waiting.add(voucher_id)
    session.execute(
        delete(Stopping)
        .where(Stopping.voucher_id.in_([each for each in marked if each not in waiting]))
        .execution_options(synchronize_session=False)
    )
    if taken:
        first = session.scalars(select(Voucher.public_id).where(Voucher.id == taken[0])).one()
        more = f" and {len(taken) - 1} more" if len(taken) > 1 else ""
        security.record(
            session,
            security.SecurityEventKind.VOUCHER_WITHDRAWN,
            now=now,
            object=f"voucher {codes.serial(first)}{more}",
            reason=REASON,
            count=len(taken),
        )
    return len(taken)


def _take_over(database: Database) -> None:
    """Take over what servers of a release before 0012_stopping mark while they still run."""
    with database.read() as session:
        if session.scalar(select(Decision.id).where(Decision.stopping).limit(1)) is None:
            return
    with database.write() as session:
        marked = session.scalars(
            update(Decision)
            .where(Decision.stopping)
            .values(stopping=False)
            .returning(Decision.voucher_id)
            .execution_options(synchronize_session=False)
        ).all()
        _mark(session, {each for each in marked if each is not None})


def _mark(session: Session, voucher_ids: Collection[int]) -> None:
    if voucher_ids:
        session.execute(
            insert_for(session, Stopping.__table__).on_conflict_do_nothing(),
            [{"voucher_id": each} for each in sorted(voucher_ids)],
        )


def taking(session: Session) -> dict[int, tuple[Rules, str | None]]:
    """Campaigns whose stop conditions take vouchers back: those conditions, and the currency."""
    found = {}
    for campaign in session.scalars(select(Campaign).where(Campaign.rules.is_not(None))):
        rules = campaigns.rules_of(campaign)
        stops = tuple(stop for stop in rules.stops if stop.withdraw)
        if stops:
            found[campaign.id] = replace(rules, stops=stops), campaign.currency
    return found


READER = "stops"
#: Events of one transaction, and so the most recipients that it locks.
EVENTS_AT_ONCE = 200
#: Kinds in the log after which more, or less, is booked of what rules call by one name.
_KINDS = {
    REDEEMED: ("redeemed", "captured", "reversed", "refunded"),
    "added": ("added",),
    "viewed": ("viewed",),
}


def follow(deployment: Deployment) -> None:
    """Mark what stop conditions take back after what was booked since the last look;
    `deciding.withdraw` takes it.
    """
    while _follow_some(deployment):
        pass


def _follow_some(deployment: Deployment) -> bool:
    """Follow the next events; returns whether there may be more right now."""
    now = deployment.now()
    with deployment.database.read() as session:
        stored = session.scalar(select(LogReader.position).where(LogReader.name == READER))
        position = BEGINNING if stored is None else Position.parse(stored)
        if not eventlog.read(session, position, limit=1).events:
            return False
    with deployment.database.write() as session:
        reader = _reader(session, now=now)
        if reader is None:
            return False
        # Before the campaigns are read: what is booked after a stop condition was is never missed.
        end = eventlog.present(session)
        names = {name for rules, _ in taking(session).values() for name in followed(rules)}
        if not names:
            reader.position, reader.current_at = str(end), now
            return False
        page = eventlog.read(
            session, Position.parse(reader.position), limit=EVENTS_AT_ONCE, columns=_wanted(names)
        )
        ids = session.scalars(
            select(Recipient.id)
            .where(
                Recipient.id.in_({row.recipient_id for row in page.events}),
                Recipient.forgotten_at.is_(None),
            )
            .order_by(Recipient.id)
            .with_for_update(key_share=True)
        ).all()
        note(session, ids, now=now)
        # On SQLite a page ends with the last event that was wanted, however many came after it.
        done = end if on_sqlite(session) and not page.more else page.position
        reader.position = str(done)
        if not page.more:
            reader.current_at = now
    return page.more


def followed(rules: Rules) -> set[str]:
    """Of what the service books, what stop conditions ask for: by name, or as points of it."""
    names = {stop.event for stop in rules.stops if stop.event is not None}
    if any(each.of == POINTS for stop in rules.stops for each in stop.when):
        names |= rules.points.keys()
    return names & OWN_EVENTS


def _wanted(names: Collection[str]) -> Select[Any]:
    """Events of vouchers that are somebody's, with whose they are."""
    return (
        select(EVENT.c.id, Voucher.recipient_id)
        .select_from(EVENT)
        .join(Voucher, Voucher.id == EVENT.c.voucher_id)
        .where(
            EVENT.c.kind.in_([kind for name in sorted(names) for kind in _KINDS[name]]),
            Voucher.recipient_id.is_not(None),
        )
    )


def _reader(session: Session, *, now: dt.datetime) -> LogReader | None:
    """The reader's row, locked; None while another worker follows."""
    session.execute(
        insert_for(session, LogReader)
        .values(name=READER, position=str(BEGINNING), current_at=now)
        .on_conflict_do_nothing()
    )
    return session.scalar(
        select(LogReader).where(LogReader.name == READER).with_for_update(skip_locked=True)
    )
