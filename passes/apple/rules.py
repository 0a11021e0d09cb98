"""Apple's rules for a pass.json: everything that would make a phone refuse or garble the pass.

`check_pass` raises a PackageError for the first rule that is broken, naming the member, the cause
and the remedy. Nothing is dropped or repaired. Evidence: Apple's Wallet Passes documentation, and
where that errs, Apple's own pass-builder.
"""

from __future__ import annotations

import codecs
import re
from base64 import b64decode
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from passes.apple.dates import check_date
from passes.apple.fields import check_style
from passes.apple.members import FORMATS, STYLES
from passes.apple.service import check_web_service
from passes.errors import PackageError
from passes.signing.signer import Signer

_OTHER_STYLES = ("boardingPass", "eventTicket", "generic")
_MEMBERS = frozenset(
    (
        *("formatVersion", "passTypeIdentifier", "serialNumber", "teamIdentifier"),
        *("organizationName", "description", "webServiceURL", "authenticationToken"),
        *("expirationDate", "voided", "relevantDates", "locations", "maxDistance", "beacons"),
        *("sharingProhibited", "userInfo", "associatedStoreIdentifiers", "appLaunchURL"),
        *("foregroundColor", "backgroundColor", "labelColor", "stripColor", "suppressStripShine"),
        *("logoText", "semantics", "nfc", "barcodes", "barcode", "posterGeneric"),
        *("featuredActions", *STYLES.values()),
    )
)
_CLASSIC_FORMATS = {f"PKBarcodeFormat{each}" for each in ("QR", "PDF417", "Aztec", "Code128")}
_OLD_FORMATS = _CLASSIC_FORMATS - {"PKBarcodeFormatCode128"}
_SERIAL = re.compile(r"[A-Za-z0-9._-]{1,64}").fullmatch
_RGB = re.compile(r"rgb\((\d{1,3}), ?(\d{1,3}), ?(\d{1,3})\)").fullmatch
_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}").fullmatch


def check_pass(
    document: object,
    *,
    pass_type_id: str,
    team_id: str,
    nfc: bool = False,
    development: bool = False,
) -> None:
    """Raise PackageError unless a phone shows this pass.json as it is meant.

    `pass_type_id`, `team_id` and `nfc` are the certificate's; `development` allows plain http.
    """
    if not isinstance(document, Mapping):
        raise PackageError("pass.json", "It is not a dictionary.", "Give an object.")
    for member in document:
        if member == "relevantDate":
            raise PackageError(member, "It is deprecated since iOS 18.", "Use relevantDates.")
        if member == "groupingIdentifier":
            raise PackageError(member, "Coupons and store cards ignore it.", "Remove it.")
        if member not in _MEMBERS and member not in _OTHER_STYLES:
            raise PackageError(str(member), "pass.json has no such member.", "Remove it.")
    _check_identity(document, pass_type_id, team_id)
    _check_styles(document)
    _check_service(document, development=development)
    _check_relevance(document)
    _check_looks(document)
    _check_barcodes(document)
    _check_extras(document)
    if "nfc" in document:
        _check_nfc(document["nfc"], allowed=nfc)


def check_for(document: object, signer: Signer, *, development: bool = False) -> None:
    """Do as `check_pass`, with what the signer's certificate says."""
    check_pass(
        document,
        pass_type_id=signer.pass_type_id,
        team_id=signer.team_id,
        nfc=signer.nfc,
        development=development,
    )


def _check_identity(document: Mapping[str, Any], pass_type_id: str, team_id: str) -> None:
    version = document.get("formatVersion")
    if type(version) is not int or version != 1:
        raise PackageError("formatVersion", "It is not the number 1.", "Set it to 1.")
    for member, want, part in (
        ("passTypeIdentifier", pass_type_id, "UID"),
        ("teamIdentifier", team_id, "OU"),
    ):
        have = document.get(member)
        if have != want:
            raise PackageError(
                member,
                f"It is {have!r}, and the certificate's {part} is {want!r}.",
                "Make them agree: change it, or sign with the certificate of that pass type.",
            )
    serial = document.get("serialNumber")
    if not isinstance(serial, str) or not _SERIAL(serial):
        raise PackageError(
            "serialNumber", "It is malformed.", "Use a text of 1 to 64 of A-Z a-z 0-9 . _ and -."
        )
    for member in ("organizationName", "description"):
        text = document.get(member)
        if not isinstance(text, str) or not text.strip():
            raise PackageError(member, "It is missing or empty.", "Give a text.")


