"""Certificates in every form, the signature over exact bytes, renewal, requests, diagnosis."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs7,
    pkcs12,
)
from cryptography.x509.oid import NameOID

from passes.errors import CertificateError
from passes.signing import (
    Signer,
    Signers,
    cms,
    diagnose,
    install,
    make_request,
    throwaway,
)
from passes.signing.signer import PASS_EXTENSION, fingerprint
from passes.signing.throwaway import key_pem, new_key
from tests.passes import samples
from tests.passes.openssl import verifies

NOW = samples.NOW
BEGIN, SECRET = b"-----BEGIN", b"secret"


@pytest.mark.parametrize(
    "moment",
    [
        NOW,
        datetime(2031, 1, 2, 3, 4, 5, tzinfo=UTC),
        datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC),
    ],
)
@pytest.mark.parametrize("message", [b"", b"{}", b"line\nline\r\n", bytes(100_000)])
def test_the_signature_is_byte_for_byte_what_cryptography_builds(
    signer: Signer, message: bytes, moment: datetime
) -> None:
    options = [
        pkcs7.PKCS7Options.DetachedSignature,
        pkcs7.PKCS7Options.Binary,
        pkcs7.PKCS7Options.NoCapabilities,
    ]
    with time_machine.travel(moment, tick=False):
        built = (
            pkcs7.PKCS7SignatureBuilder()
            .set_data(message)
            .add_signer(signer.certificate, signer.key, SHA256())
            .add_certificate(signer.wwdr)
            .sign(Encoding.DER, options)
        )
    own = cms.signer(signer.key, signer.certificate, [signer.wwdr])(message, moment)
    assert own == built


def test_openssl_verifies_a_signature_and_no_other_bytes(
    signer: Signer, certificates: Path, tmp_path: Path
) -> None:
    manifest = b'{"a":\n"b"}'
    signature = signer.sign(manifest, now=NOW)
    at = NOW.timestamp()
    assert verifies(manifest, signature, certificates, tmp_path, at=at)
    assert not verifies(manifest + b"\n", signature, certificates, tmp_path, at=at)


def test_a_signer_knows_its_pass_type_team_dates_and_that_it_is_throw_away(
    signer: Signer, certificates: Path
) -> None:
    assert signer.pass_type_id == "pass.example.passerelle"
    assert signer.team_id == "EXAMPLE123"
    assert signer.throwaway
    assert not signer.nfc
    assert signer.days_left(NOW) == 365
    assert signer.days_left(NOW + timedelta(days=366)) < 0
    assert "PRIVATE" not in repr(signer)
    assert signer.client_pem().count(BEGIN) == 3
    assert len(fingerprint(signer.certificate)) == 64
    assert (certificates / "apple/pass.key").stat().st_mode & 0o077 == 0


def _parts(certificates: Path) -> tuple[bytes, bytes, bytes]:
    apple = certificates / "apple"
    return tuple((apple / name).read_bytes() for name in ("pass.pem", "pass.key", "wwdr.pem"))  # type: ignore[return-value]


def _der(certificates: Path) -> tuple[bytes, bytes, bytes]:
    signer = Signer.load(certificates)
    key = signer.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return (
        signer.certificate.public_bytes(Encoding.DER),
        key,
        signer.wwdr.public_bytes(Encoding.DER),
    )


def test_certificates_are_read_as_pem_der_and_p12(certificates: Path, signer: Signer) -> None:
    for certificate, key, wwdr in (_parts(certificates), _der(certificates)):
        assert Signer.read(certificate=certificate, key=key, wwdr=wwdr).certificate == (
            signer.certificate
        )
    wwdr = _parts(certificates)[2]
    modern = pkcs12.serialize_key_and_certificates(
        b"pass", signer.key, signer.certificate, None, BestAvailableEncryption(SECRET)
    )
    assert Signer.read(certificate=modern, key=None, wwdr=wwdr, password=SECRET).team_id
    encrypted = signer.key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(SECRET)
    )
    pem = _parts(certificates)[0]
    assert Signer.read(certificate=pem, key=encrypted, wwdr=wwdr, password=SECRET).team_id


def test_a_legacy_p12_with_rc2_is_read_from_its_folder(certificates: Path, tmp_path: Path) -> None:
    source, apple = certificates / "apple", tmp_path / "apple"
    apple.mkdir()
    command = ["openssl", "pkcs12", "-export", "-legacy", "-certpbe", "PBE-SHA1-RC2-40"]
    command += ["-keypbe", "PBE-SHA1-3DES", "-in", str(source / "pass.pem")]
    command += ["-inkey", str(source / "pass.key"), "-out", str(apple / "pass.p12")]
    subprocess.run([*command, "-passout", "pass:secret"], check=True, capture_output=True)
    wwdr = x509.load_pem_x509_certificate((source / "wwdr.pem").read_bytes())
    (apple / "wwdr.cer").write_bytes(wwdr.public_bytes(Encoding.DER))
    assert Signer.load(tmp_path, password=SECRET).pass_type_id == "pass.example.passerelle"
    with pytest.raises(CertificateError, match="password"):
        Signer.load(tmp_path, password=b"wrong")


def _issue(
    certificates: Path,
    *,
    uid: str = "pass.example.passerelle",
    unit: str | None = "EXAMPLE123",
    extension: bool = True,
) -> tuple[bytes, bytes]:
    """Return certificate and key of a leaf that differs from a good one in one point."""
    key = new_key()
    good = Signer.load(certificates)
    names = [
        x509.NameAttribute(NameOID.USER_ID, uid),
        x509.NameAttribute(NameOID.COMMON_NAME, "x"),
    ]
    if unit is not None:
        names.append(x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit))
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(names))
        .issuer_name(good.certificate.issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=9))
    )
    if extension:
        builder = builder.add_extension(
            x509.UnrecognizedExtension(PASS_EXTENSION, b"\x0c\x01x"), critical=False
        )
    return builder.sign(good.key, SHA256()).public_bytes(Encoding.PEM), key_pem(key)


def test_what_does_not_belong_together_is_refused_with_the_file(
    certificates: Path, tmp_path: Path
) -> None:
    pem, key, wwdr = _parts(certificates)
    throwaway(tmp_path, now=NOW)
    other_key, other_wwdr = _parts(tmp_path)[1:]
    curve = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    signer = Signer.load(certificates)
    sealed = signer.key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(SECRET)
    )
    certificate_only = pkcs12.serialize_key_and_certificates(
        None, None, signer.certificate, None, BestAvailableEncryption(SECRET)
    )
    stranger, stranger_key = _issue(certificates)
    no_pass, no_pass_key = _issue(certificates, extension=False)
    no_team, no_team_key = _issue(certificates, unit=None)
    no_uid, no_uid_key = _issue(certificates, uid="web.example")
    cases: list[tuple[bytes, bytes | None, bytes, bytes | None, str]] = [
        (pem, other_key, wwdr, None, "apple/pass.key"),
        (pem, None, wwdr, None, "apple/pass.key"),
        (pem, curve, wwdr, None, "apple/pass.key"),
        (pem, b"x", wwdr, None, "apple/pass.key"),
        (pem, sealed, wwdr, None, "apple/pass.key"),
        (pem, sealed, wwdr, b"wrong", "apple/pass.key"),
        (pem, key, wwdr, SECRET, "apple/pass.key"),
        (b"x", key, wwdr, None, "apple/pass.pem"),
        (b"-----BEGIN CERTIFICATE-----", key, wwdr, None, "apple/pass.pem"),
        (no_pass, no_pass_key, wwdr, None, "apple/pass.pem"),
        (no_team, no_team_key, wwdr, None, "apple/pass.pem"),
        (no_uid, no_uid_key, wwdr, None, "apple/pass.pem"),
        (pem, key, other_wwdr, None, "apple/wwdr.pem"),
        (stranger, stranger_key, wwdr, None, "apple/wwdr.pem"),
        (pem, key, b"", None, "apple/wwdr.pem"),
        (certificate_only, None, wwdr, SECRET, "apple/pass.p12"),
    ]
    for certificate, private, intermediate, password, field in cases:
        with pytest.raises(CertificateError) as caught:
            Signer.read(certificate=certificate, key=private, wwdr=intermediate, password=password)
        assert caught.value.field == field
        assert caught.value.remedy


def _real(folder: Path, *, unit: str, where: str = "apple", days: int = 365) -> None:
    """Write certificates shaped like Apple's own, not like throw-away ones."""
    wwdr_key, key = new_key(), new_key()
    issuer = x509.Name(
        [
            x509.NameAttribute(
                NameOID.COMMON_NAME,
                "Apple Worldwide Developer Relations Certification Authority",
            ),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit),
        ]
    )
    leaf = x509.Name(
        [
            x509.NameAttribute(NameOID.USER_ID, "pass.example.real"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "TEAM123456"),
        ]
    )

    def build(name: x509.Name, public: object) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(issuer)
            .public_key(public)  # type: ignore[arg-type]
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - timedelta(days=1))
            .not_valid_after(NOW + timedelta(days=days))
        )

    wwdr = build(issuer, wwdr_key.public_key()).sign(wwdr_key, SHA256())
    extension = x509.UnrecognizedExtension(PASS_EXTENSION, b"\x0c\x01x")
    certificate = (
        build(leaf, key.public_key())
        .add_extension(extension, critical=False)
        .sign(wwdr_key, SHA256())
    )
    target = folder / where
    target.mkdir(parents=True, exist_ok=True)
    (target / "pass.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (target / "wwdr.pem").write_bytes(wwdr.public_bytes(Encoding.PEM))
    (target / "pass.key").write_bytes(key_pem(key))
    (target / "pass.key").chmod(0o600)


def test_an_intermediate_of_another_generation_is_refused(tmp_path: Path) -> None:
    _real(tmp_path / "g4", unit="G4")
    assert not Signer.load(tmp_path / "g4").throwaway
    _real(tmp_path / "g1", unit="Apple Worldwide Developer Relations")
    with pytest.raises(CertificateError, match="G4"):
        Signer.load(tmp_path / "g1")


@pytest.mark.parametrize("days", [-3, 400])
def test_nothing_is_signed_outside_the_dates(signer: Signer, days: int) -> None:
    with pytest.raises(CertificateError, match=r"apple/pass\.pem: It is valid from 2026-11-19"):
        signer.sign(b"{}", now=NOW + timedelta(days=days))


def test_missing_files_are_named(tmp_path: Path, certificates: Path) -> None:
    with pytest.raises(CertificateError, match=r"apple/pass\.pem"):
        Signer.load(tmp_path)
    (tmp_path / "apple").mkdir()
    shutil.copy(certificates / "apple/pass.pem", tmp_path / "apple")
    with pytest.raises(CertificateError, match=r"apple/wwdr\.pem"):
        Signer.load(tmp_path)


def test_a_renewed_certificate_is_used_beside_the_old_one_without_a_restart(
    tmp_path: Path,
) -> None:
    throwaway(tmp_path, now=NOW, days=30)
    signers = Signers(tmp_path)
    old = signers.current(NOW)
    assert signers.refresh() is None
    renewed = tmp_path / "renewed"
    throwaway(renewed, now=NOW, days=365)
    shutil.copytree(renewed / "apple", tmp_path / "apple/next")
    assert signers.current(NOW) is old  # nothing is read again until it is asked for
    assert signers.refresh() is None
    new = signers.current(NOW)
    assert new.ends > old.ends
    assert len(signers.all) == 2
    assert signers.all[0].sign(b"{}", now=NOW)  # the old one still signs
    assert signers.current(NOW + timedelta(days=500)) is new  # and then says why it cannot


def test_a_broken_change_is_reported_and_leaves_the_old_certificates_in_use(
    tmp_path: Path,
) -> None:
    throwaway(tmp_path, now=NOW)
    signers = Signers(tmp_path)
    before = signers.current(NOW)
    (tmp_path / "apple/pass.key").write_bytes(b"half a fi")
    fault = signers.refresh()
    assert fault is not None
    assert fault.field == "apple/pass.key"
    assert signers.current(NOW) is before
    throwaway(tmp_path, now=NOW)
    assert signers.refresh() is None
    assert signers.current(NOW) is not before


def test_a_renewal_for_another_pass_type_is_refused(tmp_path: Path) -> None:
    throwaway(tmp_path, now=NOW)
    throwaway(tmp_path / "x", now=NOW, pass_type_id="pass.example.other")
    shutil.copytree(tmp_path / "x/apple", tmp_path / "apple/next")
    with pytest.raises(CertificateError, match=r"pass\.example\.other"):
        Signers(tmp_path)


def test_the_first_real_certificate_takes_the_place_of_a_throw_away_one(tmp_path: Path) -> None:
    throwaway(tmp_path, now=NOW)
    _real(tmp_path, unit="G4", where="apple/next")
    assert Signers(tmp_path).current(NOW).pass_type_id == "pass.example.real"


def _answer(request: Path, certificates: Path) -> bytes:
    """Return what a portal would for a request: here, an authority of our own."""
    csr = x509.load_pem_x509_csr(request.read_bytes())
    assert csr.is_signature_valid
    good = Signer.load(certificates)
    return (
        x509.CertificateBuilder()
        .subject_name(good.certificate.subject)
        .issuer_name(good.certificate.issuer)
        .public_key(csr.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=365))
        .add_extension(x509.UnrecognizedExtension(PASS_EXTENSION, b"\x0c\x01x"), critical=False)
        .sign(good.key, SHA256())
        .public_bytes(Encoding.DER)
    )


