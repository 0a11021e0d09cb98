"""Notices to Android phones: a gift card that is about to end, a balance that changed.

A card's holder hears two days before its money ends, once for each end, by day in the
shop's time zone; the end is the one that counts, the campaign's override included. A balance that
changed is told with the change. Refuses: what the campaign does not want (`expiry_notice`), what
Google does by itself (offers), and to remind of an empty card.

https://developers.google.com/wallet/retail/offers/use-cases/trigger-push-notifications
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, exists, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.domain import overrides
from app.domain.campaign import Presentation
from app.domain.kinds import KINDS
from app.services.campaigns.stored import latest_revision, presentation_of
from app.services.deployment import Deployment
from app.services.wallets.content import last_moment
from app.services.wallets.google import resources
from app.store.models import Campaign, GoogleMessage, GoogleObject, Voucher
from app.words import words_in
from passes.content import Money
from passes.wording import ends_with_day, spoken

#: How long before its end a holder hears of it, as Google does for offers.
BEFORE = dt.timedelta(hours=48)
#: Nobody is woken by it: outside these hours of the campaign's zone it waits.
AWAKE = (6, 22)


def texts(presentation: Presentation, key: str, value: Money | dt.datetime) -> list[dict[str, str]]:
    """Return a word of the passes, a member of PassWords, and a value in each of the campaign's
    languages.
    """
    first = presentation.default_language
    languages = (first, *(each for each in presentation.texts if each != first))
    exact = isinstance(value, dt.datetime) and not ends_with_day(value)
    return [
        {
            "language": each,
            "header": getattr(words_in(each).wallet, key),
            "body": spoken(value, each, first, show_time=exact),
        }
        for each in languages
    ]


def remind_holders(deployment: Deployment) -> None:
    """Tell holders of gift cards on Android that their money ends soon."""
    with deployment.database.write() as session:
        remind(session, now=deployment.now())


def remind(session: Session, *, now: dt.datetime, limit: int = 1000) -> int:
    """Wish for the notices that are due, ``limit`` at most; returns how many.

    Asked every minute, by any number of workers: a notice's id is made of the pass and its end, so
    the same end is told once, and an end that moved is told again.
    """
    willing = _willing(session, now=now)
    if not willing:
        return 0
    rows = session.execute(
        select(GoogleObject.id, Voucher, Campaign)
        .join(Voucher, Voucher.id == GoogleObject.voucher_id)
        .join(Campaign, Campaign.id == Voucher.campaign_id)
        .where(
            GoogleObject.status == "inserted",
            GoogleObject.has_users.is_(True),
            Voucher.status == "active",
            Voucher.balance_minor > 0,
            _ends_soon(willing, now=now),
        )
        .order_by(Voucher.ends_at)
        .limit(limit)
    ).all()
    for object_id, voucher, campaign in rows:
        told = willing[campaign.id]
        ends_at = overrides.end_for(voucher.ends_at, told.override)
        if ends_at is None:
            continue
        ends = ends_at.astimezone(ZoneInfo(campaign.timezone))
        resources.tell(
            session,
            object_id,
            texts(told.presentation, "valid_until", last_moment(ends)),
            message_id=f"ends-{object_id}-{int(ends.timestamp())}",
            now=now,
            expires_at=ends_at,
        )
    return len(rows)


@dataclass(frozen=True, slots=True)
class _Willing:
    """A campaign that reminds: how it looks, and what it overrides for all holders."""

    presentation: Presentation
    override: overrides.Override | None


def _ends_soon(willing: Mapping[int, _Willing], *, now: dt.datetime) -> ColumnElement[bool]:
    """Whether a voucher's end, its campaign's override included, is near and was not told yet."""
    until = now + BEFORE
    own = and_(Voucher.ends_at > now, Voucher.ends_at <= until, ~_told(Voucher.ends_at))
    plain, near = [], []
    for campaign_id, told in willing.items():
        end = told.override.ends_at if told.override else None
        if told.override is None or end is None:
            plain.append(campaign_id)
            continue
        soon = now < end <= until
        here = Voucher.campaign_id == campaign_id
        if "ends_at" in told.override.forced:
            near += [and_(here, ~_told(end))] if soon else []
            continue
        # The later of the two counts; who has no end keeps none.
        near.append(and_(here, Voucher.ends_at > end, own))
        if soon:
            near.append(and_(here, Voucher.ends_at <= end, ~_told(end)))
    return or_(and_(Voucher.campaign_id.in_(plain), own), *near)


def _told(end: InstrumentedAttribute[dt.datetime | None] | dt.datetime) -> ColumnElement[bool]:
    """Whether the holders were told of this end: a notice is worth sending until then."""
    return exists().where(
        GoogleMessage.object_id == GoogleObject.id,
        GoogleMessage.message_id.startswith("ends-"),
        GoogleMessage.expires_at == end,
    )


def _willing(session: Session, *, now: dt.datetime) -> dict[int, _Willing]:
    """Return the gift-card campaigns that remind and where people are awake."""
    cards = [name for name, kind in KINDS.items() if kind.holds_money]
    found = {}
    for campaign in session.scalars(select(Campaign).where(Campaign.kind.in_(cards))):
        if AWAKE[0] <= now.astimezone(ZoneInfo(campaign.timezone)).hour < AWAKE[1]:
            presentation = presentation_of(latest_revision(session, campaign))
            if presentation.expiry_notice:
                found[campaign.id] = _Willing(
                    presentation,
                    overrides.read(campaign.override, forced=campaign.override_forced),
                )
    return found
