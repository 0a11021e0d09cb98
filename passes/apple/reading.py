"""A finished `.pkpass` read as a phone reads it, and refused for what a phone refuses it for.

`build_pkpass` is the plain way from a pass.json and its files to a signed package; `read_package`
checks one that anybody made: zip, manifest, signature, certificates, every rule of pass.json.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha1, sha256
from io import BytesIO
from typing import Any

import orjson
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

from passes.apple.files import check_files
from passes.apple.package import Layout, digest
from passes.apple.rules import check_for, check_pass
from passes.errors import PackageError
from passes.signing.signer import NFC_EXTENSION, Signer, is_throwaway, issued_by, subject

LARGEST_FILE = 10_000_000
MOST_FILES = 1000
_SIGNING_TIME = bytes.fromhex("2a864886f70d010905")
_MESSAGE_DIGEST = bytes.fromhex("2a864886f70d010904")
_SHA1_OID = bytes.fromhex("2b0e03021a")
_REBUILD = "Build and sign it again."


def build_pkpass(
    document: Mapping[str, Any],
    files: Mapping[str, bytes],
    *,
    signer: Signer,
    now: datetime,
    development: bool = False,
) -> bytes:
    """Return the signed package of a pass.json of one's own and its pictures and strings files.

    Raises PackageError for the first rule that is broken. `Template` is the fast and usual way.
    """
    check_for(document, signer, development=development)
    check_files(files)
    try:
        data = orjson.dumps(document)
    except TypeError as error:
        raise PackageError(
            "pass.json", "It cannot be written as JSON.", "Use texts, numbers, lists, dictionaries."
        ) from error
    layout = Layout(files)
    manifest = layout.extend_manifest([(b"pass.json", data)])
    return layout.archive(
        [
            (b"pass.json", data),
            (b"manifest.json", manifest),
            (b"signature", signer.sign(manifest, now=now)),
        ]
    )


@dataclass(frozen=True, slots=True)
class ReadPass:
    """A package that passed every check."""

    document: Mapping[str, Any]
    files: Mapping[str, bytes]
    signed_at: datetime
    certificate: x509.Certificate


def read_package(
    data: bytes,
    *,
    now: datetime,
    root: x509.Certificate | None = None,
    development: bool = False,
) -> ReadPass:
    """Return what a `.pkpass` holds, or raise PackageError for what a phone would refuse.

    `root` is whom to trust; without it the intermediate is taken at its word.
    """
    files = _unzip(data)
    manifest = files.pop("manifest.json", None)
    signature = files.pop("signature", None)
    if manifest is None or signature is None or "pass.json" not in files:
        raise PackageError(
            "package", "It lacks pass.json, manifest.json or signature at its root.", _REBUILD
        )
    _check_manifest(manifest, files)
    leaf, signed_at = _check_signature(signature, manifest, now, root)
    try:
        document = orjson.loads(files["pass.json"])
    except ValueError as error:
        raise PackageError("pass.json", "It is not strict JSON.", _REBUILD) from error
    check_pass(
        document,
        pass_type_id=subject(leaf, NameOID.USER_ID),
        team_id=subject(leaf, NameOID.ORGANIZATIONAL_UNIT_NAME),
        nfc=any(each.oid == NFC_EXTENSION for each in leaf.extensions),
        development=development,
    )
    check_files({name: each for name, each in files.items() if name != "pass.json"})
    return ReadPass(document, files, signed_at, leaf)


def _unzip(data: bytes) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            entries = archive.infolist()
            if len(entries) > MOST_FILES or any(each.file_size > LARGEST_FILE for each in entries):
                raise PackageError("package", "It is far too large.", _REBUILD)
            for entry in entries:
                if entry.filename in files:
                    raise PackageError(entry.filename, "It is there twice.", _REBUILD)
                files[entry.filename] = archive.read(entry)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise PackageError("package", "It is not a zip that phones can open.", _REBUILD) from error
    return files


def _check_manifest(manifest: bytes, files: Mapping[str, bytes]) -> None:
    try:
        listed = orjson.loads(manifest)
    except ValueError as error:
        raise PackageError("manifest.json", "It is not JSON.", _REBUILD) from error
    if not isinstance(listed, dict):
        raise PackageError("manifest.json", "It is not a dictionary.", _REBUILD)
    odd = listed.keys() ^ files.keys()
    if odd:
        name = min(odd)
        where = "listed but not there" if name in listed else "there but not listed"
        raise PackageError(f"manifest.json[{name}]", f"The file is {where}.", _REBUILD)
    for name, data in files.items():
        if listed[name] != digest(data):
            raise PackageError(
                f"manifest.json[{name}]", "The SHA-1 is not that of the file.", _REBUILD
            )


def _check_signature(
    signature: bytes, manifest: bytes, now: datetime, root: x509.Certificate | None
) -> tuple[x509.Certificate, datetime]:
    try:
        certificates = pkcs7.load_der_pkcs7_certificates(signature)
        info, content = _signer_info(signature)
        attributes = {
            bytes(_elements(each)[0][1]): _elements(_elements(each)[1][1])[0][1]
            for _, each in _elements(info[3][1])
        }
        serial = int.from_bytes(_elements(info[1][1])[1][1], "big")
        sha_1 = _elements(info[2][1])[0][1] == _SHA1_OID
    except (ValueError, IndexError) as error:
        raise PackageError("signature", "It is not a CMS signature in DER.", _REBUILD) from error
    if len(content) > 1:
        raise PackageError("signature", "It is not detached.", _REBUILD)
    leaf = next((each for each in certificates if each.serial_number == serial), None)
    if leaf is None:
        raise PackageError("signature", "The signer's certificate is not in it.", _REBUILD)
    wwdr = next((each for each in certificates if each is not leaf and issued_by(leaf, each)), None)
    genuine = wwdr is not None and (
        is_throwaway(leaf) or subject(wwdr, NameOID.ORGANIZATIONAL_UNIT_NAME) == "G4"
    )
    if wwdr is None or not genuine:
        raise PackageError(
            "signature",
            "Apple's intermediate certificate WWDR G4 is not in it.",
            "Put it into apple/wwdr.pem and sign again.",
        )
    if root is not None and not issued_by(wwdr, root):
        raise PackageError("signature", "Its certificates lead to no trusted root.", _REBUILD)
    if _SIGNING_TIME not in attributes:
        raise PackageError("signature", "It has no signing time.", _REBUILD)
    signed_at = _utc(attributes[_SIGNING_TIME])
    for each in (leaf, wwdr):
        if not each.not_valid_before_utc <= signed_at <= each.not_valid_after_utc:
            raise PackageError(
                "signature", "It was made outside its certificates' dates.", "Renew and sign again."
            )
    if signed_at > now:
        raise PackageError("signature", "It was made in the future.", "Check the signer's clock.")
    hashed = sha1(manifest, usedforsecurity=False) if sha_1 else sha256(manifest)
    algorithm: HashAlgorithm = SHA1() if sha_1 else SHA256()  # noqa: S303 - older passes have it
    key = leaf.public_key()
    try:
        if attributes.get(_MESSAGE_DIGEST) != hashed.digest() or not isinstance(key, RSAPublicKey):
            raise InvalidSignature
        key.verify(info[5][1], b"\x31" + info[3][2][1:], PKCS1v15(), algorithm)
    except InvalidSignature as error:
        raise PackageError(
            "signature", "It is not a signature over these bytes of manifest.json.", _REBUILD
        ) from error
    return leaf, signed_at


_Element = tuple[int, bytes, bytes]


def _signer_info(signature: bytes) -> tuple[list[_Element], list[tuple[int, bytes]]]:
    """Return the parts of the only SignerInfo and of encapContentInfo (RFC 5652, section 5)."""
    outer = _elements(_elements(signature)[0][1])
    data = _elements(_elements(outer[1][1])[0][1])
    content = _elements(data[2][1])
    infos = next(each for tag, each in reversed(data) if tag == 0x31)
    return _whole(_elements(infos)[0][1]), content


def _elements(der: bytes) -> list[tuple[int, bytes]]:
    return [(tag, content) for tag, content, _ in _whole(der)]


def _whole(der: bytes) -> list[_Element]:
    """Return tag, content and whole encoding of each DER element in a row."""
    found = []
    at = 0
    while at < len(der):
        tag, length = der[at], der[at + 1]
        start = at + 2
        if length > 0x80:
            start += length & 0x7F
            length = int.from_bytes(der[at + 2 : start], "big")
        end = start + length
        if end > len(der) or der[at + 1] == 0x80:
            raise ValueError("not DER")
        found.append((tag, der[start:end], der[at:end]))
        at = end
    return found


def _utc(time: bytes) -> datetime:
    try:
        return datetime.strptime(time.decode(), "%y%m%d%H%M%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise PackageError("signature", "Its signing time cannot be read.", _REBUILD) from error