def test_a_request_and_its_answer_end_in_their_places(tmp_path: Path, certificates: Path) -> None:
    made = make_request(tmp_path, email="dev@shop.example", name="Shop")
    assert made.key == tmp_path / "apple/pass.key"
    assert made.key.stat().st_mode & 0o777 == 0o600
    with pytest.raises(CertificateError, match="a key already"):
        make_request(tmp_path, email="dev@shop.example", name="Shop")
    answer = _answer(made.request, certificates)
    assert install(tmp_path, answer) == tmp_path / "apple/pass.pem"
    wwdr = (certificates / "apple/wwdr.pem").read_bytes()
    assert install(tmp_path, wwdr) == tmp_path / "apple/wwdr.pem"
    renewal = make_request(tmp_path, email="dev@shop.example", name="Shop")
    assert renewal.key == tmp_path / "apple/next/pass.key"
    answer = _answer(renewal.request, certificates)
    assert install(tmp_path, answer) == tmp_path / "apple/next/pass.pem"


def test_a_certificate_that_belongs_nowhere_is_not_installed(
    tmp_path: Path, certificates: Path
) -> None:
    with pytest.raises(CertificateError, match="not made for a key"):
        install(tmp_path, (certificates / "apple/pass.pem").read_bytes())
    with pytest.raises(CertificateError, match="neither"):
        install(tmp_path, (certificates / "apple/root.pem").read_bytes())
    with pytest.raises(CertificateError, match="not a certificate"):
        install(tmp_path, b"<html>")
    for email, name in (("nobody", "Shop"), ("a@b.example", " ")):
        with pytest.raises(CertificateError):
            make_request(tmp_path, email=email, name=name)


