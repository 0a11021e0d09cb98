"""Devices taken to be pushed, with what they are to be told."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import cache

from sqlalchemy import (
    Select,
    Update,
    and_,
    bindparam,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session

from app.delivery.apple.jobs import (
    DEVICES,
    GAP,
    DevicePush,
    ToldRegistration,
    among,
    is_owed,
    listed,
)
from app.delivery.apple.results import REMINDERS
from app.services.wallets.apple.states import FETCHED, LISTED, PUSHED, behind
from app.store.models import AppleDevice, AppleRegistration, Campaign, Voucher


@cache
def _free(dialect: str) -> Select[int, str, int, int, bool, bool, bool]:
    return (
        select(
            AppleDevice.id,
            AppleDevice.push_token,
            AppleDevice.attempts,
            AppleDevice.reminders,
            AppleDevice.due_at <= bindparam("now"),
            AppleDevice.due_at.is_not(None),
            AppleDevice.pushed_at > bindparam("gap"),
        )
        .where(
            among(dialect, AppleDevice.id),
            or_(AppleDevice.claimed_until.is_(None), AppleDevice.claimed_until <= bindparam("now")),
        )
        .order_by(AppleDevice.id)
        .with_for_update(skip_locked=True)
    )


@cache
def _states(
    dialect: str,
) -> Select[int, int, int | None, int | None, int, int, bool]:
    """What devices were told, where that is not what is true or not what they heard."""
    unheard = and_(not_(behind(PUSHED)), or_(behind(LISTED), behind(FETCHED)))
    return (
        select(
            AppleRegistration.id,
            AppleRegistration.device_id,
            AppleRegistration.pushed_voucher,
            AppleRegistration.pushed_campaign,
            Voucher.version,
            Campaign.version,
            is_owed(),
        )
        .join(Voucher, Voucher.id == AppleRegistration.voucher_id)
        .join(Campaign, Campaign.id == Voucher.campaign_id)
        .where(among(dialect, AppleRegistration.device_id), or_(is_owed(), unheard))
    )


@cache
def _taken(dialect: str) -> Update:
    return (
        update(DEVICES)
        .where(among(dialect, AppleDevice.id))
        .values(claimed_until=bindparam("until"), due_at=bindparam("until"))
    )


def lease(
    session: Session, targets: Sequence[int], *, now: dt.datetime, until: dt.datetime
) -> list[DevicePush]:
    """Lease the devices that are owed a push, or a reminder, and that nobody else has."""
    connection = session.connection()
    dialect = connection.dialect.name
    free = connection.execute(
        _free(dialect), {"ids": listed(dialect, targets), "now": now, "gap": now - GAP}
    ).fetchall()
    # Read after the devices were locked: what is recorded later is what was true before.
    told: dict[int, list[ToldRegistration]] = {}
    silent: set[int] = set()
    states = connection.execute(
        _states(dialect), {"ids": listed(dialect, [each[0] for each in free])}
    ).fetchall()
    for row, device, voucher, campaign, version, edition, owed in states:
        if owed:
            news = ToldRegistration(row, (voucher, campaign), (version, edition))
            known = told.get(device)
            if known is None:
                told[device] = [news]
            else:
                known.append(news)
        else:
            silent.add(device)
    jobs: list[DevicePush] = []
    idle: list[int] = []
    early: list[int] = []
    for device, token, attempts, reminders, due, planned, just_pushed in free:
        owing = told.get(device)
        if owing is not None:
            if just_pushed:
                early.append(device)
                continue
            # A new registration is given the time to list by itself.
            if planned and not due and not attempts and all(one.is_new for one in owing):
                continue
            jobs.append(DevicePush(device, token, until, attempts, 0, tuple(owing)))
        elif due and device in silent and reminders < len(REMINDERS):
            jobs.append(DevicePush(device, token, until, attempts, reminders + 1, ()))
        elif due:
            idle.append(device)
    if jobs:
        taken = listed(dialect, [job.device_id for job in jobs])
        connection.execute(_taken(dialect), {"ids": taken, "until": until})
    if idle:
        connection.execute(
            update(DEVICES).where(AppleDevice.id.in_(idle)).values(due_at=None, claimed_until=None)
        )
    if early:
        held = {"ids": listed(dialect, early), "until": now + GAP}
        connection.execute(_taken(dialect), held)
    return jobs
