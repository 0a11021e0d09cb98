"""Tills and passes follow an override for all holders; the edit writes no voucher's row."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event, select

from app.domain.campaign import Benefit, BenefitType, Terms
from app.services import access, audit
from app.services.access import Scope
from app.services.deployment import Deployment
from app.services.wallets import holdings
from app.store.models import Voucher
from passes.content import Status
from tests.shop import Issued, Shop, Till

TERMS = Terms(
    benefit=Benefit(type=BenefitType.PERCENT, percent=Decimal(20)), uses=1, min_basket_minor=5000
)


@pytest.fixture
def shop(deployment: Deployment) -> Shop:
    found = Shop(deployment)
    found.store()
    found.campaign(terms=TERMS)
    return found


@pytest.fixture
def till(shop: Shop, client: FlaskClient) -> Till:
    return Till(client, shop.key(store="paris", terminal="1"))


def order(client: FlaskClient, house: Deployment, **body: Any) -> Any:
    with house.database.write() as session:
        key = access.create(session, "marketer", [Scope.CAMPAIGN], now=house.now())
    path = "/api/v1/campaigns/sun/updates"
    return client.post(path, json=body, headers={"Authorization": f"Bearer {key}"})


def basket(minor: int) -> dict[str, Any]:
    return {"currency": "EUR", "lines": [{"id": "1", "amount_minor": minor}]}


def status(house: Deployment, voucher: Issued) -> Status:
    with house.database.read() as session:
        row = session.scalars(select(Voucher).where(Voucher.id == voucher.id)).one()
        found = holdings.find(session, row.public_id)
        assert found is not None
        return found.status(house.now())


def test_a_till_grants_the_better_benefit_uses_and_basket_from_one_rows_change(
    shop: Shop, till: Till, client: FlaskClient
) -> None:
    house = shop.deployment
    voucher = shop.voucher()
    assert till.redeem(voucher.barcode, basket=basket(4000))["reason"] == "min_basket"
    writes: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "UPDATE voucher" in statement or "INSERT INTO voucher" in statement:
            writes.append(statement)

    event.listen(house.database.engine, "before_cursor_execute", note)
    answer = order(client, house, percent="30", uses=2, min_basket_minor=3000)
    assert answer.status_code == 202, answer.text
    event.remove(house.database.engine, "before_cursor_execute", note)
    assert writes == []

    first = till.redeem(voucher.barcode, basket=basket(4000))
    assert (first["outcome"], first["discount_minor"]) == ("accepted", 1200)
    assert first["redemptions"][0]["voucher"]["uses_left"] == 1
    assert status(house, voucher) is Status.ACTIVE
    assert till.redeem(voucher.barcode, basket=basket(4000))["outcome"] == "accepted"
    assert status(house, voucher) is Status.USED
    assert till.redeem(voucher.barcode, basket=basket(4000))["reason"] == "limit_reached"
    assert [found for section in audit.run(house.database) for found in section.findings] == []


def test_a_use_that_an_override_added_can_be_held_and_captured(
    shop: Shop, till: Till, client: FlaskClient
) -> None:
    voucher = shop.voucher()
    assert till.redeem(voucher.barcode, basket=basket(5000))["outcome"] == "accepted"
    order(client, shop.deployment, uses=2)
    held = till.redeem(voucher.barcode, mode="hold", basket=basket(5000))
    assert held["outcome"] == "accepted", held
    assert till.redeem(voucher.barcode, basket=basket(5000))["reason"] == "held_elsewhere"
    hold = held["holds"][0]["hold_id"]
    assert till.post(f"/holds/{hold}/capture", {}).get_json()["outcome"] == "accepted"
    assert shop.row(voucher).used == 2


def test_worse_terms_count_only_when_forced_and_leave_the_rows_own(
    shop: Shop, till: Till, client: FlaskClient
) -> None:
    house = shop.deployment
    often = shop.voucher(uses=3)
    worse = {"percent": "10", "uses": 1, "min_basket_minor": 9000}
    order(client, house, **worse)
    kind = till.redeem(often.barcode, basket=basket(6000))
    assert (kind["discount_minor"], kind["redemptions"][0]["voucher"]["uses_left"]) == (1200, 2)
    other = shop.voucher(uses=3)
    order(client, house, **worse, forced=True)
    assert till.redeem(often.barcode, basket=basket(9000))["reason"] == "already_redeemed"
    assert till.redeem(other.barcode, basket=basket(6000))["reason"] == "min_basket"
    strict = till.redeem(other.barcode, basket=basket(9000))
    assert (strict["discount_minor"], strict["redemptions"][0]["voucher"]["uses_left"]) == (900, 0)
    assert status(house, other) is Status.USED
    assert shop.row(other).uses == 3


def test_captures_voids_and_reversals_answer_with_the_uses_and_end_that_count(
    shop: Shop, till: Till, client: FlaskClient
) -> None:
    def held() -> str:
        answer = till.redeem(often.barcode, mode="hold", basket=basket(9000))
        found: str = answer["holds"][0]["hold_id"]
        return found

    def left(path: str, body: dict[str, Any], part: str) -> Any:
        answer = till.post(path, body).get_json()
        voucher = answer[part][0]["voucher"]
        return voucher["uses_left"], voucher["ends_at"]

    often = shop.voucher(uses=9)
    end = "2031-01-01T00:00:00+00:00"
    answer = order(client, shop.deployment, uses=3, ends_at=end, forced=True)
    assert answer.status_code == 202, answer.text
    assert left(f"/holds/{held()}/capture", {}, "redemptions") == (2, end)
    assert left(f"/holds/{held()}/void", {}, "holds") == (2, end)
    assert till.redeem(often.barcode, key="k", basket=basket(9000))["outcome"] == "accepted"
    assert left("/reversals", {"key": "k"}, "reversals") == (2, end)
    assert till.redeem(often.barcode, key="l", basket=basket(9000))["outcome"] == "accepted"
    order(client, shop.deployment, uses=1, forced=True)
    assert left("/reversals", {"key": "l"}, "reversals") == (0, end)


def test_a_later_update_of_the_end_leaves_the_other_terms_overridden(
    shop: Shop, till: Till, client: FlaskClient
) -> None:
    house = shop.deployment
    voucher = shop.voucher(ends_at=house.now())
    order(client, house, min_basket_minor=0)
    assert till.redeem(voucher.barcode)["reason"] == "expired"
    order(client, house, ends_at=(house.now() + dt.timedelta(days=1)).isoformat())
    assert till.redeem(voucher.barcode)["outcome"] == "accepted"


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"amount_minor": 500}, "benefit is percent"),
        ({"uses": 0}, "uses"),
        ({"percent": "101"}, "percent"),
        ({"forced": True}, "changes nothing"),
    ],
)
def test_terms_that_no_holder_has_are_refused(
    shop: Shop, client: FlaskClient, body: dict[str, Any], word: str
) -> None:
    answer = order(client, shop.deployment, **body)
    assert answer.status_code == 422
    assert word in answer.text


def test_a_gift_card_has_an_end_to_override_and_nothing_else(
    deployment: Deployment, client: FlaskClient
) -> None:
    Shop(deployment).campaign(kind="gift_card")
    answer = order(client, deployment, uses=2)
    assert answer.status_code == 422
    assert "a gift card has an end" in answer.text
