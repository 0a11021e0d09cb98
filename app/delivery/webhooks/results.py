"""Writes down what became of the posts: only what did not succeed has rows of its own."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.delivery.webhooks.job import PAUSE, Job, OutgoingEvent
from app.services.webhooks import SCHEDULE
from app.store.dialects import insert_for
from app.store.models import Webhook, WebhookDelivery


def record_job(session: Session, job: Job, *, now: dt.datetime) -> None:
    """Write down what did not succeed, where the log goes on, and end the lease."""
    webhook = session.scalar(select(Webhook).where(Webhook.id == job.id).with_for_update())
    if webhook is None or webhook.claimed_until != job.until:
        # The lease ended meanwhile: somebody else tells the same, under the same ids.
        return
    webhook.claimed_until = None
    done = [
        item.delivery_id
        for item in job.items
        if item.failure == "" and item.delivery_id is not None
    ]
    for at in range(0, len(done), 500):
        session.execute(delete(WebhookDelivery).where(WebhookDelivery.id.in_(done[at : at + 500])))
    fresh = [_waiting_row(job, row, now=now) for row in job.behind]
    for item in job.items:
        if item.failure == "":
            continue
        values = _after(item, now=now)
        if item.delivery_id is None:
            fresh.append({**_waiting_row(job, item.row, now=now), **values})
        elif item.failure is not None:
            session.execute(
                update(WebhookDelivery)
                .where(WebhookDelivery.id == item.delivery_id)
                .values(**values)
            )
    waiting = insert_for(session, WebhookDelivery).on_conflict_do_nothing()
    for at in range(0, len(fresh), 500):
        session.execute(waiting, fresh[at : at + 500])
    webhook.position = str(job.position)
    webhook.failure = next((item.failure for item in job.items if item.failure), None)
    untried = any(item.failure is None for item in job.items)
    webhook.due_at = now + PAUSE if untried or job.refusal else None
    if job.gone:
        webhook.status = "disabled"
        webhook.failure = "It said that it is gone (410)."


def _waiting_row(job: Job, row: Any, *, now: dt.datetime) -> dict[str, Any]:
    return {
        "webhook_id": job.id,
        "event_id": row.id,
        "voucher_id": row.voucher_id,
        "status": "waiting",
        "attempts": 0,
        "due_at": now,
        "failure": None,
        "created_at": now,
    }


def _after(item: OutgoingEvent, *, now: dt.datetime) -> dict[str, Any]:
    """What an event that did not succeed is like afterwards."""
    if item.failure is None:
        return {"status": "waiting", "attempts": item.attempts, "due_at": now, "failure": None}
    attempts = item.attempts + 1
    if attempts > len(SCHEDULE):
        return {
            "status": "dead",
            "attempts": attempts,
            "due_at": now,
            "failure": item.failure,
        }
    after = max(SCHEDULE[attempts - 1], dt.timedelta(seconds=item.retry_after or 0))
    return {
        "status": "waiting",
        "attempts": attempts,
        "due_at": now + after,
        "failure": item.failure,
    }
