"""Cards are replaced: money that comes back to a card that is no more goes to another.

The old card points to its replacement from then on, and its number and PIN mean the new one.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, insert, update

from app.domain import codes
from app.domain.ledger import DEAD, EntryKind
from app.domain.refusals import Reason
from app.domain.validity import window
from app.services.tills.attempt import Attempt
from app.services.tills.counters import MOVE_MONEY
from app.services.tills.endings import WAIT, Undone, refuse
from app.services.tills.lines import Booking
from app.services.tills.tables import VOUCHER, RowId, V
from app.services.tills.voucher_rows import LOCK_VOUCHER, Counters, LockedRow
from app.store.statements import Command, Query

#: How long a replacement lasts at least, whatever was left of the card it replaces.
REPLACEMENT = dt.timedelta(days=365)


_REPLACE = Command(
    update(VOUCHER)
    .where(V.id == bindparam("voucher_id"))
    .values(replaced_by_id=bindparam("successor_id"), version=V.version + 1)
)
_MADE = Query(RowId, insert(VOUCHER).returning(V.id))


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Money that went from one card to another."""

    #: The card that has it now.
    serial: str
    #: The counters of the card that it left, afterwards.
    left: Counters
    #: What has to be booked, after what it follows from.
    lines: tuple[Booking, ...]


def move_from_dead(
    attempt: Attempt, voucher_id: int, amount: int, *, because_of: UUID
) -> Moved | None:
    """Move money that came back to a card that is no more to its replacement.

    Makes the replacement unless there is one. Returns None when the card is alive and keeps the
    money.

    Args:
        because_of: the entry that gave the money back.

    Raises:
        Undone: another call changed a card meanwhile.
    """
    card, now = LOCK_VOUCHER.one(attempt.connection, voucher_id=voucher_id), attempt.call.now
    if not card.holds_money or not (card.is_dead(now) or card.replaced_by_id is not None):
        return None
    last = _last(attempt, card)
    over = card.status not in DEAD and card.is_over(now)
    left = _change(attempt, card, -amount, status="expired" if over else card.status)
    if last.id == card.id or last.is_dead(now):
        # The last of the chain is replaced: it is the one that its number and link lead to.
        target = _successor(attempt, last)
        _REPLACE.run(attempt.connection, voucher_id=last.id, successor_id=target.id)
        attempt.changed.append(last.id)
    else:
        target = last
    came = _change(attempt, target, amount, status=target.status)
    attempt.changed.append(target.id)
    lines = _lines(attempt, card, target, amount, left=left, came=came, because_of=because_of)
    return Moved(serial=codes.serial(target.public_id), left=left, lines=lines)


def move_back(
    attempt: Attempt, card: LockedRow, target_id: int, amount: int, *, because_of: UUID
) -> Moved:
    """Move money from a replacement back to the card that it replaces; both rows get locked,
    the older first.

    Raises:
        Undone: the replacement does not hold it any more.
    """
    target = LOCK_VOUCHER.one(attempt.connection, voucher_id=target_id)
    short = refuse(Reason.INSUFFICIENT_BALANCE, currency=card.campaign_currency)
    left = _change(attempt, target, -amount, status=target.status, otherwise=Undone(short))
    came = _change(attempt, card, amount, status=card.status, otherwise=Undone(short))
    attempt.changed += [target.id, card.id]
    lines = _lines(attempt, target, card, amount, left=left, came=came, because_of=because_of)
    return Moved(serial=codes.serial(card.public_id), left=left, lines=lines)


def _last(attempt: Attempt, card: LockedRow) -> LockedRow:
    """The newest replacement of a card; rows are locked in order."""
    seen = card
    while seen.replaced_by_id is not None:
        seen = LOCK_VOUCHER.one(attempt.connection, voucher_id=seen.replaced_by_id)
    return seen


def _change(
    attempt: Attempt,
    card: LockedRow,
    amount: int,
    *,
    status: str,
    otherwise: Undone | None = None,
) -> Counters:
    after = MOVE_MONEY.first(
        attempt.connection,
        voucher_id=card.id,
        expected_status=card.status,
        new_status=status,
        amount=amount,
    )
    if after is None:
        raise otherwise or Undone(WAIT)
    return after


def _successor(attempt: Attempt, card: LockedRow) -> LockedRow:
    """A fresh card on the terms of the old one, with nothing on it yet."""
    now = attempt.call.now
    terms = attempt.memory.terms_of(attempt.connection, card.revision_id)
    # The new card is in no wallet yet: a length that counts from the first add begins there.
    ends_at = window(terms.validity, ZoneInfo(card.campaign_timezone), issued_at=now).ends_at
    if ends_at is not None:
        ends_at = max(ends_at, now + REPLACEMENT)
    made = _MADE.one(
        attempt.connection,
        public_id=codes.new_public_id(),
        key_id=attempt.key_id,
        campaign_id=card.campaign_id,
        revision_id=card.revision_id,
        # Its number and PIN stay: from now on they mean the new card.
        code_id=card.code_id,
        recipient_id=card.recipient_id,
        occasion=f"replaces {codes.serial(card.public_id)}",
        status="active",
        starts_at=None,
        ends_at=ends_at,
        uses=None,
        used=0,
        held=0,
        balance_minor=0,
        held_minor=0,
        version=1,
        events=1,
        issued_at=now,
    )
    attempt.book(
        attempt.event("issued", voucher_id=made.id, campaign_id=card.campaign_id, number=1)
    )
    return LOCK_VOUCHER.one(attempt.connection, voucher_id=made.id)


def _lines(
    attempt: Attempt,
    source: LockedRow,
    target: LockedRow,
    amount: int,
    *,
    left: Counters,
    came: Counters,
    because_of: UUID,
) -> tuple[Booking, ...]:
    """Both sides of a transfer, as entries and events; `left` and `came` are the cards' counters
    afterwards.
    """
    lines: list[Booking] = []
    for card, change, after in ((source, -amount, left), (target, amount, came)):
        entry = attempt.entry(
            EntryKind.TRANSFER,
            voucher_id=card.id,
            campaign_id=source.campaign_id,
            code_id=card.code_id,
            after=after,
            amount_minor=change,
            currency=source.campaign_currency,
            refers_to_id=because_of,
            details={
                "from": codes.serial(source.public_id),
                "to": codes.serial(target.public_id),
            },
        )
        event = attempt.event(
            "updated",
            voucher_id=card.id,
            campaign_id=source.campaign_id,
            number=after.events,
            entry_id=entry.id,
            data={"amount_minor": change},
        )
        lines += [entry, event]
    return tuple(lines)
