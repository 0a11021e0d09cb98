"""A stolen database spends nothing: no code, PIN, token or key that a run used is in it."""

from __future__ import annotations

import base64
import sqlite3
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import make_url, text

from app.domain import codes
from app.domain.codes import Purpose
from app.services import access
from app.services.access import Scope
from app.services.deployment import Deployment
from app.settings import Settings
from app.store.models import Base, Store, Terminal
from tests.conftest import MASTER_KEYS
from tests.storefront import Issued, Storefront


def _dump(settings: Settings, deployment: Deployment) -> bytes:
    """Everything a thief gets: every value of every row, and on SQLite the bytes of its files."""
    pieces = []
    with deployment.database.read() as session:
        for table in Base.metadata.sorted_tables:
            for row in session.execute(text(f'SELECT * FROM "{table.name}"')):  # noqa: S608
                pieces += [
                    value if isinstance(value, bytes) else str(value).encode() for value in row
                ]
    url = make_url(settings.database_url)
    if url.database and url.get_backend_name() == "sqlite":
        with sqlite3.connect(url.database) as connection:
            pieces += [line.encode() for line in connection.iterdump()]
        connection.close()
        pieces += [
            path.read_bytes()
            for path in Path(url.database).parent.glob(f"{Path(url.database).name}*")
        ]
    return b"\n".join(pieces)


def _spellings(secret: str) -> set[bytes]:
    """A secret as it might lie about: as it is, normalised, in hexadecimal, in base64."""
    forms = {secret, secret.lower(), secret.upper(), codes.normalise(secret)}
    raw = {form.encode() for form in forms}
    return (
        raw
        | {form.hex().encode() for form in raw}
        | {base64.b64encode(form).rstrip(b"=") for form in raw}
    )


@pytest.fixture
def till_key(deployment: Deployment) -> str:
    now = deployment.now()
    with deployment.database.write() as session:
        store = Store(key="paris", name="Paris", created_at=now)
        session.add(store)
        session.flush()
        session.add(Terminal(store_id=store.id, key="1", created_at=now))
        session.flush()
        return access.create(session, "t", [Scope.POS], now=now, store="paris", terminal="1")


def test_a_dump_holds_nothing_that_can_be_spent(
    client: FlaskClient,
    deployment: Deployment,
    settings: Settings,
    storefront: Storefront,
    till_key: str,
) -> None:
    coupons, cards = storefront.campaign(), storefront.campaign("gift_card")
    issued = [storefront.voucher(coupons, code=f"COUPON-{n}-XKCD42QZ") for n in range(5)]
    pins = [f"73{n}5519" for n in range(5)]
    issued += [
        storefront.voucher(cards, code=f"CARD-{n}-8841PQRS", pin=pin) for n, pin in enumerate(pins)
    ]
    tokens = {
        deployment.keyring.token(purpose, key_id=2, public_id=each.public_id)
        for each in issued
        for purpose in Purpose
    }
    for number, each in enumerate(issued):
        _use(client, each, till_key, number)

    stolen = _dump(settings, deployment)

    secrets = {each.code for each in issued} | set(pins) | tokens
    secrets |= {till_key, till_key.rpartition("_")[2], "wrong-typed-code-9977"}
    found = [secret for secret in secrets if any(form in stolen for form in _spellings(secret))]
    assert found == []
    keys = {form for key in MASTER_KEYS.values() for form in (key, key.hex().encode())}
    assert not any(key in stolen for key in keys)
    assert str(issued[0].public_id).encode() in stolen  # The search itself finds what is there.


def _use(client: FlaskClient, issued: Issued, till_key: str, number: int) -> None:
    """Open the link, fetch the passes, scan, redeem by barcode and by code, and try a wrong one."""
    for path in ("", "/apple", "/google", "/code.png"):
        client.get(f"/p/{issued.link}{path}")
    headers = {"Authorization": f"Bearer {till_key}"}
    for barcode in (issued.barcode, issued.code, "wrong-typed-code-9977"):
        client.post("/pos/v1/scans", json={"barcode": barcode}, headers=headers)
    amount = {"amount": {"minor": 100, "currency": "EUR"}} if "CARD" in issued.code else {}
    answers = [
        client.post(
            "/pos/v1/redemptions",
            json={"items": [{"barcode": barcode, **amount}], "receipt": f"r-{number}"},
            headers={**headers, "Idempotency-Key": f"{number}-{turn}"},
        )
        for turn, barcode in enumerate((issued.barcode, issued.code, "wrong-typed-code-9977"))
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert answers[0].get_json()["outcome"] == "accepted"
