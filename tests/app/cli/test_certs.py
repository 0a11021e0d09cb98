"""`passerelle certs` leads from nothing to certificates that sign."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    pkcs12,
)

from app.cli.certs import certs
from passes.signing import Signer
from passes.signing.signer import PASS_EXTENSION


def run(*arguments: object, stdin: str = "") -> Result:
    return CliRunner().invoke(certs, [str(each) for each in arguments], input=stdin)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of throw-away certificates, which stand in for Apple's portal."""
    folder = tmp_path_factory.mktemp("authority")
    made = run("throwaway", "--folder", folder, "--days", 400)
    assert made.exit_code == 0
    assert "for 400 days" in made.output
    return folder


def answer(request: Path, authority: Path) -> bytes:
    """Return the certificate that the portal gives for a request."""
    good = Signer.load(authority)
    csr = x509.load_pem_x509_csr(request.read_bytes())
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(good.certificate.subject)
        .issuer_name(good.certificate.issuer)
        .public_key(csr.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=300))
        .add_extension(x509.UnrecognizedExtension(PASS_EXTENSION, b"\x0c\x01x"), critical=False)
        .sign(good.key, SHA256())
        .public_bytes(Encoding.DER)
    )


def test_a_newcomer_is_led_from_the_request_to_a_folder_that_signs(
    tmp_path: Path, authority: Path
) -> None:
    certificates = tmp_path / "certs"
    made = run("csr", "--folder", certificates, stdin="dev@shop.example\nShop\n")
    assert made.exit_code == 0
    assert "developer.apple.com" in made.output
    request = certificates / "apple/pass.certSigningRequest"
    returned = tmp_path / "pass.cer"
    returned.write_bytes(answer(request, authority))
    installed = run("install", "--folder", certificates, returned)
    assert installed.exit_code == 0
    assert "G4" in installed.output
    wwdr = authority / "apple/wwdr.pem"
    assert "passerelle certs check" in run("install", "--folder", certificates, wwdr).output
    checked = run("check", certificates)
    assert checked.exit_code == 1  # not issued by that intermediate, and no Google key
    assert "did not issue" in checked.output
    assert "google/service-account.json" in checked.output


def test_a_second_request_does_not_overwrite_the_key_of_the_first(tmp_path: Path) -> None:
    arguments = ("csr", "--folder", tmp_path, "--email", "a@b.example", "--name", "Shop")
    assert run(*arguments).exit_code == 0
    again = run(*arguments)
    assert again.exit_code == 1
    assert "There is a key already" in again.output


def test_a_p12_is_installed_with_its_password(tmp_path: Path, authority: Path) -> None:
    good = Signer.load(authority)
    data = pkcs12.serialize_key_and_certificates(
        b"x", good.key, good.certificate, None, BestAvailableEncryption(b"secret")
    )
    (tmp_path / "pass.p12").write_bytes(data)
    arguments = ("install", "--folder", tmp_path / "certs", tmp_path / "pass.p12")
    wrong = run(*arguments, stdin="wrong\n")
    assert wrong.exit_code == 1
    assert "password is wrong" in wrong.output
    right = run(*arguments, stdin="secret\n")
    assert right.exit_code == 0
    assert "secret" not in right.output


def test_a_throw_away_folder_is_checked_and_never_overwritten(authority: Path) -> None:
    checked = run("check", authority, "--pass-type-id", "pass.example.passerelle")
    assert checked.exit_code == 0
    assert "throw-away certificate" in checked.output
    assert "more days" in checked.output
    wrong = run("check", authority, "--team-id", "OTHER12345")
    assert wrong.exit_code == 1
    assert "PASSERELLE_TEAM_ID" in wrong.output
    again = run("throwaway", "--folder", authority)
    assert again.exit_code == 1
    assert "already" in again.output


def test_google_is_not_asked_while_the_folder_itself_is_wrong(tmp_path: Path) -> None:
    done = run("check", tmp_path, "--online")

    assert done.exit_code == 1
    assert done.stdout.count("There is no certificate.") == 1
    assert done.stdout.count("There is no service account.") == 1
    assert "Google was not asked: what is wrong above comes first." in done.stdout
