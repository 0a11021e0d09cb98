"""How many an update touches, and how far it has come."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import Session

from app.services.updates.finding import campaign_called, no_update
from app.services.updates.update import Wanted
from app.services.wallets.apple.states import FETCHED, LISTED, PUSHED, Told
from app.services.wallets.google import digests, standing
from app.services.wallets.google.standing import Forecast
from app.store.models import (
    AppleRegistration,
    Campaign,
    CampaignUpdate,
    GoogleObject,
    Voucher,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How many an update touches: passes in wallets, Apple's devices, Google's objects."""

    passes: int
    devices: int
    objects: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """An update and how far it has come; counts are of passes in Apple's wallets."""

    id: uuid.UUID
    campaign: str
    status: str
    apply_at: dt.datetime
    applied_at: dt.datetime | None
    version: int | None
    paused: bool
    installed: int
    pushed: int
    listed: int
    fetched: int
    failure: str | None


def reach(session: Session, key: str) -> Reach:
    """How many an update of the campaign would touch."""
    campaign = campaign_called(session, key)
    row = session.execute(
        select(func.count(), func.count(AppleRegistration.device_id.distinct()))
        .select_from(AppleRegistration)
        .join(Voucher, Voucher.id == AppleRegistration.voucher_id)
        .where(Voucher.campaign_id == campaign.id)
    ).one()
    objects = session.scalar(
        select(func.count())
        .select_from(GoogleObject)
        .join(Voucher, Voucher.id == GoogleObject.voucher_id)
        .where(Voucher.campaign_id == campaign.id, GoogleObject.status == "inserted")
    )
    return Reach(passes=row[0] + (objects or 0), devices=row[1], objects=objects or 0)


def forecast(session: Session, key: str, wanted: Wanted, *, rate: float) -> Forecast:
    """What an update would cost at Google at `rate` calls a second; for the campaign named `key`.

    Raises:
        UpdateFault: there is no such campaign.
    """
    campaign_called(session, key)
    edit = digests.Edit(
        presentation=wanted.presentation or {},
        override=wanted.override,
        message=bool(wanted.message),
    )
    return standing.forecast(session, key, edit, rate=rate)


def progress(session: Session, update_id: uuid.UUID) -> Progress:
    """How far an update has come.

    Raises:
        UpdateFault: there is no such update.
    """
    row = session.get(CampaignUpdate, update_id)
    if row is None:
        raise no_update()
    campaign = session.get_one(Campaign, row.campaign_id)

    def reached(told: Told) -> ColumnElement[int]:
        return func.coalesce(func.sum(case((told[1] >= (row.version or 0), 1), else_=0)), 0)

    counts = session.execute(
        select(func.count(), reached(PUSHED), reached(LISTED), reached(FETCHED))
        .select_from(AppleRegistration)
        .join(Voucher, Voucher.id == AppleRegistration.voucher_id)
        .where(Voucher.campaign_id == row.campaign_id)
    ).one()
    applied = row.status == "applied"
    status = row.status
    if applied:
        status = "delivered" if counts[1] == counts[0] else "delivering"
        if campaign.delivery_paused and status == "delivering":
            status = "paused"
    return Progress(
        id=row.id,
        campaign=campaign.key,
        status=status,
        apply_at=row.apply_at,
        applied_at=row.applied_at,
        version=row.version,
        paused=campaign.delivery_paused,
        installed=counts[0],
        pushed=int(counts[1]) if applied else 0,
        listed=int(counts[2]) if applied else 0,
        fetched=int(counts[3]) if applied else 0,
        failure=row.failure,
    )


def history(session: Session, key: str, *, limit: int = 50) -> list[Progress]:
    """The campaign's updates, newest first."""
    campaign = campaign_called(session, key)
    ids = session.scalars(
        select(CampaignUpdate.id)
        .where(CampaignUpdate.campaign_id == campaign.id)
        .order_by(CampaignUpdate.created_at.desc(), CampaignUpdate.id.desc())
        .limit(limit)
    ).all()
    return [progress(session, each) for each in ids]
