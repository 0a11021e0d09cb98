"""What the service shows to whom: metrics, readiness, browsers' protections, ended sessions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from app.services.certificates import Certificates
from app.services.deployment import Deployment
from app.services.security import EventFilter, SecurityEventKind, listed
from app.settings import Settings
from app.web import till_session
from passes.signing import throwaway
from tests.conftest import Cli, Clock
from tests.shop import Shop
from tests.storefront import Storefront

TOKEN = "0123456789abcdef0123456789abcdef"
OWN = {till_session.HEADER: "1"}
SPELLINGS = (
    *("/metrics", "//metrics", "/metrics/", "/METRICS", "/%6detrics", "/./metrics", "/metrics;x"),
    *("/x/../metrics", "/metrics%2f", "/metrics?x", "/metrics%00", "/%2e/metrics", "/metrics%20"),
)

sqlite_only = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def served(settings: Settings, clock: Clock, **changes: object) -> Flask:
    return create_app(replace(settings, **changes), clock=clock)  # type: ignore[arg-type]


@sqlite_only
@pytest.mark.parametrize("method", ["get", "head", "post", "options"])
def test_no_spelling_opens_the_metrics_without_the_token(
    settings: Settings, clock: Clock, method: str
) -> None:
    client = served(settings, clock, metrics_token=TOKEN).test_client()
    for path in SPELLINGS:
        for shown in ({}, {"Authorization": "Bearer x"}, {"Authorization": f"Basic {TOKEN}"}):
            answer = getattr(client, method)(path, headers=shown)
            assert b"passerelle_" not in answer.get_data(), path
    good = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert b"passerelle_requests_total" in good.get_data()
    assert good.headers["Cache-Control"] == "no-store"


@sqlite_only
def test_readiness_tells_its_details_to_operators_only(settings: Settings, clock: Clock) -> None:
    client = served(settings, clock, metrics_token=TOKEN).test_client()
    assert client.get("/readyz").get_json() == {"status": "ready"}
    told = client.get("/readyz", headers={"Authorization": f"Bearer {TOKEN}"}).get_json()
    assert told["checks"][0]["name"] == "database"


@sqlite_only
def test_without_a_token_only_this_machine_is_told_in_development_and_nobody_in_production(
    settings: Settings, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = served(settings, clock).test_client()
    far = {"REMOTE_ADDR": "10.1.2.3"}
    assert client.get("/metrics").status_code == 200
    assert "checks" in client.get("/readyz").get_json()
    assert client.get("/metrics", environ_base=far).get_json()["code"] == "operators_only"
    assert client.get("/metrics", headers={"X-Forwarded-For": "10.1.2.3"}).status_code == 401
    assert client.get("/readyz", environ_base=far).get_json() == {"status": "ready"}

    monkeypatch.setattr(Certificates, "insist", lambda _self: None)
    production = served(settings, clock, env="production").test_client()
    assert production.get("/metrics").status_code == 401
    assert "checks" not in production.get("/readyz").get_json()


@sqlite_only
def test_every_answer_carries_a_browsers_protections(
    settings: Settings, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Certificates, "insist", lambda _self: None)
    app = served(settings, clock, env="production", base_url="https://p.example.com")
    client = app.test_client()
    for path in ("/healthz", "/till", "/docs", "/nothing", "/api/v1/webhooks", "/p/none"):
        headers = client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "camera=" in headers["Permissions-Policy"]
        assert headers["Cache-Control"], path
        assert headers["Strict-Transport-Security"] == "max-age=31536000"
    wide = served(settings, clock, env="production", hsts_subdomains=True).test_client()
    told = wide.get("/healthz").headers["Strict-Transport-Security"]
    assert told == "max-age=31536000; includeSubDomains"


@sqlite_only
def test_pictures_for_mails_may_be_embedded_anywhere(
    storefront: Storefront, client: FlaskClient
) -> None:
    token = storefront.voucher(storefront.campaign()).link
    picture = client.get(f"/p/{token}/code.png")
    assert picture.status_code == 200
    assert picture.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    page = client.get(f"/p/{token}")
    assert page.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert page.headers["Cache-Control"] == "no-store"


def test_a_copied_session_is_worth_nothing_once_its_till_signed_out(
    shop: Shop, client: FlaskClient, settings: Settings, clock: Clock, deployment: Deployment
) -> None:
    key = shop.key(store="paris", terminal="1")
    assert client.post("/till/session", json={"key": key}, headers=OWN).status_code == 204
    cookie = client.get_cookie("passerelle-till")
    assert cookie is not None
    other = create_app(settings, clock=clock)
    thief = other.test_client()
    for value in (cookie.value, cookie.value.rstrip("=") + "=="):
        thief.set_cookie("passerelle-till", value)
    assert thief.get("/pos/v1/till", headers=OWN).status_code == 200

    assert client.delete("/till/session", headers=OWN).status_code == 204

    # Another process, and one that starts afterwards.
    late = create_app(settings, clock=clock)
    for app in (other, late):
        copy = app.test_client()
        # The same bytes in another spelling.
        for value in (cookie.value, cookie.value.rstrip("=") + "==", cookie.value + "!"):
            copy.set_cookie("passerelle-till", value)
            assert copy.get("/pos/v1/till", headers=OWN).status_code == 401
        app.extensions["passerelle"].close()
    assert client.post("/till/session", json={"key": key}, headers=OWN).status_code == 204
    assert client.get("/pos/v1/till", headers=OWN).status_code == 200
    with deployment.database.read() as session:
        kinds = (SecurityEventKind.TILL_SIGNED_IN, SecurityEventKind.TILL_SIGNED_OUT)
        rows = listed(session, EventFilter(kinds=kinds), limit=9)
    assert [each.kind for each in rows] == ["till_signed_in", "till_signed_out", "till_signed_in"]
    assert {each.key_prefix for each in rows} == {key.split("_")[1]}


def test_databases_are_made_for_their_owner_alone(tmp_path: Path) -> None:
    from app.services.hints import Hints
    from app.store import migrations
    from app.store.session import Database

    folder = tmp_path / "new" / "var"
    database = Database(f"sqlite:///{folder}/shop.sqlite")
    migrations.upgrade(database)
    with database.write():
        pass
    hints = Hints(f"sqlite:///{folder}/queue.sqlite")
    _ = hints.huey
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    database.close()
    hints.close()
    assert modes["shop.sqlite"] == modes["queue.sqlite"] == 0o600
    assert set(modes.values()) == {0o600}
    assert {each.stat().st_mode & 0o777 for each in (folder, folder.parent)} == {0o700}


@sqlite_only
def test_whatever_commands_write_is_its_owners_alone(cli: Cli, tmp_path: Path) -> None:
    file, codes = tmp_path / "spring.toml", tmp_path / "codes.csv"
    file.write_text(
        'key = "spring"\nname = "S"\nkind = "coupon"\n[codes]\nsource = "list"\n'
        '[benefit]\ntype = "free_shipping"\n[texts.en]\ntitle = "S"\noffer = "Free"\n'
    )
    codes.write_text("AAAA-1111\nAAAA-1111\nBBBB-2222\n")
    (tmp_path / "people.csv").write_text("external_id\na\n")
    (tmp_path / "stores.csv").write_text("store,terminal\nparis,1\n")
    before = set(tmp_path.rglob("*"))
    for words in (
        ("campaign", "apply", file, "--yes"),
        ("import", "spring", codes),
        ("issue", "spring", tmp_path / "people.csv", "--out", tmp_path / "links.csv"),
        ("stores", "import", tmp_path / "stores.csv", "--keys", tmp_path / "keys.csv"),
        ("backup", tmp_path / "safe" / "shop.backup"),
        ("inventory", "--out", tmp_path / "inventory.json"),
    ):
        done = cli(*words)
        assert done.exit_code == 0, done.output
    throwaway(tmp_path / "certs", now=Clock().now)
    made = set(tmp_path.rglob("*")) - before
    names = {path.name for path in made}
    assert {"codes.csv.rejects.csv", "links.csv", "keys.csv", "shop.backup", "pass.key"} <= names
    assert {path.name: oct(path.stat().st_mode & 0o077) for path in made} == dict.fromkeys(
        names, "0o0"
    )


def test_a_spool_is_its_owners_alone(tmp_path: Path) -> None:
    from app.services.codes.spool import Spool

    spool = Spool(tmp_path / "var" / "spool" / "1")
    spool.begin()
    spool.add([(bytes(16), 1, b"sealed", None, None)])  # type: ignore[list-item]
    spool.seal()
    made = list((tmp_path / "var").rglob("*"))
    assert len(made) == 4
    assert {path.stat().st_mode & 0o077 for path in made} == {0}
