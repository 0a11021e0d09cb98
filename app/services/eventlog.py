"""Reading the log of events from where a reader stopped, without skipping or reordering any.

Every committed event is read once, however late its transaction commits, and the events
of one voucher come in the order of their numbers.
It does not number events over all vouchers; only those of one voucher have an order.

On SQLite transactions commit one after the other, so that ids are in the order of commits. On
PostgreSQL a transaction that began early may commit late, behind ids that were read already, and
even behind an event that another, later transaction wrote for the same voucher. A reader
therefore reads windows between two snapshots: whatever the newer one sees and the older one did
not. Who wrote event 6 of a voucher held its row after event 5 was committed, so no snapshot sees 6
without 5; and within a window ids give the order, since they too are drawn under the row's lock.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import orjson
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Table,
    and_,
    bindparam,
    func,
    insert,
    literal_column,
    or_,
    select,
    text,
    true,
    update,
)
from sqlalchemy.orm import Session

from app.store.dialects import on_sqlite
from app.store.models import Event, Voucher

EVENT = cast(Table, Event.__table__)
_E = EVENT.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a reader stands: within a window, or at a window's end.

    Attributes:
        seen: the snapshot of which every event was read; empty before the first.
        until: the snapshot that the present window ends with; empty when none is open.
        after: the id of the last event that was read, in the window (PostgreSQL) or ever (SQLite).
    """

    seen: str = ""
    until: str = ""
    after: int = 0

    def __str__(self) -> str:
        return orjson.dumps([self.seen, self.until, self.after]).decode()

    @classmethod
    def parse(cls, text: str) -> Position:
        """A stored position."""
        seen, until, after = orjson.loads(text)
        return cls(seen=seen, until=until, after=after)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage:
    """Events in order, where to go on, and whether there may be more right now."""

    events: tuple[Any, ...]
    position: Position
    more: bool


BEGINNING = Position()


def present(session: Session) -> Position:
    """The position from which only events of later commits are read."""
    if on_sqlite(session):
        return Position(after=session.scalar(select(func.coalesce(func.max(_E.id), 0))) or 0)
    return Position(seen=_snapshot(session))


def read(
    session: Session, position: Position, *, limit: int, columns: Select[Any] | None = None
) -> EventPage:
    """The next events after `position`, at most `limit`.

    Args:
        columns: what to select, from the event table joined with others; whole rows otherwise.
    """
    wanted = columns if columns is not None else select(EVENT)
    if on_sqlite(session):
        rows = session.execute(
            wanted.where(_E.id > position.after).order_by(_E.id).limit(limit)
        ).all()
        after = rows[-1].id if rows else position.after
        return EventPage(
            events=tuple(rows), position=Position(after=after), more=len(rows) == limit
        )
    until, after = position.until, position.after
    if not until:
        until, after = _snapshot(session), 0
        if until == position.seen:
            return EventPage(events=(), position=position, more=False)
    wanted = wanted.where(
        _E.id > after,
        text("pg_visible_in_snapshot(event.transaction::text::xid8, CAST(:until AS pg_snapshot))"),
    )
    values: dict[str, str | int] = {"until": until}
    if position.seen:
        # The bound on the transaction lets the index find a small window in a large log.
        wanted = wanted.where(
            _E.transaction >= bindparam("oldest", type_=BigInteger),
            text(
                "NOT pg_visible_in_snapshot("
                "event.transaction::text::xid8, CAST(:seen AS pg_snapshot))"
            ),
        )
        values |= {"seen": position.seen, "oldest": int(position.seen.partition(":")[0])}
    rows = session.execute(wanted.order_by(_E.id).limit(limit), values).all()
    if len(rows) < limit:
        return EventPage(events=tuple(rows), position=Position(seen=until), more=False)
    return EventPage(
        events=tuple(rows),
        position=Position(seen=position.seen, until=until, after=rows[-1].id),
        more=True,
    )


def rebased(session: Session, position: Position) -> Position:
    """Where to go on in a log that was moved to another PostgreSQL server.

    Numbers of transactions are a server's own, so there nothing before this moment counts as read
    or unread by them. All that was unread is read, with what came between if a commit was late:
    whoever reads events twice knows them by their ids.
    """
    if on_sqlite(session):
        return position
    read_already = read_by(session, select(_E.id), position)
    first = session.scalar(select(func.min(_E.id)).where(_E.id.not_in(read_already)))
    if first is None:
        return Position(seen=_snapshot(session))
    return Position(until=_snapshot(session), after=first - 1)


def _snapshot(session: Session) -> str:
    return str(session.scalar(select(literal_column("pg_current_snapshot()::text"))))


def read_by(session: Session, statement: Select[Any], position: Position) -> Select[Any]:
    """`statement` over events, bounded to those that a reader at `position` has read."""
    if on_sqlite(session):
        return statement.where(_E.id <= position.after)
    visible = "pg_visible_in_snapshot(event.transaction::text::xid8, CAST(:{0} AS pg_snapshot))"
    seen = text(visible.format("seen")).bindparams(seen=position.seen or "1:1:")
    if not position.until:
        return statement.where(seen)
    within = text(visible.format("until")).bindparams(until=position.until)
    return statement.where(or_(seen, and_(within, _E.id <= position.after)))


def append(
    session: Session,
    kind: str,
    voucher_id: int,
    *,
    now: dt.datetime,
    only: ColumnElement[bool] | None = None,
    together: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
    reason: str | None = None,
) -> int | None:
    """Append a fact about the voucher; returns its number, or None if `only` does not hold.

    The voucher's row is changed in the database alone: flush what the session changed of it before,
    and do not change it there afterwards.

    Args:
        only: a condition on the voucher's row, judged under its lock.
        together: columns of the row that change with it.
        data: what else is to be known, for programs.
        reason: the same, as somebody worded it.
    """
    numbered = session.execute(
        update(Voucher)
        .where(Voucher.id == voucher_id, true() if only is None else only)
        .values(events=Voucher.events + 1, **(together or {}))
        .returning(Voucher.events, Voucher.campaign_id)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if numbered is None:
        return None
    session.execute(
        insert(Event).values(
            kind=kind,
            at=now,
            campaign_id=numbered.campaign_id,
            voucher_id=voucher_id,
            number=numbered.events,
            data=None if data is None else dict(data),
            reason=reason,
        )
    )
    number: int = numbered.events
    return number
