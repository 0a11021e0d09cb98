"""This module opens pictures from outside, and fits, crops and saves them.

A picture that is broken, animated, too small to be sharp or large enough to be a bomb is refused
with an ArtworkError before it is decoded whole.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from passes.colour import rgb
from passes.errors import ArtworkError

if TYPE_CHECKING:
    from PIL import Image

LARGEST_BYTES = 10_000_000
#: A photograph of 16 megapixels is more than ten times what any wallet shows; decoding it takes
#: some 200 MB for a moment.
LARGEST_PIXELS = 16_000_000
#: Passes over a progressive JPEG: real ones have ten or so, and each costs as much as the picture.
MOST_SCANS = 64
_SCAN = b"\xff\xda"
_WORKED_ON = (2 * 1125, 2 * 660)
# A banner is cropped to its frame; beyond this share its subject is probably lost.
_MOST_CROPPED = 0.6
_PHOTO_BYTES = 40_000


def open_picture(
    name: str, data: bytes, least: tuple[int, int], *, either: bool = False
) -> Image.Image:
    """Return the picture as upright 8-bit RGBA in sRGB, or raise ArtworkError."""
    from PIL import Image, ImageOps

    if len(data) > LARGEST_BYTES:
        raise ArtworkError(name, "The file is larger than 10 MB.", "Export it smaller.")
    try:
        # Reads the header only. Whatever a hostile file makes a decoder raise, it is the file's
        # fault and not ours: hence the bare Exception here and below.
        opened = Image.open(BytesIO(data), formats=("PNG", "JPEG", "WEBP", "GIF"))
    except Exception as error:
        raise ArtworkError(
            name, "It is not a picture.", "Give a PNG, JPEG, WebP or GIF file."
        ) from error
    width, height = opened.size
    if width * height > LARGEST_PIXELS:
        raise ArtworkError(
            name, f"It has {width}×{height} pixels.", "Export it with 16 megapixels at most."
        )
    if opened.format == "JPEG" and data.count(_SCAN) > MOST_SCANS:
        raise ArtworkError(
            name, f"It has more than {MOST_SCANS} scans.", "Export it as a plain JPEG or a PNG."
        )
    try:
        if getattr(opened, "n_frames", 1) > 1:
            raise ArtworkError(name, "It is animated.", "Export one frame of it.")
        picture = _to_rgba(_worked_on(ImageOps.exif_transpose(opened)))
    except ArtworkError:
        raise
    except Exception as error:
        raise ArtworkError(
            name, "The picture is damaged or cut off.", "Export it again."
        ) from error
    width, height = picture.size
    fits = (width >= least[0], height >= least[1])
    if not (any(fits) if either else all(fits)):
        raise ArtworkError(
            name,
            f"At {width}×{height} pixels it would look blurred.",
            f"Give it at least {least[0]} pixels wide {'or' if either else 'and'} {least[1]} high.",
        )
    return picture


def _worked_on(picture: Image.Image) -> Image.Image:
    """Make a large picture small before it is worked on, still twice what any wallet shows."""
    from PIL import Image

    factor = min(picture.width / _WORKED_ON[0], picture.height / _WORKED_ON[1])
    if factor <= 1 or picture.mode not in ("L", "LA", "RGB", "RGBA", "CMYK"):
        return picture
    size = (round(picture.width / factor), round(picture.height / factor))
    small = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    small.info = picture.info
    return small


def _to_rgba(picture: Image.Image) -> Image.Image:
    from PIL import Image, ImageCms

    if picture.mode.startswith(("I", "F")):
        # 16 bits a pixel; Pillow's own conversion would cut off instead of scaling.
        top = 65535 if picture.mode.startswith("I") else 1
        picture = picture.convert("F").point(lambda value: value * (255 / top)).convert("L")
    profile = picture.info.get("icc_profile")
    if profile and picture.mode in ("RGB", "CMYK"):
        picture = (
            ImageCms.profileToProfile(
                picture,
                ImageCms.ImageCmsProfile(BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                outputMode="RGB",
            )
            or picture
        )
    rgba: Image.Image = picture.convert("RGBA")
    if rgba.getchannel("A").getextrema() == (0, 0):
        raise ArtworkError("picture", "It is fully transparent.", "Export it again.")
    return Image.frombytes("RGBA", rgba.size, rgba.tobytes())  # without EXIF, profile, comments


def trim(picture: Image.Image) -> Image.Image:
    """Cut off transparent margins."""
    box = picture.getchannel("A").point(lambda alpha: 255 if alpha > 8 else 0).getbbox()
    return picture.crop(box) if box else picture


def flatten(picture: Image.Image, background: str) -> Image.Image:
    """Lay the picture on a background, so that nothing of it is transparent."""
    from PIL import Image

    ground = Image.new("RGBA", picture.size, (*rgb(background), 255))
    ground.alpha_composite(picture)
    return ground.convert("RGB")


def contain(picture: Image.Image, width: int, height: int) -> Image.Image:
    """Scale the picture so that the whole of it fits into the frame."""
    from PIL import Image

    scale = min(width / picture.width, height / picture.height)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS)


def badge(picture: Image.Image, side: int, margin: float, background: str) -> Image.Image:
    """Return the picture in the middle of a square of the background colour."""
    from PIL import Image

    inner = round(side * (1 - 2 * margin))
    small = contain(picture, inner, inner)
    badge = Image.new("RGBA", (side, side), (*rgb(background), 255))
    badge.alpha_composite(small, ((side - small.width) // 2, (side - small.height) // 2))
    return badge.convert("RGB")


def cover(picture: Image.Image, width: int, height: int) -> Image.Image:
    """Return the middle of the picture, filling the frame."""
    from PIL import Image

    have, want = picture.width / picture.height, width / height
    kept = min(have, want) / max(have, want)
    if kept < 1 - _MOST_CROPPED:
        raise ArtworkError(
            "banner",
            f"Only {kept:.0%} of it would be seen in a frame of {width}×{height}.",
            "Give one about two and a half times as wide as high.",
        )
    scale = max(width / picture.width, height / picture.height)
    part_width, part_height = width / scale, height / scale
    # Rounding may leave a hair's breadth outside of the picture, which Pillow refuses.
    left = max(0.0, (picture.width - part_width) / 2)
    top = max(0.0, (picture.height - part_height) / 2)
    return picture.resize(
        (width, height),
        Image.Resampling.LANCZOS,
        box=(
            left,
            top,
            min(left + part_width, picture.width),
            min(top + part_height, picture.height),
        ),
    )


def encode(picture: Image.Image) -> bytes:
    """Return the picture as PNG; photographs with 256 colours where that saves much."""
    data = _save(picture)
    if len(data) > _PHOTO_BYTES and picture.mode == "RGB":
        from PIL import Image

        few = _save(
            picture.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.FLOYDSTEINBERG)
        )
        return min(data, few, key=len)
    return data


def _save(picture: Image.Image) -> bytes:
    out = BytesIO()
    picture.save(out, "PNG", optimize=True)
    return out.getvalue()


def pixels(picture: Image.Image) -> list[tuple[int, ...]]:
    """List the picture's pixels, row by row, a number per band."""
    data = picture.tobytes()
    step = len(picture.getbands())
    return [tuple(data[at : at + step]) for at in range(0, len(data), step)]
