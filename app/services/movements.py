"""The last movements of a gift card as its pass shows them, among the details.

One field has a line for each movement, the newest first, in every language of the pass; languages
without a catalogue get English words with their own dates and numbers. No store, operator or
receipt is named: a pass may be shown to anybody.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from app.store.models import Entry
from app.words import words_in
from passes.content import Field, Localized, Money, Slot
from passes.wording import spoken

#: Movements that a pass shows.
SHOWN = 5
KEY = "movements"


@dataclass(frozen=True, slots=True)
class Movement:
    """A change of a card's balance, in minor units."""

    at: dt.datetime
    kind: str
    amount_minor: int


# Composed once: it is asked for every pass of a card that is built.
_RECENT = (
    select(Entry.created_at, Entry.kind, Entry.amount_minor)
    .where(Entry.voucher_id == bindparam("card"), Entry.amount_minor != 0)
    .order_by(Entry.created_at.desc(), Entry.id.desc())
    .limit(SHOWN)
)


def recent(session: Session, voucher_id: int) -> list[Movement]:
    """The card's last movements, the newest first."""
    rows = session.connection().execute(_RECENT, {"card": voucher_id}).fetchall()
    return [Movement(*row) for row in rows]


def field(
    movements: Sequence[Movement], *, languages: Sequence[str], currency: str, zone: ZoneInfo
) -> Field | None:
    """The pass's field; None for a card on which nothing has moved."""
    if not movements:
        return None
    return Field(
        key=KEY,
        label=Localized({tag: words_in(tag).card.last_movements for tag in languages}),
        value=Localized(
            {
                tag: "\n".join(_line(each, tag, currency, zone) for each in movements)
                for tag in languages
            }
        ),
        slot=Slot.DETAILS,
    )


def replacement(address: str, *, languages: Sequence[str]) -> Field:
    """The way from a card that was replaced to the one that has its money now."""
    return Field(
        key="replacement",
        label=Localized({tag: words_in(tag).card.new_card for tag in languages}),
        value=address,
        slot=Slot.DETAILS,
    )


def _line(movement: Movement, tag: str, currency: str, zone: ZoneInfo) -> str:
    day = spoken(movement.at.astimezone(zone), tag, tag)
    sign = "+" if movement.amount_minor > 0 else ""
    amount = spoken(Money(movement.amount_minor, currency), tag, tag)
    what = getattr(words_in(tag).card, movement.kind)
    return f"{day} · {what} · {sign}{amount}"
