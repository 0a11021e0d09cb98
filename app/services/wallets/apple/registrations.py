"""Passes that come into wallets and leave them."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from app.services import eventlog
from app.services.wallets.additions import record_added
from app.services.wallets.apple.devices import create, forget_if_empty, lock
from app.store.models import (
    AppleDevice,
    AppleRegistration,
)

#: Devices that one pass may be on. A holder's phone, watch and tablet are three, and a coupon that
#: a family shares is on a dozen; without a bound whoever has one pass fills the table, and every
#: change of the pass is pushed to all of it.
MOST_DEVICES = 50
#: How long a new registration may take to list by itself before it is pushed.
GRACE = dt.timedelta(seconds=30)


def register(
    session: Session, *, library_id: str, push_token: str, voucher_id: int, now: dt.datetime
) -> bool:
    """Note that the device holds the pass, and its present token; returns whether that is new.

    At most `MOST_DEVICES` hold one pass: the one that was seen longest ago gives way.
    The device usually lists right afterwards and so needs no push; one that does not is pushed
    after `GRACE`, since the pass may have changed between its download and this call.
    """
    device = lock(session, library_id)
    if device is None:
        device = create(session, library_id, push_token=push_token, now=now)
    if device.push_token != push_token:
        device.push_token = push_token
        # What Apple said of the old token, and how long it asked to wait, is nothing to the new
        # one. A push that is under way to the old one finds its lease gone and records nothing.
        device.doubtful_at = None
        device.attempts = 0
        device.reminders = 0
        device.failure = None
        device.claimed_until, device.due_at = now, now + GRACE
        # A push to the old token may never arrive: what was not listed since is owed again.
        session.execute(
            update(AppleRegistration)
            .where(
                AppleRegistration.device_id == device.id,
                or_(
                    AppleRegistration.listed_voucher.is_distinct_from(
                        AppleRegistration.pushed_voucher
                    ),
                    AppleRegistration.listed_campaign.is_distinct_from(
                        AppleRegistration.pushed_campaign
                    ),
                ),
            )
            .values(pushed_voucher=None, pushed_campaign=None)
        )
    device.updated_at = now
    device.due_at = now + GRACE if device.due_at is None else min(device.due_at, now + GRACE)
    session.flush()
    known = session.scalar(
        select(AppleRegistration.id).where(
            AppleRegistration.device_id == device.id, AppleRegistration.voucher_id == voucher_id
        )
    )
    if known is not None:
        return False
    session.add(
        AppleRegistration(
            device_id=device.id, voucher_id=voucher_id, generation=0, registered_at=now
        )
    )
    record_added(session, voucher_id, now=now, wallet="apple")
    session.flush()
    _give_way(session, voucher_id, now=now)
    return True


def _give_way(session: Session, voucher_id: int, *, now: dt.datetime) -> None:
    """Forget the registrations of a pass beyond `MOST_DEVICES`, the longest unseen first.

    The voucher's row is locked since its event was numbered, so registrations of one pass are
    counted one after another. A device that is busy elsewhere is passed over: waiting for it while
    holding the voucher could wait for ever, and the next registration comes to it.
    """
    mine = AppleRegistration.voucher_id == voucher_id
    count = session.scalar(select(func.count()).select_from(AppleRegistration).where(mine))
    surplus = (count or 0) - MOST_DEVICES
    if surplus <= 0:
        return
    seen = func.coalesce(
        AppleRegistration.fetched_at, AppleRegistration.listed_at, AppleRegistration.registered_at
    )
    for row, device_id in session.execute(
        select(AppleRegistration.id, AppleRegistration.device_id)
        .join(AppleDevice, AppleDevice.id == AppleRegistration.device_id)
        .where(mine)
        .order_by(seen, AppleRegistration.id)
        .limit(surplus)
        .with_for_update(of=AppleDevice, skip_locked=True)
    ).all():
        session.execute(delete(AppleRegistration).where(AppleRegistration.id == row))
        eventlog.append(session, "removed", voucher_id, now=now, data={"wallet": "apple"})
        forget_if_empty(session, device_id)


def unregister(session: Session, *, library_id: str, voucher_id: int, now: dt.datetime) -> bool:
    """Forget that the device holds the pass; the device goes with its last one."""
    device = lock(session, library_id)
    if device is None:
        return False
    removed = session.scalar(
        delete(AppleRegistration)
        .where(AppleRegistration.device_id == device.id, AppleRegistration.voucher_id == voucher_id)
        .returning(AppleRegistration.id)
    )
    if removed is not None:
        eventlog.append(session, "removed", voucher_id, now=now, data={"wallet": "apple"})
    forget_if_empty(session, device.id)
    return removed is not None
