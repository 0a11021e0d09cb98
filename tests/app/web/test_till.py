"""The till page's session: only a terminal's key opens it, only its own page may use it."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from app.domain.campaign import Terms
from app.services.access import Scope
from app.services.deployment import Deployment
from app.web import till_session
from tests.conftest import Clock
from tests.shop import Issued, Shop

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

OWN = {till_session.HEADER: "1"}


def _sign_in(client: FlaskClient, key: str, **headers: str) -> int:
    return client.post("/till/session", json={"key": key}, headers={**OWN, **headers}).status_code


def test_a_session_opens_the_tills_door_and_no_other(shop: Shop, client: FlaskClient) -> None:
    key = shop.key(Scope.POS, Scope.REPORT, store="paris", terminal="1")
    assert client.get("/pos/v1/till", headers=OWN).status_code == 401
    assert _sign_in(client, key) == 204
    answer = client.get("/pos/v1/till", headers=OWN)
    assert answer.get_json()["store"]["key"] == "paris"
    report = "/api/v1/reports/day?date=2026-11-21"
    assert client.get(report, headers=OWN).status_code == 401
    assert client.delete("/till/session", headers=OWN).status_code == 204
    assert client.get("/pos/v1/till", headers=OWN).status_code == 401


@pytest.mark.parametrize(
    "headers", [{}, {till_session.HEADER: "1", "Sec-Fetch-Site": "cross-site"}]
)
def test_a_foreign_page_cannot_use_the_session(
    shop: Shop, client: FlaskClient, headers: dict[str, str]
) -> None:
    key = shop.key(store="paris", terminal="1")
    foreign = client.post("/till/session", json={"key": key}, headers=headers)
    assert foreign.get_json()["code"] == "foreign_page"
    assert _sign_in(client, key) == 204
    assert client.get("/pos/v1/till", headers=headers).status_code == 401


def test_a_session_ends_after_a_business_day_and_a_changed_cookie_is_worth_nothing(
    shop: Shop, client: FlaskClient, clock: Clock
) -> None:
    assert _sign_in(client, shop.key(store="paris", terminal="1")) == 204
    clock.now += till_session.LASTS
    assert client.get("/pos/v1/till", headers=OWN).status_code == 401
    for value in ("", "AA==", "x" * 200, "%%%"):
        client.set_cookie("passerelle-till", value)
        assert client.get("/pos/v1/till", headers=OWN).status_code == 401


def test_a_session_puts_money_only_on_cards_whose_campaign_says_so(
    shop: Shop, client: FlaskClient
) -> None:
    key = shop.key(Scope.POS, Scope.POS_SUPERVISOR, store="paris", terminal="1")
    assert _sign_in(client, key) == 204
    shop.campaign("plain", kind="gift_card", terms=Terms(amount_minor=500))
    shop.campaign("loads", kind="gift_card", terms=Terms(amount_minor=500, load_cap_minor=1_000))
    plain, loads = shop.voucher("plain"), shop.voucher("loads")

    def put(card: Issued, minor: int, action: str, headers: dict[str, str]) -> str:
        money = {"minor": minor, "currency": "EUR"}
        given = {"change": money, "reason": "goodwill"} if action == "adjust" else {"amount": money}
        answer = client.post(
            f"/pos/v1/gift-cards/{action}",
            json={"barcode": card.barcode, "operator": "ann", **given},
            headers={**headers, "Idempotency-Key": f"{card.barcode}{minor}{action}{len(headers)}"},
        ).get_json()
        return str(answer.get("reason", answer["outcome"]))

    for action in ("load", "adjust"):
        assert put(plain, 100, action, OWN) == "not_loadable"
        assert put(loads, 1_001, action, OWN) == "load_cap"
    assert put(loads, 1_000, "load", OWN) == "accepted"
    assert put(plain, -100, "adjust", OWN) == "accepted"
    integrated = {"Authorization": f"Bearer {key}", "X-Own": "1"}
    assert put(plain, 700, "load", integrated) == "accepted"
    assert (shop.row(plain).balance_minor, shop.row(loads).balance_minor) == (1_100, 1_500)


def test_only_a_terminals_key_signs_in(shop: Shop, client: FlaskClient) -> None:
    assert _sign_in(client, "pk_aaaaaaaa_" + "a" * 32) == 401
    assert _sign_in(client, shop.key()) == 403
    assert _sign_in(client, shop.key(Scope.ADMIN, store="paris", terminal="1")) == 403
    assert client.post("/till/session", data=b"[", headers=OWN).status_code == 422


def test_the_page_allows_its_own_files_and_the_readers_wasm_only(client: FlaskClient) -> None:
    answer = client.get("/till")
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self' 'wasm-unsafe-eval';" in policy
    assert "unsafe-inline" not in policy
    assert "http" not in policy
    assert "wasm-unsafe-eval" not in client.get("/docs").headers["Content-Security-Policy"]
    with client.get("/static/vendor/zxing-wasm/zxing_reader.wasm") as wasm:
        assert wasm.mimetype == "application/wasm"


def test_no_script_and_no_foreign_page_gets_the_cookie(
    deployment: Deployment, shop: Shop, client: FlaskClient
) -> None:
    answer = client.post(
        "/till/session",
        json={"key": shop.key(store="paris", terminal="1")},
        headers=OWN,
    )
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Path=/" in cookie
