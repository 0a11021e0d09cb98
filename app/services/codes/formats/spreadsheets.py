"""Mends what spreadsheets did to a cell where that is sure, and names it where it is not.

Mended are the formula that keeps a text (`="00123"`), the apostrophe in front of one, full-width
characters, dashes that a word processor drew, and characters that nobody sees at either end or
that only mark where a line may break. What a spreadsheet shortened (`6,03E+15`) or could not
compute (`#N/A`) is lost: a `Reason` says so.
"""

from __future__ import annotations

import re

from app.services.codes.reasons import RejectReason

_FORMULA = re.compile(r'=\s*"(?P<text>(?:[^"]|"")*)"')
_DASHES = dict.fromkeys("‐‑‒–—―−﹘﹣－", "-")
_TABLE = str.maketrans(
    {
        **{chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)},
        **_DASHES,
        "\u00ad": "",
        "\u00a0": " ",
        "\u202f": " ",
        "\u2007": " ",
        "\u2009": " ",
        "\u3000": " ",
    }
)
#: Not seen, and at the end of a cell no part of it.
_UNSEEN = "\ufeff\u200b\u200c\u200d\u200e\u200f\u2060 \t\r\n\x0b\x0c\x1a\u2028\u2029\x85"

#: As a spreadsheet writes what has too many digits for its cell.
_SCIENTIFIC = re.compile(r"[-+]?\d+(?:[.,]\d*)?E[+-]\d{1,3}", re.IGNORECASE)
#: The same without a sign: also a code in letters and digits, unless no other has letters.
UNSIGNED = re.compile(r"\d+(?:[.,]\d+)?E\d{1,3}", re.IGNORECASE)
_ERROR = re.compile(
    r"#+|#(?:N/?[AVD]|N/?DISP|NULL?|NUM|NAME|REF|VALUE|DIV/0|SPILL|CALC|FIELD|BLOCKED|ERROR|ERR|"
    r"BEZUG|WERT|ZAHL|ÜBERLAUF|NOM|VALEUR|NOMBRE|CHAMP|VALOR|¿NOMBRE|¡REF|¡VALOR|¡NUM|¡DIV/0|"
    r"¡NULO|NOME|RIF|VALORE|NUM\.|VERW|WAARDE|NAAM|GETAL|LEEG|ARG|ADR|NAZWA|LICZBA|DZIEL/0|"
    r"UNKNOWN|GETTING_DATA)[!?]?",
    re.IGNORECASE,
)
_CALCULATION = re.compile(r"=\s*[A-ZÀ-Ý.]+\(.*\)", re.IGNORECASE)


def mended(cell: str) -> str:
    """Return a cell as it was before a spreadsheet or a word processor touched it."""
    text = cell.strip()
    if text.isascii() and not text.startswith(("=", "'", '"')):
        return text
    text = text.translate(_TABLE).strip(_UNSEEN)
    formula = _FORMULA.fullmatch(text)
    if formula is not None:
        text = formula["text"].replace('""', '"').strip(_UNSEEN)
    if text[:1] in ("'", "’", "‘", "`") and len(text) > 1:
        text = text[1:]
    return text.strip(_UNSEEN)


def damage(text: str) -> RejectReason | None:
    """Tell what a spreadsheet did to a mended cell that cannot be undone; None for nothing."""
    if text.isalnum():
        return None
    if _SCIENTIFIC.fullmatch(text) or (UNSIGNED.fullmatch(text) and not text.isalnum()):
        return RejectReason.SHORTENED
    if text.startswith("#") and _ERROR.fullmatch(text):
        return RejectReason.SPREADSHEET_ERROR
    if text.startswith("=") and _CALCULATION.fullmatch(text):
        return RejectReason.SPREADSHEET_ERROR
    return None


def shortened(texts: list[str]) -> bool:
    """Tell whether a whole column of numbers was shortened.

    Only then is `1E5` no code of its own, or are sixteen digits with zeros at their end what is
    left of others.
    """
    return any(map(UNSIGNED.fullmatch, texts)) and all(
        text.isdigit() or _SCIENTIFIC.fullmatch(text) or UNSIGNED.fullmatch(text) for text in texts
    )


def rounded(texts: list[str]) -> bool:
    """Tell whether numbers of more than fifteen digits, which a spreadsheet cannot keep, all end in
    zeros from there.
    """
    long = [text for text in texts if len(text) > 15 and text.isdigit()]
    return len(long) >= 3 and all(not text[15:].strip("0") for text in long)
