"""What came of campaigns is counted once, by first times, and agrees with the log."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update

from app.services import access, audit, events, expiring, reporting
from app.services.access import Scope
from app.services.deployment import Deployment
from app.services.reporting import Dimension
from app.store.models import Decision, Disclosure, Event, FunnelCount, Voucher
from tests.conftest import Clock
from tests.shop import Shop, Till
from tests.storefront import Storefront


def count_all(deployment: Deployment, *, limit: int = 7) -> None:
    while reporting.roll_up(deployment, limit=limit):
        pass


def funnel(deployment: Deployment, campaign_id: int, *by: Dimension, **days: dt.date) -> Any:
    with deployment.database.read() as session:
        return reporting.funnel(session, campaign_id, by=by, now=deployment.now(), **days).rows


@pytest.fixture
def paris(deployment: Deployment) -> Shop:
    made = Shop(deployment)
    made.store("paris", timezone="Europe/Paris")
    return made


def basket(minor: int) -> dict[str, Any]:
    return {"currency": "EUR", "lines": [{"id": "1", "sku": "a", "amount_minor": minor}]}


def test_vouchers_count_for_their_first_time_at_each_stage_and_money_is_net(
    client: FlaskClient, deployment: Deployment, paris: Shop
) -> None:
    campaign_id = paris.campaign("sun")
    one, other = paris.voucher("sun"), paris.voucher("sun")
    till = Till(client, paris.key(Scope.POS, store="paris", terminal="1"))
    for _ in range(3):
        till.scan(one.barcode)
    till.redeem(one.barcode, basket=basket(5000))
    till.redeem(one.barcode, basket=basket(5000))  # refused: used up
    with deployment.database.write() as session:
        events.append(session, "added", other.id, now=deployment.now(), data={"wallet": "google"})
        events.append(session, "viewed", other.id, now=deployment.now())

    count_all(deployment)

    (row,) = funnel(deployment, campaign_id)
    assert (row.vouchers["scanned"], row.times["scanned"]) == (1, 3)
    assert (row.vouchers["redeemed"], row.times["redeemed"]) == (1, 1)
    assert (row.vouchers["added"], row.vouchers["added_google"], row.vouchers["added_apple"]) == (
        1,
        1,
        0,
    )
    assert row.vouchers["viewed"] == 1
    assert row.refused == {"already_redeemed": 1}
    assert row.revenue_minor == 5000
    by_store = {
        each.part["store"]: each for each in funnel(deployment, campaign_id, Dimension.STORE)
    }
    assert by_store["paris"].vouchers["redeemed"] == 1
    assert by_store[""].vouchers["added"] == 1


def test_parts_are_variant_tier_segment_and_the_campaigns_own_day(
    deployment: Deployment, storefront: Storefront, clock: Clock
) -> None:
    campaign_id = storefront.campaign()  # of Europe/Paris
    vouchers = [storefront.voucher(campaign_id, variant="b") for _ in range(3)]
    with deployment.database.write() as session:
        rows = session.scalars(select(Voucher).order_by(Voucher.id)).all()
        assert rows[0].recipient_id is not None
        session.add(
            Decision(
                campaign_id=campaign_id,
                recipient_id=rows[0].recipient_id,
                occasion="",
                held_out=False,
                tier="best",
                variant="a",
                segment="loyal",
                voucher_id=rows[0].id,
                created_at=clock.now,
            )
        )
    clock.now = dt.datetime(2026, 11, 21, 22, 59, tzinfo=dt.UTC)
    for voucher in vouchers[:2]:
        with deployment.database.write() as session:
            events.append(session, "viewed", voucher.id, now=clock.now)
    clock.advance(minutes=2)
    with deployment.database.write() as session:
        events.append(session, "viewed", vouchers[2].id, now=clock.now)

    count_all(deployment)

    parts = {
        (row.part["variant"], row.part["tier"], row.part["segment"], row.part["day"]): row.vouchers[
            "viewed"
        ]
        for row in funnel(
            deployment,
            campaign_id,
            Dimension.VARIANT,
            Dimension.TIER,
            Dimension.SEGMENT,
            Dimension.DAY,
        )
    }
    assert parts == {
        ("a", "best", "loyal", "2026-11-21"): 1,
        ("b", "", "", "2026-11-21"): 1,
        ("b", "", "", "2026-11-22"): 1,
    }
    (late,) = funnel(deployment, campaign_id, since=dt.date(2026, 11, 22))
    assert late.vouchers["viewed"] == 1


def test_recount_agrees_whatever_happened_and_finds_a_count_that_is_wrong(
    deployment: Deployment, storefront: Storefront, clock: Clock
) -> None:
    dice = random.Random(5)
    campaigns = [storefront.campaign(), storefront.campaign("gift_card")]
    vouchers = [storefront.voucher(dice.choice(campaigns)).id for _ in range(8)]
    kinds = ["viewed", "added", "removed", "updated", "scanned"]
    for _ in range(12):
        with deployment.database.write() as session:
            for _ in range(dice.randrange(6)):
                events.append(session, dice.choice(kinds), dice.choice(vouchers), now=clock.now)
        if dice.random() < 0.5:
            reporting.roll_up(deployment, limit=dice.randrange(1, 9))
        clock.advance(hours=dice.randrange(20))
        with deployment.database.read() as session:
            assert reporting.recount(session) == []
    count_all(deployment)

    with deployment.database.write() as session:
        session.execute(
            update(FunnelCount)
            .where(FunnelCount.stage == "viewed")
            .values(vouchers=FunnelCount.vouchers + 1)
        )

    wrong = next(each for each in audit.run(deployment.database) if "Reports" in each.claim)
    assert wrong.findings
    assert all("viewed" in finding.about for finding in wrong.findings)


def test_report_says_until_when_everything_is_counted(
    deployment: Deployment, storefront: Storefront, clock: Clock
) -> None:
    campaign_id = storefront.campaign()
    voucher = storefront.voucher(campaign_id)
    with deployment.database.read() as session:
        assert reporting.as_of(session, now=clock.now) is None
    count_all(deployment)
    counted_at = clock.now
    clock.advance(minutes=1)
    with deployment.database.read() as session:
        assert reporting.as_of(session, now=clock.now) == clock.now
    with deployment.database.write() as session:
        events.append(session, "viewed", voucher.id, now=clock.now)
    with deployment.database.read() as session:
        assert reporting.as_of(session, now=clock.now) == counted_at


def test_coupon_that_ends_unused_is_recorded_once(
    deployment: Deployment, storefront: Storefront, clock: Clock
) -> None:
    campaign_id = storefront.campaign()
    ends = clock.now + dt.timedelta(hours=1)
    expiring.note_expired(deployment)
    unused = [storefront.voucher(campaign_id, ends_at=ends).id for _ in range(2)]
    storefront.voucher(campaign_id, ends_at=ends, used=1)
    storefront.voucher(storefront.campaign("gift_card"), ends_at=ends)
    clock.advance(minutes=59)
    expiring.note_expired(deployment)
    clock.advance(minutes=2)
    expiring.note_expired(deployment)
    clock.advance(minutes=2)
    expiring.note_expired(deployment)

    with deployment.database.read() as session:
        events = session.execute(
            select(Event.voucher_id, Event.number).where(Event.kind == "expired")
        ).all()
    assert sorted(map(tuple, events)) == [(id_, 1) for id_ in unused]


def test_lists_tell_redeemers_from_the_others_and_codes_only_to_those_who_may(
    client: FlaskClient, deployment: Deployment, paris: Shop
) -> None:
    paris.campaign("sun")
    ada, bob = (
        paris.voucher("sun", code=f"SUN-{name}", recipient_id=paris.recipient(name))
        for name in ("ada", "=bob")
    )
    till = Till(client, paris.key(Scope.POS, store="paris", terminal="1"))
    assert till.redeem(ada.barcode, basket=basket(100))["outcome"] == "accepted"
    with deployment.database.write() as session:
        key = access.create(session, "report", [Scope.REPORT], now=deployment.now())
        reveal = access.create(
            session, "reveal", [Scope.REPORT, Scope.CODES_REVEAL], now=deployment.now()
        )

    def people(key: str, **query: str) -> Any:
        return client.get(
            "/api/v1/campaigns/sun/people",
            query_string=query,
            headers={"Authorization": f"Bearer {key}"},
        )

    redeemers = people(key, which="redeemers").get_data(as_text=True)
    assert "ada" in redeemers
    assert "bob" not in redeemers
    assert "SUN-" not in redeemers
    others = people(key, which="non_redeemers").get_data(as_text=True)
    assert "'=bob" in others
    assert "ada" not in others
    both = people(key, which="all", format="json").get_data(as_text=True).splitlines()
    assert len(both) == 2
    assert people(key, codes="true").status_code == 403

    shown = people(reveal, codes="true").get_data(as_text=True)
    assert "SUN-ada" in shown
    assert bob.code is not None
    assert bob.code in shown
    with deployment.database.read() as session:
        (disclosure,) = session.scalars(select(Disclosure)).all()
        assert disclosure.what == "codes of all"


def test_results_answer_over_http_and_only_for_the_keys_campaigns(
    client: FlaskClient, deployment: Deployment, paris: Shop
) -> None:
    paris.campaign("sun")
    paris.campaign("moon")
    voucher = paris.voucher("sun")
    with deployment.database.write() as session:
        events.append(session, "viewed", voucher.id, now=deployment.now())
        key = access.create(
            session, "report", [Scope.REPORT], now=deployment.now(), campaigns=["sun"]
        )
    count_all(deployment)
    headers = {"Authorization": f"Bearer {key}"}

    answer = client.get("/api/v1/campaigns/sun/results?by=day&by=store", headers=headers)

    body = answer.get_json()
    assert body["estimates"] == ["viewed"]
    (row,) = body["rows"]
    assert row["part"] == {"day": "2026-11-21", "store": ""}
    assert row["vouchers"]["viewed"] == 1
    assert body["as_of"] is not None
    assert client.get("/api/v1/campaigns/moon/results", headers=headers).status_code == 404
    assert (
        client.get("/api/v1/campaigns/sun/results?by=weather", headers=headers).status_code == 422
    )
