"""Drawing with Pillow: cards with round corners, texts that fit, barcodes, a look for spent passes.

Everything is drawn for a card of 750 pixels, two to the point of the phones it stands for.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

from PIL import Image, ImageDraw, ImageEnhance

from passes.barcode import png
from passes.colour import Rgb
from passes.content import Barcode, PassContent
from passes.lettering import BOLD, MEDIUM, REGULAR, shorten, typeface, within, wrap
from passes.preview.room import LABEL, LINE, MARGIN, VALUE, WIDTH, column_widths, lefts
from passes.preview.rows import Row
from passes.symbology import Symbology

WHITE: Rgb = (255, 255, 255)
BLACK: Rgb = (20, 20, 22)
GREY: Rgb = (110, 110, 118)
LINK: Rgb = (0, 91, 187)
_CODE_WIDTH = {True: 330, False: 600}  # by whether the barcode is square


class Card:
    """A card to draw on, cut to its outline when it is finished."""

    def __init__(self, height: int, colour: Rgb) -> None:
        self.picture = Image.new("RGB", (WIDTH, height), colour)
        self.draw = ImageDraw.Draw(self.picture)

    def text(
        self,
        at: tuple[float, float],
        text: str,
        colour: Rgb,
        size: int,
        *,
        weight: int = REGULAR,
        width: float = LINE,
        anchor: str = "la",
    ) -> float:
        """Draw one line, smaller or cut off where it must be, and return its width."""
        text, face = within(text, size, weight, width)
        self.draw.text(at, text, colour, face, anchor=anchor)
        return face.getlength(text)

    def paste(self, data: bytes, at: tuple[int, int], size: tuple[int, int] | None = None) -> None:
        """Draw a PNG over what is there."""
        with Image.open(BytesIO(data)) as opened:
            picture = opened.convert("RGBA")
        if size is not None:
            picture = picture.resize(size, Image.Resampling.LANCZOS)
        self.picture.paste(picture, at, picture)

    def columns(self, rows: Sequence[Row], top: int, label: Rgb, value: Rgb) -> None:
        """Draw rows side by side, each as wide as its text wants, as far as there is room."""
        widths = column_widths([(each.label, each.value) for each in rows])
        for each, width, left in zip(rows, widths, lefts(widths), strict=True):
            self.text((left, top), each.label, label, LABEL, width=width)
            self.text((left, top + 32), each.value, value, VALUE, width=width)

    def finish(self, *, radius: int, notches: bool = False, grey: bool = False) -> Image.Image:
        """Return the card with its outline cut, drained of colour for a spent pass."""
        picture = self.picture
        if grey:
            picture = ImageEnhance.Color(picture).enhance(0.15)
            picture = Image.blend(picture, Image.new("RGB", picture.size, (200, 200, 204)), 0.4)
        scale = 2
        mask = Image.new("L", (picture.width * scale, picture.height * scale), 0)
        draw = ImageDraw.Draw(mask)
        draw.rounded_rectangle((0, 0, mask.width - 1, mask.height - 1), radius * scale, fill=255)
        if notches:
            # A coupon's torn edge.
            for x in range(15, picture.width, 30):
                for y in (0, picture.height):
                    box = [(x - 9) * scale, (y - 9) * scale, (x + 9) * scale, (y + 9) * scale]
                    draw.ellipse(box, fill=0)
        picture.putalpha(mask.resize(picture.size, Image.Resampling.BOX))
        return picture


def code_height(barcode: Barcode | None) -> int:
    """Return how much room the box of a barcode takes, with its text and the gap below it."""
    if barcode is None:
        return 0
    return _code(barcode).height + 2 * 14 + (44 if barcode.text else 0) + MARGIN


def draw_code(card: Card, content: PassContent, top: int) -> None:
    """Draw the barcode, and the text below it, on a white box."""
    barcode = content.barcode
    if barcode is None:
        return
    code = _code(barcode)
    height = code_height(barcode) - MARGIN
    width = max(code.width + 28, 330)
    left = (WIDTH - width) // 2
    card.draw.rounded_rectangle((left, top, left + width, top + height), 20, fill=WHITE)
    card.picture.paste(code, ((WIDTH - code.width) // 2, top + 14))
    if barcode.text:
        at = (WIDTH / 2, top + 14 + code.height + 20)
        card.text(at, barcode.text, BLACK, 28, weight=MEDIUM, width=width - 28, anchor="mm")


def draw_stamp(picture: Image.Image, text: str, centre: int) -> None:
    """Draw the state of a spent pass across what it was."""
    face = typeface(48, BOLD)
    half = face.getlength(text) / 2 + 44
    draw = ImageDraw.Draw(picture)
    box = (WIDTH / 2 - half, centre - 48, WIDTH / 2 + half, centre + 48)
    draw.rounded_rectangle(box, 48, fill=(*BLACK, 255))
    draw.text((WIDTH / 2, centre), text, (*WHITE, 255), face, anchor="mm")


def draw_list(rows: Sequence[Row], *, ground: Rgb, sheet: Rgb, title: str) -> Image.Image:
    """Return the details of a pass: a title and a sheet of labels above values."""
    small, large = typeface(24), typeface(30)
    inner = WIDTH - 4 * MARGIN
    texts = [(each, wrap(each.value, large, inner)) for each in rows]
    heights = [(34 if each.label else 0) + 40 * len(lines) + 44 for each, lines in texts]
    card = Card(110 + sum(heights) + MARGIN, ground)
    card.text((WIDTH / 2, 56), title, BLACK, 34, weight=BOLD, anchor="mm")
    bottom = 110 + sum(heights)
    card.draw.rounded_rectangle((MARGIN, 110, WIDTH - MARGIN, bottom), 28, fill=sheet)
    top = 110
    for number, ((each, lines), height) in enumerate(zip(texts, heights, strict=True)):
        if number:
            card.draw.line((2 * MARGIN, top, WIDTH - MARGIN, top), fill=(225, 225, 230), width=2)
        line = top + 20
        if each.label:
            text = shorten(each.label, small, inner)
            card.draw.text((2 * MARGIN, line), text, GREY, small)
            line += 34
        for text in lines:
            card.draw.text((2 * MARGIN, line), text, LINK if each.link else BLACK, large)
            line += 40
        top += height
    return card.finish(radius=36)


def _code(barcode: Barcode) -> Image.Image:
    symbology = barcode.symbology
    # Long payloads need more room; a wallet enlarges the box, too.
    least = _CODE_WIDTH[symbology.square]
    length = len(barcode.payload)
    width = max(least, 480 if symbology.square and length > 160 else least)
    if symbology in (Symbology.CODE128, Symbology.CODE39) and length > 16:
        width = WIDTH - 2 * MARGIN - 28
    with Image.open(BytesIO(png(barcode.payload, symbology, width=width))) as code:
        return code.convert("RGB")