def _check_styles(document: Mapping[str, Any]) -> None:
    for other in _OTHER_STYLES:
        if other in document:
            raise PackageError(
                other, "This library makes coupons and store cards.", "Use coupon or storeCard."
            )
    styles = [style for style in STYLES.values() if style in document]
    if len(styles) != 1:
        raise PackageError(
            "style",
            "It has two styles." if styles else "It has no style that every iPhone knows.",
            "Give exactly one of coupon and storeCard, beside posterGeneric too.",
        )
    check_style(styles[0], document[styles[0]])
    if not isinstance(document.get("posterGeneric", {}), Mapping):
        raise PackageError("posterGeneric", "It is not a dictionary.", "Give one.")


def _check_service(document: Mapping[str, Any], *, development: bool) -> None:
    url, token = "webServiceURL" in document, "authenticationToken" in document
    if url != token:
        missing = "authenticationToken" if url else "webServiceURL"
        raise PackageError(missing, "It is missing beside its twin.", "Give both or neither.")
    if url:
        check_web_service(
            document["webServiceURL"], document["authenticationToken"], development=development
        )


def _check_relevance(document: Mapping[str, Any]) -> None:
    if "expirationDate" in document:
        check_date("expirationDate", document["expirationDate"])
    for number, each in enumerate(_list(document, "relevantDates")):
        name = f"relevantDates[{number}]"
        entry = _mapping(name, each)
        if entry.keys() == {"startDate", "endDate"}:
            start = check_date(f"{name}.startDate", entry["startDate"])
            end = check_date(f"{name}.endDate", entry["endDate"])
            if not timedelta(0) < end - start <= timedelta(hours=24):
                raise PackageError(
                    f"{name}.endDate",
                    "The span is not between 0 and 24 hours long.",
                    "Give a shorter span.",
                )
        elif entry.keys() == {"date", "relevantDate"} and entry["date"] == entry["relevantDate"]:
            check_date(f"{name}.date", entry["date"])
        else:
            raise PackageError(
                name,
                "iOS 18 looks for relevantDate and iOS 26 for date.",
                "Give both, equal; or startDate and endDate.",
            )
    for number, each in enumerate(_list(document, "locations", most=10)):
        name = f"locations[{number}]"
        place = _mapping(name, each)
        _number(f"{name}.latitude", place.get("latitude"), -90, 90)
        _number(f"{name}.longitude", place.get("longitude"), -180, 180)
        if "altitude" in place:
            _number(f"{name}.altitude", place["altitude"], -12_000, 100_000)
        _text_if_any(name, place, "relevantText")
    if "maxDistance" in document:
        _number("maxDistance", document["maxDistance"], 1, 100_000)
    for number, each in enumerate(_list(document, "beacons", most=10)):
        name = f"beacons[{number}]"
        beacon = _mapping(name, each)
        uuid = beacon.get("proximityUUID")
        if not isinstance(uuid, str) or not _UUID(uuid):
            raise PackageError(f"{name}.proximityUUID", "It is not a UUID.", "Give one.")
        for member in ("major", "minor"):
            if member in beacon:
                _number(f"{name}.{member}", beacon[member], 0, 65_535)
        _text_if_any(name, beacon, "relevantText")


def _check_looks(document: Mapping[str, Any]) -> None:
    for member in ("foregroundColor", "backgroundColor", "labelColor", "stripColor"):
        if member in document:
            found = _RGB(document[member]) if isinstance(document[member], str) else None
            if not found or any(int(part) > 255 for part in found.groups()):
                raise PackageError(member, "It is not a colour.", "Write rgb(11, 61, 46).")
    for member in ("voided", "sharingProhibited", "suppressStripShine"):
        if not isinstance(document.get(member, False), bool):
            raise PackageError(member, "It is not true or false.", "Give a boolean.")
    _text_if_any("", document, "logoText")


def _check_barcodes(document: Mapping[str, Any]) -> None:
    if "barcodes" in document:
        barcodes = document["barcodes"]
        if not isinstance(barcodes, list) or not barcodes:
            raise PackageError("barcodes", "It is not a list of barcodes.", "Give a list.")
        for number, each in enumerate(barcodes):
            _check_barcode(f"barcodes[{number}]", each, set(FORMATS.values()))
        if not any(each["format"] in _CLASSIC_FORMATS for each in barcodes):
            raise PackageError(
                "barcodes",
                "iPhones before iOS 27 know none of the formats and show nothing.",
                "Put a QR, PDF417, Aztec or Code128 behind the new format.",
            )
    if "barcode" in document:
        _check_barcode("barcode", document["barcode"], _OLD_FORMATS)


