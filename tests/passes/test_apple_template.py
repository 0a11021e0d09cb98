"""What a template builds is signed, whole, and says what the content says, in every language."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from passes import (
    Barcode,
    Design,
    Field,
    Localized,
    Money,
    PassContent,
    PassError,
    Place,
    Presentation,
    RelevantDate,
    Slot,
    Status,
    Symbology,
)
from passes.apple import Template, WebService, bundle, read_package, read_strings
from passes.artwork import Artwork, prepare
from passes.errors import ArtworkError, ContentError, PackageError
from passes.signing import Signer
from tests.passes import samples
from tests.passes.openssl import unzip, verifies

SERVICE = WebService("https://passes.example/apple", "0123456789abcdef0123456789abcdef")


def document(
    template: Template, content: PassContent, signer: Signer, service: WebService | None = SERVICE
) -> dict[str, Any]:
    data = template.build(content, signer=signer, now=samples.NOW, web_service=service)
    read_package(data, now=samples.NOW)
    found: dict[str, Any] = json.loads(unzip(data)["pass.json"])
    return found


def fields(shown: dict[str, Any], style: str) -> dict[str, dict[str, Any]]:
    return {each["key"]: each for group in shown[style].values() for each in group}


@pytest.mark.parametrize("kind", ["coupon", "gift_card"])
def test_openssl_verifies_a_pass_until_one_byte_of_its_manifest_changes(
    kind: str, art: Artwork, signer: Signer, certificates: Path, tmp_path: Path
) -> None:
    content = (
        samples.coupon(samples.presentation(art))
        if kind == "coupon"
        else samples.gift_card(samples.gift_presentation(art))
    )
    package = unzip(Template(content.presentation).build(content, signer=signer, now=samples.NOW))
    manifest, signature = package["manifest.json"], package["signature"]
    at = samples.NOW.timestamp()
    assert verifies(manifest, signature, certificates, tmp_path, at=at)
    for position in (0, len(manifest) // 2, len(manifest) - 1):
        changed = bytearray(manifest)
        changed[position] ^= 1
        assert not verifies(bytes(changed), signature, certificates, tmp_path, at=at)


def test_a_coupon_shows_its_offer_validity_and_barcode(
    template: Template, presentation: Presentation, signer: Signer
) -> None:
    shown = document(template, samples.coupon(presentation), signer)
    assert shown["serialNumber"] == "c-0001"
    assert shown["passTypeIdentifier"] == signer.pass_type_id
    assert shown["teamIdentifier"] == signer.team_id
    assert shown["webServiceURL"] == SERVICE.url
    assert shown["expirationDate"] == "2026-12-31T23:59:59+01:00"
    assert "voided" not in shown
    assert shown["barcodes"] == [
        {
            "format": "PKBarcodeFormatQR",
            "message": "PA1234567890ABCDEF",
            "messageEncoding": "iso-8859-1",
            "altText": "GREEN-20-X7K2",
        }
    ]
    assert shown["barcode"] == shown["barcodes"][0]
    said = fields(shown, "coupon")
    assert said["offer"]["value"] == "−20 %"
    assert said["minimum"] == {
        "key": "minimum",
        "label": "From",
        "value": 50.0,
        "currencyCode": "EUR",
    }
    assert said["valid_until"]["ignoresTimeZone"] is True
    assert said["status"]["value"] == "Valid"
    assert "state" not in said


@pytest.mark.parametrize(
    ("money", "value"),
    [
        (Money(1999, "EUR"), "19.99"),
        (Money(0, "EUR"), "0.0"),
        (Money(500, "JPY"), "500"),
        (Money(1, "KWD"), "0.001"),
    ],
)
def test_a_gift_card_shows_its_balance_exactly_and_announces_changes(
    gift_presentation: Presentation, signer: Signer, money: Money, value: str
) -> None:
    template = Template(gift_presentation)
    content = samples.gift_card(gift_presentation, balance=money)
    data = template.build(content, signer=signer, now=samples.NOW)
    assert (
        f'"key":"balance","label":"Birthday gift card","value":{value},'
        in unzip(data)["pass.json"].decode()
    )
    said = fields(document(template, content, signer), "storeCard")
    assert said["balance"]["currencyCode"] == money.currency
    assert "%@" in said["balance"]["changeMessage"]
    assert said["card_number"]["value"] == "6035 0100 0000 0017"
    assert said["pin"]["dataDetectorTypes"] == []


@pytest.mark.parametrize("status", list(Status))
def test_every_state_is_said_on_the_pass_and_spent_ones_void_it(
    template: Template, presentation: Presentation, signer: Signer, status: Status
) -> None:
    content = samples.coupon(
        presentation, status=status, valid_from=datetime(2026, 12, 1, tzinfo=samples.PARIS)
    )
    shown = document(template, content, signer)
    assert shown.get("voided", False) is status.spent
    said = fields(shown, "coupon")
    assert ("state" in said) is (status is not Status.ACTIVE)
    on_front = [each["key"] for each in shown["coupon"]["secondaryFields"]]
    assert on_front[0] == ("valid_from" if status is Status.NOT_YET_VALID else "valid_until")
    assert {"valid_from", "valid_until"} <= said.keys()


def test_a_pass_without_service_barcode_or_end_leaves_them_out(
    template: Template, presentation: Presentation, signer: Signer
) -> None:
    content = samples.coupon(presentation, barcode=None, valid_until=None)
    shown = document(template, content, signer, None)
    assert not shown.keys() & {"webServiceURL", "authenticationToken", "barcodes", "expirationDate"}


def test_a_new_barcode_format_comes_with_one_that_every_iphone_knows(
    template: Template, presentation: Presentation, signer: Signer
) -> None:
    barcode = Barcode(
        payload="4006381333931", symbology=Symbology.EAN13, fallback=Symbology.CODE128
    )
    shown = document(template, samples.coupon(presentation, barcode=barcode), signer)
    formats = [each["format"] for each in shown["barcodes"]]
    assert formats == ["PKBarcodeFormatEAN13", "PKBarcodeFormatCode128"]
    assert "barcode" not in shown


def test_texts_are_translated_with_the_same_keys_in_every_language(
    template: Template, presentation: Presentation, signer: Signer
) -> None:
    package = unzip(template.build(samples.coupon(presentation), signer=signer, now=samples.NOW))
    tables = {
        language: read_strings(language, package[f"{language}.lproj/pass.strings"])
        for language in samples.LANGUAGES
    }
    assert len({frozenset(table) for table in tables.values()}) == 1
    assert tables["el"]["Valid until"] == "Ισχύει έως"
    terms = 'Once per person.\nNot on "gift cards" & flowers.'
    assert tables["en"][terms] == terms
    assert tables["pl"][terms].startswith("Jeden raz")
    anchor = '<a href="https://shop.example/?a=1&amp;b=2">Shop</a>'
    assert tables["fr"][anchor] == '<a href="https://shop.example/?a=1&amp;b=2">Boutique</a>'


def test_one_language_needs_no_translations(art: Artwork, signer: Signer) -> None:
    shared = samples.presentation(art, languages=("fr",))
    package = unzip(Template(shared).build(samples.coupon(shared), signer=signer, now=samples.NOW))
    assert not [name for name in package if "/" in name]
    said = fields(json.loads(package["pass.json"]), "coupon")
    assert said["valid_until"]["label"] == "Valable jusqu’au"


def test_texts_that_agree_in_one_language_only_keep_their_translations_apart(
    art: Artwork, signer: Signer
) -> None:
    shared = samples.presentation(
        art,
        languages=("en", "de"),
        title=Localized({"en": "Used", "de": "Gebraucht"}),
        fields=(Field(key="note", label=None, value="Used", slot=Slot.DETAILS),),
    )
    package = unzip(
        Template(shared).build(
            samples.coupon(shared, status=Status.USED), signer=signer, now=samples.NOW
        )
    )
    german = read_strings("de", package["de.lproj/pass.strings"])
    said = fields(json.loads(package["pass.json"]), "coupon")
    assert german[said["state"]["value"]] == "Eingelöst"
    assert german[said["offer"]["label"]] == "Gebraucht"
    assert said["note"]["value"] not in german


def test_a_holders_own_texts_are_translated_too(
    template: Template, presentation: Presentation, signer: Signer
) -> None:
    own = Localized({each: f"Gift {each}" for each in samples.LANGUAGES})
    content = samples.coupon(
        presentation,
        offer=own,
        terms="Only today",
        fields=(
            Field(key="name", label=None, value="Zoë", slot=Slot.TOP, change_message="Hi %@"),
            Field(key="points", label="P", value=12, slot=Slot.DETAILS),
            Field(key="at", label="T", value=samples.NOW, show_time=True, slot=Slot.DETAILS),
        ),
        places=(Place(latitude=1.5, longitude=2),),
        relevant_dates=(
            RelevantDate(start=samples.NOW),
            RelevantDate(start=samples.NOW, end=samples.NOW + timedelta(hours=2)),
        ),
    )
    data = template.build(content, signer=signer, now=samples.NOW)
    read_package(data, now=samples.NOW)
    package = unzip(data)
    assert read_strings("x", package["pl.lproj/pass.strings"])["Gift en"] == "Gift pl"
    assert read_strings("x", package["pl.lproj/pass.strings"])["Valid until"] == "Ważny do"
    shown = json.loads(package["pass.json"])
    said = fields(shown, "coupon")
    assert said["offer"]["value"] == "Gift en"
    assert said["terms"]["value"] == "Only today"
    assert said["name"]["changeMessage"] == "Hi %@"
    assert said["points"]["value"] == 12
    assert said["at"]["timeStyle"] == "PKDateStyleShort"
    assert shown["locations"] == [{"latitude": 1.5, "longitude": 2}]
    assert shown["relevantDates"][0]["date"] == shown["relevantDates"][0]["relevantDate"]
    assert "endDate" in shown["relevantDates"][1]


def test_an_offer_on_a_gift_card_stands_among_the_details(art: Artwork, signer: Signer) -> None:
    shared = samples.gift_presentation(art, offer="+5 €")
    shown = document(Template(shared), samples.gift_card(shared), signer)
    assert shown["storeCard"]["backFields"][0]["value"] == "+5 €"


def test_pictures_of_single_languages_are_not_hidden_by_those_at_the_root(
    art: Artwork, signer: Signer
) -> None:
    other = prepare(
        samples.png(samples.logo().rotate(180)),
        samples.png(samples.banner()),
        background=samples.BACKGROUND,
        foreground=samples.FOREGROUND,
    )
    design = Design(
        background=samples.BACKGROUND,
        foreground=samples.FOREGROUND,
        artwork=art,
        localized_artwork={"fr": other},
    )
    shared = samples.presentation(art, design=design)
    data = Template(shared).build(samples.coupon(shared), signer=signer, now=samples.NOW)
    files = read_package(data, now=samples.NOW).files
    assert "logo.png" not in files
    assert "icon.png" in files
    assert files["fr.lproj/logo.png"] == other.files["logo.png"]
    assert files["de.lproj/strip@3x.png"] == art.files["strip@3x.png"]
    logo_only = prepare(
        samples.png(samples.logo()), background=samples.BACKGROUND, foreground=samples.FOREGROUND
    )
    bare = replace(shared, design=replace(design, localized_artwork={"fr": logo_only}))
    with pytest.raises(ArtworkError, match="banner"):
        Template(bare)


def test_a_template_refuses_other_contents_and_designs_without_pictures(
    template: Template, presentation: Presentation, art: Artwork, signer: Signer
) -> None:
    other = samples.coupon(samples.presentation(art, organization="Another Shop"))
    with pytest.raises(ContentError, match="presentation"):
        template.build(other, signer=signer, now=samples.NOW)
    equal = samples.coupon(replace(presentation))
    assert template.build(equal, signer=signer, now=samples.NOW)
    with pytest.raises(ArtworkError, match="icon"):
        Template(samples.presentation(None))


def test_the_same_content_gives_the_same_bytes(
    template: Template, presentation: Presentation, signer: Signer
) -> None:
    content = samples.coupon(presentation)
    first, again = (
        template.build(content, signer=signer, now=samples.NOW, web_service=SERVICE)
        for _ in range(2)
    )
    assert first == again


@pytest.mark.parametrize(
    ("url", "token"),
    [
        ("http://passes.example", "0123456789abcdef"),
        ("https://passes.example/apple/", "0123456789abcdef"),
        ("https://passes.example/apple/v1", "0123456789abcdef"),
        ("ftp://passes.example", "0123456789abcdef"),
        ("https://passes.example", "0123456789abcde"),
        ("https://passes.example", "0123456789abcde "),
    ],
)
def test_a_web_service_that_phones_cannot_use_is_refused(url: str, token: str) -> None:
    with pytest.raises(PackageError):
        WebService(url, token)


def test_plain_http_is_for_development_only_and_the_token_stays_secret() -> None:
    service = WebService("http://127.0.0.1:8000/apple", "0123456789abcdef", development=True)
    assert "0123456789abcdef" not in repr(service)


def test_a_bundle_holds_up_to_ten_passes(
    template: Template, presentation: Presentation, signer: Signer
) -> None:
    passes = [
        template.build(
            samples.coupon(presentation, serial=f"c-{n}"), signer=signer, now=samples.NOW
        )
        for n in range(3)
    ]
    assert list(unzip(bundle(passes)).values()) == passes
    for wrong in ([], passes[:1] * 11, [b"no pass"]):
        with pytest.raises(PackageError, match="bundle"):
            bundle(wrong)


def test_a_bundle_past_150_megabytes_is_refused() -> None:
    with pytest.raises(PackageError, match="150 MB"):
        bundle([b"PK\x03\x04" + bytes(16_000_000)] * 10)


anything = st.text(max_size=40) | st.sampled_from(
    [
        "",
        " ",
        "\x00",
        "\ud800",
        '"',
        "\\",
        '";',
        "\n",
        "%@",
        "</a>",
        "\u2060",
        "é" * 5000,
        "👩‍🚀",
        "\u202e",
    ]
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    title=anything,
    french=anything,
    offer=anything,
    terms=anything,
    value=anything | st.integers(),
    payload=anything,
    shown=anything,
    serial=anything | st.just("c-1"),
    minutes=st.integers(-1_000_000, 1_000_000),
)
def test_whatever_is_written_is_refused_clearly_or_shown_as_it_is(
    art: Artwork,
    signer: Signer,
    title: str,
    french: str,
    offer: str,
    terms: str,
    value: str | int,
    payload: str,
    shown: str,
    serial: str,
    minutes: int,
) -> None:
    """Hypothesis: a PassError with all three parts, or a package without a fault."""
    try:
        shared = samples.presentation(
            art,
            languages=("en", "fr"),
            title=Localized({"en": title, "fr": french}),
            offer=offer,
            fields=(Field(key="own", label=title, value=value),),
        )
        content = samples.coupon(
            shared,
            serial=serial,
            barcode=Barcode(payload=payload, text=shown),
            terms=Localized({"en": terms, "fr": french}),
            valid_until=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes),
        )
    except PassError as error:
        said = (error.field, error.cause, error.remedy)
    else:
        said = None
    if said is not None:
        assert all(said)
        return
    data = Template(shared).build(content, signer=signer, now=samples.NOW)
    package = read_package(data, now=samples.NOW)
    shows = fields(dict(package.document), "coupon")
    tables = {
        language: read_strings(language, package.files[f"{language}.lproj/pass.strings"])
        for language in ("en", "fr")
    }
    assert tables["en"][shows["offer"]["label"]] == title
    assert tables["fr"][shows["offer"]["label"]] == french
    assert tables["en"][shows["terms"]["value"]] == terms
    own = shows["own"]["value"]
    if isinstance(own, str):  # word joiners keep it apart from a key that reads the same
        assert own.startswith(str(value))
        assert not own[len(str(value)) :].strip("\u2060")
    else:
        assert own == value
    assert package.document["barcodes"][0]["message"] == payload
