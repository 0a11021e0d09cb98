"""What comes in, at every door, and answers that break while they are sent."""

from __future__ import annotations

import json
from collections.abc import Iterator, MutableMapping
from importlib import import_module
from typing import Any

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient
from sqlalchemy import update

from app.services import people
from app.services.access import Scope
from app.services.deployment import Deployment
from app.services.issuance import Person
from app.store.models import Recipient
from app.store.session import Unavailable
from app.web.answers import CSV, NDJSON, PIECE, streamed
from tests.shop import Shop, Till
from tests.storefront import Storefront


@pytest.fixture
def marketer(deployment: Deployment, app: Flask) -> FlaskClient:
    client = app.test_client()
    key = Shop(deployment).key(*Scope)
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {key}"
    return client


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "body", [b"[" * 30_000, b'{"a":' * 30_000 + b"1" + b"}" * 30_000, b"NaN", b'{"a":NaN}', b"\xff"]
)
def test_what_is_no_json_is_a_bad_request(marketer: FlaskClient, body: bytes) -> None:
    answer = marketer.post("/api/v1/vouchers", data=body, content_type="application/json")

    assert (answer.status_code, answer.get_json()["code"]) == (400, "bad_request")


@pytest.mark.parametrize(
    ("member", "cause"),
    [
        ('"a\\u0000b"', "has the character U+0000, which no text may have"),
        ("9223372036854775808", "is an integer of more than 64 bits"),
        ("18446744073709551616", "is a number of more than 64 bits"),
    ],
)
def test_refused_members_are_named(marketer: FlaskClient, member: str, cause: str) -> None:
    body = f'{{"recipients": [{{"external_id": "p", "attributes": {{"size": {member}}}}}]}}'

    answer = marketer.post("/api/v1/recipients", data=body, content_type="application/json")

    place = "body.recipients.0.attributes.size"
    assert answer.status_code == 422
    assert answer.get_json()["errors"] == [{"at": place, "cause": cause}]


def test_json_within_a_text_does_not_pass_the_gate(marketer: FlaskClient) -> None:
    inner = '{"recipients": [{"external_id": "p", "attributes": {"size": "\\u0000"}}]}'

    answer = marketer.post("/api/v1/recipients", json=inner)

    assert answer.status_code == 422
    assert answer.get_json()["errors"][0]["cause"] == "is a text and not an object"


@pytest.mark.parametrize(
    "address",
    [
        "/p/a%00b",
        "/c/sun%00/x",
        "/a/%00.png",
        "/apple/v1/devices/a%00/registrations/pass.example.passerelle",
        "/api/v1/recipients/a%00b",
        "/api/v1/webhooks/%00",
    ],
)
def test_an_address_with_nul_names_nothing(marketer: FlaskClient, address: str) -> None:
    assert marketer.get(address).status_code == 404


def test_a_query_with_nul_is_refused(marketer: FlaskClient) -> None:
    answer = marketer.get("/api/v1/redemptions/conflicts?campaign=a%00b")

    assert answer.status_code == 422
    assert answer.get_json()["errors"][0]["at"] == "query.campaign"


def test_who_has_no_key_is_asked_for_it_first(client: FlaskClient) -> None:
    assert client.post("/api/v1/vouchers", data=b"[" * 30_000).status_code == 401
    assert client.get("/api/v1/webhooks/%00").status_code == 401


def test_a_scanner_may_add_control_characters(deployment: Deployment, client: FlaskClient) -> None:
    shop = Shop(deployment)
    shop.campaign()
    shop.store()
    voucher = shop.voucher()
    till = Till(client, shop.key(store="paris", terminal="1"))

    assert till.redeem(f"\x02{voucher.barcode}\x03\r")["outcome"] == "accepted"


def test_what_an_earlier_release_let_in_is_still_told(
    marketer: FlaskClient, deployment: Deployment
) -> None:
    storefront = Storefront(deployment)
    issued = storefront.voucher(storefront.campaign(key="sun"))
    with deployment.database.write() as session:
        session.execute(update(Recipient).values(attributes={"size": 2**70}))
        name = session.query(Recipient.external_id).scalar()

    rows = marketer.get("/api/v1/campaigns/sun/people?format=json")
    table = marketer.get("/api/v1/campaigns/sun/people")
    held = marketer.get(f"/api/v1/recipients/{name}")

    assert json.loads(rows.data)["attributes"] == {"size": 2**70}
    assert str(2**70) in table.text
    assert str(2**70) in held.text
    assert issued.serial in table.text


def test_rendering_of_something_that_fails_is_no_empty_answer(
    marketer: FlaskClient, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    Storefront(deployment).campaign(key="sun")

    def fails(*_: Any, **_named: Any) -> Iterator[Any]:
        raise Unavailable("The database went away.")
        yield

    # The package's function of that name stands before its module.
    monkeypatch.setattr(import_module("app.services.mailings.render"), "_texts", fails)
    answer = marketer.post(
        "/api/v1/messages/render",
        json={"message_id": "m", "template": "Hi", "recipients": [{"external_id": "a"}]},
    )

    assert (answer.status_code, answer.get_json()["code"]) == (503, "unavailable")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("mimetype", "last"),
    [
        (NDJSON, b'{"problem":{"code":"unavailable",'),
        (CSV, b"#problem,unavailable,"),
    ],
)
def test_an_answer_that_breaks_says_so_in_its_last_line(
    app: Flask, log_lines: list[MutableMapping[str, Any]], mimetype: str, last: bytes
) -> None:
    def lines() -> Iterator[bytes]:
        for _ in range(3):
            yield b"x" * PIECE + b"\n"
        raise Unavailable("The database went away.")

    with app.test_request_context("/"):
        answer: Response = streamed(lines(), mimetype=mimetype)
    got = []
    with pytest.raises(Unavailable):
        got.extend(answer.response)

    assert len(got) == 4
    assert bytes(got[-1]).startswith(last)
    assert [line["event"] for line in log_lines] == ["answer_broken"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_short_answer_that_breaks_is_a_problem(app: Flask) -> None:
    def lines() -> Iterator[bytes]:
        yield b"heading\n"
        raise Unavailable("The database went away.")

    with app.test_request_context("/"), pytest.raises(Unavailable):
        streamed(lines(), mimetype=CSV)


def test_rows_of_files_have_the_same_rule(deployment: Deployment) -> None:
    from app.services.issuance import person_from

    for cells in ({"external_id": "a\0"}, {"external_id": "a", "town": "\x1b"}):
        with pytest.raises(ValueError, match="which no text may have"):
            person_from(cells)
    people.remember(deployment.database, [Person(external_id="a")], now=deployment.now())
