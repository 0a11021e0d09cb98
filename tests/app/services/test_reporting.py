"""What came of campaigns is counted once, by first times, and agrees with the log."""

from __future__ import annotations

import datetime as dt
import random
import threading
from dataclasses import dataclass, replace
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update

from app.domain.campaign import Authority, Source, Terms
from app.domain.codes import Purpose
from app.services import (
    access,
    audit,
    campaigns,
    decisions,
    eventlog,
    expiry,
    issuance,
    reports,
    security,
)
from app.services.access import Scope
from app.services.decisions import Candidate, Tally
from app.services.deployment import Deployment
from app.services.issuance import (
    IssueOutcome,
    Person,
    VoucherRequest,
)
from app.services.reports import Dimension
from app.store import migrations
from app.store.models import Decision, Event, FunnelCount, Hold, Slice, Voucher
from tests.conftest import Clock
from tests.marketing import apply, apply_document, card
from tests.shop import Shop, Till
from tests.storefront import Storefront


def count_all(deployment: Deployment, *, limit: int = 7) -> None:
    while reports.roll_up(deployment, limit=limit):
        pass


def funnel(deployment: Deployment, campaign_id: int, *by: Dimension, **days: dt.date) -> Any:
    with deployment.database.read() as session:
        return reports.funnel(session, campaign_id, by=by, now=deployment.now(), **days).rows


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
        eventlog.append(session, "added", other.id, now=deployment.now(), data={"wallet": "google"})
        eventlog.append(session, "viewed", other.id, now=deployment.now())

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
            eventlog.append(session, "viewed", voucher.id, now=clock.now)
    clock.advance(minutes=2)
    with deployment.database.write() as session:
        eventlog.append(session, "viewed", vouchers[2].id, now=clock.now)

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
                eventlog.append(session, dice.choice(kinds), dice.choice(vouchers), now=clock.now)
        if dice.random() < 0.5:
            reports.roll_up(deployment, limit=dice.randrange(1, 9))
        clock.advance(hours=dice.randrange(20))
        with deployment.database.read() as session:
            assert reports.recount(session) == []
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
        assert reports.as_of(session, now=clock.now) is None
    count_all(deployment)
    counted_at = clock.now
    clock.advance(minutes=1)
    with deployment.database.read() as session:
        assert reports.as_of(session, now=clock.now) == clock.now
    with deployment.database.write() as session:
        eventlog.append(session, "viewed", voucher.id, now=clock.now)
    with deployment.database.read() as session:
        assert reports.as_of(session, now=clock.now) == counted_at


def test_coupon_that_ends_unused_is_recorded_once(
    deployment: Deployment, storefront: Storefront, clock: Clock
) -> None:
    campaign_id = storefront.campaign()
    ends = clock.now + dt.timedelta(hours=1)
    expiry.note_expired(deployment)
    unused = [storefront.voucher(campaign_id, ends_at=ends).id for _ in range(2)]
    storefront.voucher(campaign_id, ends_at=ends, used=1)
    storefront.voucher(storefront.campaign("gift_card"), ends_at=ends)
    clock.advance(minutes=59)
    expiry.note_expired(deployment)
    clock.advance(minutes=2)
    expiry.note_expired(deployment)
    clock.advance(minutes=2)
    expiry.note_expired(deployment)

    with deployment.database.read() as session:
        found = session.execute(
            select(Event.voucher_id, Event.number).where(Event.kind == "expired")
        ).all()
    assert sorted(map(tuple, found)) == [(id_, 1) for id_ in unused]


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
    # With its comma: a serial may have these letters, too.
    assert "\r\nada," in redeemers
    assert "bob" not in redeemers
    assert "SUN-" not in redeemers
    others = people(key, which="non_redeemers").get_data(as_text=True)
    assert "'=bob" in others
    assert "\r\nada," not in others
    both = people(key, which="all", format="json").get_data(as_text=True).splitlines()
    assert len(both) == 2
    assert people(key, codes="true").status_code == 403

    shown = people(reveal, codes="true").get_data(as_text=True)
    assert "SUN-ada" in shown
    assert bob.code is not None
    assert bob.code in shown
    with deployment.database.read() as session:
        wanted = security.EventFilter(kinds=[security.SecurityEventKind.CODES_DISCLOSED])
        (disclosure,) = security.listed(session, wanted, limit=9)
    assert (disclosure.object, disclosure.count) == ("campaign sun", 2)
    assert disclosure.reason == "list of people: all"
    assert disclosure.key_prefix == reveal.split("_")[1]


