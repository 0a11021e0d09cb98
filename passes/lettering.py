"""The typeface in which the library draws: Noto Sans, which has Latin, Greek and Cyrillic."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

REGULAR, MEDIUM, BOLD = 400, 500, 700


@cache
def typeface(size: int, weight: int = REGULAR) -> FreeTypeFont:
    """Return the face at a size in pixels and a weight from 100 to 900."""
    import fontpkg_noto_sans
    from PIL import ImageFont

    face = ImageFont.truetype(
        fontpkg_noto_sans.ROOT / "files" / "NotoSans[wdth,wght].ttf",
        size,
        layout_engine=ImageFont.Layout.BASIC,
    )
    face.set_variation_by_axes([weight, 100])
    return face


def wrap(text: str, face: FreeTypeFont, width: float, *, most: int = 100) -> list[str]:
    """Return `text` in lines no wider than `width`, the last of `most` ending with an ellipsis."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split():
            for piece in _pieces(word, face, width):
                longer = f"{line} {piece}" if line else piece
                if line and face.getlength(longer) > width:
                    lines.append(line)
                    line = piece
                else:
                    line = longer
        lines.append(line)
    if len(lines) > most:
        lines = [*lines[: most - 1], shorten(" ".join(lines[most - 1 :]), face, width)]
    return lines


def fit(
    text: str, sizes: Sequence[int], width: float, *, most: int, weight: int = REGULAR
) -> tuple[list[str], FreeTypeFont]:
    """Return `text` in as few lines as it fits without breaking a word, as large as it fits then;
    where it never does, in `most` lines of the smallest size, the last with an ellipsis.
    """
    for count in range(1, most + 1):
        for size in sizes:
            face = typeface(size, weight)
            lines = wrap(text, face, width)
            whole = all(face.getlength(each) <= width for each in text.split())
            if whole and len(lines) <= count:
                return lines, face
    face = typeface(sizes[-1], weight)
    return wrap(text, face, width, most=most), face


def within(text: str, size: int, weight: int, width: float) -> tuple[str, FreeTypeFont]:
    """Return `text` in one line no wider than `width` and its face: smaller, and cut off with an
    ellipsis, where it must be.
    """
    face = typeface(size, weight)
    least = size * (0.6 if size > 60 else 0.8)  # small text stays readable and is cut off
    while face.getlength(text) > width and face.size > least:
        face = typeface(int(face.size) - 2, weight)
    return shorten(text, face, width), face


def shorten(text: str, face: FreeTypeFont, width: float) -> str:
    """Return `text`, cut with an ellipsis where it is wider than `width`."""
    if face.getlength(text) <= width:
        return text
    while text and face.getlength(f"{text.rstrip()}…") > width:
        text = text[:-1]
    return f"{text.rstrip()}…"


def _pieces(word: str, face: FreeTypeFont, width: float) -> list[str]:
    """Break a word that is wider than a line."""
    pieces = []
    while word and face.getlength(word) > width:
        fit = 1
        while face.getlength(word[: fit + 1]) <= width:
            fit += 1
        pieces.append(word[:fit])
        word = word[fit:]
    return [*pieces, word] if word else pieces
