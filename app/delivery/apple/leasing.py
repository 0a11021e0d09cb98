"""Devices taken to be pushed, with what they are to be told."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from sqlalchemy import (
    and_,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session

from app.delivery.apple.jobs import (
    GAP,
    DevicePush,
    Told,
    among,
    holding,
    is_owed,
    update_devices,
)
from app.delivery.apple.recording import REMINDERS
from app.services.installations import FETCHED, LISTED, PUSHED, behind
from app.store.models import AppleDevice, AppleRegistration, Campaign, Voucher


def lease(
    session: Session, targets: Sequence[int], *, now: dt.datetime, until: dt.datetime
) -> list[DevicePush]:
    """Lease the devices that are owed a push, or a reminder, and that nobody else has."""
    # Plain rows and answers of the database's own: this is done for every push.
    free = (
        session.connection()
        .execute(
            select(
                AppleDevice.id,
                AppleDevice.push_token,
                AppleDevice.attempts,
                AppleDevice.reminders,
                AppleDevice.due_at <= now,
                AppleDevice.due_at.is_not(None),
                AppleDevice.pushed_at > now - GAP,
            )
            .where(
                among(session, AppleDevice.id, targets),
                or_(AppleDevice.claimed_until.is_(None), AppleDevice.claimed_until <= now),
            )
            .order_by(AppleDevice.id)
            .with_for_update(skip_locked=True)
        )
        .all()
    )
    told, silent = _states(session, [each[0] for each in free])
    jobs: list[DevicePush] = []
    idle: list[int] = []
    early: list[dict[str, object]] = []
    for device, token, attempts, reminders, due, planned, just_pushed in free:
        news = told.get(device)
        if news is not None:
            if just_pushed:
                early.append(holding(device, now + GAP))
                continue
            # A new registration is given the time to list by itself.
            if planned and not due and not attempts and all(one.is_new for one in news):
                continue
            reminder = 0
        elif due and device in silent and reminders < len(REMINDERS):
            reminder = reminders + 1
        else:
            if due:
                idle.append(device)
            continue
        jobs.append(DevicePush(device, token, until, attempts, reminder, tuple(news or ())))
    if jobs:
        session.execute(
            update(AppleDevice)
            .where(among(session, AppleDevice.id, [job.device_id for job in jobs]))
            .values(claimed_until=until, due_at=until)
            .execution_options(synchronize_session=False)
        )
    if idle:
        session.execute(
            update(AppleDevice)
            .where(AppleDevice.id.in_(idle))
            .values(due_at=None, claimed_until=None)
            .execution_options(synchronize_session=False)
        )
    if early:
        update_devices(session, early)
    return jobs


def _states(session: Session, devices: Sequence[int]) -> tuple[dict[int, list[Told]], set[int]]:
    """What is to be pushed to each of the devices, and which were told all and did not react.

    Read after the devices were locked: what is recorded later is what was true before.
    """
    query = (
        select(
            AppleRegistration.id,
            AppleRegistration.device_id,
            AppleRegistration.pushed_voucher,
            AppleRegistration.pushed_campaign,
            Voucher.version,
            Campaign.version,
            is_owed(),
            and_(not_(behind(PUSHED)), or_(behind(LISTED), behind(FETCHED))),
        )
        .join(Voucher, Voucher.id == AppleRegistration.voucher_id)
        .join(Campaign, Campaign.id == Voucher.campaign_id)
        .where(among(session, AppleRegistration.device_id, devices))
    )
    told: dict[int, list[Told]] = {}
    silent: set[int] = set()
    for (
        row,
        device,
        voucher,
        campaign,
        version,
        edition,
        owed,
        unheard,
    ) in session.connection().execute(query):
        if owed:
            news = Told(row, (voucher, campaign), (version, edition))
            told.setdefault(device, []).append(news)
        elif unheard:
            silent.add(device)
    return told, silent
