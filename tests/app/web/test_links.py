"""The customer's door: a page, a pass that openssl verifies, a barcode that a scanner reads."""

import base64
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from app.domain.campaign import (
    BarcodeProfile,
    Benefit,
    BenefitType,
    Place,
    Presentation,
    Terms,
    Texts,
)
from app.services.deployment import Deployment
from app.services.wallets import holdings
from app.store.models import GoogleObject, Recipient, Voucher
from tests.storefront import TEXTS, Storefront, days
from tests.verifying import is_genuine, pass_json, read_barcode


def test_the_pass_behind_a_link_is_signed_and_its_barcode_is_the_vouchers(
    client: FlaskClient, storefront: Storefront, certs: Path
) -> None:
    issued = storefront.voucher(storefront.campaign())
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
    client: FlaskClient, storefront: Storefront
) -> None:
    coupon = storefront.voucher(storefront.campaign())
    card = storefront.voucher(storefront.campaign("gift_card"))
    assert not pass_json(client.get(f"/p/{coupon.link}/apple").data).get("voided")

    storefront.set(coupon.id, used=1)
    storefront.set(card.id, balance_minor=250)

    assert pass_json(client.get(f"/p/{coupon.link}/apple").data)["voided"] is True
    document = json.dumps(pass_json(client.get(f"/p/{card.link}/apple").data))
    assert "storeCard" in document
    assert "2.5" in document


def test_the_barcode_picture_reads_as_the_payload(
    client: FlaskClient, storefront: Storefront
) -> None:
    issued = storefront.voucher(storefront.campaign())

    assert read_barcode(client.get(f"/p/{issued.link}/code.png").data) == issued.barcode


def test_the_google_link_of_a_gift_card_holds_neither_number_nor_pin(
    client: FlaskClient, storefront: Storefront
) -> None:
    card = storefront.voucher(storefront.campaign("gift_card"), code="CARD-4711-0815", pin="9876")
    early = client.get(f"/p/{card.link}/google")
    assert early.status_code == 503
    assert early.headers["Retry-After"] == "2"
    assert "Location" not in early.headers
    with storefront.deployment.database.write() as session:
        session.execute(
            update(GoogleObject).values(status="inserted", sent_voucher=1, sent_campaign=1)
        )
    target = client.get(f"/p/{card.link}/google").headers["Location"]

    assert target.startswith("https://pay.google.com/gp/v/save/")
    claims = target.rsplit(".", 2)[1]
    assert b"4711" not in _b64(claims)
    assert b"9876" not in _b64(claims)
    assert len(target) < 1900


def _b64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


DOORS = ["", "/apple", "/google", "/code.png", "/pass.png", "/logo.png"]


@pytest.mark.parametrize("path", DOORS)
def test_links_that_are_no_links_get_one_answer(
    client: FlaskClient, storefront: Storefront, path: str
) -> None:
    issued = storefront.voucher(storefront.campaign())
    answers = {
        (answer.status_code, answer.data)
        for link in (
            _altered(issued.link, 31),
            issued.link.upper(),
            "x",
            issued.serial,
            f"{issued.link}.",
            f"{issued.link}.{_altered(issued.link, 9)}",
            issued.barcode.lower(),
        )
        if (answer := client.get(f"/p/{link}{path}"))
    }

    assert [status for status, _ in answers] == [404]
    assert client.get(f"/p/{issued.link}{path}").status_code in (200, 302)


def _altered(link: str, place: int, by: int = 1) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    other = letters[(letters.index(link[place]) + by) % 32]
    return link[:place] + other + link[place + 1 :]


def test_a_link_altered_in_any_character_is_refused_like_an_unknown_one(
    client: FlaskClient, storefront: Storefront
) -> None:
    link = storefront.voucher(storefront.campaign()).link
    unknown = client.get("/p/nothing")

    for place in range(len(link)):
        for by in (1, 2, 4, 8, 16):  # each single bit, and others
            answer = client.get(f"/p/{_altered(link, place, by)}")
            assert (answer.status_code, answer.data) == (404, unknown.data)


