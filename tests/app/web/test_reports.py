"""Uses that other systems decide are booked once; those beyond a limit are conflicts."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from app.domain.campaign import Authority, Source, Terms
from app.services.access import Scope
from app.services.deployment import Deployment
from app.services.guesses import LIMITS
from app.services.reports import rollup
from app.store.models import Event, FunnelCount, RecipientUse
from tests.conftest import Clock
from tests.shop import Shop, Till


@pytest.fixture
def web_shop(shop: Shop, client: FlaskClient) -> FlaskClient:
    shop.store("web", terminals=(), channel="online")
    key = shop.key(Scope.POS, Scope.REPORT, store="web")
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {key}"
    return client


def _report(client: FlaskClient, *uses: dict[str, Any]) -> dict[str, Any]:
    answer = client.post("/api/v1/redemptions/report", json={"uses": list(uses)})
    assert answer.status_code == 200, answer.get_data(as_text=True)
    found: dict[str, Any] = answer.get_json()
    return found


def test_use_in_the_web_shop_takes_the_coupon_once_however_often_it_is_reported(
    shop: Shop, till: Till, web_shop: FlaskClient
) -> None:
    shop.campaign(authority=Authority.EXTERNAL, source=Source.LIST)
    voucher = shop.voucher(code="WEB-1")
    use = {"id": "order-1", "code": "web1", "occurred_at": "2026-11-21T11:00:00+01:00"}

    first, again = _report(web_shop, use), _report(web_shop, use)

    assert [part["uses"][0]["outcome"] for part in (first, again)] == ["applied", "duplicate"]
    assert shop.row(voucher).used == 1
    refused = till.redeem(voucher.barcode)
    assert (refused["reason"], refused["details"]["store"]) == ("already_redeemed", "Web")


def test_use_of_a_coupon_that_a_till_took_first_is_a_booked_listed_counted_conflict(
    shop: Shop, till: Till, web_shop: FlaskClient, deployment: Deployment
) -> None:
    shop.campaign(authority=Authority.EXTERNAL, source=Source.LIST)
    voucher = shop.voucher(code="WEB-1")
    assert till.redeem(voucher.barcode)["outcome"] == "accepted"

    use = {"id": "order-1", "code": "WEB-1"}
    first, again = _report(web_shop, use), _report(web_shop, use)

    assert (first["counts"]["conflict"], again["counts"]["duplicate"]) == (1, 1)
    row = shop.row(voucher)
    assert (row.used, row.conflicts) == (1, 1)
    listed = web_shop.get("/api/v1/redemptions/conflicts?campaign=sun").get_json()
    assert listed["count"] == 1
    assert listed["conflicts"][0] | {"entry_id": "", "created_at": ""} == {
        "entry_id": "",
        "reported_id": "order-1",
        "serial": voucher.serial,
        "campaign": "sun",
        "occurred_at": None,
        "created_at": "",
    }
    with deployment.database.read() as session:
        # Ours and theirs are events alike, so that the shop hears of both.
        assert session.scalars(select(Event.kind).order_by(Event.number)).all() == [
            "redeemed",
            "redeemed",
        ]


def test_partner_uses_come_by_file_and_our_tills_only_say_whose_the_code_is(
    shop: Shop, till: Till, web_shop: FlaskClient
) -> None:
    shop.campaign("cinema", authority=Authority.PARTNER, source=Source.LIST)
    voucher = shop.voucher("cinema", code="CINE-1")
    assert till.redeem("CINE-1")["reason"] == "partner_only"

    answer = web_shop.post(
        "/api/v1/redemptions/report",
        data="﻿ID;Code;Discount_Minor\r\np1;CINE-1;500\r\np2;NOPE;\r\np3;;\r\n",
        content_type="text/csv",
    ).get_json()

    outcomes = {use["id"]: use["outcome"] for use in answer["uses"]}
    assert outcomes == {"p1": "applied", "p2": "unknown_code", "p3": "faulty"}
    assert shop.row(voucher).used == 1


def test_use_of_our_own_coupon_has_to_be_redeemed(shop: Shop, web_shop: FlaskClient) -> None:
    shop.campaign(source=Source.LIST)
    voucher = shop.voucher(code="OURS-1")

    answer = _report(web_shop, {"id": "order-1", "code": "OURS-1"})

    assert answer["uses"][0]["outcome"] == "not_reportable"
    assert shop.row(voucher).used == 0


def test_file_without_its_columns_is_a_problem(web_shop: FlaskClient) -> None:
    answer = web_shop.post("/api/v1/redemptions/report", data="code\nX\n", content_type="text/csv")

    assert (answer.status_code, answer.get_json()["code"]) == (422, "faulty_file")


def test_a_tills_key_cannot_try_out_codes_by_reporting_them(
    shop: Shop, web_shop: FlaskClient
) -> None:
    shop.campaign(authority=Authority.EXTERNAL, source=Source.LIST)
    genuine, by_code = shop.voucher(), shop.voucher(code="REAL-CODE")
    path = "/api/v1/redemptions/report"

    guesses = [{"id": f"g{number}", "code": f"NONE-{number}"} for number in range(LIMITS["key"])]
    assert _report(web_shop, *guesses)["counts"]["unknown_code"] == LIMITS["key"]
    stopped = web_shop.post(path, json={"uses": [{"id": "g", "code": "NONE-X"}]})
    right = web_shop.post(path, json={"uses": [{"id": "r", "code": "REAL-CODE"}]})

    assert (stopped.status_code, right.status_code) == (429, 429)
    assert 0 < int(stopped.headers["Retry-After"]) <= 600
    assert shop.row(by_code).used == 0
    use = {"id": "token", "code": genuine.barcode}
    assert _report(web_shop, use)["counts"]["applied"] == 1
    web_shop.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {shop.key(Scope.CAMPAIGN)}"
    assert _report(web_shop, *guesses, *guesses)["counts"]["unknown_code"] == 2 * LIMITS["key"]


def test_a_report_takes_the_use_that_a_hold_kept_until_its_time_was_over(
    shop: Shop, till: Till, web_shop: FlaskClient, clock: Clock
) -> None:
    shop.campaign(authority=Authority.EXTERNAL, source=Source.LIST)
    voucher = shop.voucher(code="WEB-1")
    body = {"mode": "hold", "ttl_seconds": 60, "items": [{"barcode": voucher.barcode}]}
    assert till.post("/redemptions", body, key="hold").get_json()["holds"]
    assert shop.row(voucher).held == 1
    clock.advance(seconds=61)

    assert _report(web_shop, {"id": "o", "code": "WEB-1"})["counts"]["applied"] == 1
    assert (shop.row(voucher).used, shop.row(voucher).held) == (1, 0)


def test_file_that_cannot_be_read_as_csv_is_a_problem(web_shop: FlaskClient) -> None:
    file = "id,code\n1," + "x" * 140_000
    answer = web_shop.post("/api/v1/redemptions/report", data=file, content_type="text/csv")

    assert (answer.status_code, answer.get_json()["code"]) == (422, "faulty_file")
    assert "not CSV" in answer.get_json()["detail"]


def test_reported_use_counts_on_the_day_of_the_campaigns_zone(
    shop: Shop, web_shop: FlaskClient, deployment: Deployment
) -> None:
    shop.campaign(
        authority=Authority.EXTERNAL,
        source=Source.LIST,
        timezone="Pacific/Auckland",
        terms=Terms(uses_per_day=1),
    )
    shop.voucher(code="WEB-1", recipient_id=shop.recipient("r"))
    assert _report(web_shop, {"id": "1", "code": "WEB-1"})["counts"]["applied"] == 1
    with deployment.database.read() as session:
        # It is noon in UTC, and tomorrow in Auckland.
        assert session.scalars(select(RecipientUse.day)).all() == ["2026-11-22"]


def _basket(*amounts: int, currency: str = "EUR") -> dict[str, Any]:
    lines = [{"id": str(at), "amount_minor": amount} for at, amount in enumerate(amounts)]
    return {"currency": currency, "lines": lines}


def test_an_order_with_two_codes_books_both_and_another_code_under_its_id_is_faulty(
    shop: Shop, web_shop: FlaskClient, deployment: Deployment
) -> None:
    shop.campaign(authority=Authority.EXTERNAL, source=Source.LIST)
    one, two, other = (shop.voucher(code=f"WEB-{number}") for number in (1, 2, 3))
    basket = _basket(4000, 990, -500)
    uses = [
        {"id": "order-1", "code": code, "discount_minor": 100, "basket": basket}
        for code in ("WEB-1", "WEB-2")
    ]
    # A report that broke off after its first line is sent again, in whatever order.
    assert _report(web_shop, uses[0])["counts"]["applied"] == 1
    again = _report(web_shop, *reversed(uses))
    assert [use["outcome"] for use in again["uses"]] == ["applied", "duplicate"]
    wrong = _report(web_shop, {"id": "order-1", "code": "WEB-3"})["uses"][0]
    assert wrong["outcome"] == "faulty"
    assert "another code" in wrong["cause"]
    assert _report(web_shop, *uses)["counts"]["duplicate"] == 2
    assert [shop.row(each).used for each in (one, two, other)] == [1, 1, 0]
    with deployment.database.read() as session:
        told = [event.data for event in session.scalars(select(Event).order_by(Event.id))]
    assert [data.get("basket_minor") for data in told if data] == [4990, None]
    assert {data["currency"] for data in told if data} == {"EUR"}


def test_returned_lines_count_nothing(shop: Shop, web_shop: FlaskClient) -> None:
    shop.campaign(authority=Authority.EXTERNAL, source=Source.LIST)
    voucher = shop.voucher(code="WEB-1")
    back = {"id": "order-1", "code": "WEB-1", "discount_minor": -100}
    assert _report(web_shop, back)["counts"]["returned"] == 1
    file = "id,code,discount_minor,basket_minor,currency\r\norder-1,WEB-1,,-4990,EUR\r\n"
    answer = web_shop.post("/api/v1/redemptions/report", data=file, content_type="text/csv")
    assert answer.get_json()["counts"]["returned"] == 1
    assert shop.row(voucher).used == 0


def test_a_reported_basket_is_revenue_once_and_never_converted(
    shop: Shop, web_shop: FlaskClient, deployment: Deployment
) -> None:
    shop.campaign(authority=Authority.EXTERNAL, source=Source.LIST)
    shop.voucher(code="WEB-1")
    use = {"id": "order-1", "code": "WEB-1", "basket": _basket(4990, currency="CHF")}
    wrong = _report(web_shop, use)["uses"][0]
    assert (wrong["outcome"], "nothing is converted" in wrong["cause"]) == ("faulty", True)
    file = "id;code;discount_minor;basket_minor;currency\norder-1;WEB-1;500;4990;eur\n"
    for _ in range(2):
        web_shop.post("/api/v1/redemptions/report", data=file, content_type="text/csv")
    while rollup.roll_up(deployment):
        pass
    with deployment.database.read() as session:
        redeemed = session.scalars(select(FunnelCount).where(FunnelCount.stage == "redeemed")).all()
    assert [(row.revenue_minor, row.discount_minor) for row in redeemed] == [(4990, 500)]
