"""Notices to Android phones: a gift card that is about to end, a balance that changed.

Promises: a card's holder hears two days before its money ends, once for each end, by day in the
shop's time zone; a balance that changed is told with the change. Refuses: what the campaign does
not want (`expiry_notice`), what Google does by itself (offers), and to remind of an empty card.

https://developers.google.com/wallet/retail/offers/use-cases/trigger-push-notifications
"""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from app.domain.campaign import Presentation
from app.domain.kinds import KINDS
from app.services import google_wallet
from app.services.campaigns.stored import latest_revision, presentation_of
from app.store.models import Campaign, GoogleMessage, GoogleObject, Voucher
from passes.content import Money
from passes.text import in_language, word
from passes.wording import spoken

#: How long before its end a holder hears of it, as Google does for offers.
BEFORE = dt.timedelta(hours=48)
#: Nobody is woken by it: outside these hours of the campaign's zone it waits.
AWAKE = (6, 22)


def texts(presentation: Presentation, key: str, value: Money | dt.datetime) -> list[dict[str, str]]:
    """Return one of the library's words and a value in every language of the campaign."""
    first = presentation.default_language
    languages = (first, *(each for each in presentation.texts if each != first))
    header = word(key, languages)
    return [
        {
            "language": each,
            "header": in_language(header, each, first),
            "body": spoken(value, each, first),
        }
        for each in languages
    ]


def remind(session: Session, *, now: dt.datetime, limit: int = 1000) -> int:
    """Wish for the notices that are due, ``limit`` at most; returns how many.

    Asked every minute, by any number of workers: a notice's id is made of the pass and its end, so
    the same end is told once.
    """
    presentations = _willing(session, now=now)
    told = exists().where(
        GoogleMessage.object_id == GoogleObject.id,
        GoogleMessage.message_id.startswith("ends-"),
        GoogleMessage.created_at > now - 2 * BEFORE,
    )
    rows = session.execute(
        select(GoogleObject.id, Voucher, Campaign)
        .join(Voucher, Voucher.id == GoogleObject.voucher_id)
        .join(Campaign, Campaign.id == Voucher.campaign_id)
        .where(
            GoogleObject.status == "inserted",
            GoogleObject.has_users.is_(True),
            Campaign.id.in_(presentations),
            Voucher.status == "active",
            Voucher.balance_minor > 0,
            Voucher.ends_at > now,
            Voucher.ends_at <= now + BEFORE,
            ~told,
        )
        .order_by(Voucher.ends_at)
        .limit(limit)
    ).all()
    for object_id, voucher, campaign in rows:
        if voucher.ends_at is None:
            continue
        ends = voucher.ends_at.astimezone(ZoneInfo(campaign.timezone))
        google_wallet.tell(
            session,
            object_id,
            texts(presentations[campaign.id], "valid_until", ends),
            message_id=f"ends-{object_id}-{int(ends.timestamp())}",
            now=now,
            expires_at=voucher.ends_at,
        )
    return len(rows)


def _willing(session: Session, *, now: dt.datetime) -> dict[int, Presentation]:
    """Return the gift-card campaigns that remind, where people are awake, and how they look."""
    cards = [name for name, kind in KINDS.items() if kind.holds_money]
    found = {}
    for campaign in session.scalars(select(Campaign).where(Campaign.kind.in_(cards))):
        if AWAKE[0] <= now.astimezone(ZoneInfo(campaign.timezone)).hour < AWAKE[1]:
            presentation = presentation_of(latest_revision(session, campaign))
            if presentation.expiry_notice:
                found[campaign.id] = presentation
    return found
