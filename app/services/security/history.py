"""Security events are read back newest first, and removed when their retention is over."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass, fields

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from app.services.security.events import Actor, SecurityEventKind, record
from app.store.models import ApiKey, Campaign, Disclosure, SecurityEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedEvent:
    """A security event as doors show it; `Actor` says what the names of who did it mean."""

    id: int
    at: dt.datetime
    kind: str
    count: int
    key_prefix: str | None
    terminal: str | None
    operator: str | None
    command: str | None
    address: str | None
    object: str | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events; what is left out does not choose."""

    kinds: Collection[SecurityEventKind] = ()
    #: A key's prefix, a terminal, an operator, a command or an address, exactly.
    actor: str | None = None
    #: What it was done to, exactly.
    object: str | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    #: Only events with a smaller id: the last one of the page before.
    before: int | None = None


def listed(session: Session, wanted: EventFilter, *, limit: int) -> list[ListedEvent]:
    """The events, newest first, at most `limit`."""
    found = select(SecurityEvent).order_by(SecurityEvent.id.desc()).limit(limit)
    if wanted.kinds:
        found = found.where(SecurityEvent.kind.in_([kind.value for kind in wanted.kinds]))
    if wanted.actor is not None:
        name = wanted.actor
        found = found.where(
            or_(
                SecurityEvent.key_prefix == name.removeprefix("pk_").rstrip("_…"),
                SecurityEvent.terminal == name,
                SecurityEvent.operator == name,
                SecurityEvent.command == name,
                SecurityEvent.address == name,
            )
        )
    if wanted.object is not None:
        found = found.where(SecurityEvent.object == wanted.object)
    if wanted.since is not None:
        found = found.where(SecurityEvent.at >= wanted.since)
    if wanted.until is not None:
        found = found.where(SecurityEvent.at < wanted.until)
    if wanted.before is not None:
        found = found.where(SecurityEvent.id < wanted.before)
    return [
        ListedEvent(**{field.name: getattr(row, field.name) for field in fields(ListedEvent)})
        for row in session.scalars(found)
    ]


def retain(session: Session, *, now: dt.datetime, days: int) -> int:
    """Remove events that are older than `days`; returns how many.

    What a process of the release before noted as a disclosure becomes an event first.
    """
    _take_over(session)
    done = session.execute(
        delete(SecurityEvent).where(SecurityEvent.at < now - dt.timedelta(days=days))
    )
    count: int = done.rowcount  # type: ignore[attr-defined] # a DELETE's result has one
    return count


def _take_over(session: Session) -> None:
    rows = session.execute(
        select(Disclosure, ApiKey.prefix, Campaign.key)
        .outerjoin(ApiKey, ApiKey.id == Disclosure.api_key_id)
        .outerjoin(Campaign, Campaign.id == Disclosure.campaign_id)
        .order_by(Disclosure.id)
        .limit(1_000)
        .with_for_update(of=Disclosure, skip_locked=True)
    ).all()
    for old, prefix, campaign in rows:
        person = old.what.startswith("recipient ")
        record(
            session,
            SecurityEventKind.PERSON_DISCLOSED if person else SecurityEventKind.CODES_DISCLOSED,
            now=old.at,
            object=f"campaign {campaign}" if campaign else old.what,
            reason=None if person else old.what,
            by=Actor(key_prefix=prefix),
        )
        session.delete(old)
