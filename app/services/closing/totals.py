"""This module sums a day by store, till and operator, and lists a till's day."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row, exists, func, literal_column, select
from sqlalchemy.orm import Session, aliased

from app.domain.ledger import RETURNS, EntryKind
from app.services.closing.scope import bounds, of_campaigns, stores_of
from app.store.models import Campaign, Entry, Store, Terminal

#: Entries of a till's day that are listed.
LISTED = 200
#: Entries that grant something at a till, or take that back.
_GRANTING = (EntryKind.REDEMPTION, *RETURNS)
#: Terminal, operator, currency, kind, whether money was taken, how many; uses, money, discounts.
_Group = Row[str, str | None, str | None, str, bool, int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorLine:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class TillSums:
    """What a terminal did in a day in one currency; None for uses without a basket.

    Uses and discounts are what was granted after all that was taken back, and so are loads; money
    that left cards and money that went back to them stand beside each other.
    """

    currency: str | None
    uses: int = 0
    redeemed_minor: int = 0
    discounts_minor: int = 0
    loaded_minor: int = 0
    returned_minor: int = 0


def day(
    session: Session,
    date: dt.date,
    *,
    store: str | None = None,
    store_id: int | None = None,
    terminal_id: int | None = None,
    campaigns: frozenset[str] | None = None,
) -> list[OperatorLine]:
    """The day's lines of one store or of all, by terminal, operator and currency.

    Args:
        store: key of the store that is asked for.
        store_id: the only store that may be seen.
        terminal_id: the only terminal that may be seen.
        campaigns: keys of the campaigns that may be seen; None is every campaign.
    """
    lines: list[OperatorLine] = []
    for row in stores_of(session, store=store, store_id=store_id):
        lines += _of_store(session, row, date, terminal_id=terminal_id, campaigns=campaigns)
    return lines


def till_sums(
    session: Session,
    date: dt.date,
    *,
    store_id: int,
    terminal_id: int,
    campaigns: frozenset[str] | None = None,
) -> list[TillSums]:
    """A terminal's sums of a day, of the campaigns that may be seen, by currency."""
    store = session.get_one(Store, store_id)
    rows = _groups(session, store, date, terminal_id=terminal_id, campaigns=campaigns)
    sums: dict[str | None, Counter[str]] = {}
    for row in sorted(rows, key=lambda row: (row.operator or "", row.currency or "")):
        of_currency = sums.setdefault(row.currency, Counter())
        # What was taken back has its uses, too, with the other sign.
        of_currency["uses"] += int(row.uses) if row.kind in _GRANTING else 0
        figures = Counter(dict(_figures(row)))
        of_currency["redeemed_minor"] += figures["redeemed_minor"]
        of_currency["discounts_minor"] += _granted(figures)
        of_currency["loaded_minor"] += figures["loaded_minor"] - figures["unloaded_minor"]
        of_currency["returned_minor"] += figures["undone_minor"] + figures["refunded_minor"]
    return [TillSums(currency=currency, **figures) for currency, figures in sums.items()]


def listed(
    session: Session,
    *,
    store_id: int,
    terminal_id: int,
    api_key_id: int,
    now: dt.datetime,
    campaigns: frozenset[str] | None = None,
) -> list[Listed]:
    """The terminal's entries of today, of the campaigns that may be seen, the newest first."""
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
            of_campaigns(campaigns),
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


def _groups(
    session: Session,
    store: Store,
    date: dt.date,
    *,
    terminal_id: int | None,
    campaigns: frozenset[str] | None,
) -> Sequence[_Group]:
    """A store's entries of a day, summed by terminal, operator, currency and kind."""
    starts, ends = bounds(date, store.timezone)
    where = [
        Entry.store_id == store.id,
        Entry.created_at >= starts,
        Entry.created_at < ends,
        of_campaigns(campaigns),
    ]
    if terminal_id is not None:
        where.append(Entry.terminal_id == terminal_id)
    # Written out: PostgreSQL groups by an expression only when it is the same to the letter.
    taken = Entry.amount_minor < literal_column("0")
    return session.execute(
        select(
            Terminal.key.label("terminal"),
            Entry.operator,
            Entry.currency,
            Entry.kind,
            taken.label("taken"),
            func.count().label("entries"),
            func.sum(Entry.uses).label("uses"),
            func.sum(Entry.amount_minor).label("money"),
            func.sum(Entry.discount_minor).label("discounts"),
        )
        .outerjoin(Terminal, Terminal.id == Entry.terminal_id)
        .where(*where)
        .group_by(Terminal.key, Entry.operator, Entry.currency, Entry.kind, taken)
    ).all()


def _of_store(
    session: Session,
    store: Store,
    date: dt.date,
    *,
    terminal_id: int | None,
    campaigns: frozenset[str] | None,
) -> list[OperatorLine]:
    rows = _groups(session, store, date, terminal_id=terminal_id, campaigns=campaigns)
    sums: dict[tuple[str | None, str | None, str | None], dict[str, int]] = {}
    for row in rows:
        sum_ = sums.setdefault((row.terminal, row.operator, row.currency), {})
        for name, value in _figures(row):
            sum_[name] = sum_.get(name, 0) + value
    return [
        _line(date, store.key, *key, sums[key])
        for key in sorted(sums, key=lambda key: tuple(part or "" for part in key))
    ]


def _figures(row: _Group) -> Iterable[tuple[str, int]]:
    """Which figures of a line a group of entries belongs to."""
    count, uses = int(row.entries), int(row.uses)
    money, discounts = int(row.money), int(row.discounts)
    if row.kind == EntryKind.REDEMPTION:
        yield from (("redemptions", count), ("uses", uses), ("redeemed_minor", -money))
        yield "discounts_minor", discounts
    elif row.kind == EntryKind.REVERSAL and row.taken:
        yield "unloaded_minor", -money
    elif row.kind == EntryKind.REVERSAL:
        yield from (("undone", count), ("undone_minor", money))
        yield "undone_discounts_minor", -discounts
    elif row.kind == EntryKind.REFUND:
        # A refund that was undone is one less.
        yield from (("refunds", -count if row.taken else count), ("refunded_minor", money))
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
) -> OperatorLine:
    of = Counter(sums)
    return OperatorLine(
        date=date.isoformat(),
        store=store,
        terminal=terminal,
        operator=operator,
        currency=currency,
        **sums,
        net_minor=of["redeemed_minor"] - of["undone_minor"] - of["refunded_minor"],
        net_discounts_minor=_granted(of),
    )


def _granted(of: Mapping[str, int]) -> int:
    """Discounts that were granted, after all that was taken back."""
    taken_back = of["undone_discounts_minor"] + of["refunded_discounts_minor"]
    return of["discounts_minor"] - taken_back


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
