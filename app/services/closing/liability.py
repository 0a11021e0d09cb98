"""This module sums what the cards owe at a moment, and the movements that led there."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import ColumnElement, and_, case, false, func, select, true
from sqlalchemy.orm import Session

from app.domain.kinds import KINDS
from app.domain.ledger import EntryKind
from app.store.models import Campaign, Entry

_MONEY_KINDS = tuple(name for name, kind in KINDS.items() if kind.holds_money)


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

    def reversed_(sign: ColumnElement[bool]) -> Any:
        taken_back = and_(~before, Entry.kind == EntryKind.REVERSAL, sign)
        return func.coalesce(func.sum(case((taken_back, Entry.amount_minor), else_=0)), 0)

    rows = session.execute(
        select(
            Campaign.key,
            Campaign.currency,
            func.coalesce(func.sum(case((before, Entry.amount_minor), else_=0)), 0),
            moved(EntryKind.ACTIVATE),
            # A reversal that takes money off a card takes a load back.
            moved(EntryKind.LOAD) + reversed_(Entry.amount_minor < 0),
            moved(EntryKind.REDEMPTION),
            moved(EntryKind.REFUND) + reversed_(Entry.amount_minor > 0),
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
