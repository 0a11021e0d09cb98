"""The customer's door: a page, a pass that openssl verifies, a barcode that a scanner reads."""

import base64
import json
from decimal import Decimal
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from app.domain.campaign import Benefit, BenefitType, Terms, Texts
from app.services import presenting
from app.services.deployment import Deployment
from tests.storefront import Storefront, days
from tests.verifying import is_genuine, pass_json, read_barcode


def test_the_pass_behind_a_link_is_signed_and_its_barcode_is_the_vouchers(
    client: FlaskClient, shop: Storefront, certs: Path
) -> None:
    issued = shop.voucher(shop.campaign())
    answer = client.get(f"/p/{issued.link}/apple")

    assert answer.mimetype == "application/vnd.apple.pkpass"
    assert answer.headers["Cache-Control"] == "no-store"
    document = pass_json(answer.data)
    assert document["serialNumber"] == issued.serial
    assert document["barcodes"][0]["message"] == issued.barcode
    assert document["barcodes"][0]["altText"] == issued.code
    assert str(document["webServiceURL"]).endswith("/apple")
    assert is_genuine(answer.data, root=certs / "apple" / "root.pem")


def test_a_used_coupon_and_a_spent_card_say_so_on_the_pass_fetched_again(
    client: FlaskClient, shop: Storefront
) -> None:
    coupon = shop.voucher(shop.campaign())
    card = shop.voucher(shop.campaign("gift_card"))
    assert not pass_json(client.get(f"/p/{coupon.link}/apple").data).get("voided")

    shop.set(coupon.id, used=1)
    shop.set(card.id, balance_minor=250)

    assert pass_json(client.get(f"/p/{coupon.link}/apple").data)["voided"] is True
    document = json.dumps(pass_json(client.get(f"/p/{card.link}/apple").data))
    assert "storeCard" in document
    assert "2.5" in document


def test_the_barcode_picture_reads_as_the_payload(client: FlaskClient, shop: Storefront) -> None:
    issued = shop.voucher(shop.campaign())

    assert read_barcode(client.get(f"/p/{issued.link}/code.png").data) == issued.barcode


def test_the_google_link_of_a_gift_card_holds_neither_number_nor_pin(
    client: FlaskClient, shop: Storefront
) -> None:
    card = shop.voucher(shop.campaign("gift_card"), code="CARD-4711-0815", pin="9876")
    target = client.get(f"/p/{card.link}/google").headers["Location"]

    assert target.startswith("https://pay.google.com/gp/v/save/")
    claims = target.rsplit(".", 2)[1]
    assert b"4711" not in _b64(claims)
    assert b"9876" not in _b64(claims)
    assert len(target) < 1900


def _b64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.mark.parametrize("path", ["", "/apple", "/google", "/code.png"])
def test_links_that_are_altered_or_withdrawn_get_one_answer(
    client: FlaskClient, shop: Storefront, deployment: Deployment, path: str
) -> None:
    issued = shop.voucher(shop.campaign())
    withdrawn = shop.voucher(shop.campaign(), link_withdrawn_at=deployment.now())
    altered = ("a" if issued.link[-1] != "a" else "b").join((issued.link[:-1], ""))

    answers = {
        (answer.status_code, answer.get_json()["detail"])
        for link in (altered, withdrawn.link, issued.link.upper(), "x", issued.serial)
        if (answer := client.get(f"/p/{link}{path}"))
    }

    assert len(answers) == 1
    assert next(iter(answers))[0] == 404
    assert client.get(f"/p/{issued.link}{path}").status_code in (200, 302)


def test_a_get_changes_nothing(
    client: FlaskClient, shop: Storefront, deployment: Deployment
) -> None:
    issued = shop.voucher(shop.campaign())
    for path in ("", "/apple", "/google", "/code.png"):
        client.get(f"/p/{issued.link}{path}")
    with deployment.database.read() as session:
        holding = presenting.find(session, issued.public_id)
    assert holding is not None
    assert holding.pair == (1, 1)


def test_a_holder_keeps_reading_the_offer_that_the_till_honours(
    client: FlaskClient, shop: Storefront
) -> None:
    campaign = shop.campaign()
    before = shop.voucher(campaign)
    shop.revise(
        campaign,
        terms=Terms(benefit=Benefit(type=BenefitType.PERCENT, percent=Decimal(30))),
        texts={"en": Texts(title="Now more", offer="−30 %")},
    )
    after = shop.voucher(campaign)

    assert "−20 %" in str(pass_json(client.get(f"/p/{before.link}/apple").data))
    assert "−30 %" in str(pass_json(client.get(f"/p/{after.link}/apple").data))
    assert "Now more" in str(pass_json(client.get(f"/p/{before.link}/apple").data))


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"used": 1}, "used"),
        ({"status": "revoked"}, "withdrawn"),
        ({"ends_at": -1}, "expired"),
        ({"starts_at": 1}, "not_yet_valid"),
        ({}, "active"),
    ],
)
def test_a_voucher_has_the_status_of_its_moment(
    shop: Storefront, deployment: Deployment, changes: dict[str, object], status: str
) -> None:
    changes = {
        name: deployment.now() + days(value) if isinstance(value, int) and name != "used" else value
        for name, value in changes.items()
    }
    issued = shop.voucher(shop.campaign(), **changes)
    with deployment.database.read() as session:
        holding = presenting.find(session, issued.public_id)

    assert holding is not None
    assert holding.status(deployment.now()).value == status
