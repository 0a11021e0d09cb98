"""How long webhooks have not been told what they want to hear.

Promises: the oldest event that a receiver was not told yet is found, whether it waits for another
attempt or was not tried at all. Refuses: to count events that were given up; those are dead
letters, which the list counts.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from urllib.parse import urlsplit

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.services import eventlog
from app.services.eventlog import EVENT, Position
from app.services.webhooks.bodies import described, wants
from app.store.models import Webhook, WebhookDelivery

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
