"""The stand-in behaves as Google's wallet does towards phones and towards the issuer's server."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from app.sandbox.android import AndroidPhone, NotSavedError
from app.sandbox.google import GoogleRefusal, GoogleStandIn
from tests.conftest import Clock
from tests.google_wire import EMAIL, ISSUER, account_key, google

CLASS: dict[str, Any] = {
    "id": f"{ISSUER}.gift",
    "issuerName": "Corner Shop",
    "merchantName": "Corner Shop",
    "reviewStatus": "UNDER_REVIEW",
    "multipleDevicesAndHoldersAllowedStatus": "ONE_USER_ALL_DEVICES",
}
OBJECT: dict[str, Any] = {
    "id": f"{ISSUER}.g-1",
    "classId": CLASS["id"],
    "state": "ACTIVE",
    "cardNumber": "6000 1234",
    "barcode": {"type": "QR_CODE", "value": "ABC"},
    "balance": {"micros": "25000000", "currencyCode": "EUR"},
    "balanceUpdateTime": {"date": "2026-11-21T10:00:00Z"},
}


@pytest.fixture
def wire(clock: Clock) -> Iterator[GoogleStandIn]:
    with google(clock=clock) as stand_in:
        yield stand_in


class Site:
    """A web server that plays the issuer: one picture, and a place for callbacks."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.statuses: list[int] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(200 if self.path == "/a/logo.png" else 404, b"\x89PNG")

            def do_POST(self) -> None:
                site.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                self._answer(site.statuses.pop(0) if site.statuses else 200, b"")

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "image/png")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"https://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    thread = threading.Thread(target=site.server.serve_forever, args=(0.02,))
    thread.start()
    yield site
    site.server.shutdown()
    site.server.server_close()
    thread.join()


def link(
    wire: GoogleStandIn, payload: dict[str, Any], *, key: rsa.RSAPrivateKey | None = None
) -> str:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    issued = int(wire._clock().timestamp())
    claims = {"iss": EMAIL, "aud": "google", "typ": "savetowallet", "iat": issued}
    signed = f"{part({'alg': 'RS256', 'typ': 'JWT'})}.{part({**claims, 'payload': payload})}"
    signature = (key or account_key()).sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    encoded = base64.urlsafe_b64encode(signature).rstrip(b"=").decode()
    return f"{wire.save_url}{signed}.{encoded}"


def by_id(wire: GoogleStandIn) -> str:
    return link(wire, {"giftCardObjects": [{"id": OBJECT["id"], "classId": OBJECT["classId"]}]})


def test_a_phone_saves_from_a_link_shows_the_pass_and_deletes_it(
    wire: GoogleStandIn, site: Site
) -> None:
    wire.store.insert("giftCardClass", CLASS | {"callbackOptions": {"url": f"{site.url}/back"}})
    wire.store.insert("giftCardObject", OBJECT)
    phone = AndroidPhone(wire.url, user="anna")
    with phone:
        assert phone.save(by_id(wire)) == (OBJECT["id"],)
        shown = phone.passes()[OBJECT["id"]]
        assert (shown.title, shown.state, shown.barcode) == ("Corner Shop", "ACTIVE", "ABC")
        assert (shown.balance_micros, shown.currency) == (25_000_000, "EUR")
        wire.store.change("giftCardObject", OBJECT["id"], {"state": "COMPLETED"}, whole=False)
        assert phone.passes()[OBJECT["id"]].state == "COMPLETED"
        phone.delete(OBJECT["id"])
        assert phone.passes() == {}
    wire.sender.settle()
    events = [json.loads(json.loads(body)["signedMessage"])["eventType"] for body in site.bodies]
    assert events == ["save", "del"]


def test_a_link_with_a_foreign_signature_saves_nothing(wire: GoogleStandIn) -> None:
    wire.store.insert("giftCardClass", CLASS)
    wire.store.insert("giftCardObject", OBJECT)
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    forged = link(wire, {"giftCardObjects": [{"id": OBJECT["id"]}]}, key=stranger)
    with AndroidPhone(wire.url, user="anna") as phone:
        with pytest.raises(NotSavedError, match="signature"):
            phone.save(forged)
        assert phone.passes() == {}


def test_a_link_longer_than_1800_characters_is_cut_off(wire: GoogleStandIn) -> None:
    with AndroidPhone(wire.url, user="anna") as phone, pytest.raises(NotSavedError, match="1800"):
        phone.save(link(wire, {"giftCardObjects": [OBJECT | {"pin": "1" * 1500}]}))


