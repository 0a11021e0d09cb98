"""Taking back what a stop condition makes pointless: vouchers that were issued and not used.

Promises: a voucher that somebody used, or that a till holds, is never taken; one that is held is
looked at again when the hold is over. Each is taken back once, however often the same event is
reported and however many workers look, and every phone that shows it is owed the change.
Refuses: to take back what no rule decided, or what the campaign does not say to take back.

How: `note` marks decisions in the transaction that learns of the event, under the recipients'
locks. `withdraw` takes the vouchers in transactions of its own, by one conditional UPDATE each, so
that no till that has a voucher's lock waits for a recipient's. A crash between the two loses
nothing: the clock finds what is marked.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import replace

from sqlalchemy import and_, false, func, or_, select, update
from sqlalchemy.orm import Session

from app.domain import values
from app.domain.ledger import EntryKind
from app.domain.values import Rules
from app.services import campaigns, changes, events
from app.services.deciding.candidates import Candidate
from app.services.deciding.knowledge import done_since, facts_of, known_of
from app.services.issuing import Person
from app.store.models import Campaign, Decision, Entry, Recipient, Voucher
from app.store.session import Database

#: Why the voucher changed, as its event says.
REASON = "stopped"
#: Vouchers of one transaction: few enough that a till beside it does not wait long.
BATCH = 200
_GOOD = ("active", "pending")


def note(session: Session, recipient_ids: Collection[int], *, now: dt.datetime) -> int:
    """Mark the vouchers of these recipients that a stop condition takes back; returns how many.

    An event counts when it would have stopped the decision, had it been known then, or when it
    came later.
    """
    if not recipient_ids or not (taking := _taking(session)):
        return 0
    rows = session.execute(
        select(Decision, Recipient.external_id)
        .join(Recipient, Recipient.id == Decision.recipient_id)
        .join(Voucher, Voucher.id == Decision.voucher_id)
        .join(Campaign, Campaign.id == Voucher.campaign_id)
        .where(
            Decision.recipient_id.in_(recipient_ids),
            Decision.campaign_id.in_(taking),
            Decision.stopping == false(),
            Recipient.external_id.is_not(None),
            Voucher.status.in_(_GOOD),
            Voucher.used == 0,
            # What is over by itself is left as it is.
            or_(Voucher.ends_at.is_(None), Voucher.ends_at > now, Campaign.override.is_not(None)),
        )
        .order_by(Decision.id)
    ).all()
    found: list[int] = []
    for campaign_id, rules in taking.items():
        mine = [row for row in rows if row.Decision.campaign_id == campaign_id]
        if not mine:
            continue
        asked = [
            Candidate(person=Person(external_id=row.external_id), occasion=row.Decision.occasion)
            for row in mine
        ]
        known = known_of(
            session,
            campaign_id,
            rules,
            {row.external_id: row.Decision.recipient_id for row in mine},
            asked,
            now=now,
            locked=False,
        )
        found += [
            row.Decision.id
            for row, each in zip(mine, asked, strict=True)
            if values.stopped(
                rules,
                facts_of(rules, each, known),
                done=done_since(rules, known, row.external_id, now=row.Decision.created_at),
            )
        ]
    if found:
        session.execute(
            update(Decision)
            .where(Decision.id.in_(found))
            .values(stopping=True)
            .execution_options(synchronize_session=False)
        )
    return len(found)


def withdraw(database: Database, *, now: dt.datetime) -> int:
    """Take back what is marked, in short transactions; returns how many vouchers.

    One that a till holds stays marked; one that was used meanwhile is the holder's.
    """
    count = 0
    with database.read() as session:
        ids = list(
            session.scalars(
                select(Decision.id).where(Decision.stopping).order_by(Decision.voucher_id)
            )
        )
    for at in range(0, len(ids), BATCH):
        with database.write() as session:
            count += _withdraw(session, ids[at : at + BATCH], now=now)
    return count


def _withdraw(session: Session, ids: Collection[int], *, now: dt.datetime) -> int:
    # Decisions before vouchers, as everything that locks both does.
    rows = session.execute(
        select(Decision.id, Decision.voucher_id)
        .where(Decision.id.in_(ids), Decision.stopping)
        .order_by(Decision.voucher_id)
        .with_for_update(skip_locked=True)
    ).all()
    # What was on a card at first never changes, so that it may be read before the card is locked.
    opening = {
        row[0]: int(row[1])
        for row in session.execute(
            select(Entry.voucher_id, func.sum(Entry.amount_minor))
            .where(
                Entry.voucher_id.in_([row.voucher_id for row in rows]),
                Entry.kind == EntryKind.ACTIVATE,
            )
            .group_by(Entry.voucher_id)
        )
    }
    taken, waiting = 0, set()
    for row in rows:
        unspent = and_(
            Voucher.status.in_(_GOOD),
            Voucher.used == 0,
            Voucher.conflicts == 0,
            Voucher.balance_minor == opening.get(row.voucher_id, 0),
        )
        number = events.append(
            session,
            "updated",
            row.voucher_id,
            now=now,
            only=and_(unspent, Voucher.held == 0, Voucher.held_minor == 0),
            together={"status": "revoked", "version": Voucher.version + 1},
            data={"status": "revoked"},
            reason=REASON,
        )
        if number is not None:
            changes.voucher(session, row.voucher_id)
            taken += 1
        # Not whether it is held: the hold may have been given back since the statement above.
        elif session.scalar(select(Voucher.id).where(Voucher.id == row.voucher_id, unspent)):
            waiting.add(row.id)
    session.execute(
        update(Decision)
        .where(Decision.id.in_([row.id for row in rows if row.id not in waiting]))
        .values(stopping=False)
        .execution_options(synchronize_session=False)
    )
    return taken


def _taking(session: Session) -> dict[int, Rules]:
    """Campaigns whose stop conditions take vouchers back, with those conditions alone."""
    found = {}
    for campaign in session.scalars(select(Campaign).where(Campaign.rules.is_not(None))):
        rules = campaigns.rules_of(campaign)
        stops = tuple(stop for stop in rules.stops if stop.withdraw)
        if stops:
            found[campaign.id] = replace(rules, stops=stops)
    return found
