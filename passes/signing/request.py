"""From nothing to a certificate: the signing request for Apple, and what Apple returns.

`make_request` writes the key and the request; `install` puts what Apple's portal gives for it in
its place, after checking that they belong together. While a certificate is in use, both work on
`apple/next/`, so that renewing disturbs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from passes.errors import CertificateError
from passes.signing.signer import (
    CERTIFICATE_FILES,
    is_for_passes,
    is_p12,
    open_p12,
    read_certificate,
    read_key,
    subject,
)
from passes.signing.store import NEXT
from passes.signing.throwaway import key_pem, new_key, private_folder, write_private

REQUEST = "pass.certSigningRequest"


@dataclass(frozen=True, slots=True)
class Request:
    """Where the key and the request for Apple were written."""

    key: Path
    request: Path


def make_request(folder: Path, *, email: str, name: str) -> Request:
    """Write a fresh RSA 2048 key and a signing request (PKCS #10) below `folder`/apple.

    Raises CertificateError rather than overwrite the key of a request that waits for its answer.
    """
    apple = folder / "apple"
    target = _free(apple)
    key_path, request_path = target / "pass.key", target / REQUEST
    if key_path.exists():
        raise CertificateError(
            str(key_path.relative_to(folder)),
            "There is a key already, perhaps of a request that Apple is about to answer.",
            "Install what Apple returned for it, or move the key away.",
        )
    if "@" not in email:
        raise CertificateError(
            "email", f"{email!r} is not an address.", "Give the one of your Apple account."
        )
    if not name.strip() or len(name) > 64:
        raise CertificateError("name", "It is empty or too long.", "Give 1 to 64 characters.")
    key = new_key()
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(
            x509.Name(
                [
                    x509.NameAttribute(NameOID.EMAIL_ADDRESS, email),
                    x509.NameAttribute(NameOID.COMMON_NAME, name),
                ]
            )
        )
        .sign(key, SHA256())
    )
    private_folder(target)
    write_private(key_path, key_pem(key))
    write_private(request_path, request.public_bytes(Encoding.PEM))
    return Request(key_path, request_path)


def install(folder: Path, returned: bytes, *, password: bytes | None = None) -> Path:
    """Put a certificate that Apple returned, or the WWDR intermediate, in its place.

    `returned` is PEM or DER; or a `.p12` with the key in it, which `password` opens and which is
    taken apart, so that the service needs no password. Returns where it went. Raises
    CertificateError for a certificate that belongs to none of the folder's keys.
    """
    apple = folder / "apple"
    if is_p12(returned):
        return _take_apart(_free(apple), returned, password)
    certificate = read_certificate(returned, "certificate")
    if is_for_passes(certificate):
        target = _place_of(certificate, folder) / "pass.pem"
    elif "Worldwide Developer Relations" in subject(certificate, NameOID.COMMON_NAME):
        # Beside the certificate it is for: the one in use may need the one it has.
        target = (apple / NEXT if (apple / NEXT).exists() else apple) / "wwdr.pem"
    else:
        raise CertificateError(
            "certificate",
            "It is neither a Pass Type ID certificate nor Apple's WWDR intermediate.",
            "In Apple's developer portal choose Certificates, +, Pass Type ID Certificate.",
        )
    private_folder(target.parent)
    write_private(target, certificate.public_bytes(Encoding.PEM))
    return target


def _free(apple: Path) -> Path:
    """Return the folder in which nothing is in use."""
    used = any((apple / each).exists() for each in CERTIFICATE_FILES)
    return apple / NEXT if used else apple


def _take_apart(target: Path, data: bytes, password: bytes | None) -> Path:
    key, certificate = open_p12(data, password)
    if not isinstance(key, RSAPrivateKey) or not is_for_passes(certificate):
        raise CertificateError(
            "certificate",
            "It holds no Pass Type ID certificate with an RSA key.",
            "Export the Pass Type ID certificate together with its key.",
        )
    private_folder(target)
    write_private(target / "pass.key", key_pem(key))
    write_private(target / "pass.pem", certificate.public_bytes(Encoding.PEM))
    return target / "pass.pem"


def _place_of(certificate: x509.Certificate, folder: Path) -> Path:
    public = certificate.public_key()
    for place in (folder / "apple" / NEXT, folder / "apple"):
        path = place / "pass.key"
        if path.exists():
            key = read_key(path.read_bytes(), str(path.relative_to(folder)))
            if getattr(key, "public_key", lambda: None)() == public:
                return place
    raise CertificateError(
        "certificate",
        "It was not made for a key in this folder.",
        "Use the folder in which `passerelle certs csr` made the request.",
    )
