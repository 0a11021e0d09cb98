"""Every barcode drawn is read back by zxing-cpp, at the size and in the colours shown."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO
from itertools import product
from xml.etree import ElementTree

import pytest
import qrcode
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from passes import Symbology
from passes.barcode import png, svg
from passes.errors import ContentError, ContrastError
from passes.symbology import MOST_MODULES, fits, modules, narrow, surely_narrow

SAMPLES = {
    Symbology.QR: "PA7Q2M4N5X6B3C8D9E0F1G2H3J4K5L6M",
    Symbology.PDF417: "PA7Q2M4N5X6B3C8D9E0F1G2H3J4K5L6M",
    Symbology.AZTEC: "PA7Q2M4N5X6B3C8D9E0F1G2H3J4K5L6M",
    Symbology.CODE128: "GREEN-20-X7K2",
    Symbology.EAN13: "4006381333931",
    Symbology.CODE39: "GREEN-20",
    Symbology.CODABAR: "A40156B",
    Symbology.ITF14: "00012345600012",
}
COLOURS = [("#000000", "#ffffff"), ("#0b3d2e", "#fff7e0"), ("#401010", "#ffffff")]


def picture(data: bytes) -> Image.Image:
    opened = Image.open(BytesIO(data))
    opened.load()
    return opened.convert("RGB")


def read(image: Image.Image) -> list[str]:
    return [each.text for each in zxingcpp.read_barcodes(image)]


@pytest.mark.parametrize("symbology", list(Symbology))
@pytest.mark.parametrize("width", [260, 300, 301, 750])
def test_a_png_of_any_width_is_read_back(symbology: Symbology, width: int) -> None:
    for dark, light in COLOURS:
        image = picture(png(SAMPLES[symbology], symbology, width=width, dark=dark, light=light))
        assert image.width == width
        assert (image.height == width) is symbology.square
        assert read(image) == [SAMPLES[symbology]]
        assert len(image.getcolors() or ()) == 2  # sharp: nothing between dark and light


@pytest.mark.parametrize("symbology", list(Symbology))
def test_a_barcode_is_read_on_any_ground_because_of_its_quiet_zone(symbology: Symbology) -> None:
    code = picture(png(SAMPLES[symbology], symbology, width=400))
    ground = Image.new("RGB", (code.width + 60, code.height + 60), "#000000")
    ground.paste(code, (30, 30))
    assert read(ground) == [SAMPLES[symbology]]


@pytest.mark.parametrize("symbology", list(Symbology))
def test_an_svg_draws_the_same_modules(symbology: Symbology) -> None:
    root = ElementTree.fromstring(svg(SAMPLES[symbology], symbology, dark="#0b3d2e"))  # noqa: S314 - our own
    width, height = (int(part) for part in root.attrib["viewBox"].split()[2:])
    scale = 3
    image = Image.new("RGB", (width * scale, height * scale), "#ffffff")
    draw = ImageDraw.Draw(image)
    bars = root[1]
    assert bars.attrib["fill"] == "#0b3d2e"
    for part in bars.attrib["d"].split("M")[1:]:
        start, _, rest = part.partition("h")
        x, y = (int(each) for each in start.split())
        wide, _, rest = rest.partition("v")
        tall = rest.partition("h")[0]
        box = [x, y, x + int(wide), y + int(tall)]
        left, top, right, bottom = (each * scale for each in box)
        draw.rectangle((left, top, right - 1, bottom - 1), fill="#0b3d2e")
    assert read(image) == [SAMPLES[symbology]]


def test_the_qr_code_is_the_one_that_another_encoder_makes() -> None:
    """The judge that reads is the library that encodes, so an independent one confirms it."""
    payload = "PA7Q2M4N5X6B3C8D9E0"
    image = picture(png(payload, width=29 * 4 if len(payload) <= 20 else 300))
    scale, quiet = 4, 4
    size = image.width // scale - 2 * quiet
    modules = [
        [
            image.getpixel(((quiet + x) * scale + 1, (quiet + y) * scale + 1)) == (0, 0, 0)
            for x in range(size)
        ]
        for y in range(size)
    ]
    others = []
    for mask in range(8):
        code = qrcode.QRCode(error_correction=qrcode.ERROR_CORRECT_M, mask_pattern=mask)
        code.add_data(payload)
        code.make()
        others.append([[bool(each) for each in row] for row in code.modules])
    assert modules in others


@pytest.mark.parametrize(
    ("dark", "light"), [("#ffffff", "#000000"), ("#777777", "#ffffff"), ("#ff0000", "#ffff00")]
)
def test_colours_that_scanners_confuse_are_refused(dark: str, light: str) -> None:
    for draw in (png, svg):
        with pytest.raises(ContrastError):
            draw("A", dark=dark, light=light)
    with pytest.raises(ContentError, match="not a colour"):
        png("A", dark="black")


def test_a_width_that_is_too_small_is_refused_with_one_that_is_not() -> None:
    with pytest.raises(ContentError, match="29 or more"):
        png("A", width=28)
    assert read(picture(png("ABC", width=29)).resize((290, 290), Image.Resampling.NEAREST))


@settings(max_examples=80, deadline=None)
@given(
    payload=st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=48),
    symbology=st.sampled_from([Symbology.QR, Symbology.PDF417, Symbology.AZTEC, Symbology.CODE128]),
)
def test_any_printable_payload_is_refused_or_read_back_byte_for_byte(
    payload: str, symbology: Symbology
) -> None:
    try:
        data = png(payload, symbology, width=800)
    except ContentError:
        assert payload.isspace() or symbology is Symbology.CODE128
        return
    found = zxingcpp.read_barcodes(picture(data))
    assert [each.bytes for each in found] == [payload.encode()]


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=64))
def test_a_linear_payload_is_narrow_enough_just_where_its_drawing_is(payload: str) -> None:
    wide = len(modules(payload, Symbology.CODE128)[0]) + 2 * Symbology.CODE128.quiet

    assert fits(payload, Symbology.CODE128) == (wide <= MOST_MODULES)
    if len(payload) <= surely_narrow(Symbology.CODE128):
        assert fits(payload, Symbology.CODE128)


def test_the_longest_linear_payloads_are_those_that_people_are_told() -> None:
    assert narrow(Symbology.CODE128) == "at most 29 characters (58 where all are digits)"
    for longest, letter in ((29, "a"), (58, "7")):
        assert fits(letter * longest, Symbology.CODE128)
        assert not fits(letter * (longest + 1), Symbology.CODE128)
        assert read(picture(png(letter * longest, Symbology.CODE128))) == [letter * longest]
    with pytest.raises(ContentError, match=r"30 characters.*385 modules.*more than 377"):
        png("a" * 30, Symbology.CODE128)


def test_a_picture_is_as_wide_as_its_bars_need() -> None:
    assert picture(png("A1B2", Symbology.CODE128)).width == 300
    assert picture(png("a" * 29, Symbology.CODE128)).width == 2 * 374


def test_the_longest_payloads_still_fit() -> None:
    longest = {Symbology.QR: 512, Symbology.AZTEC: 512, Symbology.PDF417: 256}
    for (symbology, length), letter in product(longest.items(), "Aa~"):
        image = picture(png(letter * length, symbology, width=1000))
        assert read(image) == [letter * length]


def test_importing_the_library_loads_no_framework_picture_or_key_code() -> None:
    heavy = [
        "flask",
        "sqlalchemy",
        "requests",
        "pycurl",
        "PIL",
        "zxingcpp",
        "cryptography",
        "babel",
    ]
    script = f"""
import sys, passes
loaded = [name for name in {heavy!r} if name in sys.modules]
assert not loaded, loaded
import passes.apple, passes.google, passes.signing, passes.barcode, passes.artwork, passes.preview
loaded = [name for name in {[*heavy[:6], "qrcode", "babel"]!r} if name in sys.modules]
assert not loaded, loaded
"""
    subprocess.run([sys.executable, "-c", script], check=True)
