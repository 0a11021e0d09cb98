"""One logo and one banner become every size; what cannot become them is refused, not mended."""

from __future__ import annotations

import pickle
import zlib
from io import BytesIO
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageDraw

from passes.artwork import Artwork, monogram, prepare
from passes.errors import ArtworkError, ContrastError
from tests.passes import samples

COLOURS = {"background": samples.BACKGROUND, "foreground": samples.FOREGROUND}
SIZES = {
    "icon.png": (38, 38),
    "icon@2x.png": (76, 76),
    "icon@3x.png": (114, 114),
    "strip.png": (375, 144),
    "strip@2x.png": (750, 288),
    "strip@3x.png": (1125, 432),
    "google-logo.png": (660, 660),
    "google-hero.png": (1032, 336),
}


def make(logo: Image.Image | bytes, banner: Any = None, **options: Any) -> Artwork:
    """Prepare pictures given as Pillow images or as bytes."""
    data = [
        each if each is None or isinstance(each, bytes) else samples.png(each)
        for each in (logo, banner)
    ]
    assert data[0] is not None
    return prepare(data[0], data[1], **{**COLOURS, **options})


def opened(data: bytes) -> Image.Image:
    picture = Image.open(BytesIO(data))
    picture.load()
    return picture


def square(colour: str = "#f4c542", mode: str = "RGB", side: int = 400) -> Image.Image:
    return Image.new("RGB", (side, side), colour).convert(mode)


def test_every_size_that_a_wallet_wants_is_made(art: Artwork) -> None:
    for name, size in SIZES.items():
        assert opened(art.files[name]).size == size
    for suffix, scale in (("", 1), ("@2x", 2), ("@3x", 3)):
        logo = opened(art.files[f"logo{suffix}.png"])
        assert logo.width <= 160 * scale
        assert logo.height <= 50 * scale
        assert logo.width / logo.height == pytest.approx(620 / 180, rel=0.05)  # not distorted
    assert art.has_banner
    assert set(art.apple) == {name for name in art.files if not name.startswith("google")}
    assert art.google_hero == art.files["google-hero.png"]
    assert all(opened(data).format == "PNG" for data in art.files.values())


def test_a_logo_alone_makes_an_artwork_without_banner() -> None:
    art = make(square())
    assert not art.has_banner
    assert art.google_hero is None
    assert "strip.png" not in art.files


def test_an_artwork_is_stored_as_its_files_and_found_again(art: Artwork) -> None:
    again = Artwork(dict(art.files))
    assert again == art
    assert hash(again) == hash(art)
    assert pickle.loads(pickle.dumps(art)) == art  # noqa: S301 - our own bytes
    for name, data, match in (
        ("icon.png", art.files["icon@2x.png"], "76×76"),
        ("logo.png", art.files["logo@3x.png"], "not 160×50"),
        ("strip.png", b"x", "not a PNG"),
        ("extra.png", b"x", "none knows"),
    ):
        with pytest.raises(ArtworkError, match=match):
            Artwork({**art.files, name: data})


def test_transparent_margins_are_cut_off_and_an_icon_of_its_own_is_used() -> None:
    logo = Image.new("RGBA", (1000, 1000), (0, 0, 0, 0))
    ImageDraw.Draw(logo).rectangle((400, 450, 599, 549), fill="#ffffff")
    assert opened(make(logo).files["logo.png"]).size == (100, 50)
    art = make(logo, icon=samples.png(square("#ff0000")))
    assert opened(art.files["icon.png"]).getpixel((19, 19)) == (255, 0, 0)


def rotated() -> bytes:
    """Return a JPEG that says it lies on its side: red above once it is upright."""
    picture = Image.new("RGB", (400, 200), "#0000ff")
    ImageDraw.Draw(picture).rectangle((0, 0, 199, 199), fill="#ff0000")
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90° clockwise
    return samples.png(picture, "JPEG", exif=exif, quality=95)