def test_results_answer_over_http_and_only_for_the_keys_campaigns(
    client: FlaskClient, deployment: Deployment, paris: Shop
) -> None:
    paris.campaign("sun")
    paris.campaign("moon")
    voucher = paris.voucher("sun")
    with deployment.database.write() as session:
        eventlog.append(session, "viewed", voucher.id, now=deployment.now())
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


def people_of(deployment: Deployment, key: str, which: str = "all") -> list[dict[str, Any]]:
    with deployment.database.read() as session:
        found = campaigns.find(session, key)
        assert found is not None
    return list(reports.people(deployment.database, found.id, which=which))


def names_of(deployment: Deployment, key: str, which: str) -> list[str | None]:
    return [row["external_id"] for row in people_of(deployment, key, which)]


def report_of(deployment: Deployment, key: str, *by: Dimension) -> dict[tuple[str, ...], Any]:
    count_all(deployment)
    with deployment.database.read() as session:
        found = campaigns.find(session, key)
        assert found is not None
        rows = reports.funnel(session, found.id, by=by, now=deployment.now()).rows
    return {tuple(row.part.values()): row for row in rows}


def right(deployment: Deployment) -> bool:
    return not any(section.findings for section in audit.run(deployment.database))


def test_baskets_of_captured_holds_are_revenue_once_and_those_given_back_are_none(
    client: FlaskClient, deployment: Deployment, paris: Shop
) -> None:
    paris.campaign("sun")
    paris.campaign("card", kind="gift_card", terms=Terms(amount_minor=9_000))
    till = Till(client, paris.key(Scope.POS, store="paris", terminal="1"))
    eur = {"currency": "EUR"}

    def hold(*barcodes: str, minor: int, **more: Any) -> list[str]:
        answer = till.redeem(*barcodes, mode="hold", basket=basket(minor), **more)
        return [each["hold_id"] for each in answer["holds"]]

    def capture(hold_id: str, **body: Any) -> None:
        answer = till.post(f"/holds/{hold_id}/capture", body).get_json()
        assert answer["outcome"] == "accepted"

    (coupon,) = hold(paris.voucher("sun").barcode, minor=5000)
    (voided,) = hold(paris.voucher("sun").barcode, minor=700)
    (parts,) = hold(paris.voucher("card").barcode, minor=8000, amount={"minor": 8000, **eur})
    capture(coupon)
    assert till.post(f"/holds/{voided}/void", {}).status_code == 200
    capture(parts, amount={"minor": 3000, **eur}, final=False)
    capture(parts, amount={"minor": 5000, **eur})

    sun, cards = report_of(deployment, "sun")[()], report_of(deployment, "card")[()]

    assert (sun.revenue_minor, sun.vouchers["redeemed"]) == (5000, 1)
    assert (cards.revenue_minor, cards.spent_minor, cards.times["redeemed"]) == (8000, 8000, 2)
    assert right(deployment)


@dataclass
class Purchases:
    """Coupons or a card of one campaign on a basket, and what its report says came in."""

    house: Deployment
    shop: Shop
    till: Till

    def revenue(self) -> int:
        found: int = report_of(self.house, "sun")[()].revenue_minor
        assert right(self.house)
        return found

    def coupons(self, count: int = 2) -> list[str]:
        return [self.shop.voucher("sun").barcode for _ in range(count)]

    def hold(self, *barcodes: str, minor: int = 5000, **more: Any) -> list[str]:
        answer = self.till.redeem(*barcodes, mode="hold", basket=basket(minor), **more)
        return [each["hold_id"] for each in answer["holds"]]

    def redeem(self, *barcodes: str, minor: int = 5000, **more: Any) -> list[str]:
        answer = self.till.redeem(*barcodes, basket=basket(minor), **more)
        return [each["redemption_id"] for each in answer["redemptions"]]

    def capture(self, hold_id: str, **body: Any) -> str:
        answer = self.till.post(f"/holds/{hold_id}/capture", body).get_json()
        assert answer["outcome"] == "accepted", answer
        found: str = answer["redemptions"][0]["redemption_id"]
        return found

    def void(self, hold_id: str) -> None:
        assert self.till.post(f"/holds/{hold_id}/void", {}).status_code == 200