@pytest.mark.parametrize("path", DOORS)
def test_a_genuine_link_that_was_withdrawn_says_so_and_shows_nothing_else(
    client: FlaskClient, storefront: Storefront, deployment: Deployment, path: str
) -> None:
    withdrawn = storefront.voucher(storefront.campaign(), link_withdrawn_at=deployment.now())
    answer = client.get(f"/p/{withdrawn.link}{path}", headers={"Accept-Language": "fr"})

    assert answer.status_code == 410
    assert "Ce lien a été retiré" in answer.text
    assert withdrawn.code not in answer.text
    assert "−20" not in answer.text


def test_a_get_changes_nothing(
    client: FlaskClient, storefront: Storefront, deployment: Deployment
) -> None:
    issued = storefront.voucher(storefront.campaign())
    for path in DOORS:
        client.get(f"/p/{issued.link}{path}")
    with deployment.database.read() as session:
        holding = holdings.find(session, issued.public_id)
    assert holding is not None
    assert holding.pair == (1, 1)


def test_a_holder_keeps_reading_the_offer_that_the_till_honours(
    client: FlaskClient, storefront: Storefront
) -> None:
    campaign = storefront.campaign()
    before = storefront.voucher(campaign)
    storefront.revise(
        campaign,
        terms=Terms(benefit=Benefit(type=BenefitType.PERCENT, percent=Decimal(30))),
        texts={"en": Texts(title="Now more", offer="−30 %")},
    )
    after = storefront.voucher(campaign)

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
    storefront: Storefront, deployment: Deployment, changes: dict[str, object], status: str
) -> None:
    changes = {
        name: deployment.now() + days(value) if isinstance(value, int) and name != "used" else value
        for name, value in changes.items()
    }
    issued = storefront.voucher(storefront.campaign(), **changes)
    with deployment.database.read() as session:
        holding = holdings.find(session, issued.public_id)

    assert holding is not None
    assert holding.status(deployment.now()).value == status


def test_a_campaign_whose_tills_know_only_codes_shows_the_bare_code_as_qr_unless_it_says_otherwise(
    client: FlaskClient, storefront: Storefront
) -> None:
    issued = storefront.voucher(
        storefront.campaign(presentation=Presentation(texts=TEXTS, barcode=BarcodeProfile.CODE)),
        code="SHOP-20-7H4K",
    )
    (shown,) = pass_json(client.get(f"/p/{issued.link}/apple").data)["barcodes"]

    assert (shown["message"], shown["format"]) == ("SHOP-20-7H4K", "PKBarcodeFormatQR")
    assert read_barcode(client.get(f"/p/{issued.link}/code.png").data) == "SHOP-20-7H4K"


def test_of_many_stores_each_pass_names_the_ten_nearest_to_its_holder(
    client: FlaskClient, storefront: Storefront, deployment: Deployment
) -> None:
    # A store on every degree of longitude from Brest's to beyond Strasbourg's.
    stores = tuple(Place(latitude=48.0, longitude=float(degree)) for degree in range(-5, 20))
    campaign = storefront.campaign(presentation=Presentation(texts=TEXTS, places=stores))

    def shown(**attributes: Any) -> list[float]:
        issued = storefront.voucher(campaign)
        with deployment.database.write() as session:
            session.execute(
                update(Recipient)
                .where(Recipient.id == session.get_one(Voucher, issued.id).recipient_id)
                .values(attributes=attributes)
            )
        document = pass_json(client.get(f"/p/{issued.link}/apple").data)
        return [place["longitude"] for place in document["locations"]]

    strasbourg = shown(latitude=48.58, longitude=7.75)
    assert strasbourg[:3] == [8.0, 7.0, 9.0]
    assert sorted(strasbourg) == [float(degree) for degree in range(3, 13)]
    assert sorted(shown(latitude="48.39", longitude="-4.49")) == [
        float(degree) for degree in range(-5, 5)
    ]
    first = [float(degree) for degree in range(-5, 5)]
    assert shown() == shown(latitude="in Lyon", longitude=4.8) == first
