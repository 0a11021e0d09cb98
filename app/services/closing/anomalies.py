"""This module finds what is worth a look about a day: refunds, own returns, many cards."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, exists, func, select, true
from sqlalchemy.orm import Session, aliased

from app.domain.ledger import EntryKind
from app.services.closing.scope import bounds, of_campaigns, stores_of
from app.store.models import Entry, Terminal

#: Cards that one terminal serves on an ordinary day; more is worth a look.
MANY_CARDS = 50
#: Refunds to cards by one operator on an ordinary day.
MANY_REFUNDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Oddity:
    """Something about a day that is worth a look."""

    date: str
    store: str
    terminal: str | None
    operator: str | None
    what: str
    count: int
    amount_minor: int
    currency: str | None


def odd(
    session: Session,
    date: dt.date,
    *,
    store_id: int | None = None,
    terminal_id: int | None = None,
    campaigns: frozenset[str] | None = None,
) -> list[Oddity]:
    """What is worth a look about a day: the same person gives and takes, refunds, many cards.

    `store_id`, `terminal_id` and `campaigns` are the only store, terminal and campaigns that may be
    seen; None is all.
    """
    found: list[Oddity] = []
    for store in stores_of(session, store_id=store_id):
        starts, ends = bounds(date, store.timezone)
        within = and_(
            Entry.store_id == store.id,
            Entry.created_at >= starts,
            Entry.created_at < ends,
            of_campaigns(campaigns),
            true() if terminal_id is None else Entry.terminal_id == terminal_id,
        )
        common = {"date": date.isoformat(), "store": store.key}
        found += _gave_and_took(session, within, common, starts=starts, ends=ends)
        found += _many(
            session,
            and_(within, Entry.kind == EntryKind.REFUND, Entry.amount_minor > 0),
            common,
            what="refunds to cards",
            by_operator=True,
            more_than=MANY_REFUNDS,
        )
        found += _many(
            session,
            and_(within, Entry.amount_minor != 0),
            common,
            what="many cards on one terminal",
            by_operator=False,
            more_than=MANY_CARDS,
        )
    return found


def _gave_and_took(
    session: Session,
    within: Any,
    common: dict[str, str],
    *,
    starts: dt.datetime,
    ends: dt.datetime,
) -> list[Oddity]:
    """Cards that one operator put money on and took money from on the same day."""
    gave = aliased(Entry)
    query = (
        select(
            Entry.operator,
            Entry.currency,
            func.count(func.distinct(Entry.voucher_id)),
            func.sum(-Entry.amount_minor),
        )
        .where(
            within,
            Entry.kind == EntryKind.REDEMPTION,
            Entry.amount_minor < 0,
            Entry.operator.is_not(None),
            exists().where(
                gave.voucher_id == Entry.voucher_id,
                gave.operator == Entry.operator,
                gave.store_id == Entry.store_id,
                gave.kind.in_([EntryKind.LOAD, EntryKind.ACTIVATE, EntryKind.ADJUST]),
                gave.amount_minor > 0,
                gave.created_at >= starts,
                gave.created_at < ends,
            ),
        )
        .group_by(Entry.operator, Entry.currency)
    )
    return [
        Oddity(
            **common,
            terminal=None,
            operator=operator,
            what="put money on a card and redeemed it",
            count=int(count),
            amount_minor=int(amount),
            currency=currency,
        )
        for operator, currency, count, amount in session.execute(query)
    ]


def _many(
    session: Session,
    within: Any,
    common: dict[str, str],
    *,
    what: str,
    by_operator: bool,
    more_than: int,
) -> list[Oddity]:
    subject = Entry.operator if by_operator else Terminal.key
    cards = func.count() if by_operator else func.count(func.distinct(Entry.voucher_id))
    query = (
        select(subject, Entry.currency, cards, func.sum(func.abs(Entry.amount_minor)))
        .outerjoin(Terminal, Terminal.id == Entry.terminal_id)
        .where(within)
        .group_by(subject, Entry.currency)
        .having(cards > more_than)
        .order_by(subject)
    )
    return [
        Oddity(
            **common,
            terminal=None if by_operator else name,
            operator=name if by_operator else None,
            what=what,
            count=int(count),
            amount_minor=int(amount),
            currency=currency,
        )
        for name, currency, count, amount in session.execute(query)
    ]
