"""Throw-away certificates and a throw-away service account, for demonstrations and tests.

Shaped like Apple's: root, intermediate, leaf with the pass type as UID, the team as OU and Apple's
extension. No iPhone accepts them; `Signer.throwaway` tells them apart by their issuer's name.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from passes.signing.signer import PASS_EXTENSION, THROWAWAY

THROWAWAY_EMAIL_DOMAIN = "throw-away.iam.gserviceaccount.com"


def throwaway(
    folder: Path,
    *,
    now: datetime,
    pass_type_id: str = "pass.example.passerelle",  # noqa: S107 - an identifier, not a password
    team_id: str = "EXAMPLE123",
    days: int = 365,
) -> None:
    """Write apple/{pass.pem,pass.key,wwdr.pem,root.pem} and google/service-account.json.

    Valid from a day before `now` (aware) until `days` after it. Overwrites what is there. The
    root is for checking only: `openssl cms -verify … -CAfile root.pem -purpose any`.
    """
    start, end = now - timedelta(days=1), now + timedelta(days=days)
    root_key, wwdr_key, leaf_key = (new_key() for _ in range(3))
    root_name = _name(common_name="Throw-away Root CA")
    root = _certificate(root_name, root_name, root_key, root_key, start, end + timedelta(days=1))
    wwdr_name = _name(common_name="Throw-away Worldwide Developer Relations CA", unit="G4")
    wwdr = _certificate(wwdr_name, root_name, wwdr_key, root_key, start, end + timedelta(days=1))
    leaf_name = x509.Name(
        [
            x509.NameAttribute(NameOID.USER_ID, pass_type_id),
            x509.NameAttribute(NameOID.COMMON_NAME, f"Pass Type ID: {pass_type_id}"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, team_id),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Throw-away Example"),
        ]
    )
    leaf = _certificate(
        leaf_name, wwdr_name, leaf_key, wwdr_key, start, end, pass_type_id=pass_type_id
    )
    apple = folder / "apple"
    private_folder(apple)
    for name, certificate in (("pass", leaf), ("wwdr", wwdr), ("root", root)):
        write_private(apple / f"{name}.pem", certificate.public_bytes(Encoding.PEM))
    write_private(apple / "pass.key", key_pem(leaf_key))
    throwaway_service_account(folder)


def throwaway_service_account(
    folder: Path,
    *,
    token_uri: str = "https://oauth2.googleapis.com/token",  # noqa: S107 - an address
) -> None:
    """Write google/service-account.json with a fresh key that Google does not know."""
    account = {
        "type": "service_account",
        "project_id": "throw-away",
        "private_key_id": "throw-away",
        "private_key": key_pem(new_key()).decode(),
        "client_email": f"passerelle@{THROWAWAY_EMAIL_DOMAIN}",
        "client_id": "0",
        "token_uri": token_uri,
    }
    private_folder(folder / "google")
    write_private(
        folder / "google" / "service-account.json", json.dumps(account, indent=2).encode() + b"\n"
    )


def new_key() -> rsa.RSAPrivateKey:
    """Return a fresh RSA 2048 key."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def key_pem(key: rsa.RSAPrivateKey) -> bytes:
    """Return the key as unencrypted PKCS #8 PEM."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_bytes(data)


def private_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing, for their owner alone."""
    for missing in [each for each in (*reversed(path.parents), path) if not each.exists()]:
        missing.mkdir(mode=0o700, exist_ok=True)


def _name(*, common_name: str, unit: str | None = None) -> x509.Name:
    attributes = [
        x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, THROWAWAY),
    ]
    if unit is not None:
        attributes.insert(1, x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit))
    return x509.Name(attributes)


def _certificate(
    name: x509.Name,
    issuer: x509.Name,
    key: rsa.RSAPrivateKey,
    issuer_key: rsa.RSAPrivateKey,
    start: datetime,
    end: datetime,
    *,
    pass_type_id: str | None = None,
) -> x509.Certificate:
    authority = pass_type_id is None
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
        .add_extension(
            x509.KeyUsage(
                digital_signature=not authority,
                key_cert_sign=authority,
                crl_sign=authority,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    )
    if pass_type_id is not None:
        value = pass_type_id.encode()
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        ).add_extension(
            x509.UnrecognizedExtension(PASS_EXTENSION, b"\x0c" + bytes([len(value)]) + value),
            critical=False,
        )
    return builder.sign(issuer_key, SHA256())
