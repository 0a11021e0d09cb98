"""Previews say what the pass says, in letters that exist, with a barcode that can be scanned."""

from __future__ import annotations

from io import BytesIO
from itertools import product

import pytest
import zxingcpp
from PIL import Image, ImageDraw

from passes import (
    Barcode,
    Design,
    Field,
    Localized,
    Presentation,
    Slot,
    Status,
    Symbology,
)
from passes.artwork import Artwork, monogram
from passes.lettering import BOLD, shorten, typeface, wrap
from passes.preview import render
from passes.preview.rows import sayings
from tests.passes import samples

WALLETS = ("apple", "google")


def drawn(data: bytes) -> Image.Image:
    with Image.open(BytesIO(data)) as opened:
        picture = opened.convert("RGBA")
    ground = Image.new("RGBA", picture.size, "#808080")
    ground.alpha_composite(picture)
    return ground.convert("RGB")


def codes(picture: Image.Image) -> list[str]:
    return [each.text for each in zxingcpp.read_barcodes(picture)]


@pytest.mark.parametrize("width", [375, 600, 750, 1100])
@pytest.mark.parametrize("wallet", WALLETS)
def test_the_barcode_is_scanned_off_the_front_at_any_width(
    presentation: Presentation, gift_presentation: Presentation, wallet: str, width: int
) -> None:
    for content in (samples.coupon(presentation), samples.gift_card(gift_presentation)):
        picture = drawn(render(content, wallet=wallet, width=width))  # type: ignore[arg-type]
        assert picture.width == width
        assert codes(picture) == ["PA1234567890ABCDEF"]


@pytest.mark.parametrize("wallet", WALLETS)
@pytest.mark.parametrize(
    ("symbology", "payload"),
    [
        (Symbology.PDF417, "PA1234567890ABCDEF"),
        (Symbology.AZTEC, "PA1234567890ABCDEF"),
        (Symbology.CODE128, "GREEN-20-X7K2-LONG-ONE"),
        (Symbology.EAN13, "4006381333931"),
        (Symbology.QR, "x" * 300),
    ],
)
def test_every_kind_of_barcode_is_scanned_off_the_front(
    presentation: Presentation, wallet: str, symbology: Symbology, payload: str
) -> None:
    barcode = Barcode(
        payload=payload,
        text="TEXT",
        symbology=symbology,
        fallback=None if symbology.classic else Symbology.QR,
    )
    content = samples.coupon(presentation, barcode=barcode)
    assert codes(drawn(render(content, wallet=wallet))) == [payload]  # type: ignore[arg-type]


@pytest.mark.parametrize("wallet", WALLETS)
def test_every_state_looks_different_and_a_spent_one_is_not_scanned(
    presentation: Presentation, wallet: str
) -> None:
    pictures = {
        status: render(samples.coupon(presentation, status=status), wallet=wallet)  # type: ignore[arg-type]
        for status in Status
    }
    assert len(set(pictures.values())) == len(Status)
    for status, data in pictures.items():
        assert bool(codes(drawn(data))) is not status.spent


def _glyph(letter: str) -> bytes:
    picture = Image.new("L", (48, 48))
    ImageDraw.Draw(picture).text((4, 4), letter, 255, typeface(32))
    return picture.tobytes()


@pytest.mark.parametrize("language", samples.LANGUAGES)
def test_all_letters_of_a_language_exist_in_the_typeface(
    presentation: Presentation, gift_presentation: Presentation, language: str
) -> None:
    missing = _glyph("\U0010ffff")
    contents = [
        *(samples.coupon(presentation, status=status) for status in Status),
        samples.gift_card(gift_presentation),
    ]
    for content in contents:
        said = sayings(content, language)
        rows = (*said.top, *said.front, *said.details, said.status)
        text = "".join(
            (said.organization, said.title, said.headline, *(r.label + r.value for r in rows))
        )
        for letter in set(text) - set(" \n\xa0\u202f"):
            assert _glyph(letter) != missing, f"{letter!r} U+{ord(letter):04X}"


