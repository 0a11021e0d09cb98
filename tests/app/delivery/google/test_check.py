"""`passerelle certs check --online` says in plain words whether Google will take our passes."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme
from flask import Flask
from werkzeug.serving import make_server

from app.delivery.google.check import check
from app.sandbox.google import PlannedFault
from app.services.deployment import Deployment
from passes.signing import Finding
from tests.app.delivery.google.conftest import House
from tests.serving import free_port


def found(deployment: Deployment) -> dict[str, Finding]:
    return {each.field: each for each in check(deployment)}


def with_settings(house: House, **changes: Any) -> dict[str, Finding]:
    """What is said of a deployment with other settings."""
    other = Deployment(replace(house.deployment.settings, **changes), clock=house.clock)
    try:
        return found(other)
    finally:
        other.close()


@contextmanager
def public(app: Flask, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[str]:
    """An application at a public address: https, with a certificate that the world trusts."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "world.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(folder / "world.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server = make_server("127.0.0.1", 0, app, threaded=True, ssl_context=context)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_working_account_and_issuer_are_said_to_be_good(house: House) -> None:
    said = found(house.deployment)
    assert said["publishing"].level == "warning"
    assert "0 classes" in said["publishing"].cause
    house.shop.campaign()
    house.settle()
    said = found(house.deployment)
    assert said["service account"].level == "good"
    assert said["issuer"].level == "good"
    assert said["publishing"].level == "good"
    assert "TEST ONLY" in said["publishing"].remedy


def test_a_class_that_google_rejected_is_named(house: House) -> None:
    house.shop.campaign()
    house.settle()
    (there,) = house.wire.store.resources("offerClass")
    house.wire.store.reject(there["id"])
    said = found(house.deployment)["publishing"]
    assert said.level == "error"
    assert there["id"] in said.cause
    assert "revise the campaign" in said.remedy


def test_another_issuer_id_is_named_with_what_to_do(house: House) -> None:
    said = with_settings(house, google_issuer_id="3388000000000000009")["issuer"]
    assert said.level == "error"
    assert "invite" in said.remedy
    assert "PASSERELLE_GOOGLE_ISSUER_ID" in said.remedy


def test_an_account_that_google_does_not_know_or_that_cannot_be_read_is_named(
    house: House,
) -> None:
    house.wire.accounts.clear()
    said = found(house.deployment)
    assert said["service account"].level == "error"
    assert "clock" in said["service account"].remedy
    assert "issuer" not in said
    settings = house.deployment.settings
    (settings.certs / "google" / "service-account.json").write_text("{}")
    broken = with_settings(house)
    assert [each.level for each in broken.values()] == ["error"]
    assert "google/service-account.json" in broken


def test_an_answer_that_tells_nothing_is_no_verdict_on_the_account(house: House) -> None:
    house.wire.fail(PlannedFault(503, "GET", times=2))
    said = found(house.deployment)
    assert said["service account"].level == "warning"
    assert "walletobjects.googleapis.com" in said["service account"].remedy
    assert "publishing" not in said


def test_the_callback_is_knocked_at_from_outside(
    house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plain = found(house.deployment)["callback"]
    assert plain.level == "warning"
    assert "https" in plain.remedy
    with public(house.app, monkeypatch, tmp_path) as url:
        early = with_settings(house, base_url=url)["callback"]
        assert early.level == "warning"
        assert "worker" in early.remedy
    away = with_settings(house, base_url=f"https://127.0.0.1:{free_port()}")["callback"]
    assert away.level == "error"
    assert "firewall" in away.remedy
    with public(Flask("another"), monkeypatch, tmp_path) as url:
        other = with_settings(house, base_url=url)["callback"]
        assert other.level == "error"
        assert "404" in other.cause
        assert "proxy" in other.remedy


def test_a_callback_that_judges_what_is_posted_is_good(
    house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    house.settle()
    with public(house.app, monkeypatch, tmp_path) as url:
        assert with_settings(house, base_url=url)["callback"].level == "good"
