"""A .pkpass as an iPhone judges it: opened only if every byte is covered and the chain is good.

Promises: what `judge` returns has a manifest that names each file and its SHA-1, and a detached CMS
signature over the manifest's exact bytes, made by a certificate that chains to a trusted root, is
valid at the signing time, and carries the pass's own identifiers. It shares no code with the
library that makes passes, so that a fault there cannot hide here.
Refuses: everything else, as `Rejected`, with the reason.

Rules: RFC 5652 §5 (SignedData) and Apple's archive "Wallet Developer Guide: Building Your First
Pass"; reference pitfalls are the reasons in `Rejected`.
"""

import hashlib
import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

_CONTENT_TYPE = bytes.fromhex("2a864886f70d010903")
_MESSAGE_DIGEST = bytes.fromhex("2a864886f70d010904")
_SIGNING_TIME = bytes.fromhex("2a864886f70d010905")
_HASHES: dict[bytes, hashes.HashAlgorithm] = {
    bytes.fromhex("2b0e03021a"): hashes.SHA1(),  # noqa: S303 – Apple's own older tools use it
    bytes.fromhex("608648016503040201"): hashes.SHA256(),
    bytes.fromhex("608648016503040202"): hashes.SHA384(),
    bytes.fromhex("608648016503040203"): hashes.SHA512(),
}
_STYLES = ("boardingPass", "coupon", "eventTicket", "generic", "storeCard")


class Rejected(Exception):
    """Wallet would say that this pass cannot be read."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A pass that was accepted: its pass.json, the names of its files, and when it was signed."""

    content: dict[str, Any]
    files: frozenset[str]
    signed_at: datetime

    @property
    def type_id(self) -> str:
        return str(self.content["passTypeIdentifier"])

    @property
    def serial(self) -> str:
        return str(self.content["serialNumber"])


def judge(package: bytes, *, roots: Sequence[x509.Certificate]) -> Opened:
    """Open the package or raise `Rejected`; `roots` are the authorities the phone trusts."""
    try:
        with zipfile.ZipFile(io.BytesIO(package)) as archive:
            names = archive.namelist()
            files = {name: archive.read(name) for name in names}
    except zipfile.BadZipFile as fault:
        raise Rejected("this is not a zip archive") from fault
    if len(names) != len(files):
        raise Rejected("a file occurs twice")
    for needed in ("pass.json", "manifest.json", "signature", "icon.png"):
        if needed not in files:
            raise Rejected(f"{needed} is missing at the root")
    _check_manifest(files)
    leaf, signed_at = _check_signature(files["signature"], files["manifest.json"], roots)
    content = orjson.loads(files["pass.json"])
    _check_content(content, leaf)
    return Opened(content, frozenset(files), signed_at)


def _check_manifest(files: dict[str, bytes]) -> None:
    manifest = orjson.loads(files["manifest.json"])
    covered = set(files) - {"manifest.json", "signature"}
    if set(manifest) != covered:
        raise Rejected(f"manifest and files differ: {sorted(set(manifest) ^ covered)}")
    for name in covered:
        if hashlib.sha1(files[name], usedforsecurity=False).hexdigest() != manifest[name]:
            raise Rejected(f"{name} is not what the manifest says")


def _check_content(content: dict[str, Any], leaf: x509.Certificate) -> None:
    if content.get("formatVersion") != 1:
        raise Rejected("formatVersion is not 1")
    if sum(style in content for style in _STYLES) != 1:
        raise Rejected("there is not exactly one style")
    subject = leaf.subject
    uid = [name.value for name in subject.get_attributes_for_oid(NameOID.USER_ID)]
    unit = [name.value for name in subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)]
    if uid != [content.get("passTypeIdentifier")]:
        raise Rejected("passTypeIdentifier is not the certificate's UID")
    if unit != [content.get("teamIdentifier")]:
        raise Rejected("teamIdentifier is not the certificate's OU")
    token = content.get("authenticationToken")
    url = content.get("webServiceURL")
    if (token is None) != (url is None):
        raise Rejected("webServiceURL and authenticationToken come together or not at all")
    if token is not None and len(token) < 16:
        raise Rejected("authenticationToken has fewer than 16 characters")


