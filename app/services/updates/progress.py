"""How many an update touches, what it costs, and how far it has come."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.faults import UpdateUnknown
from app.services import campaigns, wallets
from app.services.updates.update import UpdateRequest
from app.services.wallets.wallet import Edit, Forecast, UpdateReach
from app.settings import Settings
from app.store.models import Campaign, CampaignUpdate


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """How many an update touches: passes in all, and what each wallet says of its own."""

    passes: int
    wallets: tuple[UpdateReach, ...]

    @property
    def counts(self) -> dict[str, int]:
        """All of it by names that are part of the API."""
        found = {"passes": self.passes}
        for each in self.wallets:
            found |= each.targets
        return found

    def __str__(self) -> str:
        passes = f"{self.passes} {'pass' if self.passes == 1 else 'passes'}"
        return f"{passes}: {', '.join(each.text for each in self.wallets)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateProgress:
    """An update and how far it has come; `counts` are of wallets that tell it, by their names."""

    id: uuid.UUID
    campaign: str
    status: str
    apply_at: dt.datetime
    applied_at: dt.datetime | None
    version: int | None
    paused: bool
    counts: dict[str, int]
    #: The same for operators.
    text: str
    failure: str | None

    def as_dict(self) -> dict[str, Any]:
        """Return it as programs read it."""
        return {
            "id": self.id,
            "campaign": self.campaign,
            "status": self.status,
            "apply_at": self.apply_at,
            "applied_at": self.applied_at,
            "version": self.version,
            "paused": self.paused,
            **self.counts,
            "failure": self.failure,
        }


def reach(session: Session, key: str) -> Touched:
    """Count how many an update of the campaign would touch."""
    campaign = campaigns.required(session, key)
    found = tuple(wallet.reach(session, campaign.id) for wallet in wallets.WALLETS)
    return Touched(passes=sum(each.passes for each in found), wallets=found)


def forecast(
    session: Session, key: str, wanted: UpdateRequest, *, settings: Settings
) -> dict[str, Forecast]:
    """Say what an update of the campaign named `key` would cost, by wallets whose rate is limited.

    Raises:
        CampaignUnknown: there is none.
    """
    campaigns.required(session, key)
    edit = Edit(
        presentation=wanted.presentation or {},
        override=wanted.override,
        message=bool(wanted.message),
    )
    return wallets.forecast(session, key, edit, settings=settings)


def progress(session: Session, update_id: uuid.UUID) -> UpdateProgress:
    """Say how far an update has come.

    Raises:
        UpdateUnknown: there is none.
    """
    row = session.get(CampaignUpdate, update_id)
    if row is None:
        raise UpdateUnknown
    campaign = session.get_one(Campaign, row.campaign_id)
    found = {
        wallet: wallet.progress(session, row.campaign_id, row.version or 0)
        for wallet in wallets.WALLETS
    }
    applied = row.status == "applied"
    status = row.status
    if applied:
        delivered = all(each.delivered for each in found.values())
        status = "delivered" if delivered else "delivering"
        if campaign.delivery_paused and status == "delivering":
            status = "paused"
    counts: dict[str, int] = {}
    for each in found.values():
        counts |= each.counts if applied else each.before
    lines = (wallet.progressed(each.counts) for wallet, each in found.items())
    return UpdateProgress(
        id=row.id,
        campaign=campaign.key,
        status=status,
        apply_at=row.apply_at,
        applied_at=row.applied_at,
        version=row.version,
        paused=campaign.delivery_paused,
        counts=counts,
        text=", ".join(filter(None, lines)),
        failure=row.failure,
    )


def history(session: Session, key: str, *, limit: int = 50) -> list[UpdateProgress]:
    """Return the campaign's updates, newest first."""
    campaign = campaigns.required(session, key)
    ids = session.scalars(
        select(CampaignUpdate.id)
        .where(CampaignUpdate.campaign_id == campaign.id)
        .order_by(CampaignUpdate.created_at.desc(), CampaignUpdate.id.desc())
        .limit(limit)
    ).all()
    return [progress(session, each) for each in ids]
