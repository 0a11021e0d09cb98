"""The log says once of each coupon that it ended unused, whichever end counts."""

from __future__ import annotations

import datetime as dt

import orjson
import pytest
from sqlalchemy import select, update

from app.services import expiry
from app.services.deployment import Deployment
from app.store.models import Campaign, Event, LogReader
from tests.conftest import Clock
from tests.storefront import Storefront


@pytest.fixture(autouse=True)
def watched(deployment: Deployment) -> None:
    """The first look only says from when on."""
    expiry.note_expired(deployment)


def override(
    deployment: Deployment, campaign_id: int, ends_at: dt.datetime, *, forced: bool = False
) -> None:
    with deployment.database.write() as session:
        session.execute(
            update(Campaign)
            .where(Campaign.id == campaign_id)
            .values(override={"ends_at": ends_at.isoformat()}, override_forced=forced)
        )


def expired(deployment: Deployment) -> list[int]:
    """Vouchers of which the log says that they ended, in the order in which it does."""
    for _ in range(2):
        expiry.note_expired(deployment)
    with deployment.database.read() as session:
        found = session.scalars(
            select(Event.voucher_id).where(Event.kind == "expired").order_by(Event.id)
        )
        return [each for each in found if each is not None]


def test_a_voucher_that_the_campaign_prolongs_ends_with_the_campaigns_end(
    deployment: Deployment, storefront: Storefront, clock: Clock
) -> None:
    campaign = storefront.campaign()
    start, hour = clock.now, dt.timedelta(hours=1)
    own = storefront.voucher(campaign, ends_at=start + hour).id
    later = storefront.voucher(campaign, ends_at=start + 3 * hour).id
    storefront.voucher(campaign, ends_at=start + hour, used=1)
    storefront.voucher(campaign, ends_at=start + hour, status="revoked")
    storefront.voucher(campaign)
    override(deployment, campaign, start + 2 * hour)
    clock.now = start + 1.5 * hour
    assert expired(deployment) == []
    clock.now = start + 2.5 * hour
    assert expired(deployment) == [own]
    clock.now = start + 3.5 * hour
    assert expired(deployment) == [own, later]


def test_a_forced_end_ends_every_voucher_and_those_without_an_end_too(
    deployment: Deployment, storefront: Storefront, clock: Clock
) -> None:
    campaign = storefront.campaign()
    start, hour = clock.now, dt.timedelta(hours=1)
    ids = [storefront.voucher(campaign, ends_at=end).id for end in (None, start + 9 * hour)]
    other = storefront.voucher(storefront.campaign(), ends_at=start + 9 * hour).id
    override(deployment, campaign, start + hour, forced=True)
    clock.now = start + 2 * hour
    assert expired(deployment) == ids
    clock.now = start + 10 * hour
    assert expired(deployment) == [*ids, other]


def test_an_end_that_is_moved_after_it_came_ends_once_more(
    deployment: Deployment, storefront: Storefront, clock: Clock
) -> None:
    campaign = storefront.campaign()
    start, hour = clock.now, dt.timedelta(hours=1)
    voucher = storefront.voucher(campaign, ends_at=start + hour).id
    clock.now = start + 2 * hour
    assert expired(deployment) == [voucher]
    override(deployment, campaign, start + 4 * hour)
    clock.now = start + 3 * hour
    assert expired(deployment) == [voucher]
    clock.now = start + 5 * hour
    assert expired(deployment) == [voucher, voucher]


def test_an_override_that_is_shortened_ends_what_had_outlived_its_own_end(
    deployment: Deployment, storefront: Storefront, clock: Clock
) -> None:
    campaign = storefront.campaign()
    start, hour = clock.now, dt.timedelta(hours=1)
    voucher = storefront.voucher(campaign, ends_at=start + hour).id
    override(deployment, campaign, start + 9 * hour)
    clock.now = start + 2 * hour
    assert expired(deployment) == []
    override(deployment, campaign, start + 3 * hour)
    clock.now = start + 4 * hour
    assert expired(deployment) == [voucher]


def test_an_override_of_more_uses_keeps_a_used_voucher_from_counting_as_used_up(
    deployment: Deployment, storefront: Storefront, clock: Clock
) -> None:
    campaign = storefront.campaign()
    start, hour = clock.now, dt.timedelta(hours=1)
    voucher = storefront.voucher(campaign, ends_at=start + hour, used=1).id
    with deployment.database.write() as session:
        ends = (start + 2 * hour).isoformat()
        session.get_one(Campaign, campaign).override = {"ends_at": ends, "uses": 2}
    clock.now = start + 3 * hour
    assert expired(deployment) == [voucher]


def test_what_an_earlier_release_issued_after_a_forced_end_is_recorded_once_by_this_one(
    deployment: Deployment, storefront: Storefront, clock: Clock
) -> None:
    campaign = storefront.campaign()
    end = clock.now + dt.timedelta(hours=1)
    before = storefront.voucher(campaign).id
    override(deployment, campaign, end, forced=True)
    clock.now = end
    assert expired(deployment) == [before]
    # As that release left it: the campaign gone through, and one more voucher issued since.
    after = storefront.voucher(campaign).id
    with deployment.database.write() as session:
        reader = session.get_one(LogReader, f"expired:{campaign}")
        reader.position = orjson.dumps([end.isoformat(), True, None]).decode()

    assert expired(deployment) == [before, after]
    assert expired(deployment) == [before, after]
