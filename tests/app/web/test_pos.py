"""Tills scan and redeem over HTTP, on both databases."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from app.domain.campaign import Benefit, BenefitType, Source, Terms
from app.services.deployment import Deployment
from app.store.models import Entry, Event, IdempotencyRecord
from tests.shop import Shop, Till


def test_coupon_is_redeemed_once_and_everything_is_recorded_together(
    shop: Shop, till: Till, deployment: Deployment
) -> None:
    shop.campaign()
    voucher = shop.voucher()

    first = till.redeem(voucher.barcode, receipt="R1", operator="anna")
    second = till.redeem(voucher.barcode)

    assert first["outcome"] == "accepted"
    assert first["redemptions"][0]["voucher"]["uses_left"] == 0
    assert (second["outcome"], second["reason"]) == ("refused", "already_redeemed")
    row = shop.row(voucher)
    assert (row.used, row.version, row.events) == (1, 2, 2)
    with deployment.database.read() as session:
        entry = session.scalars(select(Entry)).one()
        assert (entry.kind, entry.uses, entry.operator, entry.receipt) == (
            "redemption",
            1,
            "anna",
            "R1",
        )
        assert str(entry.id) == first["redemptions"][0]["redemption_id"]
        kinds = session.execute(select(Event.kind, Event.number).order_by(Event.number)).all()
        assert [tuple(kind) for kind in kinds] == [("redeemed", 1), ("refused", 2)]
        assert session.scalar(select(func.count()).select_from(IdempotencyRecord)) == 2


def test_gift_card_is_spent_in_parts_until_nothing_is_left(shop: Shop, till: Till) -> None:
    shop.campaign("birthday", kind="gift_card", terms=Terms(amount_minor=2_500))
    card = shop.voucher("birthday")

    first = till.redeem(card.barcode, amount={"minor": 1_999, "currency": "EUR"})
    short = till.redeem(card.barcode, amount={"minor": 502, "currency": "EUR"})
    wrong = till.redeem(card.barcode, amount={"minor": 1, "currency": "CHF"})
    rest = till.redeem(card.barcode, amount={"minor": 501, "currency": "EUR"})

    assert first["redemptions"][0]["applied_minor"] == 1_999
    assert first["redemptions"][0]["voucher"]["available_minor"] == 501
    assert (short["reason"], short["details"]["available_minor"]) == ("insufficient_balance", 501)
    assert wrong["reason"] == "currency_mismatch"
    assert rest["redemptions"][0]["voucher"]["balance_minor"] == 0
    assert shop.row(card).version == 3


def test_same_key_and_body_get_the_same_answer_byte_for_byte(shop: Shop, till: Till) -> None:
    shop.campaign()
    voucher = shop.voucher()
    body = {"items": [{"barcode": voucher.barcode}]}
    key = uuid.uuid4().hex

    first = till.post("/redemptions", body, key=key)
    again = till.post("/redemptions", body, key=key)
    other = till.post("/redemptions", {**body, "receipt": "R2"}, key=key)
    refused = till.post("/redemptions", body, key="another")
    refused_again = till.post("/redemptions", body, key="another")

    assert first.status_code == again.status_code == 200
    assert again.get_data() == first.get_data()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert (other.status_code, other.get_json()["code"]) == (422, "idempotency_key_reused")
    assert refused.get_json()["outcome"] == "refused"
    assert refused_again.get_data() == refused.get_data()
    assert shop.row(voucher).used == 1


def test_write_without_a_key_is_a_problem_and_takes_nothing(shop: Shop, till: Till) -> None:
    shop.campaign()
    voucher = shop.voucher()

    answer = till.post("/redemptions", {"items": [{"barcode": voucher.barcode}]}, key="")

    assert (answer.status_code, answer.get_json()["code"]) == (400, "idempotency_key_required")
    assert shop.row(voucher).used == 0


def test_scan_tells_what_would_happen_and_takes_nothing(
    shop: Shop, till: Till, deployment: Deployment
) -> None:
    shop.campaign(
        terms=Terms(benefit=Benefit(type=BenefitType.AMOUNT, minor=500)),
    )
    voucher = shop.voucher(code="SUN-2026")

    scanned = till.scan(
        voucher.barcode,
        basket={"currency": "EUR", "lines": [{"id": "1", "amount_minor": 2_000}]},
    )

    assert scanned["outcome"] == "accepted"
    assert scanned["discount"] == {
        "minor": 500,
        "currency": "EUR",
        "lines": [{"id": "1", "minor": 500}],
    }
    assert shop.row(voucher).used == 0
    assert shop.row(voucher).version == 1
    with deployment.database.read() as session:
        assert session.scalars(select(Event.kind)).all() == ["scanned"]


@pytest.mark.parametrize("typed", ["SUN-2026", "sun 2026\r\n", "]C1sun2026", "\tSun-2026 "])
def test_code_is_accepted_as_typed_and_as_scanners_send_it(
    shop: Shop, till: Till, typed: str
) -> None:
    shop.campaign()
    voucher = shop.voucher(code="SUN-2026")

    assert till.redeem(typed)["outcome"] == "accepted"
    assert shop.row(voucher).used == 1


def test_code_that_nobody_holds_is_good_once(shop: Shop, till: Till) -> None:
    shop.campaign(source=Source.LIST)
    shop.code("LIST0001")

    assert till.scan("LIST0001")["outcome"] == "accepted"
    assert till.redeem("list0001")["outcome"] == "accepted"
    assert till.redeem("LIST0001")["reason"] == "already_redeemed"


def test_bare_shared_code_is_good_up_to_its_limit_beside_passes(shop: Shop, till: Till) -> None:
    shop.campaign(source=Source.SHARED)
    code_id = shop.code("SUMMER", limit=3)
    passes = shop.voucher(code_id=code_id, recipient_id=shop.recipient("r1"))

    assert till.redeem("SUMMER")["outcome"] == "accepted"
    assert till.redeem(passes.barcode)["outcome"] == "accepted"
    assert till.redeem("SUMMER")["outcome"] == "accepted"
    assert till.redeem("SUMMER")["reason"] == "limit_reached"
    assert shop.row(passes).used == 1


def test_all_or_nothing(shop: Shop, till: Till) -> None:
    shop.campaign()
    good, used = shop.voucher(), shop.voucher()
    till.redeem(used.barcode)

    answer = till.redeem(good.barcode, used.barcode)

    assert (answer["outcome"], answer["item"]) == ("refused", 1)
    assert shop.row(good).used == 0
    assert till.redeem(good.barcode)["outcome"] == "accepted"


def test_expired_and_unknown_are_refusals_with_texts(shop: Shop, till: Till) -> None:
    shop.campaign()
    now = shop.deployment.now()
    old = shop.voucher(ends_at=now - dt.timedelta(days=1))

    expired, unknown = till.redeem(old.barcode), till.redeem("NOSUCHCODE")

    assert (expired["reason"], unknown["reason"]) == ("expired", "unknown_code")
    assert expired["cashier_text"]
    assert expired["customer_text"]


def test_till_needs_a_key_with_its_scope(shop: Shop, client: FlaskClient) -> None:
    from app.services.access import Scope

    body = {"items": [{"barcode": "X"}]}
    none = client.post("/pos/v1/redemptions", json=body)
    other = Till(client, shop.key(Scope.REPORT)).post("/redemptions", body)

    assert (none.status_code, other.status_code) == (401, 403)