@pytest.fixture
def purchases(client: FlaskClient, deployment: Deployment, paris: Shop) -> Purchases:
    key = paris.key(Scope.POS, Scope.POS_SUPERVISOR, store="paris", terminal="1")
    return Purchases(deployment, paris, Till(client, key))


@pytest.mark.parametrize("voided", [0, 1])
def test_basket_of_two_held_coupons_is_revenue_whichever_of_them_is_given_back(
    purchases: Purchases, voided: int
) -> None:
    purchases.shop.campaign("sun")
    holds = purchases.hold(*purchases.coupons())

    purchases.void(holds[voided])
    purchases.capture(holds[1 - voided])

    assert purchases.revenue() == 5000


def test_basket_of_held_coupons_counts_once_and_until_the_last_of_them_is_taken_back(
    purchases: Purchases,
) -> None:
    purchases.shop.campaign("sun")
    first, second, third = purchases.hold(*purchases.coupons(3))
    captured = [purchases.capture(first), purchases.capture(third)]
    assert purchases.revenue() == 5000

    purchases.till.reverse(redemption_id=captured[0])
    assert purchases.revenue() == 5000
    purchases.till.reverse(redemption_id=captured[1])
    assert purchases.revenue() == 0
    # What is captured afterwards is a sale again.
    purchases.capture(second)
    assert purchases.revenue() == 5000


def test_basket_that_is_redeemed_at_once_counts_until_its_last_redemption_is_taken_back(
    purchases: Purchases,
) -> None:
    purchases.shop.campaign("sun")
    one, other = purchases.redeem(*purchases.coupons())
    purchases.redeem(*purchases.coupons(), key="whole", minor=700)
    (alone,) = purchases.redeem(*purchases.coupons(1), minor=30)
    assert purchases.revenue() == 5730

    purchases.till.reverse(redemption_id=other)
    assert purchases.revenue() == 5730
    purchases.till.reverse(key="whole")
    assert purchases.revenue() == 5030
    purchases.till.reverse(redemption_id=alone)
    assert purchases.revenue() == 5000
    purchases.till.reverse(redemption_id=one)
    assert purchases.revenue() == 0


def test_basket_that_a_card_paid_counts_while_a_part_of_it_was_not_refunded(
    purchases: Purchases,
) -> None:
    eur = {"currency": "EUR"}
    purchases.shop.campaign("sun", kind="gift_card", terms=Terms(amount_minor=9_000))
    (hold,) = purchases.hold(
        purchases.shop.voucher("sun").barcode, minor=8000, amount={"minor": 8000, **eur}
    )
    parts = [
        purchases.capture(hold, amount={"minor": 3000, **eur}, final=False),
        purchases.capture(hold, amount={"minor": 5000, **eur}),
    ]

    def refund(part: str, minor: int, key: str) -> None:
        body = {"redemption_id": part, "amount": {"minor": minor, **eur}, "operator": "ann"}
        answer = purchases.till.post("/refunds", body, key=key).get_json()
        assert answer["outcome"] == "accepted", answer

    refund(parts[0], 3000, "a")
    refund(parts[1], 4000, "b")
    assert purchases.revenue() == 8000
    refund(parts[1], 1000, "c")
    assert purchases.revenue() == 0
    # A refund that nobody heard of is undone, and the sale stands.
    assert purchases.till.reverse(key="c")["outcome"] == "accepted"
    assert purchases.revenue() == 8000


