"""Google's door: a callback counts once and only when it is Google's; pictures never fail."""

import hashlib
import io
import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from PIL import Image
from sqlalchemy import select, update

from app.sandbox.google import CallbackSigner
from app.services import clockwork
from app.services.deployment import Deployment
from app.services.wallets.google import callbacks, resources
from app.store.models import GoogleClass, GoogleNonce, GoogleObject
from tests.conftest import Clock
from tests.storefront import Issued, Storefront


@pytest.fixture
def signer(deployment: Deployment, clock: Clock) -> CallbackSigner:
    return CallbackSigner(issuer_id=deployment.settings.google_issuer_id, clock=clock)


@pytest.fixture
def saved(client: FlaskClient, deployment: Deployment) -> Issued:
    """A voucher whose object is at Google."""
    shop = Storefront(deployment)
    issued = shop.voucher(shop.campaign())
    client.get(f"/p/{issued.link}/google")
    with deployment.database.write() as session:
        session.execute(update(GoogleObject).values(status="inserted", due_at=None))
    return issued


@pytest.fixture
def ids(saved: Issued, deployment: Deployment) -> dict[str, str]:
    with deployment.database.read() as session:
        return {
            "class_id": session.scalars(select(GoogleClass.class_id)).one(),
            "object_id": session.scalars(select(GoogleObject.object_id)).one(),
        }


def publish(deployment: Deployment, signer: CallbackSigner) -> None:
    """Let the worker have fetched Google's keys."""
    callbacks.store_root_keys(deployment.database, signer.keys(), now=deployment.now())


def nonces(deployment: Deployment) -> list[str]:
    with deployment.database.read() as session:
        return list(session.scalars(select(GoogleNonce.nonce)))


def asked(deployment: Deployment) -> bool:
    """Whether Google is to be asked who holds the object."""
    with deployment.database.read() as session:
        return session.scalars(select(GoogleObject.ask_users_at)).one() is not None


def test_a_callback_is_taken_once_and_settled_later(
    client: FlaskClient, deployment: Deployment, signer: CallbackSigner, ids: dict[str, str]
) -> None:
    publish(deployment, signer)
    body = signer.body(**ids, event="save", nonce="n-1")
    assert client.post("/google/callback", data=body).status_code == 200
    assert asked(deployment)
    with deployment.database.write() as session:
        session.execute(update(GoogleObject).values(ask_users_at=None))
    assert client.post("/google/callback", data=body).status_code == 200
    assert not asked(deployment)
    assert nonces(deployment) == ["n-1"]


def test_a_nonce_is_kept_until_the_callback_lapses(
    client: FlaskClient,
    deployment: Deployment,
    clock: Clock,
    signer: CallbackSigner,
    ids: dict[str, str],
) -> None:
    publish(deployment, signer)
    body = signer.body(**ids, event="del")
    client.post("/google/callback", data=body)
    clock.advance(minutes=59)
    clockwork.run(deployment)
    assert len(nonces(deployment)) == 1
    clock.advance(minutes=2)
    clockwork.run(deployment)
    assert nonces(deployment) == []
    assert client.post("/google/callback", data=body).status_code == 400


@pytest.mark.parametrize(
    "other",
    [{"event": "restored"}, {"class_id": "{issuer}.another"}, {"object_id": "{issuer}.c-none"}],
    ids=["unknown-event", "other-class", "other-object"],
)
def test_what_is_genuine_but_none_of_ours_is_answered_and_ignored(
    client: FlaskClient,
    deployment: Deployment,
    signer: CallbackSigner,
    ids: dict[str, str],
    other: dict[str, str],
) -> None:
    publish(deployment, signer)
    issuer = deployment.settings.google_issuer_id
    members = {"event": "save", **ids}
    members |= {name: value.format(issuer=issuer) for name, value in other.items()}
    body = signer.body(
        class_id=members["class_id"], object_id=members["object_id"], event=members["event"]
    )
    assert client.post("/google/callback", data=body).status_code == 200
    assert not asked(deployment)
    assert nonces(deployment) == []


