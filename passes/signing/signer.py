"""A Pass Type ID certificate with its key and Apple's intermediate, checked, ready to sign.

Reads PEM, DER and `.p12` (also such as Keychain exports with RC2, which OpenSSL 3 refuses).
Refuses a key that is not the certificate's, a certificate that Apple did not issue for passes, an
intermediate that did not issue it, and signing outside the dates of either.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509.oid import NameOID

from passes.errors import CertificateError
from passes.signing import cms

PASS_EXTENSION = x509.ObjectIdentifier("1.2.840.113635.100.6.1.16")
"""Marks a certificate for passes; its value is the pass type identifier."""
NFC_EXTENSION = x509.ObjectIdentifier("1.2.840.113635.100.6.1.26")
THROWAWAY = "Passerelle throw-away"
"""The organisation that throw-away certificates name as their issuer."""
CERTIFICATE_FILES = ("pass.pem", "pass.cer", "pass.p12")
WWDR_FILES = ("wwdr.pem", "wwdr.cer")
_WWDR_REMEDY = (
    "Download the WWDR G4 certificate from https://www.apple.com/certificateauthority/ and save it"
    " as apple/wwdr.pem."
)


@dataclass(frozen=True, slots=True, eq=False)
class Signer:
    """Signs manifests for one pass type. Make it with `load` or `read`.

    `starts` and `ends` bound the time in which both the certificate and the intermediate are valid.
    """

    certificate: x509.Certificate
    wwdr: x509.Certificate
    key: RSAPrivateKey = field(repr=False)
    pass_type_id: str = field(init=False)
    team_id: str = field(init=False)
    starts: datetime = field(init=False)
    ends: datetime = field(init=False)
    _cms: cms.Sign = field(init=False, repr=False)

    def __post_init__(self) -> None:
        leaf, wwdr = self.certificate, self.wwdr
        if leaf.public_key() != self.key.public_key():
            raise CertificateError(
                "apple/pass.key",
                "The key is not the one that the certificate was made for.",
                "Use the key that made the signing request, or start again with"
                " `passerelle certs csr`.",
            )
        pass_type_id = subject(leaf, NameOID.USER_ID)
        team_id = subject(leaf, NameOID.ORGANIZATIONAL_UNIT_NAME)
        if not pass_type_id.startswith("pass.") or not team_id or not is_for_passes(leaf):
            raise CertificateError(
                "apple/pass.pem",
                "It is not a Pass Type ID certificate.",
                "In Apple's developer portal choose Certificates, +, Pass Type ID Certificate.",
            )
        if not issued_by(leaf, wwdr):
            raise CertificateError(
                "apple/wwdr.pem",
                "The intermediate did not issue the certificate.",
                _WWDR_REMEDY,
            )
        if not self.throwaway and subject(wwdr, NameOID.ORGANIZATIONAL_UNIT_NAME) != "G4":
            raise CertificateError(
                "apple/wwdr.pem", "It is not Apple's WWDR certificate G4.", _WWDR_REMEDY
            )
        put = object.__setattr__
        put(self, "pass_type_id", pass_type_id)
        put(self, "team_id", team_id)
        put(self, "starts", max(leaf.not_valid_before_utc, wwdr.not_valid_before_utc))
        put(self, "ends", min(leaf.not_valid_after_utc, wwdr.not_valid_after_utc))
        put(self, "_cms", cms.signer(self.key, leaf, [wwdr]))

    @classmethod
    def load(cls, folder: Path, *, password: bytes | None = None) -> Self:
        """Read pass.pem (or .cer, .p12), pass.key and wwdr.pem (or .cer) of `folder`/apple.

        `password` opens an encrypted key or `.p12`. Raises CertificateError.
        """
        return cls.from_files(folder / "apple", password=password)

    @classmethod
    def from_files(
        cls, folder: Path, *, password: bytes | None = None, wwdr: Path | None = None
    ) -> Self:
        """Read the same files of `folder` itself; `wwdr` is a folder to find wwdr.pem in, too."""
        certificate = _first(folder, CERTIFICATE_FILES)
        if certificate is None:
            raise CertificateError(
                "apple/pass.pem",
                "There is no certificate.",
                "Make a signing request with `passerelle certs csr`, or a throw-away certificate"
                " with `passerelle certs throwaway`.",
            )
        intermediate = _first(folder, WWDR_FILES) or (wwdr and _first(wwdr, WWDR_FILES))
        if intermediate is None:
            raise CertificateError(
                "apple/wwdr.pem", "Apple's intermediate is missing.", _WWDR_REMEDY
            )
        key = folder / "pass.key"
        return cls.read(
            certificate=certificate.read_bytes(),
            key=key.read_bytes() if key.exists() else None,
            wwdr=intermediate.read_bytes(),
            password=password,
        )

    @classmethod
    def read(
        cls, *, certificate: bytes, key: bytes | None, wwdr: bytes, password: bytes | None = None
    ) -> Self:
        """Make a signer of the bytes of the files, each PEM or DER.

        `certificate` may be a `.p12` that holds the key; `key` is None then. Raises
        CertificateError.
        """
        private: object
        if is_p12(certificate):
            private, leaf = open_p12(certificate, password)
        else:
            leaf = read_certificate(certificate, "apple/pass.pem")
            if key is None:
                raise CertificateError(
                    "apple/pass.key",
                    "The certificate's key is missing.",
                    "Save it as apple/pass.key, or use a .p12 that holds both.",
                )
            private = read_key(key, "apple/pass.key", password=password)
        if not isinstance(private, RSAPrivateKey):
            raise CertificateError(
                "apple/pass.key", "The key is not an RSA key.", "Apple signs passes with RSA 2048."
            )
        return cls(leaf, read_certificate(wwdr, "apple/wwdr.pem"), private)

    @property
    def throwaway(self) -> bool:
        """Whether it was made by `throwaway`: no iPhone accepts it, production refuses it."""
        return is_throwaway(self.certificate)

    @property
    def nfc(self) -> bool:
        """Whether Apple enabled the certificate for NFC passes."""
        return _has(self.certificate, NFC_EXTENSION)

    def days_left(self, now: datetime) -> int:
        """Return the whole days until nothing can be signed any more, negative afterwards."""
        return (self.ends - now).days

    def sign(self, manifest: bytes, *, now: datetime) -> bytes:
        """Return the DER of a detached CMS signature over exactly these bytes.

        Raises CertificateError when `now` (aware) lies outside the certificates' dates.
        """
        if not self.starts <= now <= self.ends:
            raise self._out_of_date(now)
        return self._cms(manifest, now)

    def _out_of_date(self, now: datetime) -> CertificateError:
        leaf = self.certificate
        in_date = leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc
        name, remedy = (
            ("apple/wwdr.pem", _WWDR_REMEDY)
            if in_date
            else (
                "apple/pass.pem",
                "Check the machine's clock, or renew with `passerelle certs csr`.",
            )
        )
        return CertificateError(
            name,
            f"It is valid from {self.starts:%Y-%m-%d} to {self.ends:%Y-%m-%d}, and it is"
            f" {now:%Y-%m-%d}.",
            remedy,
        )

    def client_pem(self) -> bytes:
        """Return certificate, intermediate and unencrypted key as PEM, for TLS towards APNs."""
        return b"".join(
            (
                self.certificate.public_bytes(Encoding.PEM),
                self.wwdr.public_bytes(Encoding.PEM),
                self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            )
        )


def read_certificate(data: bytes, name: str) -> x509.Certificate:
    """Return the first certificate of PEM or DER bytes. Raises CertificateError naming `name`."""
    try:
        if b"-----BEGIN" in data:
            return x509.load_pem_x509_certificate(data)
        return x509.load_der_x509_certificate(data)
    except ValueError as error:
        raise CertificateError(
            name, "It is not a certificate.", "Give a certificate as PEM or DER (.cer)."
        ) from error


def read_key(data: bytes, name: str, *, password: bytes | None = None) -> object:
    """Return the private key of PEM or DER bytes. Raises CertificateError naming `name`."""
    load = load_pem_private_key if b"-----BEGIN" in data else load_der_private_key
    try:
        return load(data, password)
    except TypeError as error:
        # cryptography says so of a password that is missing, and of one that is not wanted.
        raise CertificateError(
            name,
            "The key is encrypted and there is no password for it."
            if password is None
            else "The key is not encrypted, but there is a password for it.",
            "Give the password of the key, and none for a key without.",
        ) from error
    except ValueError as error:
        raise CertificateError(
            name,
            "It is not a private key, or the password is wrong.",
            "Give the key as PEM or DER.",
        ) from error


def subject(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> str:
    """Return an attribute of the certificate's subject, or an empty text."""
    return _attribute(certificate.subject, oid)


def issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Tell whether `issuer` signed `certificate`."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def is_throwaway(certificate: x509.Certificate) -> bool:
    """Tell whether the certificate comes from a throw-away chain."""
    return _attribute(certificate.issuer, NameOID.ORGANIZATION_NAME) == THROWAWAY


def is_for_passes(certificate: x509.Certificate) -> bool:
    """Tell whether Apple marked the certificate as one for passes."""
    return _has(certificate, PASS_EXTENSION)


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of the certificate in hex."""
    return certificate.fingerprint(SHA256()).hex()


def _attribute(name: x509.Name, oid: x509.ObjectIdentifier) -> str:
    found = name.get_attributes_for_oid(oid)
    return str(found[0].value) if found else ""


def _has(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> bool:
    return any(each.oid == oid for each in certificate.extensions)


def _first(folder: Path, names: tuple[str, ...]) -> Path | None:
    return next((folder / name for name in names if (folder / name).exists()), None)


def is_p12(data: bytes) -> bool:
    """Tell whether these are the bytes of a `.p12`."""
    # A PFX is a sequence that begins with the integer 3; a certificate one with another sequence.
    return data[:1] == b"\x30" and b"\x02\x01\x03" in data[2:9]


def open_p12(data: bytes, password: bytes | None) -> tuple[object, x509.Certificate]:
    """Return key and certificate of a `.p12` (RFC 7292). Raises CertificateError."""
    try:
        key, certificate, _ = pkcs12.load_key_and_certificates(data, password)
    except ValueError as error:
        raise CertificateError(
            "apple/pass.p12", "The password is wrong, or the file is damaged.", "Export it again."
        ) from error
    if key is None or certificate is None:
        raise CertificateError(
            "apple/pass.p12",
            "It does not hold both a certificate and its key.",
            "In Keychain Access open the certificate, select it with its key, and export both.",
        )
    return key, certificate
