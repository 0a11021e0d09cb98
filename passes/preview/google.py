"""The look of Google Wallet: round logo and name, title, barcode in the middle, banner below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from passes.colour import contrast, rgb
from passes.content import PassContent, Status
from passes.lettering import BOLD, MEDIUM, typeface, wrap
from passes.preview.canvas import (
    BLACK,
    WHITE,
    Card,
    code_height,
    draw_code,
    draw_list,
    draw_stamp,
)
from passes.preview.room import MARGIN, WIDTH
from passes.preview.rows import sayings

if TYPE_CHECKING:
    from PIL.Image import Image

_TOP = 152
_LINE = 58
_ROW = 116
_BANNER = round(WIDTH * 336 / 1032)


def front(content: PassContent, language: str) -> Image:
    """Return the front of the pass."""
    said = sayings(content, language)
    design = content.presentation.design
    ground = rgb(design.background)
    # Google chooses the colour of the text itself.
    ink = max((WHITE, BLACK), key=lambda each: contrast(each, ground))
    art = design.localized_artwork.get(language, design.artwork)
    banner = None if art is None else art.google_hero
    coupon = not content.presentation.holds_money
    headline = f"{said.headline} · {said.title}" if coupon else said.title
    title = wrap(headline, typeface(44, MEDIUM), WIDTH - 2 * MARGIN, most=3)
    rows = list(said.front)
    if content.status is not Status.ACTIVE:
        rows.insert(0, said.status)
    code_top = _TOP + _LINE * len(title) + 24 + (_ROW if rows else 0) + (0 if coupon else 110)
    end = code_top + code_height(content.barcode)
    card = Card(end + (_BANNER if banner is not None else 12), ground)
    if art is not None:
        logo = Card(660, ground)
        logo.paste(art.google_logo, (0, 0))
        round_logo = logo.picture.crop((0, 0, 660, 660)).resize((88, 88))
        card.picture.paste(round_logo, (MARGIN, 32), _disc(88))
        card.draw.ellipse((MARGIN, 32, MARGIN + 88, 120), outline=ink, width=1)
    name_left = MARGIN + (112 if art is not None else 0)
    card.text(
        (name_left, 76), said.organization, ink, 32, width=WIDTH - name_left - MARGIN, anchor="lm"
    )
    card.draw.line((0, 136, WIDTH, 136), fill=_mix(ink, ground), width=2)
    top = _TOP
    for line in title:
        card.text((MARGIN, top + 4), line, ink, 44, weight=MEDIUM)
        top += _LINE
    if not coupon:
        card.text((MARGIN, top + 8), said.headline, ink, 72, weight=BOLD)
        top += 110
    if rows:
        card.columns(rows[:4], top + 16, _mix(ink, ground, 0.85), ink)
    draw_code(card, content, code_top)
    if banner is not None:
        card.paste(banner, (0, end), (WIDTH, _BANNER))
    spent = content.status.spent
    picture = card.finish(radius=44, grey=spent)
    if spent:
        middle_of_code = code_top + (code_height(content.barcode) - MARGIN) // 2
        draw_stamp(picture, said.status.value, middle_of_code if content.barcode else _TOP)
    return picture


def details(content: PassContent, language: str) -> Image:
    """Return the details below the pass."""
    said = sayings(content, language)
    rows = (*said.top, *said.details)
    return draw_list(rows, ground=WHITE, sheet=(248, 249, 250), title=said.organization)


def _disc(side: int) -> Image:
    from PIL import Image as Images
    from PIL import ImageDraw

    mask = Images.new("L", (side * 4, side * 4), 0)
    ImageDraw.Draw(mask).ellipse((0, 0, side * 4 - 1, side * 4 - 1), fill=255)
    return mask.resize((side, side))


def _mix(
    one: tuple[int, int, int], other: tuple[int, int, int], share: float = 0.3
) -> tuple[int, int, int]:
    red, green, blue = (round(a * share + b * (1 - share)) for a, b in zip(one, other, strict=True))
    return red, green, blue
