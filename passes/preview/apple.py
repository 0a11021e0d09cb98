"""The look of Apple Wallet: logo and header above, offer over the strip, barcode at the bottom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from passes.colour import rgb
from passes.content import PassContent, Status
from passes.preview.canvas import (
    Card,
    code_height,
    draw_code,
    draw_list,
    draw_stamp,
)
from passes.preview.room import MARGIN, OFFER, TITLE, WIDTH
from passes.preview.rows import Row, sayings

if TYPE_CHECKING:
    from PIL.Image import Image

_TOP = 132
_STRIP = 288
_PLAIN = 210
_ROW = 124


def front(content: PassContent, language: str) -> Image:
    """Return the front of the pass."""
    said = sayings(content, language)
    design = content.presentation.design
    ink, label = rgb(design.foreground), rgb(design.label_colour)
    art = design.localized_artwork.get(language, design.artwork)
    banner = None if art is None else art.files.get("strip@2x.png")
    middle = _STRIP if banner is not None else _PLAIN
    code_top = _TOP + middle + _ROW + (_ROW if len(said.front) > 2 else 0) + 12
    card = Card(code_top + max(code_height(content.barcode), MARGIN), rgb(design.background))
    logo_room = 420 if said.top or content.status is not Status.ACTIVE else WIDTH - 2 * MARGIN
    if art is not None:
        card.paste(art.files["logo@2x.png"], (MARGIN, 18))
    else:
        card.text((MARGIN, 66), said.organization, ink, 40, width=logo_room, anchor="lm")
    top = list(said.top)
    if content.status is not Status.ACTIVE:
        top.insert(0, Row("", said.status.value))
    right = float(WIDTH - MARGIN)
    for left, each in zip(range(len(top), 0, -1), reversed(top), strict=True):
        room = (right - MARGIN - 340) / left  # what one field does not need, the next ones have
        wide = card.text((right, 46), each.label, label, 22, width=room, anchor="rm")
        wide = max(wide, card.text((right, 82), each.value, ink, 34, width=room, anchor="rm"))
        right -= wide + 24
    if banner is not None:
        card.paste(banner, (0, _TOP))
    height = _TOP + middle / 2
    card.text((MARGIN, height - 24), said.headline, ink, OFFER[0], weight=OFFER[1], anchor="lm")
    card.text((MARGIN, height + 72), said.title, ink, TITLE[0], weight=TITLE[1], anchor="lm")
    card.columns(said.front[:2], _TOP + middle + 24, label, ink)
    if len(said.front) > 2:
        card.columns(said.front[2:], _TOP + middle + _ROW + 12, label, ink)
    draw_code(card, content, code_top)
    coupon = not content.presentation.holds_money
    spent = content.status.spent
    picture = card.finish(radius=12 if coupon else 36, notches=coupon, grey=spent)
    if spent:
        middle_of_code = code_top + (code_height(content.barcode) - MARGIN) // 2
        draw_stamp(picture, said.status.value, middle_of_code if content.barcode else int(height))
    return picture


def details(content: PassContent, language: str) -> Image:
    """Return what stands behind the pass."""
    said = sayings(content, language)
    return draw_list(
        said.details, ground=(242, 242, 247), sheet=(255, 255, 255), title=said.organization
    )
