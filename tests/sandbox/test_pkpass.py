"""The phone's judgement of a package, tried on packages signed with `cryptography`'s own CMS."""

import hashlib
import io
import zipfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

from app.sandbox.pkpass import Rejected, judge

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def certificate(
    subject: x509.Name, key: Key, issuer: x509.Name, signer: Key, *, days: int = 30
) -> x509.Certificate:
    start = datetime.now(UTC) - timedelta(days=1)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(start, start + timedelta(days=days - 1)))
        .not_valid_after(start + timedelta(days=days))
        .sign(signer, hashes.SHA256())
    )


def name(**parts: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(getattr(NameOID, key), value) for key, value in parts.items()]
    )


@dataclass
class Maker:
    """Makes packages, right unless told otherwise."""

    root_key: Key
    root: x509.Certificate
    middle_key: Key
    middle: x509.Certificate
    leaf_key: Key
    leaf: x509.Certificate
    content: dict[str, Any] = field(
        default_factory=lambda: {
            "formatVersion": 1,
            "passTypeIdentifier": "pass.example",
            "teamIdentifier": "TEAM123456",
            "serialNumber": "one",
            "coupon": {},
            "webServiceURL": "https://example.org/apple",
            "authenticationToken": "0123456789abcdef",
        }
    )

    def package(
        self,
        *,
        files: dict[str, bytes] | None = None,
        manifest: dict[str, str] | None = None,
        middle: bool = True,
        options: tuple[pkcs7.PKCS7Options, ...] = (
            pkcs7.PKCS7Options.DetachedSignature,
            pkcs7.PKCS7Options.Binary,
        ),
        late: dict[str, bytes] | None = None,
    ) -> bytes:
        contents = {"pass.json": orjson.dumps(self.content), "icon.png": b"icon"} | (files or {})
        listed = {
            each: hashlib.sha1(data, usedforsecurity=False).hexdigest()
            for each, data in contents.items()
        } | (manifest or {})
        contents["manifest.json"] = orjson.dumps(listed, option=orjson.OPT_INDENT_2)
        builder = (
            pkcs7.PKCS7SignatureBuilder()
            .set_data(contents["manifest.json"])
            .add_signer(self.leaf, self.leaf_key, hashes.SHA256())
        )
        if middle:
            builder = builder.add_certificate(self.middle)
        contents["signature"] = builder.sign(serialization.Encoding.DER, list(options))
        written = io.BytesIO()
        with zipfile.ZipFile(written, "w") as archive:
            for each, data in (contents | (late or {})).items():
                archive.writestr(each, data)
        return written.getvalue()


def maker(*, key: Key | None = None, days: int = 30) -> Maker:
    root_key, middle_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    leaf_key = key or ec.generate_private_key(ec.SECP256R1())
    root_name, middle_name = name(COMMON_NAME="Root"), name(COMMON_NAME="Middle")
    leaf_name = name(USER_ID="pass.example", ORGANIZATIONAL_UNIT_NAME="TEAM123456")
    return Maker(
        root_key,
        certificate(root_name, root_key, root_name, root_key),
        middle_key,
        certificate(middle_name, middle_key, root_name, root_key),
        leaf_key,
        certificate(leaf_name, leaf_key, middle_name, middle_key, days=days),
    )


def test_a_good_package_opens_with_rsa_and_with_ec() -> None:
    for key in (None, rsa.generate_private_key(65537, 2048)):
        make = maker(key=key)
        opened = judge(make.package(files={"de.lproj/pass.strings": b""}), roots=[make.root])
        assert (opened.type_id, opened.serial) == ("pass.example", "one")
        assert "de.lproj/pass.strings" in opened.files
        assert abs(datetime.now(UTC) - opened.signed_at) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"late": {"pass.json": b"{}"}}, "pass.json is not what the manifest says"),
        ({"late": {"extra.png": b""}}, "manifest and files differ"),
        ({"manifest": {"absent.png": "00"}}, "manifest and files differ"),
        ({"late": {"manifest.json": b"{}"}}, "manifest and files differ"),
        ({"middle": False}, "does not reach a trusted root"),
        ({"options": (pkcs7.PKCS7Options.Binary,)}, "not detached"),
        ({"options": (pkcs7.PKCS7Options.DetachedSignature,)}, "not over these manifest bytes"),
        ({"late": {"signature": b"junk"}}, "not DER CMS"),
    ],
)
def test_a_package_with_one_fault_is_rejected_for_it(how: dict[str, Any], reason: str) -> None:
    make = maker()
    with pytest.raises(Rejected, match=reason):
        judge(make.package(**how), roots=[make.root])


def test_one_changed_bit_of_the_signature_value_is_noticed() -> None:
    make = maker()
    package = make.package()
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        signature = bytearray(archive.read("signature"))
    signature[-5] ^= 1
    with pytest.raises(Rejected, match="does not verify"):
        judge(make.package(late={"signature": bytes(signature)}), roots=[make.root])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"passTypeIdentifier": "pass.other"}, "UID"),
        ({"teamIdentifier": "OTHER12345"}, "OU"),
        ({"formatVersion": "1"}, "formatVersion"),
        ({"storeCard": {}}, "exactly one style"),
        ({"authenticationToken": "short"}, "16 characters"),
        ({"authenticationToken": None}, "come together"),
    ],
)
def test_a_signed_but_faulty_content_is_rejected(change: dict[str, Any], reason: str) -> None:
    make = maker()
    make.content |= change
    with pytest.raises(Rejected, match=reason):
        judge(make.package(), roots=[make.root])


def test_other_roots_and_expired_leaves_are_not_trusted() -> None:
    make = maker()
    with pytest.raises(Rejected, match="trusted root"):
        judge(make.package(), roots=[maker().root])
    expired = maker(days=0)
    with pytest.raises(Rejected, match="not valid at the signing time"):
        judge(expired.package(), roots=[expired.root])