def test_a_p12_is_taken_apart_so_that_nobody_needs_its_password(
    tmp_path: Path, certificates: Path, signer: Signer
) -> None:
    sealed = BestAvailableEncryption(SECRET)
    data = pkcs12.serialize_key_and_certificates(b"x", signer.key, signer.certificate, None, sealed)
    assert install(tmp_path, data, password=SECRET) == tmp_path / "apple/pass.pem"
    assert install(tmp_path, (certificates / "apple/wwdr.pem").read_bytes())
    assert Signer.load(tmp_path).certificate == signer.certificate
    assert (tmp_path / "apple/pass.key").stat().st_mode & 0o077 == 0
    with pytest.raises(CertificateError, match="password"):
        install(tmp_path, data, password=b"wrong")
    pem, key = _issue(certificates, extension=False)
    private = load_pem_private_key(key, None)
    assert isinstance(private, rsa.RSAPrivateKey)
    other = pkcs12.serialize_key_and_certificates(
        b"x", private, x509.load_pem_x509_certificate(pem), None, sealed
    )
    with pytest.raises(CertificateError, match="no Pass Type ID certificate"):
        install(tmp_path, other, password=SECRET)


def _said(folder: Path, now: datetime = NOW, **settings: str) -> list[tuple[str, str]]:
    found = diagnose(folder, now=now, **settings)  # type: ignore[arg-type]
    assert all(each.remedy for each in found if each.level != "good")
    assert all(each.cause in str(each) for each in found)
    return [(each.level, each.field) for each in found]


