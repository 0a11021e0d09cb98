"""A barcode as a picture, PNG or SVG: sharp at any size, with its quiet zone.

Every module is a whole number of pixels, so that nothing is smeared; what remains of the width is
quiet zone. Refuses a width too small for that, colours that scanners confuse, and payloads that the
symbology cannot hold. zxing-cpp encodes; the pictures are written here, as 1-bit palette PNG
(RFC 2083) and one SVG path, because that is sixteen times as fast as drawing on a canvas.
"""

from __future__ import annotations

import zlib
from struct import pack
from typing import Any

from passes.colour import check_colour, contrast, luminance, rgb
from passes.errors import ContentError, ContrastError
from passes.symbology import Symbology, check_payload

LEAST_CONTRAST = 7.0
"""The least contrast between bars and ground: well above what a cheap laser scanner separates."""

# Modules left free on each side (ISO/IEC 18004, 15438, 24778, 15417, 15420, 16388, 16390).
_QUIET = {
    Symbology.QR: 4,
    Symbology.PDF417: 2,
    Symbology.AZTEC: 2,
    Symbology.EAN13: 11,
}
_QUIET_LINEAR = 10
_LINEAR_HEIGHT = 0.3
# Error correction M: a phone's screen is clean, and larger modules read better than more of them.
_OPTIONS = {Symbology.QR: {"ec_level": "M"}}
_BITS = bytes.maketrans(b"\x00\xff", b"10")


def png(
    payload: str,
    symbology: Symbology = Symbology.QR,
    *,
    width: int = 300,
    dark: str = "#000000",
    light: str = "#ffffff",
) -> bytes:
    """Return a PNG `width` pixels wide (square for QR and Aztec), colours as `#rrggbb`.

    Raises ContentError where it cannot be drawn that small, ContrastError where it cannot be read.
    """
    _check_colours(dark, light)
    rows = _modules(payload, symbology)
    quiet = _QUIET.get(symbology, _QUIET_LINEAR)
    columns = len(rows[0])
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
    dark: str = "#000000",
    light: str = "#ffffff",
) -> str:
    """Return an SVG without a size of its own, one unit to the module, colours as `#rrggbb`.

    Raises ContentError for a payload that does not fit, ContrastError for colours that do not.
    """
    _check_colours(dark, light)
    rows = _modules(payload, symbology)
    quiet = _QUIET.get(symbology, _QUIET_LINEAR)
    columns = len(rows[0])
    width = columns + 2 * quiet
    above, row_height, height = _vertical(len(rows), symbology, 1, width)
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
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
        f' shape-rendering="crispEdges"><path fill="{light}" d="M0 0h{width}v{height}H0z"/>'
        f'<path fill="{dark}" d="{"".join(path)}"/></svg>'
    )


def _vertical(rows: int, symbology: Symbology, scale: int, width: int) -> tuple[int, int, int]:
    """Return the free pixels above, the height of a row, and the height of the whole."""
    quiet = _QUIET.get(symbology, _QUIET_LINEAR) * scale
    if rows == 1:
        # Bars need no space above or below; a little keeps them off what stands there.
        margin = 2 * scale
        height = max(round(width * _LINEAR_HEIGHT), 8 * scale)
        return margin, height - 2 * margin, height
    if symbology.square:
        above = (width - rows * scale) // 2
        return above, scale, width
    return quiet, scale, rows * scale + 2 * quiet


def _modules(payload: str, symbology: Symbology) -> list[bytes]:
    """Return the rows of the barcode, `1` for each dark module and `0` for each light one."""
    import zxingcpp

    check_payload("barcode.payload", payload, symbology)
    formats = {
        Symbology.QR: zxingcpp.BarcodeFormat.QRCode,
        Symbology.PDF417: zxingcpp.BarcodeFormat.PDF417,
        Symbology.AZTEC: zxingcpp.BarcodeFormat.Aztec,
        Symbology.CODE128: zxingcpp.BarcodeFormat.Code128,
        Symbology.EAN13: zxingcpp.BarcodeFormat.EAN13,
        Symbology.CODE39: zxingcpp.BarcodeFormat.Code39,
        Symbology.CODABAR: zxingcpp.BarcodeFormat.Codabar,
        # Not ITF14, which is drawn with a frame that is for printing on cardboard.
        Symbology.ITF14: zxingcpp.BarcodeFormat.ITF,
    }
    barcode = zxingcpp.create_barcode(payload, formats[symbology], **_OPTIONS.get(symbology, {}))
    # The image is a buffer, which its type stub does not say.
    image: Any = barcode.to_image(1, add_quiet_zones=False)
    height, width = image.shape
    bits = bytes(image).translate(_BITS)
    if symbology not in (Symbology.QR, Symbology.AZTEC, Symbology.PDF417):
        height = 1  # every row of a linear barcode is the same
    return [bits[row * width : (row + 1) * width] for row in range(height)]


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
