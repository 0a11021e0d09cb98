"""The kinds of barcode, and what each can hold.

Four are known to every wallet; EAN-13, Code 39, Codabar and ITF came to iPhones with iOS 27 and
need one of the four behind them.
"""

from __future__ import annotations

import re
from enum import Enum

from passes.errors import ContentError


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


_CLASSIC = frozenset({Symbology.QR, Symbology.PDF417, Symbology.AZTEC, Symbology.CODE128})

_ASCII = r"[\x20-\x7e]"
# The longest is what still scans from a phone: the screen is 30 mm wide inside the pass.
_RULES = {
    Symbology.QR: (re.compile(_ASCII + "{1,512}"), "up to 512 printable ASCII characters"),
    Symbology.PDF417: (re.compile(_ASCII + "{1,256}"), "up to 256 printable ASCII characters"),
    Symbology.AZTEC: (re.compile(_ASCII + "{1,512}"), "up to 512 printable ASCII characters"),
    Symbology.CODE128: (re.compile(_ASCII + "{1,48}"), "up to 48 printable ASCII characters"),
    Symbology.EAN13: (re.compile("[0-9]{13}"), "13 digits, the last of them the check digit"),
    Symbology.CODE39: (re.compile("[0-9A-Z .$/+%-]{1,24}"), "up to 24 of 0-9 A-Z . $ / + % -"),
    Symbology.CODABAR: (
        re.compile("[A-D][0-9.$/:+-]{1,22}[A-D]"),
        "up to 22 of 0-9 . $ / : + - between two letters A to D",
    ),
    Symbology.ITF14: (re.compile("[0-9]{14}"), "14 digits, the last of them the check digit"),
}


def check_payload(field: str, payload: str, symbology: Symbology) -> None:
    """Raise ContentError unless a scanner reads `payload` from `symbology` as it is written."""
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


def _checks(digits: str) -> bool:
    """Tell whether the last digit is GS1's check digit of the others."""
    weighted = (int(digit) * (3, 1)[place % 2] for place, digit in enumerate(reversed(digits[:-1])))
    return (sum(weighted) + int(digits[-1])) % 10 == 0
