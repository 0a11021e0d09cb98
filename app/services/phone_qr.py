"""This QR leads a phone to where a terminal or a desktop browser is.

A phone's camera reads it from a screen, whatever the colours around it. Barcodes that
tills scan are drawn by `passes.barcode`, which is faster; this one is drawn for one person who is
there to look.
"""

from __future__ import annotations

from typing import Any, TextIO

from passes import barcode
from passes.symbology import Symbology

_QUIET = Symbology.QR.quiet
#: One of the eight masks; a decoder reads each, and weighing them all takes three times as long.
_MASK = 3


def svg(address: str) -> str:
    """Return the QR of `address` as an SVG without a size of its own, one unit to the module."""
    rows = [bytes(b"01"[dark] for dark in row) for row in _drawn(address, border=0).get_matrix()]
    return barcode.svg_of(rows)


def write(address: str, to: TextIO, *, columns: int, colours: bool) -> bool:
    """Write the QR of `address` in half blocks, two modules to the character.

    Args:
        columns: the terminal's width in characters.
        colours: whether the terminal may be told colours. Black and white of its palette, not of
            its theme, make the QR the same on dark and light ones; without them, what is light is
            drawn, as dark terminals need it.

    Returns:
        False if it does not fit, or `to` cannot hold its characters; nothing is written then.
    """
    code = _drawn(address, border=_QUIET)
    if code.modules_count + 2 * _QUIET > columns:
        return False
    try:
        "▀▄█\xa0".encode(to.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    code.print_ascii(to, tty=colours, invert=True)
    return True


def _drawn(address: str, *, border: int) -> Any:
    # Loaded where it is used: a server process needs it for desktops only.
    import qrcode

    code = qrcode.QRCode(error_correction=qrcode.ERROR_CORRECT_M, border=border, mask_pattern=_MASK)
    code.add_data(address)
    code.make()
    return code