def test_coupons_of_one_basket_that_are_captured_at_once_count_it_once(
    purchases: Purchases,
) -> None:
    purchases.shop.campaign("sun")
    for _ in range(5):
        holds = purchases.hold(*purchases.coupons(), minor=100)
        app = purchases.till.client.application
        tills = [
            replace(purchases, till=Till(app.test_client(), purchases.till.key)) for _ in holds
        ]
        threads = [
            threading.Thread(target=each.capture, args=(hold,))
            for each, hold in zip(tills, holds, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    row = report_of(purchases.house, "sun")[()]
    assert (row.revenue_minor, row.times["redeemed"]) == (500, 10)


def test_baskets_of_an_earlier_release_go_on_counting_once_after_the_update(
    purchases: Purchases, clock: Clock
) -> None:
    house = purchases.house
    purchases.shop.campaign("sun")
    given_back = purchases.hold(*purchases.coupons(), minor=1)
    clock.advance(seconds=1)
    going_on = purchases.hold(*purchases.coupons(), minor=20)
    first = purchases.capture(going_on[0])
    clock.advance(seconds=1)
    both = [purchases.capture(each) for each in purchases.hold(*purchases.coupons(), minor=300)]
    clock.advance(seconds=1)
    purchases.redeem(*purchases.coupons(), key="direct", minor=4_000)
    clock.advance(seconds=1)
    (alone,) = purchases.redeem(*purchases.coupons(1), minor=50_000)
    assert purchases.revenue() == 54_320
    migrations.downgrade(house.database, "0010_operators")

    migrations.upgrade(house.database)

    purchases.void(given_back[0])
    purchases.capture(given_back[1])
    assert purchases.revenue() == 54_321
    second = purchases.capture(going_on[1])
    assert purchases.revenue() == 54_321
    for entry in (first, both[0]):
        purchases.till.reverse(redemption_id=entry)
    assert purchases.revenue() == 54_321
    purchases.till.reverse(redemption_id=second)
    assert purchases.revenue() == 54_301
    # What was settled before the update stays told.
    purchases.till.reverse(redemption_id=both[1])
    purchases.till.reverse(key="direct")
    purchases.till.reverse(redemption_id=alone)
    assert purchases.revenue() == 54_301


def test_hold_that_an_earlier_release_made_after_the_update_tells_its_basket_once(
    purchases: Purchases,
) -> None:
    purchases.shop.campaign("sun", kind="gift_card", terms=Terms(amount_minor=5_000))
    (barcode,) = purchases.coupons(1)
    (hold,) = purchases.hold(barcode, amount={"minor": 900, "currency": "EUR"})
    with purchases.house.database.write() as session:
        session.execute(update(Hold).values(basket_id=None))
    parts = [
        purchases.capture(hold, amount={"minor": 300, "currency": "EUR"}, final=False)
        for _ in range(3)
    ]
    assert purchases.revenue() == 5_000
    for part in parts:
        purchases.till.reverse(redemption_id=part)
    assert purchases.revenue() == 0


def test_people_are_listed_where_the_report_counts_them_whichever_campaign_the_code_is_of(
    client: FlaskClient, deployment: Deployment, paris: Shop
) -> None:
    apply_document(deployment, card(key="card"))
    apply(
        deployment,
        codes={"source": "on_demand"},
        rules={
            "tiers": [
                {"key": "best", "when": [{"fact": "score", "above": 9}], "campaign": "card"},
                {"key": "rest"},
            ]
        },
    )
    asked = [
        Candidate(person=Person(external_id=name, score=score), occasion="may")
        for name, score in (("ada", 10), ("bob", 10), ("cyd", 1), ("dee", 1))
    ]
    barcodes = {}
    for each in decisions.decide(deployment, "spring", asked, Tally()):
        assert each.issued is not None
        barcodes[each.candidate.person.external_id] = deployment.keyring.token(
            Purpose.BARCODE, key_id=each.issued.key_id, public_id=each.issued.public_id
        )
    own = VoucherRequest(person=Person(external_id="eve"))
    list(issuance.issue_many(deployment, "card", [own], IssueOutcome()))
    till = Till(client, paris.key(Scope.POS, store="paris", terminal="1"))
    till.redeem(barcodes["ada"], amount={"minor": 500, "currency": "EUR"})
    till.redeem(barcodes["cyd"])

    assert names_of(deployment, "spring", "redeemers") == ["ada", "cyd"]
    assert names_of(deployment, "spring", "non_redeemers") == ["bob", "dee"]
    assert names_of(deployment, "card", "redeemers") == []
    assert names_of(deployment, "card", "non_redeemers") == ["eve"]
    # Who has which code of the card campaign, and why.
    assert [
        (row["external_id"], row["campaign"], row["given_by"])
        for row in people_of(deployment, "card")
    ] == [("ada", "card", "spring"), ("bob", "card", "spring"), ("eve", "card", "card")]
    # A tier is no variant, in the list as in the report.
    listed = {(row["tier"], row["variant"]) for row in people_of(deployment, "spring")}
    counted = report_of(deployment, "spring", Dimension.TIER, Dimension.VARIANT)
    assert listed == set(counted) == {("best", ""), ("rest", "")}
    assert [counted["best", ""].vouchers[each] for each in ("issued", "redeemed")] == [2, 1]
    assert right(deployment)


def test_card_that_replaces_another_is_one_with_it_in_lists_and_reports(
    client: FlaskClient, deployment: Deployment, paris: Shop
) -> None:
    apply_document(deployment, card(key="card"))
    apply(
        deployment,
        codes={"source": "on_demand"},
        rules={"tiers": [{"key": "all", "campaign": "card"}]},
    )
    asked = [Candidate(person=Person(external_id=name), occasion="may") for name in ("ada", "bob")]
    ada, bob = decisions.decide(deployment, "spring", asked, Tally())
    key = paris.key(Scope.POS, Scope.POS_SUPERVISOR, store="paris", terminal="1")
    till = Till(client, key)
    eur = {"currency": "EUR"}
    for each, returned in ((ada, 200), (bob, 500)):
        assert each.issued is not None
        token = deployment.keyring.token(
            Purpose.BARCODE, key_id=each.issued.key_id, public_id=each.issued.public_id
        )
        spent = till.redeem(token, amount={"minor": 500, **eur})["redemptions"][0]
        count_all(deployment)
        with deployment.database.write() as session:
            session.execute(
                update(Voucher)
                .where(Voucher.id == each.issued.voucher_id)
                .values(status="deactivated")
            )
        body = {
            "redemption_id": spent["redemption_id"],
            "amount": {"minor": returned, **eur},
            "operator": "ann",
        }
        refund = till.post("/refunds", body).get_json()
        assert refund["replaced_by"], refund

    # Of bob's money nothing is spent any more.
    assert names_of(deployment, "spring", "redeemers") == ["ada"]
    assert names_of(deployment, "spring", "non_redeemers") == ["bob"]
    assert names_of(deployment, "card", "non_redeemers") == []
    (first, second) = people_of(deployment, "spring")
    assert (first["status"], first["balance_minor"], first["spent_minor"]) == ("active", 200, 300)
    assert (first["occasion"], first["tier"], second["balance_minor"]) == ("may", "all", 500)
    assert "redeemed" in first["stages"]
    assert [row["external_id"] for row in people_of(deployment, "card")] == ["ada", "bob"]
    row = report_of(deployment, "spring")[()]
    assert (row.vouchers["issued"], row.vouchers["redeemed"], row.spent_minor) == (2, 2, 300)
    assert report_of(deployment, "card") == {}
    with deployment.database.read() as session:
        assert reports.recount(session) == []
        assert reports.misplaced(session) == []


def test_use_that_no_limit_had_room_for_makes_a_redeemer(
    client: FlaskClient, deployment: Deployment, paris: Shop
) -> None:
    paris.campaign("sun", authority=Authority.EXTERNAL, source=Source.LIST)
    voucher = paris.voucher("sun", code="WEB-1", recipient_id=paris.recipient("ada"))
    till = Till(client, paris.key(Scope.POS, store="paris", terminal="1"))
    till.redeem(voucher.barcode, key="k")
    paris.store("web", terminals=(), channel="online")
    key = paris.key(Scope.POS, store="web")
    answer = client.post(
        "/api/v1/redemptions/report",
        json={"uses": [{"id": "o1", "code": "WEB-1"}]},
        headers={"Authorization": f"Bearer {key}"},
    )
    assert answer.get_json()["counts"]["conflict"] == 1
    till.reverse(key="k")

    assert names_of(deployment, "sun", "redeemers") == ["ada"]
    assert names_of(deployment, "sun", "non_redeemers") == []


def test_audit_names_a_voucher_that_is_counted_in_another_part(
    deployment: Deployment, paris: Shop
) -> None:
    paris.campaign("sun")
    voucher = paris.voucher("sun", variant="a")
    with deployment.database.write() as session:
        eventlog.append(session, "viewed", voucher.id, now=deployment.now())
    count_all(deployment)
    with deployment.database.write() as session:
        session.execute(update(Slice).values(variant="b"))

    wrong = next(each for each in audit.run(deployment.database) if "Reports" in each.claim)
    assert [finding.about for finding in wrong.findings] == [f"voucher {voucher.serial}"]


@pytest.mark.parametrize("which", ["all", "redeemers", "non_redeemers"])
def test_list_of_several_pages_leaves_nobody_out(
    deployment: Deployment, paris: Shop, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    monkeypatch.setattr("app.services.reports.lists.PAGE", 2)
    paris.campaign("sun")
    paris.campaign("moon")
    for number in range(5):
        paris.voucher("sun", recipient_id=paris.recipient(f"r{number}"))
        paris.voucher("moon")

    expected = [] if which == "redeemers" else [f"r{number}" for number in range(5)]
    assert names_of(deployment, "sun", which) == expected