def test_a_callback_may_name_its_objects_in_a_list(
    client: FlaskClient, deployment: Deployment, signer: CallbackSigner, ids: dict[str, str]
) -> None:
    publish(deployment, signer)
    several = {"objectId": None, "objectIds": [ids["object_id"], ids["object_id"] + "x"]}
    body = signer.body(**ids, event="save", members={**several, "count": "2"})

    assert client.post("/google/callback", data=body).status_code == 200
    assert asked(deployment)


@pytest.mark.parametrize(
    "members",
    [
        {"objectId": None, "objectIds": ["{object}"], "deviceContext": {"deviceToken": "d"}},
        {"objectId": None, "objectIds": []},
        {"objectId": None, "nonce": None, "count": None},
        {"later": [1, {"deeper": True}]},
    ],
    ids=["activation", "no-objects", "bare", "more"],
)
def test_a_genuine_callback_that_nothing_is_done_for_is_kept_once(
    client: FlaskClient,
    deployment: Deployment,
    signer: CallbackSigner,
    ids: dict[str, str],
    members: dict[str, Any],
) -> None:
    publish(deployment, signer)
    said = json.loads(json.dumps(members).replace("{object}", ids["object_id"]))
    body = signer.body(**ids, event="activate", members=said)

    for _ in range(2):
        assert client.post("/google/callback", data=body).status_code == 200

    assert not asked(deployment)
    with deployment.database.read() as session:
        (kept,) = callbacks.kept(session)
    assert (kept.event, kept.reason) == ("activate", "event")
    assert json.loads(kept.message)["eventType"] == "activate"


def test_only_the_newest_callbacks_are_kept(
    client: FlaskClient,
    deployment: Deployment,
    signer: CallbackSigner,
    ids: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(callbacks, "KEPT", 3)
    publish(deployment, signer)
    for number in range(5):
        body = signer.body(**ids, event="activate", nonce=f"n-{number}")
        client.post("/google/callback", data=body)

    with deployment.database.read() as session:
        assert [each.nonce for each in callbacks.kept(session)] == ["n-4", "n-3", "n-2"]


def test_what_google_did_not_sign_is_refused(
    client: FlaskClient,
    deployment: Deployment,
    clock: Clock,
    signer: CallbackSigner,
    ids: dict[str, str],
) -> None:
    publish(deployment, signer)
    stranger = CallbackSigner(issuer_id=signer.issuer_id, clock=clock)
    genuine = signer.body(**ids, event="save")
    for body in (
        b"",
        b"{}",
        genuine.replace(b"save", b"del"),
        stranger.body(**ids, event="save"),
        signer.body(**ids, event="save", issuer_id="1"),
        signer.body(**ids, event="save", nonce="n" * 20_000),
    ):
        assert client.post("/google/callback", data=body).status_code == 400
    oversized = client.post("/google/callback", data=b"x" * 40_000)
    assert oversized.status_code == 413
    assert not asked(deployment)


def test_without_googles_keys_a_callback_is_asked_for_again(
    client: FlaskClient, signer: CallbackSigner, ids: dict[str, str]
) -> None:
    answer = client.post("/google/callback", data=signer.body(**ids, event="save"))
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]


def test_pictures_are_kept_for_ever_and_a_missing_one_is_a_placeholder(
    client: FlaskClient, deployment: Deployment
) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (660, 660), "red").save(stream, "PNG")
    digest = resources.publish(deployment.database, stream.getvalue(), now=deployment.now())
    answer = client.get(f"/a/{digest}.png")
    assert hashlib.sha256(answer.data).hexdigest() == digest
    assert "immutable" in answer.headers["Cache-Control"]
    again = client.get(f"/a/{digest}.png", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304

    missing = client.get(f"/a/{'0' * 64}.png")
    assert missing.status_code == 200
    assert missing.headers["Cache-Control"] == "no-store"
    assert Image.open(io.BytesIO(missing.data)).size == (660, 660)
    assert client.get("/a/logo.png").status_code == 404
