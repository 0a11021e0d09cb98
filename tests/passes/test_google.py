"""Classes and objects pass Google's own schema; links carry no secret and are short enough."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import googleapiclient.discovery_cache
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from passes import (
    Barcode,
    Channel,
    Field,
    Holders,
    Localized,
    Money,
    PassError,
    Place,
    Presentation,
    Slot,
    Status,
    Symbology,
)
from passes.errors import CertificateError, ResourceError
from passes.google import (
    CLASS_TYPES,
    OBJECT_TYPES,
    ServiceAccount,
    carrying_link,
    class_resource,
    message,
    object_resource,
    resource_id,
    save_link,
)
from passes.google.schema import Schema
from tests.passes import samples

CLASS, OBJECT = "3388000000012345678.summer-1", "3388000000012345678.c-0001"
LOGO, BANNER = "https://passes.example/a/1.png", "https://passes.example/a/2.png"
CALLBACK = "https://passes.example/google/callback"


@pytest.fixture(scope="module")
def schema() -> Schema:
    folder = Path(next(iter(googleapiclient.discovery_cache.__path__)))
    return Schema(json.loads((folder / "documents/walletobjects.v1.json").read_text()))


def make_class(presentation: Presentation) -> dict[str, Any]:
    return class_resource(
        presentation, class_id=CLASS, logo_url=LOGO, banner_url=BANNER, callback_url=CALLBACK
    )


def make_object(content: Any) -> dict[str, Any]:
    return object_resource(content, object_id=OBJECT, class_id=CLASS)


def test_a_coupons_class_and_object_are_what_google_documents(
    schema: Schema, presentation: Presentation
) -> None:
    made = make_class(presentation)
    assert schema.check(CLASS_TYPES["coupon"], made) == []
    assert made["title"] == "On everything"
    assert made["localizedTitle"]["defaultValue"] == {"language": "en", "value": "On everything"}
    assert {"language": "pl", "value": "Na wszystko, również żółte"} in made["localizedTitle"][
        "translatedValues"
    ]
    assert made["shortTitle"] == "−20 %"
    assert made["reviewStatus"] == "UNDER_REVIEW"
    assert made["callbackOptions"] == {"url": CALLBACK}
    assert made["textModulesData"][0]["localizedBody"]["translatedValues"][0] == {
        "language": "fr",
        "value": "50,00\xa0€",
    }
    content = samples.coupon(presentation, valid_from=datetime(2026, 1, 1, tzinfo=samples.PARIS))
    made = make_object(content)
    assert schema.check(OBJECT_TYPES["coupon"], made) == []
    assert made["barcode"] == {
        "type": "QR_CODE",
        "value": "PA1234567890ABCDEF",
        "alternateText": "GREEN-20-X7K2",
    }
    assert made["validTimeInterval"]["start"] == {"date": "2026-01-01T00:00:00+01:00"}


def test_a_gift_cards_class_and_object_are_what_google_documents(
    schema: Schema, gift_presentation: Presentation
) -> None:
    made = make_class(replace(gift_presentation, offer="+5 €", holders=Holders.ONE_PERSON))
    assert schema.check(CLASS_TYPES["gift_card"], made) == []
    assert made["allowBarcodeRedemption"] is True
    assert made["localizedCardNumberLabel"]["defaultValue"]["value"] == "Card number"
    assert made["multipleDevicesAndHoldersAllowedStatus"] == "ONE_USER_ALL_DEVICES"
    assert [each["id"] for each in made["textModulesData"]] == ["title", "offer", "terms"]
    made = make_object(samples.gift_card(gift_presentation))
    assert schema.check(OBJECT_TYPES["gift_card"], made) == []
    assert made["balance"] == {"micros": "15000000", "currencyCode": "EUR"}
    assert made["balanceUpdateTime"] == {"date": "2026-11-20T11:00:00+00:00"}
    assert made["pin"] == "4711"
    bare = make_object(samples.gift_card(gift_presentation, pin=None, changed_at=None))
    assert not bare.keys() & {"pin", "balanceUpdateTime"}


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (Status.ACTIVE, "ACTIVE"),
        (Status.NOT_YET_VALID, "ACTIVE"),
        (Status.USED, "COMPLETED"),
        (Status.EXPIRED, "EXPIRED"),
        (Status.WITHDRAWN, "INACTIVE"),
    ],
)
def test_every_state_has_googles_word(
    presentation: Presentation, status: Status, state: str
) -> None:
    assert make_object(samples.coupon(presentation, status=status))["state"] == state


@pytest.mark.parametrize(
    ("symbology", "payload"),
    [
        (Symbology.PDF417, "ABC"),
        (Symbology.AZTEC, "ABC"),
        (Symbology.CODE128, "ABC"),
        (Symbology.EAN13, "4006381333931"),
        (Symbology.CODE39, "ABC-1"),
        (Symbology.CODABAR, "A123B"),
        (Symbology.ITF14, "00012345600012"),
    ],
)
def test_every_barcode_has_googles_word(
    schema: Schema, presentation: Presentation, symbology: Symbology, payload: str
) -> None:
    barcode = Barcode(payload=payload, symbology=symbology, fallback=Symbology.QR)
    made = make_object(samples.coupon(presentation, barcode=barcode))
    assert schema.check("offerObject", made) == []


def test_a_holders_own_terms_and_places_go_into_the_object(
    schema: Schema, presentation: Presentation
) -> None:
    content = samples.coupon(
        presentation,
        offer="−30 %",
        terms=Localized({each: f"Terms {each}" for each in samples.LANGUAGES}),
        fields=(Field(key="name", label=None, value="Zoë"),),
        places=(Place(latitude=1, longitude=2, text="Here"),),
        barcode=None,
        valid_until=None,
    )
    made = make_object(content)
    assert schema.check("offerObject", made) == []
    assert [each["id"] for each in made["textModulesData"]] == ["offer", "name", "terms"]
    assert made["merchantLocations"] == [{"latitude": 1, "longitude": 2}]
    assert not made.keys() & {"barcode", "validTimeInterval"}


def test_a_bare_class_leaves_out_what_it_does_not_have(schema: Schema) -> None:
    bare = Presentation(
        kind="coupon",
        organization="Shop",
        description="Coupon",
        title="Ten",
        offer="−10 %",
        channel=Channel.IN_STORE,
    )
    made = class_resource(bare, class_id=CLASS, logo_url=LOGO)
    assert schema.check("offerClass", made) == []
    assert made["redemptionChannel"] == "INSTORE"
    absent = {"heroImage", "callbackOptions", "linksModuleData", "merchantLocations", "finePrint"}
    assert not made.keys() & absent


def test_a_message_has_an_id_and_may_notify(schema: Schema) -> None:
    text = Localized({"en": "New balance", "fr": "Nouveau solde"})
    made = message("m-1", header=text, body="12,00 €", language="en", notify=True)
    assert schema.check("addMessageRequest", made) == []
    assert made["message"]["messageType"] == "TEXT_AND_NOTIFY"
    assert (
        message("m-2", header="a", body="b", language="en", notify=False)["message"]["messageType"]
        == "TEXT"
    )


@pytest.mark.parametrize(
    ("field", "make"),
    [
        ("issuer_id", lambda p: resource_id("my-account", "x")),
        ("suffix", lambda p: resource_id("33", "a b")),
        ("class_id", lambda p: class_resource(p, class_id="summer", logo_url=LOGO)),
        ("logo_url", lambda p: class_resource(p, class_id=CLASS, logo_url="http://a.example/x")),
        ("banner_url", lambda p: class_resource(p, class_id=CLASS, logo_url=LOGO, banner_url="x")),
        (
            "callback_url",
            lambda p: class_resource(p, class_id=CLASS, logo_url=LOGO, callback_url="https://"),
        ),
        (
            "object_id",
            lambda p: object_resource(samples.coupon(p), object_id="c 1", class_id=CLASS),
        ),
        (
            "textModulesData",
            lambda p: make_object(
                samples.coupon(
                    p,
                    fields=tuple(
                        Field(key=f"f{n}", label=None, value="x", slot=Slot.DETAILS)
                        for n in range(11)
                    ),
                )
            ),
        ),
    ],
)
def test_what_google_would_reject_is_refused_with_its_field(
    presentation: Presentation, field: str, make: Any
) -> None:
    with pytest.raises(ResourceError) as caught:
        make(presentation)
    assert caught.value.field == field
    assert resource_id("3388000000012345678", "summer-1") == CLASS


DELETE = object()


@pytest.mark.parametrize(
    ("kind", "path", "value", "fault"),
    [
        ("offerObject", "title", "x", "offerObject.title: is unknown to OfferObject"),
        ("offerObject", "state", "active", "offerObject.state: 'active' is a legacy alias"),
        ("offerObject", "state", "STATE_UNSPECIFIED", "offerObject.state: is unspecified"),
        ("offerObject", "state", "SPENT", "offerObject.state: 'SPENT' is not among the values"),
        ("offerObject", "state", DELETE, "offerObject.state: is required"),
        ("offerObject", "id", "c-1", "offerObject.id: is not issuer.suffix"),
        (
            "offerObject",
            "barcode.type",
            "PDF417",
            "offerObject.barcode.type: 'PDF417' is a legacy alias",
        ),
        ("offerObject", "barcode.type", DELETE, "offerObject.barcode.type: is missing"),
        (
            "offerObject",
            "barcode.type",
            "EAN_13",
            "offerObject.barcode.value: A EAN13 barcode cannot hold this payload.",
        ),
        (
            "offerObject",
            "barcode.type",
            "TEXT_ONLY",
            "offerObject.barcode.alternateText: is forbidden beside TEXT_ONLY",
        ),
        ("offerObject", "barcode.kind", "x", "offerObject.barcode.kind: is deprecated"),
        ("offerObject", "barcode", "x", "offerObject.barcode: is not an object"),
        (
            "offerObject",
            "validTimeInterval.start",
            {"date": "2026-01-01T00:00"},
            "offerObject.validTimeInterval: start and end must both have an offset or neither",
        ),
        (
            "offerObject",
            "validTimeInterval.end",
            {"date": "soon"},
            "offerObject.validTimeInterval.end.date: is not ISO 8601",
        ),
        (
            "offerObject",
            "disableExpirationNotification",
            1,
            "offerObject.disableExpirationNotification: is not a boolean",
        ),
        (
            "offerObject",
            "merchantLocations",
            [{"latitude": 99, "longitude": 0}],
            "offerObject.merchantLocations[0].latitude: is out of range",
        ),
        (
            "offerObject",
            "merchantLocations",
            [{"latitude": 9, "longitude": 0}] * 11,
            "offerObject.merchantLocations: has more than 10 entries",
        ),
        (
            "offerObject",
            "groupingInfo",
            {"sortIndex": 1.5},
            "offerObject.groupingInfo.sortIndex: is not a integer",
        ),
        ("offerObject", "messages", {}, "offerObject.messages: is not a list"),
        (
            "offerObject",
            "textModulesData",
            [{"id": "a.b", "body": 1}],
            "offerObject.textModulesData[0].body: is not a string",
        ),
        (
            "offerClass",
            "titleImage.sourceUri.uri",
            "a.png",
            "offerClass.titleImage.sourceUri.uri: has no scheme",
        ),
        (
            "offerClass",
            "titleImage.sourceUri",
            DELETE,
            "offerClass.titleImage: needs one of sourceUri and privateImageId",
        ),
        (
            "offerClass",
            "hexBackgroundColor",
            "green",
            "offerClass.hexBackgroundColor: is not #rrggbb",
        ),
        ("offerClass", "title", "", "offerClass.title: is empty"),
        ("offerClass", "reviewStatus", "REJECTED", "offerClass.reviewStatus: is for Google to set"),
        (
            "offerClass",
            "callbackOptions.url",
            "http://a.example",
            "offerClass.callbackOptions.url: is not https",
        ),
        (
            "offerClass",
            "localizedTitle.defaultValue",
            DELETE,
            "offerClass.localizedTitle.defaultValue: is missing",
        ),
        (
            "offerClass",
            "localizedTitle.defaultValue.language",
            "English",
            "offerClass.localizedTitle.defaultValue.language: is not a BCP 47 tag",
        ),
        ("offerClass", "logo", {}, "offerClass.logo: is unknown to OfferClass"),
        (
            "giftCardObject",
            "balance.micros",
            "1.5",
            "giftCardObject.balance.micros: is not an int64",
        ),
        ("giftCardObject", "balance.micros", 15, "giftCardObject.balance.micros: is not a string"),
        (
            "giftCardObject",
            "balanceUpdateTime.date",
            "2026-01-01T00:00",
            "giftCardObject.balanceUpdateTime: has no offset",
        ),
        ("giftCardObject", "cardNumber", DELETE, "giftCardObject.cardNumber: is required"),
    ],
)
def test_the_schema_check_finds_each_fault(
    schema: Schema,
    presentation: Presentation,
    gift_presentation: Presentation,
    kind: str,
    path: str,
    value: object,
    fault: str,
) -> None:
    good = {
        "offerClass": make_class(presentation),
        "offerObject": make_object(samples.coupon(presentation)),
        "giftCardObject": make_object(samples.gift_card(gift_presentation)),
    }[kind]
    assert schema.check(kind, good) == []
    changed = deepcopy(good)
    at: Any = changed
    *parents, last = path.split(".")
    for part in parents:
        at = at[part]
    if value is DELETE:
        del at[last]
    else:
        at[last] = value
    assert fault in [
        each.replace("barcode.payload", "barcode.value") for each in schema.check(kind, changed)
    ]


def test_a_patch_may_leave_required_members_out(schema: Schema) -> None:
    assert schema.check("offerObject", {"state": "COMPLETED"}, partial=True) == []
    assert schema.check(
        "offerObject",
        {"barcode": {"type": "AZTEC", "value": "A", "renderEncoding": "UTF_8"}},
        partial=True,
    )


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=60), minor=st.integers(0, 2**53), payload=st.text(max_size=20))
def test_whatever_is_written_is_refused_clearly_or_passes_the_schema(
    schema: Schema, text: str, minor: int, payload: str
) -> None:
    try:
        shared = samples.gift_presentation(None, languages=("en",), title=text, terms=text)
        content = samples.gift_card(
            shared,
            balance=Money(minor, "EUR"),
            card_number=text,
            barcode=Barcode(payload=payload),
        )
    except PassError:
        return
    assert schema.check("giftCardClass", make_class(shared)) == []
    assert schema.check("giftCardObject", make_object(content)) == []


def claims(account: ServiceAccount, link: str) -> Mapping[str, Any]:
    """Verify the link's signature and return what it says."""
    assert link.startswith("https://pay.google.com/gp/v/save/")
    token = link.rpartition("/")[2]
    assert len(token) <= 1800
    signed, _, signature = token.rpartition(".")
    account.key.public_key().verify(_decode(signature), signed.encode(), PKCS1v15(), SHA256())
    header, payload = (json.loads(_decode(part)) for part in signed.split("."))
    assert header == {"alg": "RS256", "typ": "JWT", "kid": account.key_id}
    found: dict[str, Any] = payload
    return found


