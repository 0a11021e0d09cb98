"""Which objects are owed a call, and the lease of those that are free.

An object is leased by one worker at a time; a change that is found is read in the
transaction that leases. It does not lease what nobody holds, or what waits for its time.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select
from sqlalchemy.orm import Session

from app.delivery.engine import SweepStep
from app.delivery.google.objects.job import ObjectJob
from app.services.wallets.google import digests, resources
from app.store.models import Campaign, GoogleMessage, GoogleObject, Voucher


class Lane(StrEnum):
    """Who goes first: what one voucher's holder waits for, and what a campaign tells everybody."""

    VOUCHERS = "vouchers"
    CAMPAIGNS = "campaigns"


#: What a message is while it may still have to be sent.
OPEN = ("wanted", "unclear")
_LOOKED_THROUGH = 20


def owed(session: Session, vouchers: Sequence[int], *, now: dt.datetime) -> list[int]:
    """Return the objects of these vouchers that are wanted or lag."""
    query = _rows(select(GoogleObject.id)).where(
        GoogleObject.voucher_id.in_(vouchers),
        or_(GoogleObject.status == "wanted", _voucher_lags()),
    )
    return list(session.scalars(query))


def sweep(
    session: Session, lane: Lane, *, campaign: int | None, after: int, limit: int
) -> SweepStep:
    """Look at the next objects (of a campaign, or of all) for those of the lane that lag."""
    if lane is Lane.VOUCHERS and campaign is not None:
        return SweepStep((), None)
    window = (
        select(GoogleObject.id)
        .where(GoogleObject.id > after)
        .order_by(GoogleObject.id)
        .limit(limit)
        .subquery()
    )
    last, count = session.execute(select(func.max(window.c.id), func.count())).one()
    if not count:
        return SweepStep((), None)
    voucher_other = GoogleObject.refused_voucher.is_distinct_from(Voucher.version)
    if lane is Lane.VOUCHERS:
        lags, other = _voucher_lags(), voucher_other
    else:
        lags = and_(_campaign_lags(), ~_voucher_lags())
        campaign_other = GoogleObject.refused_campaign.is_distinct_from(Campaign.version)
        other = and_(campaign_other, ~voucher_other)
    query = _rows(select(GoogleObject.id)).where(
        GoogleObject.id > after,
        GoogleObject.id <= last,
        or_(
            # Those that have a time of their own are found by it.
            and_(lags, or_(GoogleObject.due_at.is_(None), resources.only_asks())),
            # What Google refused is worth another try as soon as it reads differently.
            and_(GoogleObject.refused_voucher.is_not(None), other),
        ),
    )
    if campaign is not None:
        query = query.where(Voucher.campaign_id == campaign)
    found = tuple(session.scalars(query.order_by(GoogleObject.id)))
    return SweepStep(found, None if count < limit else last)


def due(session: Session, lane: Lane, *, now: dt.datetime, limit: int) -> list[int]:
    """Return objects of the lane whose time has come, those first for which a customer waits."""
    # A customer who waits comes first. Only a second's worth is taken at a time, so that a
    # redemption never stands behind a long queue of these.
    first = case((GoogleObject.status == "wanted", 0), else_=1)
    personal = _personal(now)
    query = (
        _rows(select(GoogleObject.id))
        .where(GoogleObject.due_at <= now, personal if lane is Lane.VOUCHERS else ~personal)
        .order_by(first, GoogleObject.due_at)
        .limit(min(limit, _LOOKED_THROUGH))
    )
    return list(session.scalars(query))


