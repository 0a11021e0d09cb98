"""Closing the day: reports equal what was done, line by line, and lead to the ledger's balance."""

from __future__ import annotations

import csv
import datetime as dt
import io
from dataclasses import asdict
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.domain.campaign import Benefit, BenefitType, Terms
from app.services import closing
from app.services.access import Scope
from app.services.deployment import Deployment
from app.services.tills import CardAction, Origin, Redemption, ScannedItem, release_lapsed
from app.store.models import Voucher
from tests.conftest import Clock
from tests.desk import desk_of
from tests.shop import Shop, Till

EUR = "EUR"


@pytest.fixture
def shop(deployment: Deployment) -> Shop:
    shop = Shop(deployment)
    shop.store("paris", terminals=("1", "2"), timezone="Europe/Paris")
    shop.campaign("card", kind="gift_card", terms=Terms(amount_minor=10_000))
    shop.campaign("sun", terms=Terms(benefit=Benefit(type=BenefitType.AMOUNT, minor=300)))
    return shop


def _do(till: Till, shop: Shop, operator: str) -> None:
    """A morning: spend 1,000 and 2,000, undo one, load 500, take a coupon of 300."""
    card, coupon = shop.voucher("card"), shop.voucher("sun")
    basket = {"currency": EUR, "lines": [{"id": "1", "amount_minor": 900}]}
    made = [
        till.redeem(card.barcode, amount={"minor": minor, "currency": EUR}, operator=operator)
        for minor in (1_000, 2_000)
    ]
    till.reverse(redemption_id=made[0]["redemptions"][0]["redemption_id"], operator=operator)
    load = {
        "barcode": card.barcode,
        "amount": {"minor": 500, "currency": EUR},
        "operator": operator,
    }
    assert till.post("/gift-cards/load", load).get_json()["outcome"] == "accepted"
    till.redeem(coupon.barcode, basket=basket, operator=operator)


def test_a_day_is_summed_by_terminal_and_operator_and_ends_at_the_stores_midnight(
    shop: Shop, client: FlaskClient, clock: Clock, deployment: Deployment
) -> None:
    tills = [Till(client, shop.key(store="paris", terminal=name)) for name in ("1", "2")]
    _do(tills[0], shop, "ann")
    _do(tills[1], shop, "=ann()")
    clock.now = dt.datetime(2026, 11, 21, 23, 30, tzinfo=dt.UTC)  # 00:30 in Paris
    _do(tills[0], shop, "bob")

    report = Till(client, shop.key(Scope.REPORT))
    answer = client.get(
        "/api/v1/reports/day?date=2026-11-21", headers={"Authorization": f"Bearer {report.key}"}
    )
    lines = answer.get_json()["lines"]

    assert [(line["terminal"], line["operator"]) for line in lines] == [
        *(("1", "ann"), ("2", "=ann()")),
    ]
    for line in lines:
        figures = {name: value for name, value in line.items() if isinstance(value, int) and value}
        assert figures == {
            "redemptions": 3,
            "uses": 1,
            "redeemed_minor": 3_000,
            "discounts_minor": 300,
            "undone": 1,
            "undone_minor": 1_000,
            "loads": 1,
            "loaded_minor": 500,
            "net_minor": 2_000,
            "net_discounts_minor": 300,
        }
    sheet = client.get(
        "/api/v1/reports/day?date=2026-11-21&format=csv",
        headers={"Authorization": f"Bearer {report.key}"},
    ).get_data(as_text=True)
    rows = list(csv.DictReader(io.StringIO(sheet)))
    assert [row["operator"] for row in rows] == ["ann", "'=ann()"]
    today = client.get("/pos/v1/day", headers={"Authorization": f"Bearer {tills[0].key}"})
    assert today.get_json()["totals"][0]["redeemed_minor"] == 3_000
    assert {entry["operator"] for entry in today.get_json()["entries"]} == {"bob"}


def test_a_till_counts_no_coupon_that_it_undid(shop: Shop, client: FlaskClient) -> None:
    till = Till(client, shop.key(store="paris", terminal="1"))
    basket = {"currency": EUR, "lines": [{"id": "1", "amount_minor": 2_000}]}
    for key in ("first", "second"):
        till.redeem(shop.voucher("sun").barcode, basket=basket, key=key, operator="ann")

    def totals() -> Any:
        headers = {"Authorization": f"Bearer {till.key}"}
        return client.get("/pos/v1/day", headers=headers).get_json()["totals"]

    both = {"uses": 2, "discounts_minor": 600}
    nothing = {"redeemed_minor": 0, "loaded_minor": 0, "returned_minor": 0}
    assert totals() == [{"currency": EUR, **both, **nothing}]
    till.reverse(key="second", operator="bob")
    one = {"uses": 1, "discounts_minor": 300}
    assert totals() == [{"currency": EUR, **one, **nothing}]


