"""A scope says which stores, campaigns and moments a report is about."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, select, true
from sqlalchemy.orm import Session

from app.store.models import Campaign, Entry, Store


def bounds(day: dt.date, timezone: str) -> tuple[dt.datetime, dt.datetime]:
    """A day's first moment, and the first after it, in UTC."""
    zone = ZoneInfo(timezone)
    starts = dt.datetime.combine(day, dt.time(), zone)
    ends = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), zone)
    return starts.astimezone(dt.UTC), ends.astimezone(dt.UTC)


def stores_of(
    session: Session, *, store: str | None = None, store_id: int | None = None
) -> Sequence[Store]:
    """The stores that are asked for and may be seen, by key."""
    query = select(Store).order_by(Store.key)
    if store is not None:
        query = query.where(Store.key == store)
    if store_id is not None:
        query = query.where(Store.id == store_id)
    return session.scalars(query).all()


def of_campaigns(keys: frozenset[str] | None) -> ColumnElement[bool]:
    """Entries of these campaigns only; None is every campaign."""
    if keys is None:
        return true()
    return Entry.campaign_id.in_(select(Campaign.id).where(Campaign.key.in_(keys)))
