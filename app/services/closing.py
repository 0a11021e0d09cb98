"""Closing the day, and what the cards are worth: reports that are sums over the ledger.

A day is a store's own, midnight to midnight in its time zone. Nothing here is counted beside the
books: each figure is the sum of entries, so that `passerelle audit` proves it, and what a till
counted itself can be laid beside it line by line. Liability at a moment is the sum of all entries
before it; the movements of a period lead from its opening balance to its closing one exactly.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, case, exists, false, func, literal_column, select, true
from sqlalchemy.orm import Session, aliased

from app.domain.kinds import KINDS
from app.domain.ledger import RETURNS, EntryKind
from app.store.models import Campaign, Entry, Store, Terminal

#: Entries of a till's day that are listed.
LISTED = 200
#: Cards that one terminal serves on an ordinary day; more is worth a look.
MANY_CARDS = 50
#: Refunds to cards by one operator on an ordinary day.
MANY_REFUNDS = 5

_MONEY_KINDS = tuple(name for name, kind in KINDS.items() if kind.holds_money)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What one operator did at one terminal in one currency; None where nothing was said.

    Minor units are positive: `redeemed` left cards, `undone` and `refunded` went back to them,
    `loaded` came onto them and `unloaded` was a load undone; discounts likewise. `net_minor` is
    what cards paid and `net_discounts_minor` what was granted, after all that was taken back.
    """

    date: str
    store: str
    terminal: str | None
    operator: str | None
    currency: str | None
    redemptions: int = 0
    uses: int = 0
    redeemed_minor: int = 0
    discounts_minor: int = 0
    undone: int = 0
    undone_minor: int = 0
    undone_discounts_minor: int = 0
    refunds: int = 0
    refunded_minor: int = 0
    refunded_discounts_minor: int = 0
    loads: int = 0
    loaded_minor: int = 0
    unloaded_minor: int = 0
    adjusted_minor: int = 0
    net_minor: int = 0
    net_discounts_minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Liability:
    """What a campaign's cards owe, and how it came about between two moments, in minor units.

    `opening_minor` and every movement add up to `closing_minor`.
    """

    campaign: str
    currency: str | None
    opening_minor: int
    activated_minor: int
    loaded_minor: int
    redeemed_minor: int
    returned_minor: int
    adjusted_minor: int
    #: Breakage: what expired, and what was on cards that were ended.
    expired_minor: int
    deactivated_minor: int
    transferred_minor: int
    closing_minor: int


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """An entry as the till's list of the day shows it."""

    id: str
    at: dt.datetime
    kind: str
    name: str
    amount_minor: int
    discount_minor: int
    currency: str | None
    operator: str | None
    receipt: str | None
    taken_back: bool
    #: Whether this till may still undo it.
    undoable: bool


def bounds(day: dt.date, timezone: str) -> tuple[dt.datetime, dt.datetime]:
    """A day's first moment, and the first after it, in UTC."""
    zone = ZoneInfo(timezone)
    starts = dt.datetime.combine(day, dt.time(), zone)
    ends = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), zone)
    return starts.astimezone(dt.UTC), ends.astimezone(dt.UTC)


def day(
    session: Session,
    date: dt.date,
    *,
    store: str | None = None,
    store_id: int | None = None,
    terminal_id: int | None = None,
    campaigns: frozenset[str] | None = None,
) -> list[Line]:
    """The day's lines of one store or of all, by terminal, operator and currency.

    Args:
        store: key of the store that is asked for.
        store_id: the only store that may be seen.
        terminal_id: the only terminal that may be seen.
        campaigns: keys of the campaigns that may be seen; None is every campaign.
    """
    lines: list[Line] = []
    for row in _stores(session, store=store, store_id=store_id):
        lines += _of_store(session, row, date, terminal_id=terminal_id, campaigns=campaigns)
    return lines


