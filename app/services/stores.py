"""Stores and their terminals: where a voucher is redeemed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.faults import Fault
from app.store.models import Store, Terminal

#: The time zone of a store for which none was given.
UTC = "UTC"


class StoreFault(Fault):
    """A store cannot be added as asked; says the remedy."""


def add(
    session: Session,
    key: str,
    *,
    now: dt.datetime,
    name: str | None = None,
    terminals: Sequence[str] = (),
    timezone: str | None = None,
    language: str = "en",
    online: bool = False,
    position: tuple[float, float] | None = None,
) -> Store:
    """Add a store with its terminals; one that exists gets the terminals that it lacks.

    Args:
        timezone: also of a store that exists; None leaves that one's, and is UTC for a new one.
        position: latitude and longitude in degrees.

    Raises:
        StoreFault: the time zone is unknown.
    """
    try:
        ZoneInfo(timezone or UTC)
    except (KeyError, ValueError, OSError):
        raise StoreFault(f"{timezone!r} is no time zone: write one such as Europe/Paris.") from None
    store = session.scalar(select(Store).where(Store.key == key))
    if store is None:
        store = Store(
            key=key,
            name=name or key,
            channel="online" if online else "store",
            timezone=timezone or UTC,
            language=language,
            latitude=position[0] if position else None,
            longitude=position[1] if position else None,
            created_at=now,
        )
        session.add(store)
        session.flush()
    elif timezone is not None:
        store.timezone = timezone
    known = set(session.scalars(select(Terminal.key).where(Terminal.store_id == store.id)))
    for terminal in terminals:
        if terminal not in known:
            session.add(Terminal(store_id=store.id, key=terminal, name=terminal, created_at=now))
    session.flush()
    return store


def exists(session: Session, key: str) -> bool:
    """Whether there is a store of that key."""
    return session.scalar(select(Store.id).where(Store.key == key)) is not None
