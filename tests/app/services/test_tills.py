"""What tills cost and how they wait: statements per redemption, twins, guesses, overrides."""

from __future__ import annotations

import datetime as dt
import json
import threading
import time
import uuid
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event, select, text

from app.domain.campaign import Benefit, BenefitType, Products, Source, Terms
from app.services import access
from app.services.access import Client, Scope
from app.services.deployment import Deployment
from app.services.guesses import LIMITS
from app.services.tills import Origin, Redemption, ScannedItem, Tills, desk
from app.services.tills.attempt import lock_name
from app.store.models import Entry, IdempotencyRecord, Voucher
from tests.conftest import Clock
from tests.shop import Shop, Till


@pytest.fixture
def shop(deployment: Deployment) -> Shop:
    shop = Shop(deployment)
    shop.store("paris", terminals=("1", "2"))
    return shop


def _client(shop: Shop) -> Client:
    key = shop.key(store="paris", terminal="1")
    with shop.deployment.database.read() as session:
        client = access.authenticate(session, key, now=shop.deployment.now())
    assert client is not None
    return client


def _statements(deployment: Deployment) -> list[str]:
    seen: list[str] = []

    @event.listens_for(deployment.database.engine, "before_cursor_execute")
    def record(_c: Any, _cur: Any, statement: str, *_: Any) -> None:
        if not statement.startswith(("BEGIN", "COMMIT")):
            seen.append(statement)

    return seen


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_redemption_is_at_most_five_statements(shop: Shop) -> None:
    """Three for a plain coupon; a shared code's limit and a budget are one more each."""
    shop.campaign(
        source=Source.SHARED,
        budget_uses=10,
        terms=Terms(benefit=Benefit(type=BenefitType.AMOUNT, minor=100)),
    )
    shop.campaign("plain")
    code_id = shop.code("SUMMER", limit=10)
    first, full = (
        shop.voucher(code_id=code_id, recipient_id=shop.recipient(name)) for name in "ab"
    )
    plain = shop.voucher("plain")
    tills, client = Tills(shop.deployment), _client(shop)

    def redeem(barcode: str) -> None:
        redemption = Redemption(
            items=(ScannedItem(barcode=barcode),), origin=Origin(receipt=barcode)
        )
        answer = tills.redeem(client, uuid.uuid4().hex, redemption, fingerprint=b"f")
        assert '"accepted"' in answer.body

    redeem(first.barcode)
    seen = _statements(shop.deployment)
    redeem(full.barcode)
    assert len(seen) == 5, seen
    seen.clear()
    redeem(plain.barcode)
    # The terms of this campaign were not read before.
    assert len([statement for statement in seen if "revision.terms" not in statement]) == 3, seen


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_twin_of_a_running_call_waits_and_is_then_told_to_come_back(
    shop: Shop, client: FlaskClient
) -> None:
    shop.campaign()
    voucher = shop.voucher()
    till = Till(client, shop.key(store="paris", terminal="1"))
    with shop.deployment.database.read() as session:
        from app.store.models import ApiKey

        key_id = session.scalars(select(ApiKey.id).order_by(ApiKey.id.desc())).first()
    body = {"items": [{"barcode": voucher.barcode}]}

    with shop.deployment.database.transaction() as connection:
        # The twin, as another process holds its key.
        connection.execute(
            text("SELECT pg_advisory_xact_lock(:n)"), {"n": lock_name("key", str(key_id), "k")}
        )
        began = time.monotonic()
        answer = till.post("/redemptions", body, key="k")
        waited = time.monotonic() - began

    assert (answer.status_code, answer.get_json()["code"]) == (409, "still_running")
    assert answer.headers["Retry-After"]
    assert waited >= 1.9
    assert till.redeem(voucher.barcode, key="k")["outcome"] == "accepted"


