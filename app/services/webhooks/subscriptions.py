"""Webhooks are made, changed, removed and described here, with what waits for them."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from app.domain import codes
from app.services import eventlog, security
from app.services.eventlog import EVENT, Position
from app.services.security import SecurityEventKind as Kinds
from app.services.webhooks.bodies import WebhookEventKind, described, wants
from app.services.webhooks.signing import WebhookFault, bound_to, new_secret
from app.store.keyring import Keyring
from app.store.models import Campaign, Event, Voucher, Webhook, WebhookDelivery

#: When an event is tried again after its first attempt and each later one (Standard Webhooks).
SCHEDULE = tuple(
    dt.timedelta(seconds=seconds)
    for seconds in (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
)


def register(
    session: Session,
    keyring: Keyring,
    url: str,
    *,
    now: dt.datetime,
    kinds: Sequence[str] = (),
    campaigns: Sequence[str] = (),
    https_only: bool = False,
) -> tuple[Webhook, str]:
    """Make a webhook that hears what happens from now on; returns it and its secret.

    Args:
        kinds: kinds of event that it wants; empty is every one.
        campaigns: keys of the campaigns whose events it wants; empty is every one.
        https_only: refuse an address without TLS, as production does.

    Raises:
        WebhookFault: the address is none, or a kind or campaign is not known.
    """
    _check(session, url, kinds, campaigns, https_only=https_only)
    secret = new_secret()
    webhook = Webhook(
        public_id=uuid.uuid4(),
        url=url,
        kinds=sorted(set(kinds)),
        campaigns=sorted(set(campaigns)),
        key_id=keyring.newest,
        secret=b"",
        position=str(eventlog.present(session)),
        created_at=now,
        updated_at=now,
    )
    webhook.secret = keyring.seal(secret, row=bound_to(webhook))
    session.add(webhook)
    session.flush()
    _record(session, Kinds.WEBHOOK_CREATED, webhook, now=now)
    return webhook, secret


def change(
    session: Session,
    webhook: Webhook,
    *,
    now: dt.datetime,
    url: str | None = None,
    kinds: Sequence[str] | None = None,
    campaigns: Sequence[str] | None = None,
    active: bool | None = None,
    https_only: bool = False,
) -> None:
    """Change what is given. One that is made active again is told what it missed meanwhile.

    Raises:
        WebhookFault: as `register`.
    """
    # One that is only stopped may have any address.
    strict = https_only and active is not False
    _check(session, url or webhook.url, kinds or (), campaigns or (), https_only=strict)
    webhook.url = url or webhook.url
    if kinds is not None:
        webhook.kinds = sorted(set(kinds))
    if campaigns is not None:
        webhook.campaigns = sorted(set(campaigns))
    if active is not None:
        webhook.status = "active" if active else "disabled"
        webhook.due_at = None
        webhook.failure = None if active else webhook.failure
    webhook.updated_at = now
    _record(session, Kinds.WEBHOOK_CHANGED, webhook, now=now)


def remove(session: Session, webhook: Webhook, *, now: dt.datetime) -> None:
    """Forget a webhook and all that waits for it."""
    _record(session, Kinds.WEBHOOK_REMOVED, webhook, now=now)
    session.execute(delete(WebhookDelivery).where(WebhookDelivery.webhook_id == webhook.id))
    session.delete(webhook)


def find(session: Session, public_id: str, *, locked: bool = False) -> Webhook | None:
    """The webhook of that id."""
    try:
        wanted = uuid.UUID(public_id)
    except ValueError:
        return None
    statement = select(Webhook).where(Webhook.public_id == wanted)
    return session.scalar(statement.with_for_update() if locked else statement)


def counts(session: Session, webhook: Webhook) -> dict[str, int]:
    """How many events wait for another attempt, and how many are dead."""
    rows = session.execute(
        select(WebhookDelivery.status, func.count().label("count"))
        .where(WebhookDelivery.webhook_id == webhook.id)
        .group_by(WebhookDelivery.status)
    )
    found = {row.status: int(row[1]) for row in rows}
    return {"waiting": found.get("waiting", 0), "dead": found.get("dead", 0)}


def replay(session: Session, webhook: Webhook, *, now: dt.datetime) -> int:
    """Try every dead event again from the start of the schedule; returns how many.

    They arrive later than younger events of their voucher that were delivered meanwhile; their
    `sequence` says where they belong.
    """
    replayed = session.scalars(
        update(WebhookDelivery)
        .where(WebhookDelivery.webhook_id == webhook.id, WebhookDelivery.status == "dead")
        .values(status="waiting", attempts=0, due_at=now)
        .returning(WebhookDelivery.id)
    ).all()
    webhook.due_at = None
    return len(replayed)


def describe(session: Session, webhook: Webhook) -> dict[str, Any]:
    """A webhook as its owner sees it; never its secret."""
    since = oldest_untold(session, webhook)
    return {
        "id": str(webhook.public_id),
        "url": webhook.url,
        "kinds": webhook.kinds,
        "campaigns": webhook.campaigns,
        "status": webhook.status,
        "failure": webhook.failure,
        "rotating_until": webhook.previous_until.isoformat() if webhook.previous_until else None,
        "created_at": webhook.created_at.isoformat(),
        "oldest_untold_at": since.isoformat() if since else None,
        **counts(session, webhook),
    }


def dead_letters(session: Session, webhook: Webhook, *, limit: int = 1_000) -> list[dict[str, Any]]:
    """Events that were given up, oldest first."""
    rows = session.execute(
        select(WebhookDelivery, Event.kind, Event.number, Voucher.public_id)
        .join(Event, Event.id == WebhookDelivery.event_id)
        .outerjoin(Voucher, Voucher.id == WebhookDelivery.voucher_id)
        .where(WebhookDelivery.webhook_id == webhook.id, WebhookDelivery.status == "dead")
        .order_by(WebhookDelivery.event_id)
        .limit(limit)
    ).all()
    return [
        {
            "id": f"{codes.serial(row.public_id)}-{row.number}"
            if row.public_id is not None
            else f"event-{row.WebhookDelivery.event_id}",
            "kind": row.kind,
            "attempts": row.WebhookDelivery.attempts,
            "failure": row.WebhookDelivery.failure,
        }
        for row in rows
    ]


def _record(session: Session, kind: Kinds, webhook: Webhook, *, now: dt.datetime) -> None:
    """Record what became of a webhook: its host, since the rest of an address may be a secret."""
    wants = f"{', '.join(webhook.kinds) or 'every kind'} of "
    wants += ", ".join(webhook.campaigns) or "every campaign"
    security.record(
        session,
        kind,
        now=now,
        object=f"webhook {webhook.public_id}",
        reason=f"{urlsplit(webhook.url).hostname} is told {wants}; {webhook.status or 'active'}",
    )


def _check(
    session: Session,
    url: str,
    kinds: Sequence[str],
    campaigns: Sequence[str],
    *,
    https_only: bool,
) -> None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise WebhookFault("The address is none.", "Write https://host/path.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or len(url) > 2_000:
        raise WebhookFault("The address is none.", "Write https://host/path.")
    if https_only and parts.scheme != "https":
        raise WebhookFault("The address is plain http, which production refuses.", "Use https.")
    if parts.username or parts.password or parts.fragment:
        raise WebhookFault("The address holds a password or fragment.", "Leave those out.")
    try:
        ip_address(parts.hostname)
    except ValueError:
        if parts.hostname.isascii() is False:
            raise WebhookFault(
                "The host has letters beyond ASCII.", "Write it in its xn-- form."
            ) from None
    known = [kind.value for kind in WebhookEventKind]
    if unknown := sorted(set(kinds) - set(known)):
        raise WebhookFault(f"No such kind: {', '.join(unknown)}. There are {', '.join(known)}.")
    if campaigns:
        found = set(session.scalars(select(Campaign.key).where(Campaign.key.in_(campaigns))))
        if missing := sorted(set(campaigns) - found):
            raise WebhookFault(f"No such campaign: {', '.join(missing)}.")


#: An event that was not told for longer than this is an alarm.
LATE = dt.timedelta(minutes=15)
#: How far the log is read for an event that a webhook wants; a worker reads on by itself.
_LOOK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Untold:
    """A webhook that waits to be told something, and since when."""

    webhook: str
    host: str
    since: dt.datetime
    failure: str | None

    def is_late(self, *, now: dt.datetime) -> bool:
        return now - self.since > LATE

    @property
    def cause(self) -> str:
        """What an operator reads."""
        why = f" {self.failure}" if self.failure else ""
        return (
            f"The webhook of {self.host} was not told an event of "
            f"{self.since:%Y-%m-%d %H:%M} UTC.{why}"
        )

    @property
    def remedy(self) -> str:
        return (
            f"Mend the receiver, or see that a worker runs; `passerelle webhooks remove "
            f"{self.webhook}` ends it."
        )


def oldest_untold(session: Session, webhook: Webhook) -> dt.datetime | None:
    """When the oldest event happened that the webhook was not told; None when it heard all."""
    waiting = session.scalar(
        select(func.min(EVENT.c.at))
        .join(WebhookDelivery, WebhookDelivery.event_id == EVENT.c.id)
        .where(WebhookDelivery.webhook_id == webhook.id, WebhookDelivery.status == "waiting")
    )
    page = eventlog.read(
        session, Position.parse(webhook.position), limit=_LOOK, columns=described()
    )
    unread = min((row.at for row in page.events if wants(webhook, row)), default=None)
    if unread is None and page.more:
        # So much lies unread that nothing wanted was found yet: no worker reads, since one that
        # lives reads on in moments.
        unread = page.events[-1].at if page.events else None
    return min((at for at in (waiting, unread) if at is not None), default=None)


def untold(session: Session) -> list[Untold]:
    """Every webhook that waits for something, except those that somebody disabled."""
    found = []
    for webhook in session.scalars(select(Webhook).order_by(Webhook.id)):
        if webhook.status != "active" and webhook.failure is None:
            continue
        since = oldest_untold(session, webhook)
        if since is not None:
            found.append(
                Untold(
                    webhook=str(webhook.public_id),
                    host=urlsplit(webhook.url).hostname or "",
                    since=since,
                    failure=webhook.failure,
                )
            )
    return found
