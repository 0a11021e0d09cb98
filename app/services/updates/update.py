"""Says what a marketer asks of an update, whose campaign it is, and what may be wrong with it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from app.domain.overrides import Override
from app.faults import Fault
from app.services.campaigns import find
from app.store.models import Campaign


class UpdateFault(Fault):
    """An update that cannot be made; `code` is its stable name, the text says cause and remedy."""

    def __init__(self, code: str, cause: str, remedy: str) -> None:
        super().__init__(cause, remedy, code=code)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What an update changes.

    Args:
        presentation: members of the presentation, to be laid over the latest one.
        message: a text by language, shown on the pass and announced by the phone.
        override: terms for all holders, where those are better than their own or forced.
        at: when it is published; None is now.
    """

    presentation: Mapping[str, Any] | None = None
    message: Mapping[str, str] | None = None
    override: Override | None = None
    at: dt.datetime | None = None


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