def test_reports_show_a_key_its_own_store_and_its_own_campaigns(
    shop: Shop, client: FlaskClient
) -> None:
    shop.store("rome", terminals=("1",), timezone="Europe/Rome")
    _do(Till(client, shop.key(store="paris", terminal="1")), shop, "ann")
    _do(Till(client, shop.key(store="rome", terminal="1")), shop, "bob")

    def ask(report: str, **bound: Any) -> Any:
        key = shop.key(Scope.REPORT, **bound)
        path = f"/api/v1/reports/{report}"
        return client.get(path, headers={"Authorization": f"Bearer {key}"}).get_json()

    def figures(**bound: Any) -> list[tuple[str, int, int]]:
        lines = ask("day?date=2026-11-21", **bound)["lines"]
        return [(each["store"], each["redeemed_minor"], each["discounts_minor"]) for each in lines]

    assert figures() == [("paris", 3_000, 300), ("rome", 3_000, 300)]
    assert figures(store="rome") == [("rome", 3_000, 300)]
    assert figures(store="paris", terminal="2") == []
    assert figures(campaigns=["sun"]) == [("paris", 0, 300), ("rome", 0, 300)]

    owed = "liability?until=2026-11-22T00:00:00Z"
    assert [each["campaign"] for each in ask(owed)["campaigns"]] == ["card"]
    assert ask(owed, campaigns=["sun"])["campaigns"] == []
    assert ask(owed, store="paris")["code"] == "store_key_refused"

    odd = "odd-days?date=2026-11-21"
    assert {each["store"] for each in ask(odd)["oddities"]} == {"paris", "rome"}
    assert {each["store"] for each in ask(odd, store="rome")["oddities"]} == {"rome"}
    assert ask(odd, campaigns=["sun"])["oddities"] == []


def test_liability_leads_from_its_opening_by_its_movements_to_the_balance_of_the_cards(
    shop: Shop, deployment: Deployment, clock: Clock
) -> None:
    desk = desk_of(deployment, shop)
    first = shop.voucher("card", ends_at=clock.now + dt.timedelta(days=2))
    second = shop.voucher("card")
    spent = desk.redeem(first, 4_000)["redemptions"][0]["redemption_id"]
    clock.advance(days=1)
    noon = clock.now
    desk.card(CardAction.LOAD, second, 700)
    desk.refund(spent, 1_500)
    clock.advance(days=2)
    release_lapsed(deployment, clock.now)
    desk.refund(spent, 500)
    desk.card(CardAction.DEACTIVATE, second)

    with deployment.database.read() as session:
        then = closing.liability(session, until=noon)[0]
        now = closing.liability(session, until=clock.now + dt.timedelta(seconds=1), since=noon)[0]
        owed = sum(row.balance_minor for row in session.query(Voucher))
    assert (then.opening_minor, then.closing_minor) == (0, 16_000)
    moved = {name: value for name, value in asdict(now).items() if isinstance(value, int) and value}
    assert moved == {
        "opening_minor": 16_000,
        "loaded_minor": 700,
        "returned_minor": 2_000,
        "expired_minor": -7_500,
        "deactivated_minor": -10_700,
        "closing_minor": 500,
    }
    assert owed == now.closing_minor


def test_odd_days_name_who_gave_and_took_and_who_refunds_often(
    shop: Shop, deployment: Deployment, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closing.anomalies, "MANY_CARDS", 1)
    monkeypatch.setattr(closing.anomalies, "MANY_REFUNDS", 0)
    desk = desk_of(deployment, shop)
    quiet, card = shop.voucher("card"), shop.voucher("card")
    made = desk.redeem(quiet, 100)["redemptions"][0]["redemption_id"]
    desk.refund(made, 100)
    desk.card(CardAction.LOAD, card, 500)
    item = ScannedItem(barcode=card.barcode, amount_minor=400, currency=EUR)
    desk.ask(
        "redeem",
        Redemption(items=(item,), origin=Origin(operator="ann")),
    )

    with deployment.database.read() as session:
        found = closing.odd(session, clock.now.date())
        assert closing.odd(session, clock.now.date() + dt.timedelta(days=1)) == []

    assert [(each.what, each.operator, each.terminal, each.count) for each in found] == [
        ("put money on a card and redeemed it", "ann", None, 1),
        ("refunds to cards", "ann", None, 1),
        ("many cards on one terminal", None, "1", 2),
    ]
