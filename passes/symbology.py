"""The kinds of barcode, what each can hold, and how much of it tills still read off a phone.

Four are known to every wallet; EAN-13, Code 39, Codabar and ITF came to iPhones with iOS 27 and
need one of the four behind them.

A linear barcode grows with each character, and the phone's screen does not: bars become finer than
scanners see. zxing-cpp encodes, so that what is measured is what is drawn.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Any

from passes.errors import ContentError

ROOM_MM = 48.0
"""How wide a barcode is shown on the smallest iPhone that has Wallet's current design: of the 58.5
millimetres of a 4.7-inch screen (375 points) some 307 points are left inside the card and its white
box. Assumed from screenshots: Apple publishes no size."""

FINEST_BAR_MM = 0.127
"""The narrowest bar that scanners at tills are sold for: 5 mil, the finest in the data sheets of
common hand-held ones, and that at a hand's breadth."""

MOST_MODULES = int(ROOM_MM / FINEST_BAR_MM)
"""The most modules that a barcode may be wide, its quiet zone included."""


class Symbology(Enum):
    """A kind of barcode."""

    # Members are single objects; Enum would hash their names in Python, for every pass built.
    __hash__ = object.__hash__

    QR = "QR"
    PDF417 = "PDF417"
    AZTEC = "AZTEC"
    CODE128 = "CODE128"
    EAN13 = "EAN13"
    CODE39 = "CODE39"
    CODABAR = "CODABAR"
    ITF14 = "ITF14"

    @property
    def classic(self) -> bool:
        """Whether every iPhone can show it."""
        return self in _CLASSIC

    @property
    def square(self) -> bool:
        """Whether it is drawn as a square."""
        return self in (Symbology.QR, Symbology.AZTEC)

    @property
    def linear(self) -> bool:
        """Whether it is one row of bars, as wide as its payload is long."""
        return not self.square and self is not Symbology.PDF417

    @property
    def quiet(self) -> int:
        """How many modules stay free on each side."""
        return _QUIET.get(self, 10)


_CLASSIC = frozenset({Symbology.QR, Symbology.PDF417, Symbology.AZTEC, Symbology.CODE128})

# ISO/IEC 18004, 15438, 24778, 15420; ten for 15417, 16388 and 16390.
_QUIET = {Symbology.QR: 4, Symbology.PDF417: 2, Symbology.AZTEC: 2, Symbology.EAN13: 11}
# Error correction M: a phone's screen is clean, and larger modules read better than more of them.
_OPTIONS = {Symbology.QR: {"ec_level": "M"}}
_BITS = bytes.maketrans(b"\x00\xff", b"10")

_ASCII = r"[\x20-\x7e]"
# The longest of a square is what still scans when it is 30 mm wide; of a linear one the width in
# modules decides, and its number here is only what no payload of any kind goes beyond.
_RULES = {
    Symbology.QR: (re.compile(_ASCII + "{1,512}"), "up to 512 printable ASCII characters"),
    Symbology.PDF417: (re.compile(_ASCII + "{1,256}"), "up to 256 printable ASCII characters"),
    Symbology.AZTEC: (re.compile(_ASCII + "{1,512}"), "up to 512 printable ASCII characters"),
    Symbology.CODE128: (re.compile(_ASCII + "{1,64}"), "up to 64 printable ASCII characters"),
    Symbology.EAN13: (re.compile("[0-9]{13}"), "13 digits, the last of them the check digit"),
    Symbology.CODE39: (re.compile("[0-9A-Z .$/+%-]{1,24}"), "up to 24 of 0-9 A-Z . $ / + % -"),
    Symbology.CODABAR: (
        re.compile("[A-D][0-9.$/:+-]{1,22}[A-D]"),
        "up to 22 of 0-9 . $ / : + - between two letters A to D",
    ),
    Symbology.ITF14: (re.compile("[0-9]{14}"), "14 digits, the last of them the check digit"),
}


#: The longest payload that is narrow enough whatever its characters are, and the longest that is
#: where all are digits, which Code 128 writes in pairs. All others are narrow at any length.
_SURE = {Symbology.CODE128: 29}
_DIGITS = {Symbology.CODE128: 58}


def check_payload(field: str, payload: str, symbology: Symbology) -> None:
    """Raise ContentError unless a scanner reads `payload` from `symbology` as it is written, at the
    width in which phones show it.
    """
    pattern, meaning = _RULES[symbology]
    if not isinstance(payload, str) or not pattern.fullmatch(payload):
        raise ContentError(
            field,
            f"A {symbology.value} barcode cannot hold this payload.",
            f"Give {meaning}, or choose another symbology.",
        )
    if symbology in (Symbology.EAN13, Symbology.ITF14) and not _checks(payload):
        raise ContentError(field, "The last digit is not the check digit.", "Correct the number.")
    if payload.isspace():
        raise ContentError(field, "The payload is blank.", "Give what the till expects.")
    if len(payload) > surely_narrow(symbology) and (width := _width(payload, symbology)) > (
        MOST_MODULES
    ):
        raise ContentError(
            field,
            f"Its {len(payload)} characters are too many for a {symbology.value} barcode: {width}"
            f" modules, and no till reads more than {MOST_MODULES} off a phone.",
            f"Give {narrow(symbology)}, or choose QR.",
        )


def fits(payload: str, symbology: Symbology) -> bool:
    """Tell whether `check_payload` lets it pass."""
    try:
        check_payload("barcode.payload", payload, symbology)
    except ContentError:
        return False
    return True


def surely_narrow(symbology: Symbology) -> int:
    """Return the length up to which every payload that `symbology` can hold is narrow enough."""
    return _SURE.get(symbology, 512)


def narrow(symbology: Symbology) -> str:
    """Say how long a payload of `symbology` may be, for people."""
    sure, digits = surely_narrow(symbology), _DIGITS.get(symbology)
    more = "" if digits is None else f" ({digits} where all are digits)"
    return f"at most {sure} characters{more}"


def modules(payload: str, symbology: Symbology) -> list[bytes]:
    """Return the rows of the barcode without its quiet zone, `1` for each dark module and `0` for
    each light one; of a linear barcode the only one. `payload` has been checked.
    """
    import zxingcpp

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
    rows = 1 if symbology.linear else height
    return [bits[row * width : (row + 1) * width] for row in range(rows)]


def _width(payload: str, symbology: Symbology) -> int:
    """Return how many modules the barcode is wide, its quiet zone included."""
    return len(modules(payload, symbology)[0]) + 2 * symbology.quiet


def _checks(digits: str) -> bool:
    """Tell whether the last digit is GS1's check digit of the others."""
    weighted = (int(digit) * (3, 1)[place % 2] for place, digit in enumerate(reversed(digits[:-1])))
    return (sum(weighted) + int(digits[-1])) % 10 == 0
