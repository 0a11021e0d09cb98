"""Campaigns and updates by their names, or a fault that says what there is."""

from __future__ import annotations

from sqlalchemy.orm import Session

from app.services.campaigns import find
from app.services.updates.update import UpdateFault
from app.store.models import (
    Campaign,
)


def campaign_called(session: Session, key: str, *, lock: bool = False) -> Campaign:
    """The campaign with that key, its row locked if asked for; a fault if there is none."""
    campaign = find(session, key)
    if campaign is None:
        raise UpdateFault(
            "campaign_unknown",
            f"There is no campaign {key!r}.",
            "`passerelle campaign list` shows those there are.",
        )
    if lock:
        session.refresh(campaign, with_for_update=True)
    return campaign


def no_update() -> UpdateFault:
    """The fault of an update that is not known."""
    return UpdateFault(
        "update_unknown", "There is no such update.", "The campaign's updates list their ids."
    )