def _check_barcode(name: str, each: object, formats: set[str]) -> None:
    barcode = _mapping(name, each)
    if barcode.get("format") not in formats:
        raise PackageError(
            f"{name}.format", "It is unknown here.", f"Use {', '.join(sorted(formats))}."
        )
    message, encoding = barcode.get("message"), barcode.get("messageEncoding")
    if not isinstance(message, str) or not message:
        raise PackageError(f"{name}.message", "It is not a text.", "Give a text, not a number.")
    if not isinstance(encoding, str):
        raise PackageError(f"{name}.messageEncoding", "It is missing.", "Set it to iso-8859-1.")
    try:
        codecs.lookup(encoding)
        message.encode(encoding)
    except LookupError as error:
        raise PackageError(
            f"{name}.messageEncoding", "It is unknown.", "Set it to iso-8859-1."
        ) from error
    except UnicodeEncodeError as error:
        raise PackageError(
            f"{name}.message",
            f"It has characters that {encoding} lacks.",
            "Use ASCII, which every scanner reads.",
        ) from error
    _text_if_any(name, barcode, "altText")
    unknown = barcode.keys() - {"format", "message", "messageEncoding", "altText"}
    if unknown:
        raise PackageError(f"{name}.{min(unknown)}", "Barcodes have no such member.", "Remove it.")


def _check_extras(document: Mapping[str, Any]) -> None:
    stores = _list(document, "associatedStoreIdentifiers")
    if any(type(each) is not int for each in stores):
        raise PackageError(
            "associatedStoreIdentifiers", "An entry is not a number.", "Give App Store numbers."
        )
    if "appLaunchURL" in document and not stores:
        raise PackageError(
            "appLaunchURL", "It is ignored without an app.", "Give associatedStoreIdentifiers."
        )
    _text_if_any("", document, "appLaunchURL")
    if not isinstance(document.get("semantics", {}), Mapping):
        raise PackageError("semantics", "It is not a dictionary.", "Give one.")
    for number, each in enumerate(_list(document, "featuredActions", most=2)):
        action = _mapping(f"featuredActions[{number}]", each)
        for member in ("identifier", "type", "url"):
            if not isinstance(action.get(member), str) or not action[member]:
                raise PackageError(
                    f"featuredActions[{number}].{member}", "It is missing.", "Give a text."
                )


def _check_nfc(nfc: object, *, allowed: bool) -> None:
    entry = _mapping("nfc", nfc)
    if not allowed:
        raise PackageError(
            "nfc",
            "The certificate is not enabled for NFC, and a phone refuses the pass.",
            "Ask Apple for an NFC certificate, or leave nfc out.",
        )
    message = entry.get("message")
    if not isinstance(message, str) or not 1 <= len(message.encode()) <= 64:
        raise PackageError("nfc.message", "It is not 1 to 64 bytes long.", "Shorten it.")
    try:
        key = load_der_public_key(b64decode(entry.get("encryptionPublicKey", ""), validate=True))
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise PackageError(
            "nfc.encryptionPublicKey",
            "It is not a public key on the curve P-256.",
            "Give its SubjectPublicKeyInfo in base64.",
        )
    if not isinstance(entry.get("requiresAuthentication", False), bool):
        raise PackageError(
            "nfc.requiresAuthentication", "It is not true or false.", "Give a boolean."
        )


def _list(document: Mapping[str, Any], member: str, *, most: int | None = None) -> list[Any]:
    found = document.get(member, [])
    if not isinstance(found, list):
        raise PackageError(member, "It is not a list.", "Give a list.")
    if most is not None and len(found) > most:
        raise PackageError(
            member, f"It has {len(found)} entries, and phones take {most}.", "Keep the nearest."
        )
    return found


def _mapping(name: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise PackageError(name, "It is not a dictionary.", "Give one.")
    return value


def _number(name: str, value: object, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise PackageError(
            name, "It is not a number in range.", f"Give a number from {low} to {high}."
        )


def _text_if_any(name: str, parent: Mapping[str, Any], member: str) -> None:
    if member in parent and (not isinstance(parent[member], str) or not parent[member]):
        raise PackageError(
            f"{name}.{member}".lstrip("."), "It is not a text.", "Give one or leave it out."
        )