def listed(
    session: Session, *, store_id: int, terminal_id: int, api_key_id: int, now: dt.datetime
) -> list[Listed]:
    """The terminal's entries of today, the newest first."""
    zone = session.scalars(select(Store.timezone).where(Store.id == store_id)).one()
    starts, ends = bounds(now.astimezone(ZoneInfo(zone)).date(), zone)
    back = aliased(Entry)
    taken_back = exists().where(back.refers_to_id == Entry.id, back.kind.in_(list(RETURNS)))
    rows = session.execute(
        select(Entry, Campaign.name, taken_back.label("taken_back"))
        .join(Campaign, Campaign.id == Entry.campaign_id)
        .where(
            Entry.store_id == store_id,
            Entry.terminal_id == terminal_id,
            Entry.created_at >= starts,
            Entry.created_at < ends,
        )
        .order_by(Entry.created_at.desc(), Entry.id.desc())
        .limit(LISTED)
    ).all()
    return [
        Listed(
            id=str(entry.id),
            at=entry.created_at,
            kind=entry.kind,
            name=name,
            amount_minor=entry.amount_minor,
            discount_minor=entry.discount_minor,
            currency=entry.currency,
            operator=entry.operator,
            receipt=entry.receipt,
            taken_back=back_already,
            undoable=entry.kind in (EntryKind.REDEMPTION, EntryKind.LOAD)
            and not back_already
            and entry.api_key_id == api_key_id,
        )
        for entry, name, back_already in rows
    ]


def liability(
    session: Session,
    *,
    until: dt.datetime,
    since: dt.datetime | None = None,
    campaigns: frozenset[str] | None = None,
) -> list[Liability]:
    """What the cards of each campaign owe just before `until`, and the movements since `since`.

    `campaigns` are keys of those that may be seen; None is every campaign.
    """
    before = Entry.created_at < since if since is not None else false()

    def moved(*kinds: EntryKind) -> Any:
        return func.coalesce(
            func.sum(case((and_(~before, Entry.kind.in_(kinds)), Entry.amount_minor), else_=0)), 0
        )

    def back(sign: ColumnElement[bool]) -> Any:
        taken_back = and_(~before, Entry.kind.in_(list(RETURNS)), sign)
        return func.coalesce(func.sum(case((taken_back, Entry.amount_minor), else_=0)), 0)

    rows = session.execute(
        select(
            Campaign.key,
            Campaign.currency,
            func.coalesce(func.sum(case((before, Entry.amount_minor), else_=0)), 0),
            moved(EntryKind.ACTIVATE),
            # A return that takes money off a card takes a load back.
            moved(EntryKind.LOAD) + back(Entry.amount_minor < 0),
            moved(EntryKind.REDEMPTION),
            back(Entry.amount_minor > 0),
            moved(EntryKind.ADJUST),
            moved(EntryKind.EXPIRE),
            moved(EntryKind.DEACTIVATE),
            moved(EntryKind.TRANSFER),
            func.coalesce(func.sum(Entry.amount_minor), 0),
        )
        .select_from(Campaign)
        .outerjoin(Entry, and_(Entry.campaign_id == Campaign.id, Entry.created_at < until))
        .where(
            Campaign.kind.in_(_MONEY_KINDS),
            true() if campaigns is None else Campaign.key.in_(campaigns),
        )
        .group_by(Campaign.id)
        .order_by(Campaign.key)
    ).all()
    names = [field.name for field in fields(Liability)][2:]
    return [
        Liability(
            campaign=key,
            currency=currency,
            **dict(zip(names, map(int, figures), strict=True)),
        )
        for key, currency, *figures in rows
    ]