def test_what_is_said_is_in_the_language_and_in_order(
    gift_presentation: Presentation, presentation: Presentation
) -> None:
    said = sayings(samples.gift_card(gift_presentation), "pl")
    assert said.title == "Urodzinowa karta podarunkowa"
    assert said.headline == "15,00\xa0€"
    assert [each.label for each in said.front] == ["Ważny do"]
    labels = [each.label for each in said.details]
    assert labels == ["Status", "Numer karty", "PIN", "", "", "Warunki", "Wydawca"]
    waiting = samples.coupon(
        presentation,
        status=Status.NOT_YET_VALID,
        valid_from=samples.NOW,
        offer="−30 %",
        terms="Only today",
    )
    said = sayings(waiting, "de")
    assert said.headline == "−30 %"
    assert said.front[0].label == "Gültig ab"
    assert ("Bedingungen", "Only today") in [(each.label, each.value) for each in said.details]
    told = sayings(samples.gift_card(samples.gift_presentation(None, offer="+5 €")), "fr")
    assert ("Offre", "+5 €") in [(each.label, each.value) for each in told.details]


@pytest.mark.parametrize(("wallet", "side"), list(product(WALLETS, ("front", "details"))))
def test_long_texts_missing_pictures_and_many_fields_are_drawn_too(
    art: Artwork, wallet: str, side: str
) -> None:
    long = "Donaudampfschifffahrtsgesellschaftskapitänsmütze " * 4
    fields = tuple(
        Field(key=f"f{n}", label=long, value=long, slot=slot)
        for n, slot in enumerate((Slot.TOP, Slot.TOP, Slot.FRONT, Slot.FRONT, Slot.FRONT))
    )
    for artwork in (art, None):
        shared = samples.presentation(
            artwork,
            fields=fields,
            organization=long,
            title=long,
            offer=long,
            terms=long * 10,
            design=Design(background="#0b3d2e", foreground="#ffffff", artwork=artwork),
        )
        for changes in ({}, {"barcode": None, "status": Status.USED}, {"barcode": None}):
            data = render(samples.coupon(shared, **changes), wallet=wallet, side=side)  # type: ignore[arg-type]
            assert drawn(data).width == 750


def test_a_language_without_texts_shows_the_default_and_a_region_its_language(
    presentation: Presentation,
) -> None:
    content = samples.coupon(presentation)
    default = render(content)
    assert render(content, language="es") == default
    assert render(content, language="fr-CA") == render(content, language="fr") != default


def test_a_width_too_small_to_read_is_refused(presentation: Presentation) -> None:
    with pytest.raises(ValueError, match="375"):
        render(samples.coupon(presentation), width=100)


def test_a_language_with_pictures_of_its_own_shows_them(art: Artwork) -> None:
    other = monogram("Été", background=samples.BACKGROUND, foreground="#ffffff")
    design = Design(
        background=samples.BACKGROUND,
        foreground="#ffffff",
        artwork=art,
        localized_artwork={"fr": other},
    )
    same = Localized(dict.fromkeys(samples.LANGUAGES, "x"))
    shared = samples.presentation(art, design=design, title=same, terms=same)
    assert render(samples.coupon(shared), language="fr") != render(samples.coupon(shared))


def test_lines_are_broken_between_words_and_within_words_that_are_too_long() -> None:
    face = typeface(30, BOLD)
    lines = wrap("one two three\n\n" + "x" * 100, face, 200)
    assert lines[:3] == ["one two", "three", ""]
    assert all(face.getlength(line) <= 200 for line in lines)
    assert "".join(lines[3:]) == "x" * 100
    cut = wrap("one two three four five six", face, 200, most=2)
    assert len(cut) == 2
    assert cut[-1].endswith("…")
    assert shorten("short", face, 200) == "short"
