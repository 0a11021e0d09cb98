"""What became of the calls, written down; and leases that end without a call.

Recorded is the pair that was read before the object was built; whether anybody holds it
is Google's word alone. It does not record for a lease that lapsed, since somebody else called
later.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from app.delivery.google import messages
from app.delivery.google.calls import LATER
from app.delivery.google.classes import REFUSED_FOR
from app.delivery.google.objects.job import ObjectJob
from app.delivery.google.objects.leases import OPEN
from app.delivery.outcomes import Done, Outcome, RequestFault, Retry
from app.services import eventlog
from app.services.wallets.additions import record_added
from app.services.wallets.google import save_links
from app.store.models import GoogleClass, GoogleMessage, GoogleObject, Voucher


def record(
    session: Session,
    results: Sequence[tuple[ObjectJob, Outcome]],
    *,
    now: dt.datetime,
) -> None:
    """Store what became of the calls, and end their leases."""
    for job, outcome in sorted(results, key=lambda each: each[0].row_id):
        row = session.get(GoogleObject, job.row_id, with_for_update=True)
        if row is None or row.claimed_until != job.until:
            # The lease lapsed and somebody else is at it: that call, made later, counts.
            continue
        row.claimed_until = None
        if job.sent is not None:
            _record_sent(session, row, job, now=now)
        elif not job.unclear:
            row.sent_digest = job.digest
        if isinstance(outcome, Done):
            row.attempts, row.failure = 0, None
            row.refused_voucher = row.refused_campaign = None
            row.due_at = _next(session, row, now=now)
            continue
        row.failure = outcome.reason
        row.attempts = job.attempts + (0 if job.waited else 1)
        if isinstance(outcome, Retry):
            row.due_at = now + outcome.after
        elif isinstance(outcome, RequestFault):
            row.due_at = now + REFUSED_FOR * 2 ** min(job.attempts, 5)
            if job.holding is not None:
                row.refused_voucher, row.refused_campaign = job.holding.pair
        else:
            row.due_at = now
        if job.gone:
            _missing(session, row, job, now=now)


def _record_sent(session: Session, row: GoogleObject, job: ObjectJob, *, now: dt.datetime) -> None:
    first = row.status != "inserted"
    row.status = "inserted"
    if job.sent != job.digest:
        row.sent_at = now
    row.sent_digest = job.sent
    if job.holding is not None:
        messages.announce(session, row, job.holding, now=now)
        row.sent_voucher, row.sent_campaign = job.holding.pair
        row.campaign_digest = job.campaign_digest
    if job.has_users is None:
        return
    # Unless another callback came while Google was asked, the question is answered. What an answer
    # to something else says is as old as its call: the question stays for its time.
    if job.asks and row.ask_users_at == job.ask_users_at:
        row.ask_users_at = None
    before = row.has_users
    if job.has_users:
        row.has_users = True
        if before is not True:
            record_added(session, row.voucher_id, now=now, wallet="google")
    elif before is True:
        row.has_users = False
        eventlog.append(session, "removed", row.voucher_id, now=now, data={"wallet": "google"})
    elif first:
        # A callback that came meanwhile asks sooner.
        row.ask_users_at = row.ask_users_at or now + save_links.ASK_UNHEARD
    elif job.asks:
        row.has_users = False


def _next(session: Session, row: GoogleObject, *, now: dt.datetime) -> dt.datetime | None:
    """Say when an object is to be looked at by itself: news to tell, or users to ask for.

    A voucher that changed while Google was called is due at once: its hint met the lease.
    """
    session.flush()
    news = session.scalar(
        select(exists().where(GoogleMessage.object_id == row.id, GoogleMessage.status.in_(OPEN)))
    )
    version = session.scalar(select(Voucher.version).where(Voucher.id == row.voucher_id))
    changed = version is not None and version != row.sent_voucher
    if row.has_users is not False and (news or changed):
        return now
    return row.ask_users_at


def _missing(session: Session, row: GoogleObject, job: ObjectJob, *, now: dt.datetime) -> None:
    """Take a 404 for what it says: the object is not there, or its class is not."""
    if job.inserted:
        row.status = "wanted"
        return
    row.due_at = now + LATER
    if job.holding is None:
        return
    session.execute(
        update(GoogleClass)
        .where(
            GoogleClass.campaign_id == job.holding.campaign.id,
            GoogleClass.variant == (job.holding.voucher.variant or ""),
            GoogleClass.status == "inserted",
            GoogleClass.claimed_until.is_(None),
        )
        .values(status="wanted", sent_campaign=None, sent_digest=None, due_at=now)
        .execution_options(synchronize_session=False)
    )


def release(session: Session, jobs: Sequence[ObjectJob], *, now: dt.datetime) -> None:
    """End leases without a result, so that the objects are owed at once."""
    session.execute(
        update(GoogleObject)
        .where(
            GoogleObject.id.in_([job.row_id for job in jobs]),
            GoogleObject.claimed_until.in_({job.until for job in jobs}),
        )
        .values(claimed_until=None, due_at=now)
        .execution_options(synchronize_session=False)
    )
