"""`Installations` for Apple's wallets: where devices that are owed a push are found."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence

from sqlalchemy import (
    func,
    select,
)
from sqlalchemy.orm import Session

from app.delivery.apns import ApnsSender
from app.delivery.apple.jobs import (
    DevicePush,
    holding,
    is_owed,
    update_devices,
)
from app.delivery.apple.leases import lease
from app.delivery.apple.results import record
from app.delivery.engine import BATCH, Rest, SweepStep
from app.delivery.feed import Feed
from app.delivery.outcomes import Outcome
from app.store.models import AppleDevice, AppleRegistration, Campaign, Voucher


class ApplePushes:
    """`Installations` for Apple's wallets."""

    name = "apple"
    batch = BATCH

    def __init__(self, sender: ApnsSender) -> None:
        self._sender = sender

    def rest(self) -> Rest | None:
        pause = self._sender.pause()
        return None if pause is None else Rest(pause.until, pause.reason, pause.remedy)

    def owed(self, session: Session, vouchers: Sequence[int], *, now: dt.datetime) -> list[int]:
        query = (
            select(AppleRegistration.device_id)
            .join(Voucher, Voucher.id == AppleRegistration.voucher_id)
            .join(Campaign, Campaign.id == Voucher.campaign_id)
            .where(AppleRegistration.voucher_id.in_(vouchers), is_owed())
            .distinct()
        )
        return list(session.scalars(query))

    def sweep(self, session: Session, *, campaign: int | None, after: int, limit: int) -> SweepStep:
        window = (
            select(AppleRegistration.id)
            .where(AppleRegistration.id > after)
            .order_by(AppleRegistration.id)
            .limit(limit)
            .subquery()
        )
        last, count = session.execute(select(func.max(window.c.id), func.count())).one()
        if not count:
            return SweepStep((), None)
        query = (
            select(AppleRegistration.device_id)
            .join(Voucher, Voucher.id == AppleRegistration.voucher_id)
            .join(Campaign, Campaign.id == Voucher.campaign_id)
            .join(AppleDevice, AppleDevice.id == AppleRegistration.device_id)
            .where(
                AppleRegistration.id > after,
                AppleRegistration.id <= last,
                is_owed(),
                # Those that have a time of their own are found by it.
                AppleDevice.due_at.is_(None) | AppleDevice.claimed_until.is_(None),
            )
        )
        if campaign is not None:
            query = query.where(Voucher.campaign_id == campaign)
        found = dict.fromkeys(session.scalars(query))
        return SweepStep(tuple(found), None if count < limit else last)

    def due(self, session: Session, *, now: dt.datetime, limit: int) -> list[int]:
        query = (
            select(AppleDevice.id)
            .where(AppleDevice.due_at <= now)
            .order_by(AppleDevice.due_at)
            .limit(limit)
        )
        return list(session.scalars(query))

    def lease(
        self, session: Session, targets: Sequence[int], *, now: dt.datetime, until: dt.datetime
    ) -> list[DevicePush]:
        return lease(session, targets, now=now, until=until)

    def deliver(
        self, jobs: Feed[DevicePush], *, now: dt.datetime
    ) -> Iterator[tuple[DevicePush, Outcome]]:
        return self._sender.stream(jobs.poll, now=now, meanwhile=jobs.prepare)

    def record(
        self,
        session: Session,
        results: Sequence[tuple[DevicePush, Outcome]],
        *,
        now: dt.datetime,
    ) -> None:
        record(session, results, now=now)

    def release(self, session: Session, jobs: Sequence[DevicePush], *, now: dt.datetime) -> None:
        update_devices(session, [holding(job, now) for job in jobs])

    def close(self) -> None:
        self._sender.close()
