"""How much of its words the front of an iPhone's pass has room for, measured as it is drawn.

Wallet's own rules are Apple's secret, and its typeface may not be shipped: this is the room of the
preview, in Noto Sans, which is a little wider than San Francisco. Who is told of a cut here sees it
on a phone, or nearly.
"""

from __future__ import annotations

from collections.abc import Sequence

from passes.lettering import MEDIUM, REGULAR, typeface, within

WIDTH = 750
MARGIN = 36
LINE = float(WIDTH - 2 * MARGIN)
"""Pixels of a line of the card, two to the point."""
OFFER = (112, MEDIUM)
"""Size and weight of the offer over the strip."""
TITLE = (32, REGULAR)
LABEL, VALUE = 22, 34
_GAP = 28


def shown_offer(text: str) -> str:
    """Return the offer as it stands over the strip, cut with an ellipsis where it is too long."""
    return within(text, *OFFER, LINE)[0]


def shown_title(text: str) -> str:
    """Return the title as it stands below the offer, cut where it is too long."""
    return within(text, *TITLE, LINE)[0]


def shown_fields(rows: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return labels and values of the front's fields as two lines of them have room."""
    return [
        (within(label, LABEL, REGULAR, width)[0], within(value, VALUE, REGULAR, width)[0])
        for line in (rows[:2], rows[2:])
        for (label, value), width in zip(line, column_widths(line), strict=True)
    ]


def column_widths(rows: Sequence[tuple[str, str]]) -> list[float]:
    """Return how wide each of some fields side by side is: as its text wants, where there is room;
    else those that want more than their share give it up.
    """
    room = LINE - _GAP * (len(rows) - 1)
    wants = [
        max(typeface(LABEL).getlength(label), typeface(VALUE).getlength(value)) + 2
        for label, value in rows
    ]
    excess = max(0.0, sum(wants) - room)
    fair = room / max(1, len(rows))
    wide = sum(max(0.0, want - fair) for want in wants)
    return [want - (excess * max(0.0, want - fair) / wide if wide else 0) for want in wants]


def lefts(widths: Sequence[float]) -> list[float]:
    """Return where each of some fields side by side begins."""
    return [MARGIN + sum(widths[:at]) + _GAP * at for at in range(len(widths))]
