"""Certificates are taken up while the service runs, and refused in words."""

import dataclasses
import datetime as dt
import json
import shutil
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from app import create_app
from app.services import certificates
from app.services.certificates import CertificateFault, Certificates
from app.services.deployment import Deployment
from app.settings import Settings, SettingsError
from passes.signing import throwaway
from tests.storefront import Storefront

Lines = list[MutableMapping[str, Any]]
NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)


@pytest.fixture
def folder(certs: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    shutil.copytree(certs, tmp_path / "own")
    return tmp_path / "own"


def _watch(folder: Path, *, now: dt.datetime = NOW, **changes: str) -> Certificates:
    settings = dataclasses.replace(Settings(certs=folder), **changes)
    return Certificates(settings, clock=lambda: now)


def test_a_renewed_certificate_is_used_without_a_restart(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificates, "LOOK_AGAIN", 0.0)
    watched = _watch(folder)
    before = watched.signer.certificate.serial_number

    throwaway(tmp_path / "renewed", now=NOW, days=500)
    (folder / "apple" / "next").mkdir()
    for name in ("pass.pem", "pass.key", "wwdr.pem"):
        shutil.copy(tmp_path / "renewed" / "apple" / name, folder / "apple" / "next" / name)

    assert watched.signer.certificate.serial_number != before
    assert watched.check() == ()


def test_broken_new_files_are_reported_and_the_last_good_ones_stay(folder: Path) -> None:
    watched = _watch(folder)
    before = watched.signer

    (folder / "apple" / "pass.pem").write_text("no certificate")
    (folder / "google" / "service-account.json").write_text(json.dumps({"type": "other"}))

    assert any("pass.pem" in fault for fault in watched.check())
    assert any("service-account" in fault for fault in watched.check())
    assert watched.signer is before
    assert watched.account.email


def test_a_certificate_for_another_pass_type_names_the_setting(folder: Path) -> None:
    watched = _watch(folder, pass_type_id="pass.com.example.other", team_id="ABCDE12345")

    with pytest.raises(CertificateFault, match=r"PASSERELLE_PASS_TYPE_ID(.|\n)*PASSERELLE_TEAM_ID"):
        _ = watched.signer


def test_production_refuses_throwaway_certificates(folder: Path) -> None:
    watched = _watch(folder, env="production")

    faults = watched.check()
    assert len(faults) == 2
    assert all("throw-away" in fault for fault in faults)
    with pytest.raises(CertificateFault):
        _ = watched.account


def test_production_refuses_a_service_account_that_asks_for_tokens_in_the_clear(
    folder: Path,
) -> None:
    path = folder / "google" / "service-account.json"
    account = json.loads(path.read_text()) | {"client_email": "shop@x.example"}
    for address, named in (("http://127.0.0.1:1/token", True), ("https://x.example/token", False)):
        path.write_text(json.dumps(account | {"token_uri": address}))
        faults = _watch(folder, env="production").check()
        assert any("token_uri is plain http" in fault for fault in faults) is named


def test_a_certificate_that_does_not_fit_never_signs_though_it_was_copied_in(
    folder: Path, tmp_path: Path, certs: Path
) -> None:
    watched = _watch(folder)
    before = watched.signer.certificate.serial_number

    throwaway(tmp_path / "other", now=NOW, days=500, pass_type_id="pass.example.other")
    for name in ("pass.pem", "pass.key", "wwdr.pem"):
        shutil.copy(tmp_path / "other" / "apple" / name, folder / "apple" / name)

    for _ in range(2):
        assert any("PASSERELLE_PASS_TYPE_ID" in fault for fault in watched.check())
        assert watched.signer.certificate.serial_number == before
    shutil.copytree(certs / "apple", folder / "apple", dirs_exist_ok=True)
    assert watched.check() == ()


def test_production_does_not_start_with_certificates_that_no_phone_accepts(
    folder: Path, tmp_path: Path
) -> None:
    settings = Settings(
        certs=folder, database_url=f"sqlite:///{tmp_path}/x.sqlite", env="production"
    )
    with pytest.raises(SettingsError, match="throw-away"):
        create_app(settings)
    with pytest.raises(SettingsError, match="There is no certificate"):
        create_app(dataclasses.replace(settings, certs=tmp_path / "none"))


def test_a_pass_that_cannot_be_signed_is_a_503_that_names_the_remedy(
    client: FlaskClient, deployment: Deployment, storefront: Storefront
) -> None:
    issued = storefront.voucher(storefront.campaign())
    deployment.certificates = _watch(deployment.settings.certs, pass_type_id="pass.example.other")

    answer = client.get(f"/p/{issued.link}/apple")

    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "30"


def test_production_makes_no_certificates(tmp_path: Path) -> None:
    watched = _watch(tmp_path / "none", env="production")

    with pytest.raises(CertificateFault, match="There is no certificate"):
        _ = watched.signer
    assert not (tmp_path / "none").exists()


def test_development_without_certificates_makes_them_and_says_so(
    tmp_path: Path, log_lines: Lines
) -> None:
    assert _watch(tmp_path / "none").signer.throwaway
    assert log_lines[0]["event"] == "throwaway_certificates"


def test_the_end_of_a_certificate_is_announced_once_a_day(folder: Path, log_lines: Lines) -> None:
    watched = _watch(folder, now=NOW + dt.timedelta(days=320))
    watched.check()
    watched.check()

    assert [line["days_left"] for line in log_lines] == [45]