def _decode(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


@pytest.mark.parametrize(
    ("kind", "member"), [("coupon", "offerObjects"), ("gift_card", "giftCardObjects")]
)
def test_a_save_link_names_the_object_and_nothing_else(
    account: ServiceAccount, kind: Any, member: str
) -> None:
    link = save_link(account, kind=kind, object_id=OBJECT, class_id=CLASS, now=samples.NOW)
    said = claims(account, link)
    assert said["payload"] == {member: [{"id": OBJECT, "classId": CLASS}]}
    assert (said["aud"], said["typ"], said["iss"]) == ("google", "savetowallet", account.email)
    assert said["iat"] == int(samples.NOW.timestamp())


def test_a_fallback_link_carries_the_object_and_the_class_where_it_fits(
    account: ServiceAccount, presentation: Presentation
) -> None:
    small = Presentation(kind="coupon", organization="S", description="d", title="t", offer="−1")
    made = make_object(samples.coupon(small))
    tiny = class_resource(small, class_id=CLASS, logo_url=LOGO)
    tiny = {name: tiny[name] for name in ("id", "issuerName", "title")}
    link = carrying_link(account, resource=made, class_resource=tiny, now=samples.NOW)
    assert claims(account, link)["payload"] == {"offerClasses": [tiny], "offerObjects": [made]}
    large = make_class(presentation)
    link = carrying_link(account, resource=made, class_resource=large, now=samples.NOW)
    assert claims(account, link)["payload"] == {"offerObjects": [made]}
    link = carrying_link(account, resource=made, now=samples.NOW)
    assert claims(account, link)["payload"] == {"offerObjects": [made]}


def test_links_that_are_too_long_or_carry_secrets_are_refused(
    account: ServiceAccount, presentation: Presentation, gift_presentation: Presentation
) -> None:
    long = make_object(samples.coupon(presentation, terms="x" * 1500))
    with pytest.raises(ResourceError, match="longer than 1,800"):
        carrying_link(account, resource=long, now=samples.NOW)
    with pytest.raises(ResourceError, match="longer than 1,800"):
        save_link(account, kind="coupon", object_id="1" * 1500, class_id=CLASS, now=samples.NOW)
    for card in (samples.gift_card(gift_presentation, pin=pin) for pin in ("4711", None)):
        with pytest.raises(ResourceError, match="must not stand in a link"):
            carrying_link(account, resource=make_object(card), now=samples.NOW)


def test_a_service_account_asks_for_a_token_and_keeps_its_key_to_itself(
    account: ServiceAccount,
) -> None:
    form = account.token_request(samples.NOW)
    assert form["grant_type"].endswith("jwt-bearer")
    said = json.loads(_decode(form["assertion"].split(".")[1]))
    assert said["scope"].endswith("wallet_object.issuer")
    assert said["exp"] - said["iat"] == 3600
    assert said["aud"] == account.token_uri
    assert account.throwaway
    assert "RSAPrivateKey" not in repr(account)


def test_a_file_that_is_no_service_account_is_refused(certificates: Path, tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match="no service account"):
        ServiceAccount.load(tmp_path)
    good = json.loads((certificates / "google/service-account.json").read_text())
    curve = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    for changes in (
        {"private_key": "x"},
        {"private_key": 1},
        {"private_key": curve.decode()},
    ):
        with pytest.raises(CertificateError):
            ServiceAccount.read(json.dumps({**good, **changes}).encode())
    del good["client_email"]
    for data in (json.dumps(good).encode(), b"[]", b"{"):
        with pytest.raises(CertificateError, match="not the key file"):
            ServiceAccount.read(data)