def lease(
    session: Session, lane: Lane, targets: Sequence[int], *, now: dt.datetime, until: dt.datetime
) -> list[ObjectJob]:
    """Lease those that are owed something and free; what is another lane's stays for it."""
    speaks = exists().where(
        GoogleMessage.object_id == GoogleObject.id, GoogleMessage.status.in_(OPEN)
    )
    voucher_differs = GoogleObject.sent_voucher.is_distinct_from(Voucher.version)
    rows = session.execute(
        _rows(
            select(
                GoogleObject,
                Voucher.public_id,
                Voucher.version.label("voucher"),
                Campaign.version.label("campaign"),
                _differs().label("differs"),
                voucher_differs.label("voucher_differs"),
                speaks.label("speaks"),
            )
        )
        .where(
            GoogleObject.id.in_(targets),
            or_(GoogleObject.claimed_until.is_(None), GoogleObject.claimed_until <= now),
        )
        .order_by(GoogleObject.id)
        .with_for_update(skip_locked=True, of=GoogleObject)
    ).all()
    jobs: list[ObjectJob] = []
    for found in rows:
        row: GoogleObject = found.GoogleObject
        waits = row.due_at is not None and row.due_at > now
        other = (row.refused_voucher, row.refused_campaign) != (found.voucher, found.campaign)
        asks = row.ask_users_at is not None and row.ask_users_at <= now
        wanted = row.status == "wanted"
        if lane is Lane.CAMPAIGNS and (wanted or asks or found.voucher_differs):
            continue
        held = row.status == "inserted" and row.has_users is not False
        if waits and not (row.refused_voucher is not None and other) and not _ahead(row, now):
            continue
        if not (wanted or found.differs or asks or (found.speaks and held)):
            if not waits:
                row.due_at, row.claimed_until = row.ask_users_at, None
            continue
        row.claimed_until = row.due_at = until
        # Until the outcome is known, nobody knows what Google shows: a worker may die now, and the
        # voucher may go back to what it was.
        digest, row.sent_digest = row.sent_digest, None
        jobs.append(
            ObjectJob(
                row_id=row.id,
                until=until,
                voucher_id=row.voucher_id,
                public_id=found.public_id,
                object_id=row.object_id,
                inserted=not wanted,
                campaign_only=not wanted
                and not found.voucher_differs
                and not asks
                and not found.speaks,
                asks=asks,
                speaks=bool(found.speaks) and held,
                digest=digest,
                ask_users_at=row.ask_users_at,
                attempts=row.attempts,
            )
        )
    return jobs


def _rows(query: Any) -> Any:
    return query.join(Voucher, Voucher.id == GoogleObject.voucher_id).join(
        Campaign, Campaign.id == Voucher.campaign_id
    )


def _differs() -> ColumnElement[bool]:
    return or_(_voucher_lags(), _campaign_lags())


def _held() -> ColumnElement[bool]:
    """Whether somebody may hold an object that is at Google."""
    return and_(GoogleObject.status == "inserted", GoogleObject.has_users.is_not(False))


def _voucher_lags() -> ColumnElement[bool]:
    return and_(_held(), GoogleObject.sent_voucher.is_distinct_from(Voucher.version))


def _campaign_lags() -> ColumnElement[bool]:
    """Whether an edit of the campaign is owed; those of a paused campaign are not."""
    return and_(
        _held(),
        digests.lags(),
        ~Campaign.delivery_paused,
    )


def _personal(now: dt.datetime) -> ColumnElement[bool]:
    """Whether what is due concerns one voucher and not a whole campaign."""
    news = exists().where(
        GoogleMessage.object_id == GoogleObject.id,
        GoogleMessage.status.in_(OPEN),
        ~GoogleMessage.message_id.startswith(resources.UPDATE_NEWS),
    )
    return or_(
        GoogleObject.status == "wanted",
        GoogleObject.sent_voucher.is_distinct_from(Voucher.version),
        # Written out, so that the opposite is true where there is no time.
        and_(GoogleObject.ask_users_at.is_not(None), GoogleObject.ask_users_at <= now),
        news,
    )


def _ahead(row: GoogleObject, now: dt.datetime) -> bool:
    """Whether its time is only the day on which Google is asked for users, not a pause."""
    return row.due_at == row.ask_users_at and row.failure is None
