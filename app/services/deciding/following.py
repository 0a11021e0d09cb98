"""Stop conditions that act by themselves on what the service booked: redemptions, adds, looks.

Promises: a stop condition is asked again once for every such event of a recipient, however many
workers run and whenever one is killed: what it marks and the place in the log change in one
transaction. No till waits for it but for a batch of recipients, and none does its work.
Refuses: to look back; a stop condition acts on what is booked while its campaign has it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from app.domain.values import OWN_EVENTS, POINTS, REDEEMED, Rules
from app.services import eventlog
from app.services.deciding.stopping import note, taking
from app.services.deployment import Deployment
from app.services.eventlog import BEGINNING, EVENT, Position
from app.store.dialects import insert_for, on_sqlite
from app.store.models import LogReader, Recipient, Voucher

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