def test_a_photograph_on_its_side_is_set_upright() -> None:
    logo = opened(make(rotated()).files["logo@3x.png"]).convert("RGB")
    assert logo.height > logo.width
    top, bottom = (logo.getpixel((logo.width // 2, y)) for y in (10, logo.height - 10))
    assert isinstance(top, tuple)
    assert isinstance(bottom, tuple)
    assert top[0] > 200 > 60 > top[2]
    assert bottom[2] > 200 > 60 > bottom[0]


def grey16() -> bytes:
    return samples.png(Image.new("I;16", (400, 400), 0xC000))


@pytest.mark.parametrize(
    ("data", "want"),
    [
        (samples.png(Image.new("CMYK", (400, 400), (0, 0, 255, 0)), "JPEG"), (255, 255, 0)),
        (grey16(), (0xC0,) * 3),
        (samples.png(square("#f4c542", "P")), (0xF4, 0xC5, 0x42)),
        (samples.png(Image.new("LA", (400, 400), (200, 255))), (200,) * 3),
        (samples.png(Image.new("1", (400, 400), 1)), (255,) * 3),
        (samples.png(square("#f4c542"), "WEBP", lossless=True), (0xF4, 0xC5, 0x42)),
        (samples.png(square("#f4c542"), "GIF"), (0xF4, 0xC5, 0x42)),
        (
            samples.png(
                square("#f4c542"),
                icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
            ),
            (0xF4, 0xC5, 0x42),
        ),
    ],
    ids=["cmyk", "16-bit", "palette", "grey-alpha", "1-bit", "webp", "gif", "profile"],
)
def test_every_kind_of_picture_keeps_its_colour(data: bytes, want: tuple[int, ...]) -> None:
    found = opened(make(data).files["icon@3x.png"]).convert("RGB").getpixel((57, 57))
    assert isinstance(found, tuple)
    assert all(abs(have - wanted) <= 6 for have, wanted in zip(found, want, strict=True))


def test_a_banner_with_holes_shows_the_background_through_them() -> None:
    banner = Image.new("RGBA", (1125, 432), (0, 0, 0, 0))
    ImageDraw.Draw(banner).rectangle((900, 0, 1124, 431), fill="#8b0000")
    strip = opened(make(square(), banner).files["strip@3x.png"]).convert("RGB")
    assert strip.getpixel((5, 5)) == (11, 61, 46)


def test_a_photograph_stays_small() -> None:
    photograph = Image.effect_noise((1600, 640), 60).convert("RGB").point(lambda v: v // 4)
    art = make(square(), photograph)
    assert len(art.files["strip@3x.png"]) < 1125 * 432  # a byte a pixel, of three that it had


def bomb() -> bytes:
    """Return a PNG that says it is 30,000 pixels square, in a few kilobytes."""
    data = samples.png(Image.new("1", (8, 8)))
    wide = data.replace((8).to_bytes(4, "big") * 2, (30_000).to_bytes(4, "big") * 2)
    head = wide[12:29]
    return wide[:29] + zlib.crc32(head).to_bytes(4, "big") + wide[33:]


def animated() -> bytes:
    return samples.png(square(), "GIF", save_all=True, append_images=[square("#123456")])


@pytest.mark.parametrize(
    ("logo", "match"),
    [
        (b"", "not a picture"),
        (b"<svg/>", "not a picture"),
        (samples.png(square(), "BMP"), "not a picture"),
        (samples.png(square(), "PNG")[:-40], "damaged"),
        (b"\xff" * 10_000_001, "larger than 10 MB"),
        (bomb(), "pixels|not a picture"),
        (animated(), "animated"),
        (samples.png(square(side=50)), "blurred"),
        (samples.png(Image.new("RGBA", (400, 400), (0, 0, 0, 0))), "transparent"),
    ],
    ids=["empty", "svg", "bmp", "cut", "heavy", "bomb", "animated", "small", "transparent"],
)
def test_a_picture_that_cannot_be_used_is_refused(logo: bytes, match: str) -> None:
    with pytest.raises(ArtworkError, match=match) as caught:
        make(logo)
    assert caught.value.remedy


def test_a_photograph_of_16_megapixels_is_made_small_before_it_is_worked_on() -> None:
    large = Image.new("RGB", (6_000, 2_600), "#aa2222")

    made = make(square(side=4_000), large)

    assert Image.open(BytesIO(made.files["google-hero.png"])).size == (1032, 336)


def test_a_jpeg_of_countless_scans_is_refused_before_it_is_decoded() -> None:
    data = samples.png(square(), "JPEG") + b"\xff\xda" * 100
    with pytest.raises(ArtworkError, match="more than 64 scans"):
        make(data)


def test_a_picture_past_16_megapixels_is_refused_before_it_is_decoded() -> None:
    large = samples.png(Image.new("1", (7000, 6000)))
    with pytest.raises(ArtworkError, match="7000×6000") as refused:
        make(large)
    assert "16 megapixels" in refused.value.remedy


def test_a_banner_of_the_wrong_shape_or_size_is_refused() -> None:
    with pytest.raises(ArtworkError, match="would be seen"):
        make(square(), Image.new("RGB", (800, 1200), "#000000"))
    with pytest.raises(ArtworkError, match="and 240 high"):
        make(square(), Image.new("RGB", (749, 300), "#000000"))


@pytest.mark.parametrize("size", [(750, 300), (750, 240), (763, 320), (1125, 432), (1400, 410)])
def test_a_banner_of_any_size_fills_its_frame_though_its_middle_is_no_whole_pixel(
    size: tuple[int, int],
) -> None:
    """Of 750×300 the part for Google begins 6e-14 pixels left of the picture, by rounding."""
    art = make(square(), Image.new("RGB", size, "#14532d"))

    for name in ("strip.png", "strip@2x.png", "strip@3x.png", "google-hero.png"):
        banner = opened(art.files[name]).convert("RGB")
        assert banner.size == SIZES[name]
        for corner in ((0, 0), (banner.width - 1, banner.height - 1)):
            assert banner.getpixel(corner) == (0x14, 0x53, 0x2D)


def test_an_offer_that_could_not_be_read_on_the_banner_is_refused_with_a_colour() -> None:
    light = Image.new("RGB", (1125, 432), "#fafafa")
    with pytest.raises(ContrastError) as caught:
        make(square(), light)
    assert caught.value.suggestion == "the foreground #000000"
    assert make(square(), light, foreground="#000000")
    restless = light.copy()
    ImageDraw.Draw(restless).rectangle((0, 0, 1124, 215), fill="#000000")
    with pytest.raises(ArtworkError, match="restless"):
        make(square(), restless)


def test_a_logo_that_vanishes_on_its_background_is_refused_with_a_colour() -> None:
    with pytest.raises(ContrastError) as caught:
        make(square("#0b3d2e"))
    assert caught.value.field == "logo"
    suggestion = caught.value.suggestion.removeprefix("the background ")
    assert make(square("#0b3d2e"), background=suggestion)


def test_a_shop_without_a_logo_gets_its_name_drawn() -> None:
    art = monogram("Żółta Łódź", background="#0b3d2e", foreground="#ffffff")
    assert opened(art.files["logo@3x.png"]).width > 200
    assert monogram("A" * 200, background="#0b3d2e", foreground="#ffffff")
    with pytest.raises(ContrastError):
        monogram("X", background="#0b3d2e", foreground="#0b3d2f")


SEEDS = [
    samples.png(square(side=120)),
    samples.png(square(side=120), "JPEG"),
    samples.png(square(side=120), "WEBP"),
    samples.png(square(side=120), "GIF"),
    rotated(),
    grey16(),
    animated(),
]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.sampled_from(SEEDS),
    edits=st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=8)), max_size=6),
    cut=st.integers(0, 3000),
)
def test_hostile_bytes_are_refused_or_drawn_and_never_crash(
    seed: bytes, edits: list[tuple[int, bytes]], cut: int
) -> None:
    data = bytearray(seed)
    for at, change in edits:
        data[at : at + len(change)] = change
    try:
        make(bytes(data[: len(data) - cut] if cut % 3 == 0 else data))
    except (ArtworkError, ContrastError) as error:
        found = error
    else:
        found = None
    assert found is None or found.remedy
