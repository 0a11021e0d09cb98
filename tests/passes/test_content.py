"""A content that exists is valid for every wallet; any other is refused with the field's name."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from app.words import LANGUAGES
from passes import (
    Barcode,
    Design,
    Field,
    Link,
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
from passes.artwork import Artwork
from passes.colour import contrast, legible, rgb
from passes.errors import ContentError, ContrastError
from passes.text import in_language
from passes.wording import spoken
from tests.passes import samples

NAIVE = datetime(2026, 1, 1)  # noqa: DTZ001 - what is refused
FR_ONLY = Localized({"fr": "Bonjour"})


def refused(field: str, make: Callable[[], object]) -> PassError:
    with pytest.raises(PassError) as caught:
        make()
    assert caught.value.field == field
    assert caught.value.cause.endswith(".")
    assert caught.value.remedy.endswith(".")
    return caught.value


@pytest.mark.parametrize(
    ("field", "make"),
    [
        ("text", lambda: Localized({})),
        ("text", lambda: Localized({"English": "x"})),
        ("text[en]", lambda: Localized({"en": ""})),
        ("text[en]", lambda: Localized({"en": "a\x00b"})),
        ("text[en]", lambda: Localized({"en": "\ud800"})),
        ("money.currency", lambda: Money(1, "EURO")),
        ("money.minor", lambda: Money(12.5, "EUR")),  # type: ignore[arg-type]
        ("money.minor", lambda: Money(True, "EUR")),
        ("money.minor", lambda: Money(2**53, "EUR")),
        ("barcode.payload", lambda: Barcode(payload="")),
        ("barcode.payload", lambda: Barcode(payload="  ")),
        ("barcode.payload", lambda: Barcode(payload="café")),
        ("barcode.payload", lambda: Barcode(payload="x" * 513)),
        ("barcode.payload", lambda: Barcode(payload="x" * 49, symbology=Symbology.CODE128)),
        ("barcode.payload", lambda: Barcode(payload=12345)),  # type: ignore[arg-type]
        ("barcode.text", lambda: Barcode(payload="A", text="")),
        (
            "barcode.payload",
            lambda: Barcode(
                payload="4006381333930", symbology=Symbology.EAN13, fallback=Symbology.QR
            ),
        ),
        ("barcode.fallback", lambda: Barcode(payload="4006381333931", symbology=Symbology.EAN13)),
        (
            "barcode.fallback",
            lambda: Barcode(
                payload="4006381333931", symbology=Symbology.EAN13, fallback=Symbology.CODE39
            ),
        ),
        ("place.latitude", lambda: Place(latitude=91, longitude=0)),
        ("place.longitude", lambda: Place(latitude=0, longitude=float("nan"))),
        ("place.text", lambda: Place(latitude=0, longitude=0, text=" ")),
        ("relevant_date.start", lambda: RelevantDate(start=NAIVE)),
        (
            "relevant_date.end",
            lambda: RelevantDate(start=samples.NOW, end=samples.NOW + timedelta(hours=25)),
        ),
        ("link.url", lambda: Link(label="x", url="javascript:alert(1)")),
        ("link.url", lambda: Link(label="x", url="https://a b.example")),
        ("link.url", lambda: Link(label="x", url="tel:")),
        ("link.label", lambda: Link(label="", url="https://a.example")),
        ("field.key", lambda: Field(key="balance", label=None, value="x")),
        ("field.key", lambda: Field(key="a b", label=None, value="x")),
        ("field.key", lambda: Field(key="link-3", label=None, value="x")),
        ("field[a].value", lambda: Field(key="a", label=None, value="")),
        ("field[a].value", lambda: Field(key="a", label=None, value=None)),  # type: ignore[arg-type]
        ("field[a].value", lambda: Field(key="a", label=None, value=NAIVE)),
        ("field[a].value", lambda: Field(key="a", label=None, value=2**53)),
        ("field[a].value", lambda: Field(key="a", label=None, value=True)),
        ("field[a].label", lambda: Field(key="a", label="", value="x")),
        (
            "field[a].change_message",
            lambda: Field(key="a", label=None, value="x", change_message="changed"),
        ),
        (
            "field[a].change_message",
            lambda: Field(
                key="a",
                label=None,
                value="x",
                change_message=Localized({"en": "now %@", "fr": "changé"}),
            ),
        ),
        (
            "field[a].value",
            lambda: Field(
                key="a",
                label=None,
                value=datetime(2026, 1, 1, tzinfo=timezone(timedelta(seconds=561))),
            ),
        ),
        ("design.background", lambda: Design(background="red")),
        ("design.foreground", lambda: Design(background="#ffffff", foreground="#eeeeee")),
        (
            "design.label",
            lambda: Design(background="#000000", foreground="#ffffff", label="#111111"),
        ),
    ],
)
def test_a_wrong_part_is_refused_with_its_field(field: str, make: Callable[[], object]) -> None:
    refused(field, make)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("kind", {"kind": "ticket"}),
        ("organization", {"organization": ""}),
        ("description", {"description": "\x07"}),
        ("title", {"title": FR_ONLY}),
        ("offer", {"offer": None}),
        ("offer", {"offer": FR_ONLY}),
        ("terms", {"terms": FR_ONLY}),
        ("links[0].label", {"links": (Link(label=FR_ONLY, url="https://a.example"),)}),
        ("languages", {"languages": ()}),
        ("languages", {"languages": ("en", "en")}),
        ("languages", {"languages": ("EN",)}),
        ("places", {"places": (Place(latitude=1, longitude=1),) * 11}),
        ("places[0].text", {"places": (Place(latitude=1, longitude=1, text=FR_ONLY),)}),
        ("relevant_dates", {"relevant_dates": (RelevantDate(start=samples.NOW),) * 11}),
        ("field[a]", {"fields": (Field(key="a", label=None, value="x"),) * 2}),
        ("field[a].label", {"fields": (Field(key="a", label=FR_ONLY, value="x"),)}),
        ("field[a].value", {"fields": (Field(key="a", label=None, value=FR_ONLY),)}),
        (
            "fields",
            {"fields": tuple(Field(key=f"f{n}", label=None, value="x") for n in range(4))},
        ),
        (
            "fields",
            {
                "fields": tuple(
                    Field(key=f"f{n}", label=None, value="x", slot=Slot.TOP) for n in range(3)
                )
            },
        ),
    ],
)
def test_a_wrong_presentation_is_refused_with_its_field(
    field: str, changes: dict[str, Any]
) -> None:
    refused(field, lambda: samples.presentation(None, **changes))


def test_pictures_for_a_language_need_the_language_and_default_pictures(art: Artwork) -> None:
    shared = samples.presentation(art)
    refused("design.artwork", lambda: Design(localized_artwork={"fr": art}))
    design = Design(artwork=art, localized_artwork={"it": art})
    refused("design.localized_artwork", lambda: replace(shared, design=design))
    refused("design.localized_artwork", lambda: Design(artwork=art, localized_artwork={"I": art}))


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("serial", {"serial": ""}),
        ("serial", {"serial": "a/b"}),
        ("serial", {"serial": "x" * 65}),
        ("valid_from", {"valid_from": NAIVE}),
        ("valid_until", {"valid_until": NAIVE}),
        ("valid_until", {"valid_from": datetime(2027, 1, 1, tzinfo=UTC)}),
        ("changed_at", {"changed_at": NAIVE}),
        ("offer", {"offer": FR_ONLY}),
        ("terms", {"terms": ""}),
        ("balance", {"balance": Money(1, "EUR")}),
        ("balance", {"card_number": "1"}),
        ("field[minimum]", {"fields": (Field(key="minimum", label=None, value="x"),)}),
        ("places", {"places": (Place(latitude=1, longitude=1),) * 11}),
        ("relevant_dates", {"relevant_dates": (RelevantDate(start=samples.NOW),) * 11}),
    ],
)
def test_a_wrong_coupon_is_refused_with_its_field(
    presentation: Presentation, field: str, changes: dict[str, Any]
) -> None:
    refused(field, lambda: samples.coupon(presentation, **changes))


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("balance", {"balance": None}),
        ("balance", {"balance": Money(-1, "EUR")}),
        ("card_number", {"card_number": None}),
        ("card_number", {"card_number": ""}),
        ("pin", {"pin": "\n"}),
    ],
)
def test_a_wrong_gift_card_is_refused_with_its_field(
    gift_presentation: Presentation, field: str, changes: dict[str, Any]
) -> None:
    refused(field, lambda: samples.gift_card(gift_presentation, **changes))


def test_an_illegible_colour_is_refused_with_one_that_can_be_read() -> None:
    error = refused("design.foreground", lambda: Design(background="#0b3d2e", foreground="#335544"))
    assert isinstance(error, ContrastError)
    assert Design(background="#0b3d2e", foreground=error.suggestion)
    assert error.suggestion in str(error)


@pytest.mark.parametrize("background", ["#000000", "#767676", "#777777", "#ffffff", "#ff0000"])
@pytest.mark.parametrize("colour", ["#808080", "#123456", "#fedcba"])
def test_every_background_has_a_legible_suggestion(colour: str, background: str) -> None:
    assert contrast(rgb(legible(colour, background)), rgb(background)) >= 4.5


def test_money_converts_exactly() -> None:
    assert Money(1, "EUR").micros == 10_000
    assert Money(500, "JPY").micros == 500_000_000
    assert str(Money(1234, "KWD").major) == "1.234"
    assert Money(-5, "EUR").digits == 2


def test_errors_and_texts_survive_pickling_between_processes() -> None:
    text = Localized({"en": "a", "fr": "b"})
    assert pickle.loads(pickle.dumps(text)) == text  # noqa: S301 - our own bytes
    assert hash(text) == hash(Localized({"fr": "b", "en": "a"}))
    assert "fr" in repr(text)
    assert text != "a"
    for error in (ContrastError("f", "Cause.", "#000000"), ContentError("f", "Cause.", "Remedy.")):
        again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
        assert (again.field, str(again)) == (error.field, str(error))


def test_secrets_do_not_show_in_representations(gift_presentation: Presentation) -> None:
    card = samples.gift_card(gift_presentation)
    for secret in ("4711", "6035", "PA1234567890ABCDEF", "GREEN-20-X7K2"):
        assert secret not in repr(card)


def test_a_text_falls_back_from_region_to_language_to_default() -> None:
    text = Localized({"en": "e", "pt": "p"})
    assert in_language(text, "pt-BR", "en") == "p"
    assert in_language(text, "sv", "en") == "e"
    assert in_language(text, "sv", "fi") == "e"
    assert in_language("plain", "sv", "fi") == "plain"
    words = {tag: each.wallet for tag, each in LANGUAGES.items()}
    shared = Presentation(
        kind="gift_card",
        organization="O",
        description="d",
        title="t",
        languages=("sv", "de-AT"),
        words=words,
    )
    swedish = shared.word("terms")
    assert isinstance(swedish, Localized)
    assert (swedish["sv"], swedish["de-AT"]) == ("Terms", "Bedingungen")


@pytest.mark.parametrize(
    ("value", "language", "want"),
    [
        (Money(123456, "EUR"), "fr", "1\u202f234,56\xa0€"),
        (Money(1500, "EUR"), "xx", "€15.00"),
        (datetime(2026, 12, 31, 23, 59, tzinfo=samples.PARIS), "pl", "31 gru 2026"),
        (12345, "de", "12.345"),
    ],
)
def test_amounts_dates_and_numbers_read_as_people_write_them(
    value: Any, language: str, want: str
) -> None:
    assert spoken(value, language, "en") == want


def test_a_time_is_said_when_asked_for() -> None:
    moment = datetime(2026, 12, 31, 18, 5, tzinfo=samples.PARIS)
    assert spoken(moment, "de", "en", show_time=True) == "31.12.2026, 18:05"


def test_contents_can_be_kept_in_sets_and_caches(presentation: Presentation) -> None:
    assert len({samples.coupon(presentation), samples.coupon(replace(presentation))}) == 1


def test_spent_states_are_spent() -> None:
    spent = {status for status in Status if status.spent}
    assert spent == {Status.USED, Status.EXPIRED, Status.WITHDRAWN}
    assert isinstance(samples.coupon(samples.presentation(None)), PassContent)
