"""This module turns stored revisions into values, and values into stored revisions.

Tills, wallets and pages read terms and presentation on every request, and a revision never
changes, so what was read once is kept. The key is the stored text itself: a process that opens
several databases, as the tests do, can never be given another one's campaign.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Collection
from difflib import get_close_matches
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

import orjson
from pydantic import TypeAdapter
from sqlalchemy import Connection, Engine, select
from sqlalchemy.orm import Session

from app.domain import overrides
from app.domain.campaign import Presentation, Terms
from app.faults import CampaignUnknown
from app.store.models import Campaign, Revision
from app.store.session import WRITES

#: Revisions that a process keeps for each database.
KEPT_REVISIONS = 2_048
#: Keys, the newest, that are compared with one that does not exist.
COMPARED = 200

_guard = threading.Lock()
_revisions: WeakKeyDictionary[Engine | Connection, dict[int, Revision]] = WeakKeyDictionary()
_TERMS: TypeAdapter[Terms] = TypeAdapter(Terms)
_PRESENTATION: TypeAdapter[Presentation] = TypeAdapter(Presentation)


def terms_of(revision: Revision) -> Terms:
    """What vouchers issued under `revision` grant."""
    return _terms(orjson.dumps(revision.terms))


def presentation_of(revision: Revision) -> Presentation:
    """How the campaign looks and reads since `revision`."""
    return _presentation(orjson.dumps(revision.presentation))


def terms_from(stored: dict[str, Any]) -> Terms:
    """Terms from their stored form (a campaign's `override`, say)."""
    return _terms(orjson.dumps(stored))


def store_terms(terms: Terms) -> dict[str, Any]:
    """The stored form, with every default written out, so that a later default changes nothing."""
    stored: dict[str, Any] = _TERMS.dump_python(terms, mode="json")
    return stored


def store_presentation(presentation: Presentation) -> dict[str, Any]:
    """As `store_terms`, for how a campaign looks."""
    stored: dict[str, Any] = _PRESENTATION.dump_python(presentation, mode="json")
    return stored


def find(session: Session, key: str) -> Campaign | None:
    """The campaign called `key`."""
    return session.scalar(select(Campaign).where(Campaign.key == key))


def required(session: Session, key: str, *, locked: bool = False) -> Campaign:
    """The campaign called `key`, its row locked if asked for.

    Raises:
        CampaignUnknown: there is none; the fault names one whose key looks like it.
    """
    campaign = find(session, key)
    if campaign is None:
        keys = session.scalars(select(Campaign.key).order_by(Campaign.id.desc()).limit(COMPARED))
        raise CampaignUnknown(key, next(iter(get_close_matches(key[:200], keys, n=1)), None))
    if locked:
        session.refresh(campaign, with_for_update=True)
    return campaign


def latest_revision(session: Session, campaign: Campaign) -> Revision:
    """The revision that shows."""
    return session.scalars(
        select(Revision).where(
            Revision.campaign_id == campaign.id, Revision.number == campaign.revision
        )
    ).one()


def issues_until(campaign: Campaign, terms: Terms) -> dt.datetime | None:
    """When a campaign issues its last voucher; None while it has no end.

    That is its own end, or an earlier one that was forced on all holders, since what it issued
    afterwards would be over at once. An end that holders were given later is no end for new ones.
    """
    own = terms.validity.ends_at
    override = overrides.read(campaign.override, forced=campaign.override_forced)
    if override is None or override.ends_at is None or "ends_at" not in override.forced:
        return own
    return override.ends_at if own is None else min(own, override.ends_at)


def revisions(session: Session, ids: Collection[int]) -> dict[int, Revision]:
    """Revisions by id, read once in the life of a process: one that is committed never changes.

    They belong to no session and are shared between threads: read them only.
    """
    bind = session.get_bind()
    if bind.get_execution_options().get(WRITES):
        # What a transaction has not committed may vanish, and another revision get its id.
        return _read_revisions(session, ids)
    with _guard:
        kept = _revisions.setdefault(bind, {})
        found = {each: kept[each] for each in ids if each in kept}
    lacking = [each for each in ids if each not in found]
    if lacking:
        fresh = _read_revisions(session, lacking)
        for revision in fresh.values():
            session.expunge(revision)
        found |= fresh
        with _guard:
            if len(kept) + len(fresh) > KEPT_REVISIONS:
                kept.clear()
            kept |= fresh
    return found


def _read_revisions(session: Session, ids: Collection[int]) -> dict[int, Revision]:
    return {
        revision.id: revision
        for revision in session.scalars(select(Revision).where(Revision.id.in_(ids)))
    }


@lru_cache(maxsize=512)
def _terms(stored: bytes) -> Terms:
    return _TERMS.validate_json(stored)


@lru_cache(maxsize=512)
def _presentation(stored: bytes) -> Presentation:
    return _PRESENTATION.validate_json(stored)
