"""What became of pushes, written down; and which devices are forgotten."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import cache

import structlog
from sqlalchemy import (
    Update,
    bindparam,
    delete,
    exists,
    func,
    select,
    update,
)
from sqlalchemy.orm import Session

from app.delivery.apple.jobs import (
    DEVICES,
    REGISTRATIONS,
    DevicePush,
    Pushed,
    among,
    holding,
    is_held,
    listed,
    update_devices,
)
from app.delivery.outcomes import DONE, Done, Drop, Outcome, RequestFault, Retry
from app.services import eventlog
from app.services.wallets.apple.states import Pair
from app.store.models import AppleDevice, AppleRegistration

REMINDERS = (
    dt.timedelta(hours=1),
    dt.timedelta(hours=6),
    dt.timedelta(hours=24),
    dt.timedelta(days=7),
    dt.timedelta(days=7),
    dt.timedelta(days=7),
)

#: A token that Apple called bad is tried again after this, before its device is dropped.
DOUBT = dt.timedelta(minutes=15)

#: So long a registration is believed against an older 410 of Apple's.
BELIEVED = dt.timedelta(days=1)

#: So many bad tokens are one by one; more, and more than this share, is our own fault.
DOUBTFUL_FEW = 3

DOUBTFUL_SHARE = 0.02

#: A request of ours that was wrong is repeated once a day, in case somebody mended it.
FAULT_AGAIN = dt.timedelta(hours=24)

LONGEST = dt.timedelta(hours=6)


def record(
    session: Session,
    results: Sequence[tuple[DevicePush, Outcome]],
    *,
    now: dt.datetime,
) -> None:
    """Store what became of leased devices, and end their leases."""
    pushed = sorted([job for job, outcome in results if outcome is DONE])
    if pushed:
        _record_pushed(session, pushed, now=now)
    if len(pushed) == len(results):
        return
    results = sorted(
        [each for each in results if each[1] is not DONE], key=lambda each: each[0].device_id
    )
    _doubt(session, results, now=now)
    others: list[dict[str, object]] = []
    for job, outcome in results:
        if isinstance(outcome, Drop | Done):
            if isinstance(outcome, Drop) and not outcome.doubtful:
                _drop(session, job, outcome, now=now)
            continue
        if isinstance(outcome, Retry):
            growing = min(LONGEST, dt.timedelta(seconds=2 ** min(job.attempts, 14)))
            patient = job.attempts > 3 and not outcome.asked
            again = now + (max(outcome.after, growing) if patient else outcome.after)
        elif isinstance(outcome, RequestFault):
            again = now + FAULT_AGAIN
        else:
            # The sender itself rests; the device is free for when it works again.
            again = now
        others.append(
            holding(job, again) | {"new_attempts": job.attempts + 1, "new_failure": outcome.reason}
        )
    if others:
        update_devices(session, others)


@cache
def _reached(dialect: str) -> Update:
    return (
        update(DEVICES)
        .where(among(dialect, AppleDevice.id), is_held("lease"))
        .values(
            claimed_until=None,
            due_at=bindparam("due"),
            reminders=bindparam("reminder"),
            attempts=0,
            failure=None,
            doubtful_at=None,
            pushed_at=bindparam("now"),
        )
    )


@cache
def _told(dialect: str) -> Update:
    """A list may have told the device more while the push was under way: that stays."""
    return (
        update(REGISTRATIONS)
        .where(
            among(dialect, AppleRegistration.id),
            AppleRegistration.pushed_voucher.is_not_distinct_from(bindparam("old_voucher")),
            AppleRegistration.pushed_campaign.is_not_distinct_from(bindparam("old_campaign")),
        )
        .values(
            pushed_voucher=bindparam("voucher"),
            pushed_campaign=bindparam("campaign"),
            pushed_at=bindparam("now"),
        )
    )


def _record_pushed(session: Session, jobs: Sequence[DevicePush], *, now: dt.datetime) -> None:
    """Note the pushes, with one statement for all that are alike: mostly a whole batch is."""
    reached: dict[tuple[int, dt.datetime], list[int]] = {}
    told: dict[tuple[Pushed, Pair], list[int]] = {}
    for job in jobs:
        reached.setdefault((job.reminder, job.until), []).append(job.device_id)
        for row, before, pair in job.told:
            told.setdefault((before, pair), []).append(row)
    connection = session.connection()
    dialect = connection.dialect.name
    for (reminder, lease), devices in reached.items():
        connection.execute(
            _reached(dialect),
            {
                "ids": listed(dialect, devices),
                "lease": lease,
                "due": now + REMINDERS[min(reminder, len(REMINDERS) - 1)],
                "reminder": reminder,
                "now": now,
            },
        )
    for (before, pair), rows in sorted(told.items(), key=lambda each: min(each[1])):
        connection.execute(
            _told(dialect),
            {
                "ids": listed(dialect, rows),
                "old_voucher": before[0],
                "old_campaign": before[1],
                "voucher": pair[0],
                "campaign": pair[1],
                "now": now,
            },
        )


def _drop(session: Session, job: DevicePush, outcome: Drop, *, now: dt.datetime) -> None:
    """Forget a device that Apple says is gone, unless it registered since then."""
    device = session.scalar(
        select(AppleDevice).where(AppleDevice.id == job.device_id).with_for_update()
    )
    if device is None or device.claimed_until not in (None, job.until):
        # Gone already; or another's, who hears the same of it.
        return
    # A registration newer than Apple's knowledge is good, unless Apple does not learn of it.
    newer = (
        outcome.since is not None
        and device.updated_at > outcome.since
        and now - device.updated_at < BELIEVED
    )
    if device.push_token != job.token or newer:
        # It came back, with this token or another: it is pushed again, at once or later.
        again = now + DOUBT * 2 ** min(job.attempts, 6) if newer else now
        device.claimed_until = device.due_at = again
        device.attempts = job.attempts + 1
        device.failure = outcome.reason
        return
    gone = session.scalars(
        delete(AppleRegistration)
        .where(AppleRegistration.device_id == device.id)
        .returning(AppleRegistration.voucher_id)
    ).all()
    for voucher_id in sorted(gone):
        eventlog.append(session, "removed", voucher_id, now=now, data={"wallet": "apple"})
    session.delete(device)
    session.flush()


def _doubt(
    session: Session,
    results: Sequence[tuple[DevicePush, Outcome]],
    *,
    now: dt.datetime,
) -> None:
    """Ask twice about tokens that Apple calls bad, and drop none while many are bad at once."""
    bad = [
        (job, outcome) for job, outcome in results if isinstance(outcome, Drop) and outcome.doubtful
    ]
    if not bad:
        return
    rows = session.execute(
        select(AppleDevice.id, AppleDevice.doubtful_at).where(
            AppleDevice.id.in_([job.device_id for job, _ in bad])
        )
    )
    since = {row.id: row.doubtful_at for row in rows}
    update_devices(
        session,
        [
            holding(job, now + DOUBT)
            | {
                "new_doubtful_at": since.get(job.device_id) or now,
                "new_attempts": job.attempts + 1,
                "new_failure": outcome.reason,
            }
            for job, outcome in bad
            if job.device_id in since
        ],
    )
    doubtful = session.scalar(select(func.count()).where(AppleDevice.doubtful_at.is_not(None)))
    devices = session.scalar(select(func.count(AppleDevice.id)))
    if (doubtful or 0) > max(DOUBTFUL_FEW, DOUBTFUL_SHARE * (devices or 0)):
        structlog.get_logger().error(
            "delivery_alarm",
            kind="apple",
            reason=f"Apple calls {doubtful} of {devices} tokens bad",
            remedy="No device is dropped. Check that PASSERELLE_PASS_TYPE_ID, the certificate "
            "and PASSERELLE_APNS_URL belong together.",
        )
        return
    for job, outcome in bad:
        first = since.get(job.device_id)
        if first is None or first + DOUBT > now:
            continue
        # Others were reached since: the sender is well, so it is the token that is not.
        well = session.scalar(select(exists().where(AppleDevice.pushed_at > first)))
        if well:
            _drop(session, job._replace(until=now + DOUBT), Drop(outcome.reason), now=now)
