"""This module makes, from one logo and one banner, every size that each wallet wants.

The pictures are not distorted, upright, in sRGB, of exactly the sizes that Apple and Google
document, and small files. A ContrastError refuses a logo that vanishes on its background and a
banner on which the offer cannot be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from io import BytesIO
from struct import unpack
from types import MappingProxyType
from typing import TYPE_CHECKING
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from passes.colour import (
    LEGIBLE_LARGE,
    Rgb,
    check_colour,
    contrast,
    legible,
    rgb,
)
from passes.errors import ArtworkError, ContrastError
from passes.pictures import badge, contain, cover, encode, flatten, open_picture, pixels, trim

if TYPE_CHECKING:
    from PIL import Image

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Apple, in points; each is needed at @1x, @2x and @3x.
_ICON = (38, 38)
_LOGO = (160, 50)
# Points below which a logo is a line: of its height, which a long one lacks, and of its width.
_LEAST_HEIGHT = 10
_LEAST_WIDTH = 6
_STRIP = (375, 144)
# Google, in pixels.
_GOOGLE_LOGO = (660, 660)
_HERO = (1032, 336)
_SCALES = {"": 1, "@2x": 2, "@3x": 3}
_LEAST_LOGO = (320, 100)
_LEAST_BANNER = (750, 240)


@dataclass(frozen=True, slots=True)
class Artwork:
    """Finished PNG files by name; make it with `prepare` or `monogram`.

    `icon`, `logo` and (with a banner) `strip`, each as `.png`, `@2x.png` and `@3x.png`, are
    Apple's; `google-logo.png` and (with a banner) `google-hero.png` are Google's. To store an
    artwork, store its `files`; `Artwork(files)` checks them again without decoding them and raises
    ArtworkError.
    """

    files: Mapping[str, bytes] = field(repr=False)
    _digest: str = field(init=False, repr=False, compare=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", MappingProxyType(dict(self.files)))
        banner = "google-hero.png" in self.files
        expected = _expected(banner=banner)
        if self.files.keys() != expected.keys():
            raise ArtworkError(
                "artwork",
                "It lacks a size that a wallet wants, or has one that none knows.",
                "Make it with prepare or monogram, and store all its files.",
            )
        digest = sha256()
        for name, (width, height) in expected.items():
            data = self.files[name]
            found = _png_size(name, data)
            # A logo keeps its shape within its frame; all else fills it.
            exact = not name.startswith("logo")
            if found != (width, height) and (exact or found[0] > width or found[1] > height):
                raise ArtworkError(
                    name, f"It is {found[0]}×{found[1]}, not {width}×{height}.", "Prepare it again."
                )
            digest.update(data)
        object.__setattr__(self, "_digest", digest.hexdigest())

    def __hash__(self) -> int:
        return hash(self._digest)

    @property
    def apple(self) -> dict[str, bytes]:
        """The files that go into an Apple pass."""
        return {name: each for name, each in self.files.items() if not name.startswith("google-")}

    @property
    def google_logo(self) -> bytes:
        """Google's logo, 660×660, with the margin that its round mask wants."""
        return self.files["google-logo.png"]

    @property
    def google_hero(self) -> bytes | None:
        """Google's banner, 1032×336."""
        return self.files.get("google-hero.png")

    @property
    def has_banner(self) -> bool:
        """Whether it has a banner."""
        return "google-hero.png" in self.files

    def packed(self) -> bytes:
        """Return all files in one piece, which `unpacked` takes."""
        out = BytesIO()
        # PNGs do not shrink.
        with ZipFile(out, "w", ZIP_STORED) as archive:
            for name, data in self.files.items():
                archive.writestr(ZipInfo(name), data)
        return out.getvalue()

    @classmethod
    def unpacked(cls, data: bytes) -> Artwork:
        """Return the artwork that was packed; raises ArtworkError where files are wrong."""
        try:
            with ZipFile(BytesIO(data)) as archive:
                files = {name: archive.read(name) for name in archive.namelist()}
        except (BadZipFile, ValueError) as error:
            raise ArtworkError("artwork", "It is damaged.", "Prepare it again.") from error
        return cls(files)

    def check_shape(self) -> None:
        """Raise ArtworkError where the logo is so long and thin that nobody would see it."""
        width, height = _png_size("logo", self.files["logo@3x.png"])
        if height < 3 * _LEAST_HEIGHT or width < 3 * _LEAST_WIDTH:
            raise ArtworkError(
                "logo",
                f"In the {_LOGO[0]}×{_LOGO[1]} points that a pass has for it, it would be only"
                f" {width / 3:.3g} wide and {height / 3:.3g} high.",
                f"Give one at most {_LOGO[0] // _LEAST_HEIGHT} times as wide as high, and at most"
                f" {_LOGO[1] // _LEAST_WIDTH} times as high as wide.",
            )

    @property
    def size(self) -> int:
        """How many bytes its files have."""
        return sum(map(len, self.files.values()))

    def __reduce__(self) -> tuple[type[Artwork], tuple[dict[str, bytes]]]:
        return type(self), (dict(self.files),)