def odd(
    session: Session,
    date: dt.date,
    *,
    store_id: int | None = None,
    campaigns: frozenset[str] | None = None,
) -> list[Oddity]:
    """What is worth a look about a day: the same person gives and takes, refunds, many cards.

    `store_id` and `campaigns` are the only store and campaigns that may be seen; None is all.
    """
    found: list[Oddity] = []
    for store in _stores(session, store_id=store_id):
        starts, ends = bounds(date, store.timezone)
        within = and_(
            Entry.store_id == store.id,
            Entry.created_at >= starts,
            Entry.created_at < ends,
            _of_campaigns(campaigns),
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


def to_csv(rows: Sequence[Any], kind: type[Any]) -> str:
    """Rows of one of the reports as CSV with a header, safe to open in a spreadsheet."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    names = [field.name for field in fields(kind)]
    writer.writerow(names)
    for row in rows:
        writer.writerow([_cell(value) for value in asdict(row).values()])
    return text.getvalue()


def _cell(value: object) -> object:
    """A cell that no spreadsheet takes for a formula: an operator's name is anybody's text."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return value


def _stores(
    session: Session, *, store: str | None = None, store_id: int | None = None
) -> Sequence[Store]:
    query = select(Store).order_by(Store.key)
    if store is not None:
        query = query.where(Store.key == store)
    if store_id is not None:
        query = query.where(Store.id == store_id)
    return session.scalars(query).all()


def _of_campaigns(keys: frozenset[str] | None) -> ColumnElement[bool]:
    """Entries of these campaigns only; None is every campaign."""
    if keys is None:
        return true()
    return Entry.campaign_id.in_(select(Campaign.id).where(Campaign.key.in_(keys)))


def _of_store(
    session: Session,
    store: Store,
    date: dt.date,
    *,
    terminal_id: int | None,
    campaigns: frozenset[str] | None,
) -> list[Line]:
    starts, ends = bounds(date, store.timezone)
    where = [
        Entry.store_id == store.id,
        Entry.created_at >= starts,
        Entry.created_at < ends,
        _of_campaigns(campaigns),
    ]
    if terminal_id is not None:
        where.append(Entry.terminal_id == terminal_id)
    # Written out: PostgreSQL groups by an expression only when it is the same to the letter.
    taken = Entry.amount_minor < literal_column("0")
    rows = session.execute(
        select(
            Terminal.key.label("terminal"),
            Entry.operator,
            Entry.currency,
            Entry.kind,
            taken.label("taken"),
            func.count().label("count"),
            func.sum(Entry.uses).label("uses"),
            func.sum(Entry.amount_minor).label("money"),
            func.sum(Entry.discount_minor).label("discounts"),
        )
        .outerjoin(Terminal, Terminal.id == Entry.terminal_id)
        .where(*where)
        .group_by(Terminal.key, Entry.operator, Entry.currency, Entry.kind, taken)
    ).all()
    sums: dict[tuple[str | None, str | None, str | None], dict[str, int]] = {}
    for row in rows:
        sum_ = sums.setdefault((row.terminal, row.operator, row.currency), {})
        for name, value in _figures(row):
            sum_[name] = sum_.get(name, 0) + value
    return [
        _line(date, store.key, *key, sums[key])
        for key in sorted(sums, key=lambda key: tuple(part or "" for part in key))
    ]


def _figures(row: Any) -> Iterable[tuple[str, int]]:
    """Which figures of a line a group of entries belongs to."""
    count, uses = int(row.count), int(row.uses)
    money, discounts = int(row.money), int(row.discounts)
    if row.kind == EntryKind.REDEMPTION:
        yield from (("redemptions", count), ("uses", uses), ("redeemed_minor", -money))
        yield "discounts_minor", discounts
    elif row.kind in RETURNS and row.taken:
        yield "unloaded_minor", -money
    elif row.kind == EntryKind.REVERSAL:
        yield from (("undone", count), ("undone_minor", money))
        yield "undone_discounts_minor", -discounts
    elif row.kind == EntryKind.REFUND:
        yield from (("refunds", count), ("refunded_minor", money))
        yield "refunded_discounts_minor", -discounts
    elif row.kind in (EntryKind.LOAD, EntryKind.ACTIVATE):
        yield from (("loads", count), ("loaded_minor", money))
    elif row.kind == EntryKind.ADJUST:
        yield "adjusted_minor", money


def _line(
    date: dt.date,
    store: str,
    terminal: str | None,
    operator: str | None,
    currency: str | None,
    sums: dict[str, int],
) -> Line:
    def of(name: str) -> int:
        return sums.get(name, 0)

    return Line(
        date=date.isoformat(),
        store=store,
        terminal=terminal,
        operator=operator,
        currency=currency,
        **sums,
        net_minor=of("redeemed_minor") - of("undone_minor") - of("refunded_minor"),
        net_discounts_minor=of("discounts_minor")
        - of("undone_discounts_minor")
        - of("refunded_discounts_minor"),
    )


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