def _check_signature(
    signature: bytes, manifest: bytes, roots: Sequence[x509.Certificate]
) -> tuple[x509.Certificate, datetime]:
    try:
        certificates = pkcs7.load_der_pkcs7_certificates(signature)
        signer = _signer_info(signature)
    except (ValueError, IndexError) as fault:
        raise Rejected("the signature is not DER CMS") from fault
    if signer.detached is False:
        raise Rejected("the signature is not detached")
    leaf = next((each for each in certificates if each.serial_number == signer.serial), None)
    if leaf is None:
        raise Rejected("the signing certificate is not embedded")
    if _digest(manifest, signer.algorithm) != signer.attributes.get(_MESSAGE_DIGEST):
        raise Rejected("the signature is not over these manifest bytes")
    stamp = signer.attributes.get(_SIGNING_TIME)
    if stamp is None:
        raise Rejected("there is no signing time")
    text = stamp.decode("ascii")
    form = "%y%m%d%H%M%SZ" if len(text) == 13 else "%Y%m%d%H%M%SZ"
    signed_at = datetime.strptime(text, form).replace(tzinfo=UTC)
    _check_chain(leaf, certificates, roots, signed_at)
    key = leaf.public_key()
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signer.value, signer.signed, padding.PKCS1v15(), signer.algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signer.value, signer.signed, ec.ECDSA(signer.algorithm))
        else:
            raise Rejected("the key is neither RSA nor EC")
    except InvalidSignature as fault:
        raise Rejected("the signature does not verify") from fault
    return leaf, signed_at


def _check_chain(
    leaf: x509.Certificate,
    embedded: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    at: datetime,
) -> None:
    current = leaf
    for _ in range(4):
        if not current.not_valid_before_utc <= at <= current.not_valid_after_utc:
            raise Rejected("a certificate was not valid at the signing time")
        if any(_issued(current, root) for root in roots):
            return
        issuer = next((each for each in embedded if _issued(current, each)), None)
        if issuer is None or issuer == current:
            raise Rejected("the chain does not reach a trusted root (is WWDR embedded?)")
        current = issuer
    raise Rejected("the chain is too long")


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


@dataclass(frozen=True, slots=True)
class _SignerInfo:
    detached: bool
    serial: int
    algorithm: hashes.HashAlgorithm
    attributes: dict[bytes, bytes]
    signed: bytes
    value: bytes


def _signer_info(signature: bytes) -> _SignerInfo:
    """Read the one SignerInfo of a SignedData (RFC 5652 §5.3)."""
    content_info = _children(_one(signature)[1])
    signed_data = _children(_one(content_info[1][1])[1])
    encapsulated = _children(signed_data[2][1])
    infos = _children(signed_data[-1][1])
    if len(infos) != 1:
        raise ValueError("one signer is expected")
    parts = _children(infos[0][1])
    serial = int.from_bytes(_children(parts[1][1])[1][1], "big", signed=True)
    algorithm = _HASHES[_children(parts[2][1])[0][1]]
    if parts[3][0] != 0xA0:
        raise ValueError("there are no signed attributes")
    attributes = {}
    for _, attribute in _children(parts[3][1]):
        name, values = _children(attribute)
        attributes[name[1]] = _children(values[1])[0][1]
    if _CONTENT_TYPE not in attributes:
        raise ValueError("there is no content type")
    # What is signed is the attributes as a SET (RFC 5652 §5.4), not with their implicit tag.
    signed = b"\x31" + _length(len(parts[3][1])) + parts[3][1]
    return _SignerInfo(len(encapsulated) == 1, serial, algorithm, attributes, signed, parts[5][1])


def _digest(data: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
    state = hashes.Hash(algorithm)
    state.update(data)
    return state.finalize()


def _length(size: int) -> bytes:
    if size < 0x80:
        return bytes([size])
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(octets)]) + octets


def _one(data: bytes) -> tuple[int, bytes]:
    return next(_walk(data))


def _children(data: bytes) -> list[tuple[int, bytes]]:
    return list(_walk(data))


def _walk(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of each DER value in a row (one-byte tags are all CMS needs)."""
    at = 0
    while at < len(data):
        tag, size, at = data[at], data[at + 1], at + 2
        if size & 0x80:
            octets = size & 0x7F
            size = int.from_bytes(data[at : at + octets], "big")
            at += octets
        if at + size > len(data):
            raise ValueError("the value is cut short")
        yield tag, data[at : at + size]
        at += size