def prepare(
    logo: bytes,
    banner: bytes | None = None,
    *,
    background: str,
    foreground: str,
    icon: bytes | None = None,
) -> Artwork:
    """Return the artwork made of a logo, a banner and perhaps a square icon of their own.

    PNG, JPEG, WebP or GIF bytes, up to 10 MB and 16 megapixels each; the logo at least 320 pixels
    wide or 100 high, the banner at least 750×240. Colours as `#rrggbb`. Transparent margins of the
    logo are cut off; without an `icon`, the logo is used.
    """
    check_colour("background", background)
    check_colour("foreground", foreground)
    mark = trim(open_picture("logo", logo, _LEAST_LOGO, either=True))
    _check_visible(mark, background)
    sign = mark if icon is None else trim(open_picture("icon", icon, (114, 114)))
    picture = None
    if banner is not None:
        picture = flatten(open_picture("banner", banner, _LEAST_BANNER), background)
        _check_banner(picture, foreground)
    return _sizes(mark, sign, picture, background)


def monogram(name: str, *, background: str, foreground: str) -> Artwork:
    """Return an artwork for a shop without a logo: its name, and its initial as the icon."""
    from PIL import Image, ImageDraw

    from passes.colour import check_legible
    from passes.lettering import BOLD, fit, typeface

    check_colour("background", background)
    check_legible("foreground", foreground, background)
    lines, face = fit(name, (84, 72, 62, 54, 46, 38), 460, most=2, weight=BOLD)
    mark = Image.new("RGBA", (480, 150), (*rgb(foreground), 0))
    drawn = ImageDraw.Draw(mark)
    step = int(face.size * 1.15)
    for number, line in enumerate(lines):
        middle = 75 + step * (number - (len(lines) - 1) / 2)
        drawn.text((240, middle), line, (*rgb(foreground), 255), face, anchor="mm")
    sign = Image.new("RGBA", (480, 480), (*rgb(foreground), 0))
    ImageDraw.Draw(sign).text(
        (240, 240), name[:1].upper(), (*rgb(foreground), 255), typeface(400, BOLD), anchor="mm"
    )
    return _sizes(trim(mark), trim(sign), None, background)


def _sizes(
    mark: Image.Image, sign: Image.Image, banner: Image.Image | None, background: str
) -> Artwork:
    files: dict[str, bytes] = {}
    for suffix, scale in _SCALES.items():
        files[f"icon{suffix}.png"] = encode(badge(sign, _ICON[0] * scale, 0.12, background))
        files[f"logo{suffix}.png"] = encode(contain(mark, _LOGO[0] * scale, _LOGO[1] * scale))
        if banner is not None:
            size = (_STRIP[0] * scale, _STRIP[1] * scale)
            files[f"strip{suffix}.png"] = encode(cover(banner, *size))
    # Google masks the logo with a circle and asks for a margin of 15 %.
    files["google-logo.png"] = encode(badge(sign, _GOOGLE_LOGO[0], 0.15, background))
    if banner is not None:
        files["google-hero.png"] = encode(cover(banner, *_HERO))
    return Artwork(files)


def _expected(*, banner: bool) -> dict[str, tuple[int, int]]:
    kinds = {"icon": _ICON, "logo": _LOGO} | ({"strip": _STRIP} if banner else {})
    sizes = {
        f"{name}{suffix}.png": (width * scale, height * scale)
        for name, (width, height) in kinds.items()
        for suffix, scale in _SCALES.items()
    }
    sizes["google-logo.png"] = _GOOGLE_LOGO
    if banner:
        sizes["google-hero.png"] = _HERO
    return sizes


def _png_size(name: str, data: bytes) -> tuple[int, int]:
    if data[:8] != _SIGNATURE or data[12:16] != b"IHDR" or len(data) < 33:
        raise ArtworkError(name, "It is not a PNG.", "Prepare it again.")
    width, height = unpack(">II", data[16:24])
    return width, height


def _check_visible(mark: Image.Image, background: str) -> None:
    """Raise ContrastError where next to nothing of the logo stands out from its background."""
    small = contain(mark, 48, 48)
    ground = rgb(background)
    inked = [(red, green, blue) for red, green, blue, alpha in pixels(small) if alpha > 128]
    seen = [each for each in inked if contrast(each, ground) >= 1.5]
    if len(seen) * 10 < len(inked):
        main = inked[len(inked) // 2]
        raise ContrastError(
            "logo",
            f"The logo can hardly be seen on {background}.",
            f"the background {legible(background, _hex(main), least=LEGIBLE_LARGE)}",
        )


def _check_banner(banner: Image.Image, foreground: str) -> None:
    """Raise unless the offer, drawn large over the left of the banner, can be read there."""
    frame = cover(banner, 375, 144)
    left = frame.crop((0, 20, 240, 124)).resize((12, 5))
    cells: list[Rgb] = [(each[0], each[1], each[2]) for each in pixels(left)]

    def readable(ink: Rgb) -> float:
        return sum(contrast(ink, cell) >= LEGIBLE_LARGE for cell in cells) / len(cells)

    if readable(rgb(foreground)) >= 0.8:
        return
    best = max(((0, 0, 0), (255, 255, 255)), key=readable)
    if readable(best) >= 0.8:
        raise ContrastError(
            "banner",
            f"Text in {foreground} is hard to read on the left of the banner.",
            f"the foreground {_hex(best)}",
        )
    raise ArtworkError(
        "banner",
        "It is too restless for text in any colour to be read on its left.",
        "Make its left side evenly dark or evenly light.",
    )


def _hex(colour: Rgb) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