def test_a_link_that_carries_the_object_inserts_it_but_never_changes_it(
    wire: GoogleStandIn,
) -> None:
    wire.store.insert("giftCardClass", CLASS)
    with AndroidPhone(wire.url, user="anna") as phone:
        phone.save(link(wire, {"giftCardObjects": [OBJECT]}))
        phone.save(link(wire, {"giftCardObjects": [OBJECT | {"state": "EXPIRED"}]}))
        assert phone.passes()[OBJECT["id"]].state == "ACTIVE"


def test_an_id_only_link_to_an_object_that_was_never_inserted_fails(wire: GoogleStandIn) -> None:
    with (
        AndroidPhone(wire.url, user="anna") as phone,
        pytest.raises(NotSavedError, match="not found"),
    ):
        phone.save(by_id(wire))


def test_one_user_objects_are_saved_by_one_user(wire: GoogleStandIn) -> None:
    wire.store.insert("giftCardClass", CLASS)
    wire.store.insert("giftCardObject", OBJECT)
    with AndroidPhone(wire.url, user="anna") as anna, AndroidPhone(wire.url, user="bob") as bob:
        anna.save(by_id(wire))
        anna.save(by_id(wire))
        with pytest.raises(NotSavedError, match="somebody else"):
            bob.save(by_id(wire))


def test_a_callback_is_repeated_until_it_is_taken_and_doubled_on_command(
    wire: GoogleStandIn, site: Site
) -> None:
    wire.store.insert("giftCardClass", CLASS | {"callbackOptions": {"url": f"{site.url}/back"}})
    wire.store.insert("giftCardObject", OBJECT)
    site.statuses = [500, 503]
    wire.sender.pause = 0.01
    with AndroidPhone(wire.url, user="anna") as phone:
        phone.save(by_id(wire))
        wire.sender.settle()
        assert len(site.bodies) == 3
        assert len(set(site.bodies)) == 1
        wire.sender.doubled = True
        phone.delete(OBJECT["id"])
    wire.sender.settle()
    assert len(site.bodies) == 5
    assert site.bodies[3] == site.bodies[4]


def test_pictures_are_fetched_and_one_that_is_missing_refuses_the_class(
    wire: GoogleStandIn, site: Site
) -> None:
    def with_logo(uri: str) -> dict[str, Any]:
        return CLASS | {"programLogo": {"sourceUri": {"uri": uri}}}

    for uri in (f"{site.url}/a/missing.png", "https://example.com/logo.png"):
        with pytest.raises(GoogleRefusal, match="Image cannot be loaded"):
            wire.store.insert("giftCardClass", with_logo(uri))
    wire.store.insert("giftCardClass", with_logo(f"{site.url}/a/logo.png"))
    assert list(wire.store.pictures) == [f"{site.url}/a/logo.png"]


def test_a_draft_class_lets_nobody_save(wire: GoogleStandIn) -> None:
    wire.store.insert("giftCardClass", CLASS | {"reviewStatus": "DRAFT"})
    wire.store.insert("giftCardObject", OBJECT)
    with AndroidPhone(wire.url, user="anna") as phone, pytest.raises(NotSavedError, match="draft"):
        phone.save(by_id(wire))


def test_an_object_carries_ten_messages_at_most(wire: GoogleStandIn, clock: Clock) -> None:
    wire.store.insert("giftCardClass", CLASS)
    wire.store.insert("giftCardObject", OBJECT)
    for number in range(10):
        silent = {"id": str(number), "body": "News", "messageType": "TEXT"}
        wire.store.add_message("giftCardObject", OBJECT["id"], silent)
        clock.advance(hours=1)
    with pytest.raises(GoogleRefusal, match="10 messages"):
        wire.store.add_message("giftCardObject", OBJECT["id"], {"body": "One more"})


def test_a_person_saves_in_a_browser_and_sees_the_phone_change(wire: GoogleStandIn) -> None:
    wire.store.insert("giftCardClass", CLASS)
    wire.store.insert("giftCardObject", OBJECT)
    jwt = by_id(wire).removeprefix(wire.save_url)
    assert f'action="/phone/save/{jwt}"' in requests.get(by_id(wire), timeout=30).text
    saved = requests.post(f"{wire.url}/phone/save/{jwt}", timeout=30)
    assert saved.url == f"{wire.url}/phone"
    assert "Balance 25.00 EUR" in saved.text
    wire.store.change("giftCardObject", OBJECT["id"], {"state": "COMPLETED"}, whole=False)
    assert "<strong>Used</strong>" in requests.get(f"{wire.url}/phone", timeout=30).text