def test_holds_that_cannot_be_released_end_a_call_and_do_not_keep_it_for_ever(
    shop: Shop, client: FlaskClient, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a database that was restored in part: the card's counter does not cover its hold."""
    monkeypatch.setattr(desk, "PATIENCE", 0.2)
    shop.campaign("gift", kind="gift_card", terms=Terms(amount_minor=5000))
    card = shop.voucher("gift")
    till = Till(client, shop.key(store="paris", terminal="1"))
    amount = {"minor": 500, "currency": "EUR"}
    till.redeem(card.barcode, amount=amount, mode="hold", ttl_seconds=60)
    with shop.deployment.database.write() as session:
        session.get_one(Voucher, card.id).held_minor = 100
    clock.advance(minutes=2)

    scanned = till.post("/scans", {"barcode": card.barcode})
    body = {"items": [{"barcode": card.barcode, "amount": amount}]}
    redeemed = till.post("/redemptions", body)

    for answer in (scanned, redeemed):
        assert (answer.status_code, answer.get_json()["code"]) == (503, "unavailable")
    assert shop.row(card).balance_minor == 5000


def test_twins_get_one_answer(shop: Shop) -> None:
    shop.campaign(terms=Terms(uses=5))
    voucher = shop.voucher()
    tills, client = Tills(shop.deployment), _client(shop)
    redemption = Redemption(items=(ScannedItem(barcode=voucher.barcode),))
    answers: list[str] = []

    def redeem() -> None:
        answers.append(tills.redeem(client, "k", redemption, fingerprint=b"f").body)

    threads = [threading.Thread(target=redeem) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(answers) == 8
    assert len(set(answers)) == 1
    assert shop.row(voucher).used == 1


def test_guessing_is_stopped_and_costs_neighbours_and_genuine_passes_nothing(
    shop: Shop, client: FlaskClient, clock: Clock, deployment: Deployment
) -> None:
    shop.campaign(source=Source.LIST)
    genuine, by_code = shop.voucher(), shop.voucher(code="REAL-CODE")
    guesser = Till(client, shop.key(store="paris", terminal="1"))
    neighbour = Till(client, shop.key(store="paris", terminal="2"))

    for number in range(LIMITS["terminal"]):
        assert guesser.scan(f"GUESS{number}")["reason"] == "unknown_code"
    stopped = guesser.post("/redemptions", {"items": [{"barcode": "GUESS-X"}]}, key="k")
    right = guesser.post("/redemptions", {"items": [{"barcode": "REAL-CODE"}]}, key="k2")

    assert (stopped.status_code, right.status_code) == (429, 429)
    assert 0 < int(stopped.headers["Retry-After"]) <= 600
    assert neighbour.redeem("REAL-CODE")["outcome"] == "accepted"
    assert guesser.redeem(genuine.barcode)["outcome"] == "accepted"
    with deployment.database.read() as session:
        keys = session.scalars(select(IdempotencyRecord.key)).all()
        assert "k" not in keys
        assert "k2" not in keys
    clock.advance(minutes=11)
    assert guesser.redeem("REAL-CODE", key="k2")["reason"] == "already_redeemed"
    assert shop.row(by_code).used == 1


def test_typos_behind_one_address_stop_nobody_elsewhere(
    shop: Shop, client: FlaskClient, deployment: Deployment
) -> None:
    shop.campaign(source=Source.LIST)
    shop.campaign("card", kind="gift_card", terms=Terms(amount_minor=1_000), source=Source.LIST)
    card = shop.voucher("card", code="REAL-CARD")
    # All of them come from the same address, as behind a router or a proxy.
    for terminal in ("1", "2"):
        mistyping = Till(client, shop.key(store="paris", terminal=terminal))
        for number in range(LIMITS["terminal"]):
            assert mistyping.scan(f"REAL-{number}")["reason"] == "unknown_code"
    shop.store("lyon")

    elsewhere = Till(client, shop.key(store="lyon", terminal="1"))
    assert elsewhere.scan("REAL-CARD")["outcome"] == "accepted"
    assert shop.row(card).balance_minor == 1_000


def test_a_terminal_that_has_to_wait_stops_no_other_of_the_same_key(
    shop: Shop, client: FlaskClient
) -> None:
    shop.campaign(source=Source.LIST)
    shop.voucher(code="REAL-CODE")
    shared = Till(client, shop.key())
    for number in range(LIMITS["terminal"] + 1):
        shared.post("/scans", {"barcode": f"GUESS{number}", "store": "paris", "terminal": "1"})

    stopped = shared.post("/scans", {"barcode": "REAL-CODE", "store": "paris", "terminal": "1"})
    beside = shared.post("/scans", {"barcode": "REAL-CODE", "store": "paris", "terminal": "2"})
    other_key = Till(client, shop.key())
    same_name = other_key.post(
        "/scans", {"barcode": "REAL-CODE", "store": "paris", "terminal": "1"}
    )

    assert stopped.status_code == 429
    assert beside.get_json()["outcome"] == "accepted"
    assert same_name.get_json()["outcome"] == "accepted"


def test_wrong_keys_from_an_address_are_stopped_and_right_ones_are_not(
    shop: Shop, client: FlaskClient, clock: Clock
) -> None:
    shop.campaign()
    till = Till(client, shop.key(store="paris", terminal="1"))
    wrong = {"Authorization": "Bearer pk_" + "a" * 8 + "_" + "b" * 32}
    for _ in range(LIMITS["address"]):
        assert client.get("/pos/v1/till", headers=wrong).status_code == 401

    stopped = client.get("/pos/v1/till", headers=wrong)
    elsewhere = client.get(
        "/pos/v1/till", headers=wrong, environ_overrides={"REMOTE_ADDR": "192.0.2.7"}
    )

    assert (stopped.status_code, stopped.get_json()["code"]) == (429, "guessing")
    assert 0 < int(stopped.headers["Retry-After"]) <= 600
    assert elsewhere.status_code == 401
    assert till.redeem(shop.voucher().barcode)["outcome"] == "accepted"
    clock.advance(minutes=11)
    assert client.get("/pos/v1/till", headers=wrong).status_code == 401


def test_supervisor_sets_named_refusals_aside_and_says_why(
    shop: Shop, client: FlaskClient, deployment: Deployment
) -> None:
    half = Benefit(type=BenefitType.AMOUNT, minor=150)
    shop.campaign(terms=Terms(benefit=half, products=Products(skus=("SHOE",))))
    voucher = shop.voucher(ends_at=deployment.now())
    body = {
        "basket": {"currency": "EUR", "lines": [{"id": "1", "sku": "HAT", "amount_minor": 900}]},
        "override": {
            "reasons": ["expired", "products_not_eligible", "already_redeemed"],
            "because": "wrong date printed",
        },
    }
    till = Till(client, shop.key(store="paris", terminal="1"))
    boss = Till(client, shop.key(Scope.POS, Scope.POS_SUPERVISOR, store="paris", terminal="1"))

    items = [{"barcode": voucher.barcode}]
    assert till.post("/redemptions", {"items": items, **body}).status_code == 403
    part = {**body, "override": {"reasons": ["expired"], "because": "x"}}
    assert boss.redeem(voucher.barcode, **part)["reason"] == "products_not_eligible"
    accepted = boss.redeem(voucher.barcode, **body)
    again = boss.redeem(voucher.barcode, **body)

    assert accepted["discount_minor"] == 150
    # A counter is never set aside.
    assert again["reason"] == "already_redeemed"
    with deployment.database.read() as session:
        entry = session.scalars(select(Entry)).one()
        assert entry.reason == "wrong date printed"
        assert entry.details == {"overridden": ["expired", "products_not_eligible"]}


def test_coupon_that_stands_alone_stands_alone_on_its_receipt(
    shop: Shop, client: FlaskClient
) -> None:
    shop.campaign()
    shop.campaign("alone", terms=Terms(combinable=False))
    till = Till(client, shop.key(store="paris", terminal="1"))

    assert till.redeem(shop.voucher().barcode, receipt="R1", key="k")["outcome"] == "accepted"
    alone = shop.voucher("alone")
    assert till.redeem(alone.barcode, receipt="R1")["reason"] == "not_combinable"
    assert till.redeem(alone.barcode, receipt="R2")["outcome"] == "accepted"
    assert till.redeem(shop.voucher().barcode, receipt="R2")["reason"] == "not_combinable"
    till.reverse(key="k")
    assert till.redeem(shop.voucher("alone").barcode, receipt="R1")["outcome"] == "accepted"


def test_keys_are_forgotten_after_ninety_days(
    shop: Shop, client: FlaskClient, clock: Clock
) -> None:
    tills = Tills(shop.deployment)
    Till(client, shop.key()).redeem("NOPE", key="k")

    clock.advance(days=89)
    assert tills.forget() == 0
    clock.advance(days=2)
    assert tills.forget() == 1
    # One of the key and one of the beginning of the code.
    assert shop.deployment.guesses.forget(now=clock()) == 2


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("asks", [None, dt.timedelta(minutes=5)])
@pytest.mark.parametrize(
    ("rival", "reason"),
    [(None, "already_redeemed"), (dt.timedelta(minutes=5), "held_elsewhere")],
)
def test_who_loses_a_race_for_a_coupon_is_told_what_the_winner_did(
    shop: Shop, asks: dt.timedelta | None, rival: dt.timedelta | None, reason: str
) -> None:
    """The rival comes between this call's decision and its guard."""
    shop.campaign()
    voucher = shop.voucher()
    tills, client = Tills(shop.deployment), _client(shop)
    came: list[str] = []

    def redeem(name: str, hold: dt.timedelta | None) -> str:
        redemption = Redemption(items=(ScannedItem(barcode=voucher.barcode),), hold=hold)
        return tills.redeem(client, name, redemption, fingerprint=b"f").body

    @event.listens_for(shop.deployment.database.engine, "before_cursor_execute")
    def overtake(_c: Any, _cur: Any, statement: str, *_: Any) -> None:
        if statement.startswith("UPDATE voucher") and not came:
            came.append("now")
            came.append(redeem("rival", rival))

    answer = json.loads(redeem("ours", asks))

    assert '"accepted"' in came[1]
    assert answer["reason"] == reason
