"""Replacing cards: money that comes back to a card that is no more goes to another.

The old card points to its replacement from then on, and its number and PIN mean the new one.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, insert

from app.domain import codes
from app.domain.kinds import KINDS
from app.domain.ledger import DEAD, EntryKind
from app.domain.refusals import Reason, Refused
from app.domain.validity import window
from app.services.tills import books
from app.services.tills import sql as statements
from app.services.tills.attempt import Busy, Call, No
from app.services.tills.lookup import Reader, is_over
from app.services.tills.sql import VOUCHER
from app.services.tills.sql import holds as sql

#: How long a replacement lasts at least, whatever was left of the card it replaces.
REPLACEMENT = dt.timedelta(days=365)


class Replacing:
    """Replaces the cards of one deployment."""

    def __init__(self, reader: Reader, *, postgresql: bool) -> None:
        self._reader = reader
        self._postgresql = postgresql

    def move_from_dead(
        self,
        connection: Connection,
        call: Call,
        voucher_id: int,
        amount: int,
        *,
        because_of: uuid.UUID,
        key_id: int,
        entries: list[dict[str, Any]],
        events: list[dict[str, Any]],
    ) -> tuple[str, Any] | None:
        """Move money that came back to a card that is no more to its replacement.

        Makes the replacement unless there is one; adds what has to be booked, as following from
        the entry `because_of`. Returns the
        replacement's serial and the card's counters afterwards, or None when the card is alive
        and keeps the money.
        """
        card = connection.execute(sql.LOCK_VOUCHER, {"voucher_id": voucher_id}).one()
        over = is_over(card, call.now)
        if not KINDS[card.campaign_kind].holds_money or not (
            card.status in DEAD or over or card.replaced_by_id is not None
        ):
            return None
        target, last = self._living(connection, card, call)
        status = "expired" if card.status not in DEAD and over else card.status
        left = connection.execute(
            sql.MOVE_MONEY,
            {
                "voucher_id": card.id,
                "expected_status": card.status,
                "new_status": status,
                "amount": -amount,
            },
        ).first()
        if left is None:
            raise Busy
        if target is None:
            # The last of the chain is replaced: it is the one that its number and link lead to.
            target = self._successor(connection, call, last, key_id=key_id)
            connection.execute(sql.REPLACE, {"voucher_id": last.id, "successor_id": target.id})
            call.changed.append(last.id)
        came = connection.execute(
            sql.MOVE_MONEY,
            {
                "voucher_id": target.id,
                "expected_status": target.status,
                "new_status": target.status,
                "amount": amount,
            },
        ).one()
        call.changed.append(target.id)
        moved_entries, moved_events = _booked(
            call, card, target, amount, left=left, came=came, because_of=because_of
        )
        entries += moved_entries
        events += moved_events
        return codes.serial(target.public_id), left

    def move_back(
        self,
        connection: Connection,
        call: Call,
        card: Any,
        target_id: int,
        amount: int,
        *,
        because_of: uuid.UUID,
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Move money from a replacement back to the card that it replaces; both rows get locked,
        the older first. Returns the entries and events to be booked.

        Raises:
            No: the replacement does not hold it any more.
        """
        target = connection.execute(sql.LOCK_VOUCHER, {"voucher_id": target_id}).one()
        after = []
        for voucher, change in ((target, -amount), (card, amount)):
            moved = connection.execute(
                sql.MOVE_MONEY,
                {
                    "voucher_id": voucher.id,
                    "expected_status": voucher.status,
                    "new_status": voucher.status,
                    "amount": change,
                },
            ).first()
            if moved is None:
                details = {"currency": card.campaign_currency}
                raise No(Refused(reason=Reason.INSUFFICIENT_BALANCE, details=details))
            call.changed.append(voucher.id)
            after.append(moved)
        return _booked(
            call, target, card, amount, left=after[0], came=after[1], because_of=because_of
        )

    def _living(self, connection: Connection, card: Any, call: Call) -> tuple[Any, Any]:
        """The newest replacement of a card if it can take money, else None; and the last card.

        Rows are locked in order.
        """
        seen = card
        while seen.replaced_by_id is not None:
            seen = connection.execute(sql.LOCK_VOUCHER, {"voucher_id": seen.replaced_by_id}).one()
        over = is_over(seen, call.now)
        alive = not (seen.id == card.id or seen.status in DEAD or over)
        return seen if alive else None, seen

    def _successor(self, connection: Connection, call: Call, card: Any, *, key_id: int) -> Any:
        """A fresh card on the terms of the old one, with nothing on it yet."""
        terms = self._reader.terms_of(connection, card.revision_id)
        zone = ZoneInfo(card.campaign_timezone)
        # The new card is in no wallet yet: a length that counts from the first add begins there.
        ends_at = window(terms.validity, zone, issued_at=call.now).ends_at
        if ends_at is not None:
            ends_at = max(ends_at, call.now + REPLACEMENT)
        made = connection.execute(
            insert(VOUCHER)
            .values(
                public_id=codes.new_public_id(),
                key_id=key_id,
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
                issued_at=call.now,
            )
            .returning(VOUCHER.c.id)
        ).scalar_one()
        connection.execute(
            statements.INSERT_EVENT[self._postgresql],
            books.event(
                call, kind="issued", campaign_id=card.campaign_id, voucher_id=made, number=1
            ),
        )
        return connection.execute(sql.LOCK_VOUCHER, {"voucher_id": made}).one()


def _booked(
    call: Call,
    source: Any,
    target: Any,
    amount: int,
    *,
    left: Any,
    came: Any,
    because_of: uuid.UUID,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Both sides of a transfer, as entries and events; rows are of LOCK_VOUCHER, `left` and `came`
    their counters afterwards.
    """
    entries, events = [], []
    for voucher, change, after in ((source, -amount, left), (target, amount, came)):
        entry = books.entry(
            call,
            voucher_id=voucher.id,
            campaign_id=source.campaign_id,
            code_id=voucher.code_id,
            kind=EntryKind.TRANSFER,
            amount_minor=change,
            currency=source.campaign_currency,
            used_after=after.used,
            balance_after_minor=after.balance_minor,
            refers_to_id=because_of,
            details={
                "from": codes.serial(source.public_id),
                "to": codes.serial(target.public_id),
            },
        )
        entries.append(entry)
        events.append(
            books.event(
                call,
                kind="updated",
                campaign_id=source.campaign_id,
                voucher_id=voucher.id,
                number=after.events,
                entry_id=entry["entry_id"],
                data={"amount_minor": change},
            )
        )
    return entries, events
