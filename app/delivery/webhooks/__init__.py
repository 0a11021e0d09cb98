"""Webhooks as the delivery engine sees them: read the log, post in order, keep what failed.

A receiver hears each event at least once, under the same id, and those of one voucher in
order: while one of them waits for another attempt, its successors wait behind it. What failed is
tried again on `SCHEDULE`, then kept as a dead letter, and its successors go on. 410 disables the
webhook; nothing is lost, since it goes on where it stood once it is active again.
Each receiver has threads of its own, so that one which is slow, or never answers, takes none of
another's; those that failed last leave some receivers' places to those that did not.
Refuses: two workers at one webhook: its row is leased.

How: a lease takes what waits and is due, then the next page of the log. Only what did not succeed
is ever written down, so that a receiver which works costs one row's change for a whole page.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from sqlalchemy import exists, or_, select, update
from sqlalchemy.orm import Session, aliased

from app.delivery.destinations import (
    POST_SECONDS,
    Answered,
    Destination,
    DestinationRefusal,
    Network,
)
from app.delivery.engine import Rest, SweepStep
from app.delivery.feed import Feed
from app.delivery.outcomes import DONE, Outcome, RequestFault, Retry
from app.delivery.webhooks.job import PAUSE, THREADS, Job, OutgoingEvent
from app.delivery.webhooks.results import record_job
from app.services import eventlog, webhooks
from app.services.deployment import Deployment
from app.services.eventlog import Position
from app.services.webhooks import MEDIA_TYPE, SCHEDULE
from app.store.models import Webhook, WebhookDelivery

#: Events of one lease.
BATCH = 1_000
#: Receivers that are told at once, and how many of these may have failed last time.
RECEIVERS = 32
FAILING = 24
#: Seconds between two looks for receivers to tell while others are being told.
LOOK = 0.1
GONE = 410


class Webhooks:
    """The deployment's webhooks, as a kind of installation.

    Args:
        deployment: settings, database and keys.
        ca: certificates to trust instead of the usual ones.
        seconds: in which a receiver has to answer a post.
    """

    name = "webhooks"
    #: Webhooks of one lease; each takes `BATCH` events.
    batch = 16

    def __init__(
        self,
        deployment: Deployment,
        *,
        ca: str | None = None,
        seconds: float = POST_SECONDS,
    ) -> None:
        self._deployment = deployment
        self._seconds = seconds
        self._allowed: tuple[Network, ...] = deployment.settings.webhook_allow
        self._ca = ca
        self._receivers = ThreadPoolExecutor(RECEIVERS, thread_name_prefix="receiver")

    def rest(self) -> Rest | None:
        return None

    def owed(self, session: Session, vouchers: Sequence[int], *, now: dt.datetime) -> list[int]:
        return self.due(session, now=now, limit=BATCH)

    def sweep(self, session: Session, *, campaign: int | None, after: int, limit: int) -> SweepStep:
        return SweepStep((), None)

    def due(self, session: Session, *, now: dt.datetime, limit: int) -> list[int]:
        """Webhooks for which something waits that is due, or which have not read the log's end."""
        rows = session.execute(
            select(Webhook.id, Webhook.position)
            .where(
                Webhook.status == "active",
                or_(Webhook.due_at.is_(None), Webhook.due_at <= now),
                or_(Webhook.claimed_until.is_(None), Webhook.claimed_until <= now),
            )
            .order_by(Webhook.id)
            .limit(limit)
        ).all()
        return [
            row.id
            for row in rows
            if eventlog.read(session, Position.parse(row.position), limit=1).events
            or session.scalar(
                select(WebhookDelivery.id)
                .where(
                    WebhookDelivery.webhook_id == row.id,
                    WebhookDelivery.status == "waiting",
                    WebhookDelivery.due_at <= now,
                )
                .limit(1)
            )
            is not None
        ]

    def lease(
        self, session: Session, targets: Sequence[int], *, now: dt.datetime, until: dt.datetime
    ) -> list[Job]:
        free = session.scalars(
            select(Webhook)
            .where(
                Webhook.id.in_(targets),
                Webhook.status == "active",
                or_(Webhook.claimed_until.is_(None), Webhook.claimed_until <= now),
            )
            .order_by(Webhook.id)
            .with_for_update(skip_locked=True)
        ).all()
        jobs = []
        for webhook in free:
            webhook.claimed_until = until
            jobs.append(self._job(session, webhook, now=now, until=until))
        session.flush()
        return jobs

    def _job(
        self, session: Session, webhook: Webhook, *, now: dt.datetime, until: dt.datetime
    ) -> Job:
        waiting = self._waiting(session, webhook, now=now)
        page = eventlog.read(
            session,
            Position.parse(webhook.position),
            limit=BATCH,
            columns=webhooks.described(),
        )
        wanted = [row for row in page.events if webhooks.wants(webhook, row)]
        taken = {item.delivery_id for item in waiting}
        held = {
            voucher_id
            for id_, voucher_id in session.execute(
                select(WebhookDelivery.id, WebhookDelivery.voucher_id).where(
                    WebhookDelivery.webhook_id == webhook.id,
                    WebhookDelivery.status == "waiting",
                    WebhookDelivery.voucher_id.in_({row.voucher_id for row in wanted}),
                )
            )
            if id_ not in taken
        }
        return Job(
            id=webhook.id,
            url=webhook.url,
            secrets=webhooks.signing_secrets(self._deployment.keyring, webhook, now=now),
            until=until,
            items=[
                *waiting,
                *(OutgoingEvent(row) for row in wanted if row.voucher_id not in held),
            ],
            behind=[row for row in wanted if row.voucher_id in held],
            position=page.position,
            failing=webhook.failure is not None,
        )

    def _waiting(
        self, session: Session, webhook: Webhook, *, now: dt.datetime
    ) -> list[OutgoingEvent]:
        """What waits and is due, with no earlier event of its voucher that is not."""
        earlier = aliased(WebhookDelivery)
        rows = session.execute(
            webhooks.described()
            .add_columns(WebhookDelivery.id.label("delivery_id"), WebhookDelivery.attempts)
            .join(WebhookDelivery, WebhookDelivery.event_id == eventlog.EVENT.c.id)
            .where(
                WebhookDelivery.webhook_id == webhook.id,
                WebhookDelivery.status == "waiting",
                WebhookDelivery.due_at <= now,
                ~exists().where(
                    earlier.webhook_id == webhook.id,
                    earlier.voucher_id == WebhookDelivery.voucher_id,
                    earlier.status == "waiting",
                    earlier.event_id < WebhookDelivery.event_id,
                    earlier.due_at > now,
                ),
            )
            .order_by(WebhookDelivery.event_id)
            .limit(BATCH)
        ).all()
        return [
            OutgoingEvent(row, delivery_id=row.delivery_id, attempts=row.attempts) for row in rows
        ]

    def deliver(self, jobs: Feed[Job], *, now: dt.datetime) -> Iterator[tuple[Job, Outcome]]:
        under_way: dict[Future[Outcome], Job] = {}
        try:
            while True:
                while len(under_way) < RECEIVERS and (job := jobs.poll()) is not None:
                    failing = sum(each.failing for each in under_way.values())
                    if job.failing and failing >= FAILING:
                        yield job, Retry(PAUSE, "Others that fail are being told.")
                        continue
                    told = self._receivers.submit(self._deliver, job, now=self._deployment.now())
                    under_way[told] = job
                if not under_way:
                    return
                for told in wait(under_way, LOOK, FIRST_COMPLETED).done:
                    yield under_way.pop(told), told.result()
        finally:
            # What was told is not recorded then, and told again under the same ids.
            for told, job in under_way.items():
                told.cancel()
                job.stopped = True

    def _deliver(self, job: Job, *, now: dt.datetime) -> Outcome:
        destination = Destination(
            job.url,
            allowed=self._allowed,
            # One that was made before production refused it is told nothing until it is changed.
            https_only=self._deployment.settings.production,
            ca=self._ca,
            seconds=self._seconds,
        )
        refused = destination.open() if job.items else None
        if refused is not None:
            for item in _heads(job.items):
                item.failure = refused.reason
            job.refusal = refused.reason
            if isinstance(refused, DestinationRefusal):
                return RequestFault(refused.reason, "See `passerelle webhooks list`.")
            return Retry(PAUSE, refused.reason)
        groups: dict[object, list[OutgoingEvent]] = {}
        for item in job.items:
            groups.setdefault(item.row.voucher_id or (item.row.id,), []).append(item)
        try:
            # Each thread takes the next voucher; one voucher is never on two threads.
            with ThreadPoolExecutor(min(THREADS, len(groups) or 1)) as threads:
                for _ in threads.map(
                    lambda group: self._tell(job, destination, group, now=now), groups.values()
                ):
                    pass
        finally:
            destination.close()
        if job.gone:
            return RequestFault("The receiver said that it is gone (410).", "Make it active again.")
        failures = [item.failure for item in job.items if item.failure]
        return Retry(PAUSE, failures[0]) if failures else DONE

    def _tell(
        self,
        job: Job,
        destination: Destination,
        group: Sequence[OutgoingEvent],
        *,
        now: dt.datetime,
    ) -> None:
        """Post the events of one voucher until one fails that will be tried again."""
        for item in group:
            if job.hopeless():
                return
            body = webhooks.body(item.row, source=self._deployment.settings.base_url)
            headers = webhooks.sign(
                job.secrets,
                message_id=webhooks.message_id(item.row),
                at=self._deployment.now(),
                body=body,
            )
            answer = destination.post(body, {**headers, "Content-Type": MEDIA_TYPE})
            job.posts += 1
            if isinstance(answer, Answered):
                if 200 <= answer.status < 300:
                    item.failure = ""
                    job.successes += 1
                    continue
                if answer.status == GONE:
                    job.gone = True
                    return
                item.failure = f"It answered {answer.status}."
                item.retry_after = answer.retry_after
            else:
                item.failure = answer.reason
            if item.attempts < len(SCHEDULE):
                return

    def record(
        self, session: Session, results: Sequence[tuple[Job, Outcome]], *, now: dt.datetime
    ) -> None:
        for job, _ in results:
            record_job(session, job, now=now)

    def release(self, session: Session, jobs: Sequence[Job], *, now: dt.datetime) -> None:
        for job in jobs:
            session.execute(
                update(Webhook)
                .where(Webhook.id == job.id, Webhook.claimed_until == job.until)
                .values(claimed_until=None)
            )

    def close(self) -> None:
        self._receivers.shutdown(cancel_futures=True)


def _heads(items: Sequence[OutgoingEvent]) -> Iterator[OutgoingEvent]:
    """The first event of each voucher."""
    seen: set[object] = set()
    for item in items:
        key = item.row.voucher_id or (item.row.id,)
        if key not in seen:
            seen.add(key)
            yield item