def test_a_folder_is_diagnosed_in_plain_words(tmp_path: Path, certificates: Path) -> None:
    apple, google = "apple/pass.pem", "google/service-account.json"
    assert _said(tmp_path / "nowhere") == [("error", str(tmp_path / "nowhere"))]
    assert _said(tmp_path) == [("error", apple), ("error", google)]
    throwaway_says = [("warning", apple), ("good", apple), ("warning", google)]
    assert _said(certificates) == throwaway_says
    assert _said(certificates, pass_type_id="pass.b", team_id="B") == [
        ("error", apple),
        ("error", apple),
        *throwaway_says,
    ]
    assert _said(certificates, NOW + timedelta(days=310))[1] == ("warning", apple)
    assert _said(certificates, NOW + timedelta(days=999))[1] == ("error", apple)


def test_a_good_folder_is_good_and_open_permissions_are_warned_about(
    tmp_path: Path, certificates: Path
) -> None:
    _real(tmp_path, unit="G4")
    (tmp_path / "google").mkdir()
    account = (certificates / "google/service-account.json").read_text()
    real = account.replace("throw-away.iam", "shop-1.iam")
    (tmp_path / "google/service-account.json").write_text(real)
    (tmp_path / "google/service-account.json").chmod(0o600)
    assert {level for level, _ in _said(tmp_path)} == {"good"}
    (tmp_path / "apple/pass.key").chmod(0o644)
    assert ("warning", "apple/pass.key") in _said(tmp_path)


def test_an_intermediate_that_ends_first_is_what_a_diagnosis_names(tmp_path: Path) -> None:
    _real(tmp_path, unit="G4", days=20)
    certificate = x509.load_pem_x509_certificate((tmp_path / "apple/pass.pem").read_bytes())
    assert certificate.not_valid_after_utc < NOW + timedelta(days=21)
    levels = _said(tmp_path)
    assert ("warning", "apple/pass.pem") in levels


def test_the_examples_are_of_every_file_and_are_throw_away() -> None:
    examples = Path(__file__).parents[2] / "certs.example"
    signer = Signer.load(examples)
    assert signer.throwaway
    assert signer.sign(b"{}", now=NOW)
    page = (examples / "README.md").read_text()
    files = [each for each in examples.rglob("*") if each.is_file() and each.name != "README.md"]
    assert len(files) == 6
    for each in files:
        assert str(each.relative_to(examples)) in page
    request = x509.load_pem_x509_csr((examples / "apple/pass.certSigningRequest").read_bytes())
    assert request.public_key() == signer.certificate.public_key()
    levels = {each.level for each in diagnose(examples, now=NOW)}
    assert "error" not in levels
