"""Holders of gift cards on Android hear two days before the end that counts."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import select, update

from app.services.deployment import Deployment
from app.services.wallets.google import notices
from app.store.models import Campaign, GoogleMessage, GoogleObject
from tests.conftest import Clock
from tests.storefront import Storefront, days


def held(deployment: Deployment, storefront: Storefront, campaign: int, ends: dt.datetime) -> int:
    """A card in a wallet; its object's row."""
    card = storefront.voucher(campaign, ends_at=ends)
    with deployment.database.write() as session:
        row = GoogleObject(
            voucher_id=card.id,
            object_id=f"3388.g-{card.serial}",
            status="inserted",
            has_users=True,
            created_at=deployment.now(),
        )
        session.add(row)
        session.flush()
        return row.id


def override(
    deployment: Deployment, campaign_id: int, ends_at: dt.datetime, *, forced: bool = False
) -> None:
    with deployment.database.write() as session:
        session.execute(
            update(Campaign)
            .where(Campaign.id == campaign_id)
            .values(override={"ends_at": ends_at.isoformat()}, override_forced=forced)
        )


def told(deployment: Deployment) -> list[tuple[int, dt.datetime]]:
    """Who was told of which end."""
    for _ in range(2):
        with deployment.database.write() as session:
            notices.remind(session, now=deployment.now())
    with deployment.database.read() as session:
        rows = session.execute(
            select(GoogleMessage.object_id, GoogleMessage.expires_at).order_by(GoogleMessage.id)
        )
        return [(row[0], row[1]) for row in rows]


def test_a_card_that_the_campaign_prolongs_is_told_of_the_later_end_alone(
    deployment: Deployment, storefront: Storefront, clock: Clock
) -> None:
    campaign, start = storefront.campaign("gift_card"), clock.now
    card = held(deployment, storefront, campaign, start + days(3))
    longer = held(deployment, storefront, campaign, start + days(20))
    override(deployment, campaign, start + days(10))
    clock.now = start + days(2)
    assert told(deployment) == []
    clock.now = start + days(9)
    assert told(deployment) == [(card, start + days(10))]
    clock.now = start + days(19)
    assert told(deployment) == [(card, start + days(10)), (longer, start + days(20))]


def test_a_card_whose_end_is_forced_earlier_is_told_of_that(
    deployment: Deployment, storefront: Storefront, clock: Clock
) -> None:
    campaign, start = storefront.campaign("gift_card"), clock.now
    card = held(deployment, storefront, campaign, start + days(30))
    other = held(deployment, storefront, storefront.campaign("gift_card"), start + days(5))
    override(deployment, campaign, start + days(3), forced=True)
    clock.now = start + days(2)
    assert told(deployment) == [(card, start + days(3))]
    clock.now = start + days(4)
    assert told(deployment) == [(card, start + days(3)), (other, start + days(5))]
    clock.now = start + days(29)
    assert told(deployment)[2:] == []


def test_an_end_that_is_moved_after_the_notice_is_told_anew(
    deployment: Deployment, storefront: Storefront, clock: Clock
) -> None:
    campaign, start = storefront.campaign("gift_card"), clock.now
    card = held(deployment, storefront, campaign, start + days(1))
    assert told(deployment) == [(card, start + days(1))]
    override(deployment, campaign, start + days(2.5))
    clock.now = start + days(1)
    assert told(deployment) == [(card, start + days(1)), (card, start + days(2.5))]
