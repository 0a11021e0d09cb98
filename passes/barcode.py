"""A barcode as a picture, PNG or SVG: sharp at any size, with its quiet zone.

Every module is a whole number of pixels, so that nothing is smeared; what remains of the width is
quiet zone. Refuses a width too small for that, colours that scanners confuse, and payloads that the
symbology cannot hold. zxing-cpp encodes; the pictures are written here, as 1-bit palette PNG
(RFC 2083) and one SVG path, because that is sixteen times as fast as drawing on a canvas.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from struct import pack

from passes.colour import check_colour, contrast, luminance, rgb
from passes.errors import ContentError, ContrastError
from passes.symbology import Symbology, check_payload, modules

LEAST_CONTRAST = 7.0
"""The least contrast between bars and ground: well above what a cheap laser scanner separates."""

USUAL_WIDTH = 300
"""Pixels of a picture whose width nobody says."""

_LINEAR_HEIGHT = 0.3


def png(
    payload: str,
    symbology: Symbology = Symbology.QR,
    *,
    width: int | None = None,
    dark: str = "#000000",
    light: str = "#ffffff",
) -> bytes:
    """Return a PNG `width` pixels wide (square for QR and Aztec), colours as `#rrggbb`.

    Without a `width` it is 300 pixels wide, or as wide as two pixels for each module want.
    Raises ContentError where it cannot be drawn that small, ContrastError where it cannot be read.
    """
    _check_colours(dark, light)
    rows = _drawn(payload, symbology)
    quiet = symbology.quiet
    columns = len(rows[0])
    if width is None:
        width = max(USUAL_WIDTH, 2 * (columns + 2 * quiet))
    scale = width // (columns + 2 * quiet)
    if scale < 1:
        raise ContentError(
            "width",
            f"{width} pixels are too few for this barcode.",
            f"Give {columns + 2 * quiet} or more, or a shorter payload.",
        )
    above, row_height, height = _vertical(len(rows), symbology, scale, width)
    left = (width - columns * scale) // 2
    shift = -(-width // 8) * 8 - left - columns * scale
    size = -(-width // 8)
    # A line of filter type 2 says how it differs from the one above: a repeated one is all zeros.
    same = b"\x02" + bytes(size)
    lines = [same * above]
    ones, zeros = b"1" * scale, b"0" * scale
    for row in rows:
        bits = int(row.replace(b"0", b"o").replace(b"1", ones).replace(b"o", zeros), 2) << shift
        lines.append(b"\x00" + bits.to_bytes(size, "big") + same * (row_height - 1))
    lines.append(b"\x00" + bytes(size) + same * (height - above - len(rows) * row_height - 1))
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", pack(">IIBBBBB", width, height, 1, 3, 0, 0, 0)),
            _chunk(b"PLTE", bytes((*rgb(light), *rgb(dark)))),
            _chunk(b"IDAT", zlib.compress(b"".join(lines), 6)),
            _chunk(b"IEND", b""),
        )
    )


def svg(
    payload: str,
    symbology: Symbology = Symbology.QR,
    *,
    width: int | None = None,
    dark: str = "#000000",
    light: str = "#ffffff",
) -> str:
    """Return an SVG without a size of its own, one unit to the module, colours as `#rrggbb`.

    With a `width`, bars have a size, which a page should not shrink: the widest multiple of half a
    pixel to the module that is not wider, but one pixel at least. Screens have two pixels or three
    for each of a page's, so that all bars are sharp.

    Raises ContentError for a payload that does not fit, ContrastError for colours that do not.
    """
    return svg_of(_drawn(payload, symbology), symbology, width=width, dark=dark, light=light)


def svg_of(
    rows: Sequence[bytes],
    symbology: Symbology = Symbology.QR,
    *,
    width: int | None = None,
    dark: str = "#000000",
    light: str = "#ffffff",
) -> str:
    """Return the SVG of modules that are drawn already, `1` for each dark and `0` for each light.

    Raises ContrastError for colours that scanners confuse.
    """
    _check_colours(dark, light)
    quiet = symbology.quiet
    columns = len(rows[0])
    units = columns + 2 * quiet
    above, row_height, height = _vertical(len(rows), symbology, 1, units)
    size = "" if width is None else f' width="{units * max(2, 2 * width // units) / 2:g}"'
    path = []
    for number, row in enumerate(rows):
        start = row.find(b"1")
        while start >= 0:
            end = row.find(b"0", start)
            end = columns if end < 0 else end
            x, y = quiet + start, above + number * row_height
            path.append(f"M{x} {y}h{end - start}v{row_height}h-{end - start}z")
            start = row.find(b"1", end)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg"{size} viewBox="0 0 {units} {height}"'
        f' shape-rendering="crispEdges"><path fill="{light}" d="M0 0h{units}v{height}H0z"/>'
        f'<path fill="{dark}" d="{"".join(path)}"/></svg>'
    )


def _vertical(rows: int, symbology: Symbology, scale: int, width: int) -> tuple[int, int, int]:
    """Return the free pixels above, the height of a row, and the height of the whole."""
    quiet = symbology.quiet * scale
    if rows == 1:
        # Bars need no space above or below; a little keeps them off what stands there.
        margin = 2 * scale
        height = max(round(width * _LINEAR_HEIGHT), 8 * scale)
        return margin, height - 2 * margin, height
    if symbology.square:
        above = (width - rows * scale) // 2
        return above, scale, width
    return quiet, scale, rows * scale + 2 * quiet


def _drawn(payload: str, symbology: Symbology) -> list[bytes]:
    check_payload("barcode.payload", payload, symbology)
    return modules(payload, symbology)


def _check_colours(dark: str, light: str) -> None:
    check_colour("dark", dark)
    check_colour("light", light)
    if contrast(rgb(dark), rgb(light)) < LEAST_CONTRAST or luminance(rgb(dark)) > luminance(
        rgb(light)
    ):
        raise ContrastError(
            "dark", f"Scanners do not see {dark} bars on {light}.", "#000000 on #ffffff"
        )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))
