"""How far an edit of a campaign reaches at Google: to its class alone, or to every object.

What objects take from their campaign is brought to one digest; while it stays the same,
an edit touches no object and no row of one, however many there are. Whatever is not known to show
on the class alone counts as showing on objects. An object lags while the digest that it was last
sent with differs from the campaign's present one, which its class keeps. It does not look at the
clock; that an overriding end has passed is taken from the row that the clockwork moves together
with the version.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, exists, func, select
from sqlalchemy.orm import Session

from app.domain import overrides
from app.domain.nearby import MOST_PLACES
from app.services.campaigns.stored import latest_revision
from app.services.wallets.wallet import Edit
from app.store.models import (
    Campaign,
    CampaignUpdate,
    Clockwork,
    GoogleClass,
    GoogleObject,
    Revision,
    Voucher,
)

#: Members of a presentation that show on the class alone; words of the marketer's do, too.
CLASS_ALONE = frozenset({"look", "organization", "fields", "links"})
_COLUMNS = ("kind", "authority", "source", "currency", "timezone")


def override_ends() -> ScalarSelect[Any]:
    """Until when the ends of overrides are counted into versions; to be read with the campaign."""
    return (
        select(Clockwork.done_until)
        .where(Clockwork.name == overrides.ENDS_COUNTED)
        .scalar_subquery()
    )


def digest(
    session: Session, campaign: Campaign, latest: Revision, counted_until: dt.datetime | None
) -> bytes:
    """Return the digest of all that the campaign's objects take from it at its present version.

    ``counted_until`` (`override_ends`) was read by the statement that read the campaign, or before
    it: then the digest may be an earlier one, and the object is gone through once more.
    """
    return _digest(_members(session, campaign, latest, counted_until))


def lags() -> ColumnElement[bool]:
    """Whether an object was last sent with what its campaign's objects no longer show.

    For queries over `GoogleObject` and its `Voucher`.
    """
    return exists().where(
        GoogleClass.campaign_id == Voucher.campaign_id,
        GoogleClass.variant == func.coalesce(Voucher.variant, ""),
        GoogleClass.objects_digest.is_distinct_from(GoogleObject.campaign_digest),
    )


def touches_objects(session: Session, campaign: Campaign, edit: Edit) -> bool:
    """Whether an edit will show on the campaign's objects, or is told to their holders."""
    if edit.message:
        return True
    counted_until = session.scalar(select(override_ends()))
    latest = latest_revision(session, campaign)
    before = _members(session, campaign, latest, counted_until)
    after = _members(session, campaign, latest, counted_until, edit)
    return _digest(before) != _digest(after)


def _digest(members: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(json.dumps(members, sort_keys=True, default=str).encode()).digest()


def _members(
    session: Session,
    campaign: Campaign,
    latest: Revision,
    counted_until: dt.datetime | None,
    edit: Edit | None = None,
) -> dict[str, Any]:
    edit = edit or Edit()
    presentation, terms = latest.presentation, latest.terms
    if edit.whole:
        presentation, terms = dict(edit.presentation), dict(edit.terms)
    elif edit.presentation or edit.terms:
        presentation = _laid_over(presentation, edit.presentation)
        terms = _laid_over(terms, edit.terms)
    override = overrides.read(campaign.override, forced=campaign.override_forced)
    if edit.override:
        override = overrides.laid_over(override, edit.override)
    end = override.ends_at if override else None
    texts, places = presentation.get("texts"), presentation.get("places")
    # A holder's own choice of places, when there are more than a pass can show.
    many = isinstance(places, list | tuple) and len(places) > MOST_PLACES
    shown = {
        name: value
        for name, value in presentation.items()
        if name not in CLASS_ALONE and name not in ("texts", "places")
    }
    return {
        "columns": [edit.columns.get(name, getattr(campaign, name)) for name in _COLUMNS],
        "override": overrides.shown(override) or None,
        "ended": end is not None and counted_until is not None and end <= counted_until,
        # Who was granted another benefit than the newest reads the words of their own revision.
        "benefit": terms.get("benefit"),
        "languages": list(texts) if isinstance(texts, Mapping) else texts,
        "places": places if many else None,
        "told": _last_told(session, campaign),
        "presentation": shown,
    }


def _last_told(session: Session, campaign: Campaign) -> int:
    """The campaign's version with which its holders were last told something."""
    rows = session.execute(
        select(CampaignUpdate.version, CampaignUpdate.change).where(
            CampaignUpdate.campaign_id == campaign.id,
            CampaignUpdate.status == "applied",
            CampaignUpdate.version <= campaign.version,
        )
    )
    return max((version or 0 for version, change in rows if change.get("message")), default=0)


def _laid_over(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for name, value in over.items():
        below = merged.get(name)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        merged[name] = _laid_over(below, value) if both else value  # type: ignore[arg-type]
    return merged
