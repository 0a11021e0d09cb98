"""Every rule of Apple's that a file can show: one good pass, and one mutation for each rule."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, pkcs7

from passes import Presentation
from passes.apple import (
    Template,
    build_pkpass,
    check_files,
    check_pass,
    read_package,
    read_strings,
)
from passes.apple.package import digest
from passes.errors import CertificateError, PackageError
from passes.signing import Signer, cms, throwaway
from tests.passes import samples
from tests.passes.openssl import unzip

PKOptions = pkcs7.PKCS7Options
P256 = b64encode(
    ec.generate_private_key(ec.SECP256R1())
    .public_key()
    .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
).decode()
GOOD: dict[str, Any] = {
    "formatVersion": 1,
    "passTypeIdentifier": "pass.example.passerelle",
    "teamIdentifier": "EXAMPLE123",
    "serialNumber": "c-1",
    "organizationName": "Green Grocer",
    "description": "Coupon",
    "logoText": "Green",
    "webServiceURL": "https://passes.example/apple",
    "authenticationToken": "0123456789abcdef",
    "expirationDate": "2026-12-31T23:59:59+01:00",
    "voided": False,
    "relevantDates": [
        {"date": "2026-12-24T10:00Z", "relevantDate": "2026-12-24T10:00Z"},
        {"startDate": "2026-12-24T10:00Z", "endDate": "2026-12-25T10:00Z"},
    ],
    "locations": [{"latitude": 48.8, "longitude": 2.3, "altitude": 30, "relevantText": "Here"}],
    "maxDistance": 50,
    "beacons": [
        {
            "proximityUUID": "f8f589e9-c07e-58b0-aec3-79a7f4c9e2a1",
            "major": 1,
            "minor": 2,
            "relevantText": "Here",
        }
    ],
    "sharingProhibited": True,
    "userInfo": {"any": ["thing", None]},
    "associatedStoreIdentifiers": [123],
    "appLaunchURL": "shop://",
    "foregroundColor": "rgb(255, 255, 255)",
    "backgroundColor": "rgb(0,0,0)",
    "suppressStripShine": True,
    "semantics": {"balance": {"amount": "1", "currencyCode": "EUR"}},
    "barcodes": [
        {
            "format": "PKBarcodeFormatEAN13",
            "message": "4006381333931",
            "messageEncoding": "iso-8859-1",
            "altText": "4006381333931",
        },
        {"format": "PKBarcodeFormatQR", "message": "é", "messageEncoding": "iso-8859-1"},
    ],
    "barcode": {"format": "PKBarcodeFormatQR", "message": "A", "messageEncoding": "utf-8"},
    "featuredActions": [{"identifier": "a", "type": "shop", "url": "https://a.example"}],
    "posterGeneric": {},
    "coupon": {
        "headerFields": [{"key": "h", "value": 1, "numberStyle": "PKNumberStyleDecimal"}],
        "primaryFields": [{"key": "p", "label": "L", "value": "-20 %", "semantics": {}}],
        "secondaryFields": [
            {
                "key": "s",
                "value": "2026-12-31T23:59:59Z",
                "dateStyle": "PKDateStyleShort",
                "timeStyle": "PKDateStyleNone",
                "isRelative": False,
                "ignoresTimeZone": True,
                "textAlignment": "PKTextAlignmentLeft",
            }
        ],
        "auxiliaryFields": [
            {"key": "a", "value": 12.5, "currencyCode": "EUR", "changeMessage": "Now %@"}
        ],
        "backFields": [
            {
                "key": "b",
                "value": "https://a.example",
                "attributedValue": "<a href='https://a.example'>Shop</a>",
                "dataDetectorTypes": [],
            }
        ],
    },
}
DELETE = object()


def mutated(path: str, value: object) -> dict[str, Any]:
    """Return the good pass with one member changed, added or deleted."""
    document = deepcopy(GOOD)
    at: Any = document
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in parents:
        at = at[part]
    if value is DELETE:
        del at[last]
    else:
        at[last] = value
    return document


def check(document: object, *, nfc: bool = False) -> None:
    check_pass(document, pass_type_id="pass.example.passerelle", team_id="EXAMPLE123", nfc=nfc)


def test_the_good_pass_is_accepted() -> None:
    check(GOOD)


FIELDS = "coupon.primaryFields.0"
MANY = [{"key": str(number), "value": "x"} for number in range(9)]


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("formatVersion", DELETE, "formatVersion"),
        ("formatVersion", "1", "formatVersion"),
        ("formatVersion", True, "formatVersion"),
        ("passTypeIdentifier", "pass.other", "passTypeIdentifier"),
        ("teamIdentifier", "OTHER", "teamIdentifier"),
        ("serialNumber", 17, "serialNumber"),
        ("serialNumber", "a b", "serialNumber"),
        ("organizationName", DELETE, "organizationName"),
        ("description", " ", "description"),
        ("coupon", DELETE, "style"),
        ("storeCard", {}, "style"),
        ("generic", {}, "generic"),
        ("coupon", [], "coupon"),
        ("posterGeneric", [], "posterGeneric"),
        ("webServiceURL", DELETE, "webServiceURL"),
        ("authenticationToken", DELETE, "authenticationToken"),
        ("authenticationToken", "short", "authenticationToken"),
        ("authenticationToken", "é" * 16, "authenticationToken"),
        ("webServiceURL", "http://passes.example", "webServiceURL"),
        ("webServiceURL", "https://passes.example/", "webServiceURL"),
        ("webServiceURL", "https://passes.example/v1", "webServiceURL"),
        ("webServiceURL", "https://passes.example/v1/x", "webServiceURL"),
        ("webServiceURL", "passes.example", "webServiceURL"),
        ("webServiceURL", 1, "webServiceURL"),
        ("expirationDate", "2026-12-31", "expirationDate"),
        ("expirationDate", "2026-12-31T23:59:59", "expirationDate"),
        ("expirationDate", "2026-12-31T23:59:59+0000", "expirationDate"),
        ("expirationDate", "2026-12-31T23:59:59.5Z", "expirationDate"),
        ("expirationDate", "2026-13-31T23:59:59Z", "expirationDate"),
        ("expirationDate", 1, "expirationDate"),
        ("voided", "false", "voided"),
        ("sharingProhibited", 1, "sharingProhibited"),
        ("suppressStripShine", None, "suppressStripShine"),
        ("relevantDate", "2026-12-31T23:59:59Z", "relevantDate"),
        ("relevantDates", {}, "relevantDates"),
        ("relevantDates.0", "2026-12-24T10:00Z", "relevantDates[0]"),
        ("relevantDates.0.date", DELETE, "relevantDates[0]"),
        ("relevantDates.0.date", "2026-12-24T10:01Z", "relevantDates[0]"),
        ("relevantDates.1.endDate", "2026-12-25T10:01Z", "relevantDates[1].endDate"),
        ("locations", [{"latitude": 1, "longitude": 1}] * 11, "locations"),
        ("locations.0.latitude", 91, "locations[0].latitude"),
        ("locations.0.longitude", "2.3", "locations[0].longitude"),
        ("locations.0.longitude", DELETE, "locations[0].longitude"),
        ("locations.0.altitude", True, "locations[0].altitude"),
        ("locations.0.relevantText", "", "locations[0].relevantText"),
        ("maxDistance", 0, "maxDistance"),
        ("beacons", GOOD["beacons"] * 11, "beacons"),
        ("beacons.0.proximityUUID", "x", "beacons[0].proximityUUID"),
        ("beacons.0.major", 65536, "beacons[0].major"),
        ("groupingIdentifier", "x", "groupingIdentifier"),
        ("associatedStoreIdentifiers", ["123"], "associatedStoreIdentifiers"),
        ("associatedStoreIdentifiers", DELETE, "appLaunchURL"),
        ("appLaunchURL", 1, "appLaunchURL"),
        ("backgroundColor", "#000000", "backgroundColor"),
        ("labelColor", "rgb(256, 0, 0)", "labelColor"),
        ("foregroundColor", 0, "foregroundColor"),
        ("logoText", 1, "logoText"),
        ("semantics", [], "semantics"),
        ("barcodes", {"format": "PKBarcodeFormatQR"}, "barcodes"),
        ("barcodes", [], "barcodes"),
        ("barcodes.1", DELETE, "barcodes"),
        ("barcodes.1.message", 123, "barcodes[1].message"),
        ("barcodes.1.message", "€", "barcodes[1].message"),
        ("barcodes.1.messageEncoding", DELETE, "barcodes[1].messageEncoding"),
        ("barcodes.1.messageEncoding", "latin-zero", "barcodes[1].messageEncoding"),
        ("barcodes.1.format", "PKBarcodeFormatITF", "barcodes[1].format"),
        ("barcodes.1.altText", 1, "barcodes[1].altText"),
        ("barcodes.1.text", "x", "barcodes[1].text"),
        ("barcode.format", "PKBarcodeFormatCode128", "barcode.format"),
        ("barcode", [], "barcode"),
        ("nfc", {"message": "x"}, "nfc"),
        ("featuredActions", GOOD["featuredActions"] * 3, "featuredActions"),
        ("featuredActions.0.url", DELETE, "featuredActions[0].url"),
        ("expiry", "x", "expiry"),
        ("coupon.frontFields", [], "coupon.frontFields"),
        ("coupon.headerFields", MANY[:4], "coupon.headerFields"),
        ("coupon.primaryFields", MANY[:2], "coupon.primaryFields"),
        ("coupon.auxiliaryFields", MANY[:4], "coupon.auxiliaryFields"),
        ("coupon.backFields", {}, "coupon.backFields"),
        (FIELDS, "x", "coupon.primaryFields[0]"),
        (f"{FIELDS}.key", DELETE, "coupon.primaryFields[0].key"),
        (f"{FIELDS}.key", "h", "coupon.primaryFields[0].key"),
        (f"{FIELDS}.value", DELETE, "coupon.primaryFields[0].value"),
        (f"{FIELDS}.value", None, "coupon.primaryFields[0].value"),
        (f"{FIELDS}.value", True, "coupon.primaryFields[0].value"),
        (f"{FIELDS}.label", 1, "coupon.primaryFields[0].label"),
        (f"{FIELDS}.currencyCode", "EUR", "coupon.primaryFields[0].value"),
        (f"{FIELDS}.currencyCode", "euro", "coupon.primaryFields[0].currencyCode"),
        (f"{FIELDS}.currencyCode", ["EUR"], "coupon.primaryFields[0].currencyCode"),
        (f"{FIELDS}.numberStyle", "PKNumberStyleDecimal", "coupon.primaryFields[0].value"),
        (f"{FIELDS}.dateStyle", "PKDateStyleShort", "coupon.primaryFields[0].value"),
        (f"{FIELDS}.isRelative", 1, "coupon.primaryFields[0].isRelative"),
        (f"{FIELDS}.semantics", 1, "coupon.primaryFields[0].semantics"),
        (f"{FIELDS}.textAlignment", "PKTextAlignmentLeft", "coupon.primaryFields[0].textAlignment"),
        (f"{FIELDS}.dataDetectorTypes", [], "coupon.primaryFields[0].dataDetectorTypes"),
        (f"{FIELDS}.colour", "x", "coupon.primaryFields[0].colour"),
        ("coupon.headerFields.0.numberStyle", "Decimal", "coupon.headerFields[0].numberStyle"),
        (
            "coupon.secondaryFields.0.dateStyle",
            "short",
            "coupon.secondaryFields[0].dateStyle",
        ),
        (
            "coupon.secondaryFields.0.textAlignment",
            "left",
            "coupon.secondaryFields[0].textAlignment",
        ),
        (
            "coupon.auxiliaryFields.0.numberStyle",
            "PKNumberStyleDecimal",
            "coupon.auxiliaryFields[0].numberStyle",
        ),
        (
            "coupon.auxiliaryFields.0.changeMessage",
            "It changed",
            "coupon.auxiliaryFields[0].changeMessage",
        ),
        (
            "coupon.backFields.0.attributedValue",
            "<b>x</b>",
            "coupon.backFields[0].attributedValue",
        ),
        (
            "coupon.backFields.0.dataDetectorTypes",
            ["Phone"],
            "coupon.backFields[0].dataDetectorTypes",
        ),
    ],
)
def test_a_broken_rule_of_pass_json_is_refused_with_the_field(
    path: str, value: object, field: str
) -> None:
    with pytest.raises(PackageError) as caught:
        check(mutated(path, value))
    assert caught.value.field == field
    assert caught.value.cause
    assert caught.value.remedy


def test_a_pass_that_is_no_object_is_refused() -> None:
    with pytest.raises(PackageError, match=r"pass\.json"):
        check([GOOD])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({}, None),
        ({"message": "x" * 65}, "nfc.message"),
        ({"encryptionPublicKey": "AAAA"}, "nfc.encryptionPublicKey"),
        ({"encryptionPublicKey": 1}, "nfc.encryptionPublicKey"),
        ({"requiresAuthentication": "no"}, "nfc.requiresAuthentication"),
    ],
)
def test_nfc_follows_its_rules_where_the_certificate_allows_it(
    changes: dict[str, Any], field: str | None
) -> None:
    nfc = {"message": "x", "encryptionPublicKey": P256, "requiresAuthentication": True, **changes}
    document = {**GOOD, "nfc": nfc}
    if field is None:
        check(document, nfc=True)
    else:
        with pytest.raises(PackageError) as caught:
            check(document, nfc=True)
        assert caught.value.field == field


@pytest.fixture
def files(template: Template, presentation: Presentation, signer: Signer) -> dict[str, bytes]:
    """Return the constant files of a good pass: pictures at the root, translations beside."""
    package = unzip(template.build(samples.coupon(presentation), signer=signer, now=samples.NOW))
    return {
        name: data
        for name, data in package.items()
        if name not in ("pass.json", "manifest.json", "signature")
    }


def _add(name: str, data: bytes) -> Callable[[dict[str, bytes]], None]:
    return lambda files: files.__setitem__(name, data)


def _remove(name: str) -> Callable[[dict[str, bytes]], None]:
    return lambda files: files.__delitem__(name)


def _append(name: str, data: bytes) -> Callable[[dict[str, bytes]], None]:
    return lambda files: files.__setitem__(name, files[name] + data)


def _copy(source: str, name: str) -> Callable[[dict[str, bytes]], None]:
    return lambda files: files.__setitem__(name, files[source])


@pytest.mark.parametrize(
    ("mutate", "field"),
    [
        (_remove("icon.png"), "icon.png"),
        (_remove("icon@3x.png"), "icon@3x.png"),
        (_add(".DS_Store", b""), ".DS_Store"),
        (_add("pass/icon.png", b""), "pass/icon.png"),
        (_add("manifest.json", b""), "manifest.json"),
        (_add("thumbnail.png", b""), "thumbnail.png"),
        (_add("logo.png", b"GIF89a"), "logo.png"),
        (_copy("strip@3x.png", "strip.png"), "strip.png"),
        (_copy("strip.png", "fr.lproj/strip.png"), "strip.png"),
        (_copy("fr.lproj/pass.strings", "it.lproj/background.png"), "it.lproj/background.png"),
        (_remove("fr.lproj/pass.strings"), None),
        (_append("fr.lproj/pass.strings", b'"only here" = "x";\n'), "fr.lproj/pass.strings"),
        (_append("fr.lproj/pass.strings", b'"a "quote"" = "x";\n'), "fr.lproj/pass.strings"),
        (_append("fr.lproj/pass.strings", b'"Status" = "x";\n'), "fr.lproj/pass.strings"),
        (_append("fr.lproj/pass.strings", b"\xff\xfe"), "fr.lproj/pass.strings"),
        (_add("it.lproj/pass.strings", b""), "it.lproj/pass.strings"),
    ],
)
def test_a_broken_rule_of_the_files_is_refused_with_the_file(
    files: dict[str, bytes], mutate: Callable[[dict[str, bytes]], None], field: str | None
) -> None:
    check_files(files)
    mutate(files)
    if field is None:  # one language fewer is one language fewer
        check_files(files)
        return
    with pytest.raises(PackageError) as caught:
        check_files(files)
    assert caught.value.field == field


def test_all_languages_need_the_same_pictures(files: dict[str, bytes]) -> None:
    files["fr.lproj/strip.png"] = files.pop("strip.png")
    with pytest.raises(PackageError, match="another language"):
        check_files(files)
    del files["en.lproj/pass.strings"]
    with pytest.raises(PackageError, match="another language"):
        check_files(files)


def test_strings_files_are_read_with_their_escapes() -> None:
    assert read_strings("x", b'"a\\"b" = "c\\\\d\\ne\\tf";\n') == {'a"b': "c\\d\ne\tf"}


@pytest.fixture
def package(files: dict[str, bytes], signer: Signer) -> dict[str, bytes]:
    return unzip(build_pkpass(GOOD, files, signer=signer, now=samples.NOW))


@pytest.fixture(scope="session")
def root(certificates: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate((certificates / "apple/root.pem").read_bytes())


def zipped(package: dict[str, bytes]) -> bytes:
    out = BytesIO()
    with ZipFile(out, "w", ZIP_DEFLATED) as archive:
        for name, data in package.items():
            archive.writestr(name, data)
    return out.getvalue()


def signed(package: dict[str, bytes], signer: Signer) -> dict[str, bytes]:
    """Return the package with a manifest and a signature that are right for its files."""
    content = {
        name: data for name, data in package.items() if name not in ("manifest.json", "signature")
    }
    manifest = json.dumps({name: digest(data) for name, data in content.items()}).encode()
    return {
        **content,
        "manifest.json": manifest,
        "signature": signer.sign(manifest, now=samples.NOW),
    }


def test_a_good_package_is_read_with_everything_in_it(
    package: dict[str, bytes], root: x509.Certificate, signer: Signer
) -> None:
    read = read_package(zipped(package), now=samples.NOW, root=root)
    assert read.document == GOOD
    assert read.signed_at == samples.NOW
    assert read.certificate == signer.certificate
    assert "icon.png" in read.files


Mutation = Callable[[dict[str, bytes], Signer], dict[str, bytes]]


def _wrapped(package: dict[str, bytes], signer: Signer) -> dict[str, bytes]:
    return {f"pass/{name}": data for name, data in package.items()}


def _pem_signature(package: dict[str, bytes], signer: Signer) -> dict[str, bytes]:
    return {**package, "signature": b"-----BEGIN PKCS7-----"}


def _builder(*options: pkcs7.PKCS7Options, wwdr: bool = True) -> Mutation:
    def mutate(package: dict[str, bytes], signer: Signer) -> dict[str, bytes]:
        builder = (
            pkcs7.PKCS7SignatureBuilder()
            .set_data(package["manifest.json"])
            .add_signer(signer.certificate, signer.key, SHA256())
        )
        if wwdr:
            builder = builder.add_certificate(signer.wwdr)
        return {**package, "signature": builder.sign(Encoding.DER, list(options))}

    return mutate


@pytest.mark.parametrize(
    ("mutate", "field"),
    [
        (_wrapped, "package"),
        (lambda package, signer: signed({**package, ".DS_Store": b""}, signer), ".DS_Store"),
        (lambda package, signer: {**package, "extra.png": b""}, "manifest.json[extra.png]"),
        (
            lambda package, signer: {k: v for k, v in package.items() if k != "logo.png"},
            "manifest.json[logo.png]",
        ),
        (
            lambda package, signer: {**package, "logo.png": package["logo.png"] + b"\0"},
            "manifest.json[logo.png]",
        ),
        (lambda package, signer: {**package, "manifest.json": b"[]"}, "manifest.json"),
        (lambda package, signer: {**package, "manifest.json": b"{"}, "manifest.json"),
        (
            lambda package, signer: {**package, "manifest.json": package["manifest.json"] + b" "},
            "signature",
        ),
        (lambda package, signer: {**package, "signature": b""}, "signature"),
        (lambda package, signer: {k: v for k, v in package.items() if k != "signature"}, "package"),
        (_pem_signature, "signature"),
        # without DetachedSignature; without the intermediate; without attributes
        (_builder(PKOptions.Binary), "signature"),
        (_builder(PKOptions.Binary, PKOptions.DetachedSignature, wwdr=False), "signature"),
        (
            _builder(PKOptions.Binary, PKOptions.DetachedSignature, PKOptions.NoAttributes),
            "signature",
        ),
        (
            lambda package, signer: signed({**package, "pass.json": b"{'a': 1}"}, signer),
            "pass.json",
        ),
        (
            lambda package, signer: signed({**package, "pass.json": b'{"a": NaN}'}, signer),
            "pass.json",
        ),
        (
            lambda package, signer: signed(
                {**package, "pass.json": json.dumps({**GOOD, "teamIdentifier": "X"}).encode()},
                signer,
            ),
            "teamIdentifier",
        ),
        (
            lambda package, signer: signed(
                {name: data for name, data in package.items() if name != "icon.png"}, signer
            ),
            "icon.png",
        ),
    ],
)
def test_a_package_that_a_phone_refuses_is_refused(
    package: dict[str, bytes], signer: Signer, mutate: Mutation, field: str
) -> None:
    with pytest.raises(PackageError) as caught:
        read_package(zipped(mutate(package, signer)), now=samples.NOW + timedelta(days=90))
    assert caught.value.field == field


def test_a_signature_without_signing_time_is_refused(
    package: dict[str, bytes], signer: Signer
) -> None:
    manifest = package["manifest.json"]
    signature = signer.sign(manifest, now=samples.NOW)
    # The attribute is taken out of the set, its length mended and the rest signed again.
    time = cms.tlv(
        0x30,
        bytes.fromhex("06092a864886f70d010905"),
        cms.tlv(0x31, cms.tlv(0x17, b"261120120000Z")),
    )
    start = signature.index(time)
    head = signature.rindex(bytes.fromhex("06092a864886f70d010903"), 0, start) - 2
    rest = signature[head:start] + signature[start + len(time) :]
    attributes = rest[: rest.index(bytes.fromhex("300d06092a864886f70d010101"))]
    resigned = signer.key.sign(cms.tlv(0x31, attributes), PKCS1v15(), SHA256())
    shorter = signature[:head] + attributes + rest[len(attributes) : -256] + resigned
    for position in _lengths(signature, head):
        value = int.from_bytes(shorter[position[0] : position[1]], "big") - len(time)
        width = position[1] - position[0]
        shorter = shorter[: position[0]] + value.to_bytes(width, "big") + shorter[position[1] :]
    with pytest.raises(PackageError, match="no signing time"):
        read_package(zipped({**package, "signature": shorter}), now=samples.NOW)


def _lengths(der: bytes, target: int) -> list[tuple[int, int]]:
    """Return where the lengths of the elements around an offset are written."""
    found = []
    at, end = 0, len(der)
    while at < end:
        first = der[at + 1]
        start = at + 2 + (first & 0x7F if first > 0x80 else 0)
        length = int.from_bytes(der[at + 2 : start], "big") if first > 0x80 else first
        if start <= target < start + length:
            found.append((at + 2, start) if first > 0x80 else (at + 1, at + 2))
            if target == start:
                return found
            at, end = start, start + length
        else:
            at = start + length
    return found


def test_a_signature_from_another_chain_or_time_is_refused(
    package: dict[str, bytes], root: x509.Certificate, signer: Signer, tmp_path: Path
) -> None:
    throwaway(tmp_path, now=samples.NOW)
    stranger = Signer.load(tmp_path)
    with pytest.raises(PackageError, match="no trusted root"):
        read_package(zipped(signed(package, stranger)), now=samples.NOW, root=root)
    with pytest.raises(PackageError, match="future"):
        read_package(zipped(package), now=samples.NOW - timedelta(hours=1))
    manifest = package["manifest.json"]
    for late in (samples.NOW + timedelta(days=400), samples.NOW - timedelta(days=3)):
        outdated = cms.signer(signer.key, signer.certificate, [signer.wwdr])(manifest, late)
        with pytest.raises(PackageError, match="outside its certificates' dates"):
            read_package(
                zipped({**package, "signature": outdated}), now=samples.NOW + timedelta(days=500)
            )
    with pytest.raises(CertificateError):
        signer.sign(manifest, now=samples.NOW + timedelta(days=400))


def test_something_that_is_no_zip_is_refused(package: dict[str, bytes]) -> None:
    data = zipped(package)
    for broken in (b"", b"PK\x03\x04", data[:-10], data[: len(data) // 2]):
        with pytest.raises(PackageError) as caught:
            read_package(broken, now=samples.NOW)
        assert caught.value.field == "package"
    huge = zipped({"pass.json": bytes(10_000_001)})
    with pytest.raises(PackageError, match="far too large"):
        read_package(huge, now=samples.NOW)


def test_a_package_of_ones_own_is_refused_for_the_same_rules(
    files: dict[str, bytes], signer: Signer
) -> None:
    with pytest.raises(PackageError, match="serialNumber"):
        build_pkpass({**GOOD, "serialNumber": ""}, files, signer=signer, now=samples.NOW)
    with pytest.raises(PackageError, match=r"icon\.png"):
        build_pkpass(GOOD, {}, signer=signer, now=samples.NOW)
    with pytest.raises(PackageError, match=r"pass\.json"):
        build_pkpass({**GOOD, "userInfo": {"a": {1, 2}}}, files, signer=signer, now=samples.NOW)
    plain = {**GOOD, "webServiceURL": "http://127.0.0.1:8000/apple"}
    assert build_pkpass(plain, files, signer=signer, now=samples.NOW, development=True)
