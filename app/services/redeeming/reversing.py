"""Taking redemptions back: by their id, or by the key of the call that made them.

A reversal gives back every counter that the redemption took, and no other. A key that was never
seen gets a tombstone, so that the original, should it still arrive, is refused.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy import Connection

from app.domain import ledger
from app.domain.ledger import EntryKind, HoldStatus
from app.domain.refusals import Reason, Refused
from app.services.redeeming import answers, booking, money_statements, statements
from app.services.redeeming.booking import Books
from app.services.redeeming.calls import Answer, CardAction, Reversal
from app.services.redeeming.cards import Cards
from app.services.redeeming.holds import Holds
from app.services.redeeming.progress import Busy, Call, Known, No, lock_name
from app.services.redeeming.reading import Reader
from app.store.models import new_id


class Reverser:
    """Takes redemptions back for one deployment."""

    def __init__(
        self, reader: Reader, books: Books, holds: Holds, cards: Cards, *, postgresql: bool
    ) -> None:
        self._reader = reader
        self._books = books
        self._holds = holds
        self._cards = cards
        self._postgresql = postgresql

    def reverse(
        self,
        connection: Connection,
        call: Call,
        reversal: Reversal,
        *,
        key_id: int,
        fingerprint: bytes,
    ) -> Answer:
        """One attempt at a reversal; `key_id` is the master key that a replacement would use.

        Raises:
            No: nothing to take back, or too late.
            Known: the call's own key has an answer already.
            Busy: a call under one of the two keys is at work.
        """
        self._claim(connection, call, reversal.key)
        if reversal.key is None:
            ids = [str(reversal.redemption_id)]
        else:
            original = connection.execute(
                statements.READ_RECORD, {"client_id": call.client.id, "key": reversal.key}
            ).first()
            if original is None or original.status == 0:
                return self._tombstone(
                    connection, call, reversal.key, fresh=original is None, fingerprint=fingerprint
                )
            made = orjson.loads(original.body)
            ids = [part["redemption_id"] for part in made.get("redemptions", [])]
            if made.get("action") == CardAction.LOAD:
                ids.append(made["entry_id"])
            self._void(connection, call, [part["hold_id"] for part in made.get("holds", [])])
            if not ids:
                return self._answer(connection, call, [], [], [], fingerprint=fingerprint)
        rows = self._entries(connection, call, ids)
        return self._take_back(
            connection, call, reversal, rows, key_id=key_id, fingerprint=fingerprint
        )

    def _void(self, connection: Connection, call: Call, hold_ids: list[str]) -> None:
        """Release the holds of a call that is taken back, as far as they are still open."""
        for hold_id in sorted(hold_ids):
            bind = {"hold_id": uuid.UUID(hold_id)}
            hold = connection.execute(money_statements.READ_HOLD, bind).one()
            if hold.status == HoldStatus.OPEN:
                self._holds.release(connection, call, hold, status=HoldStatus.VOIDED)

    def _claim(self, connection: Connection, call: Call, other: str | None) -> None:
        bind: dict[str, Any] = {}
        if self._postgresql:
            bind["key_hash"] = call.key_hash
            bind["other_hash"] = (
                lock_name("key", str(call.client.id), other) if other is not None else None
            )
        if not connection.execute(statements.CLAIM[self._postgresql], bind).scalar_one():
            raise Busy
        known = connection.execute(
            statements.READ_RECORD, {"client_id": call.client.id, "key": call.key}
        ).first()
        if known is not None:
            raise Known(known.status, known.fingerprint, known.body)

    def _tombstone(
        self, connection: Connection, call: Call, key: str, *, fresh: bool, fingerprint: bytes
    ) -> Answer:
        if fresh:
            no = No(Refused(reason=Reason.ALREADY_REVERSED, details={"at": call.now.isoformat()}))
            body = orjson.dumps(answers.refusal(connection, call, no)).decode()
            try:
                self._books.keep(connection, call, body=body, fingerprint=b"", status=0, key=key)
            except Known:
                # The original came in between after all: begin anew, and see it.
                raise Busy from None
        return self._answer(
            connection, call, [], [], [], fingerprint=fingerprint, before_original=True
        )

    def _entries(self, connection: Connection, call: Call, ids: list[str]) -> list[Any]:
        rows = connection.execute(
            statements.READ_ENTRIES, {"ids": [uuid.UUID(found) for found in ids]}
        ).all()
        rows = [row for row in rows if call.client.may_touch(row.campaign_key)]
        if not rows:
            raise No(Refused(reason=Reason.UNKNOWN_REDEMPTION))
        return sorted(rows, key=lambda row: int(row.voucher_id))

    def _take_back(
        self,
        connection: Connection,
        call: Call,
        reversal: Reversal,
        rows: list[Any],
        *,
        key_id: int,
        fingerprint: bytes,
    ) -> Answer:
        entries, events, parts, returned = [], [], [], None
        kinds: list[tuple[Any, EntryKind, Any]] = []
        for row in rows:
            after = self._give_voucher(connection, row)
            # Asked after the voucher's row is locked, so that of two reversals one sees the other.
            earlier = connection.execute(
                statements.READ_RETURN, {"entry_id": row.id}
            ).scalar_one_or_none()
            if earlier is not None:
                returned = earlier
                continue
            kinds.append((row, self._kind(connection, call, row), after))
        if returned is not None:
            raise No(Refused(reason=Reason.ALREADY_REVERSED, details={"at": returned.isoformat()}))
        call.changed.extend(row.voucher_id for row, _, _ in kinds)
        self._give_others(connection, [row for row, _, _ in kinds])
        for row, kind, after in kinds:
            entry = booking.entry(
                call,
                id=new_id(),
                voucher_id=row.voucher_id,
                campaign_id=row.campaign_id,
                code_id=row.code_id,
                kind=kind,
                uses=-row.uses,
                amount_minor=-row.amount_minor,
                currency=row.currency,
                discount_minor=-row.discount_minor,
                used_after=after.used,
                balance_after_minor=after.balance_minor,
                on_code=row.on_code,
                on_budget=row.on_budget,
                on_recipient=row.on_recipient,
                on_day=row.on_day,
                refers_to_id=row.id,
                reason=reversal.because,
            )
            entries.append(entry)
            events.append(
                booking.event(
                    call,
                    kind="reversed" if kind is EntryKind.REVERSAL else "refunded",
                    campaign_id=row.campaign_id,
                    voucher_id=row.voucher_id,
                    number=after.events,
                    entry_id=entry["entry_id"],
                    data={"amount_minor": -row.amount_minor, "discount_minor": row.discount_minor},
                )
            )
            parts.append(
                {
                    "redemption_id": str(row.id),
                    "reversal_id": str(entry["entry_id"]),
                    "kind": "undo" if kind is EntryKind.REVERSAL else "refund",
                    "returned_minor": -row.amount_minor or None,
                    "voucher": answers.returned(row, after),
                }
            )
            if row.amount_minor < 0:
                self._cards.move_from_dead(
                    connection,
                    call,
                    row.voucher_id,
                    -row.amount_minor,
                    key_id=key_id,
                    entries=entries,
                    events=events,
                )
        return self._answer(connection, call, parts, entries, events, fingerprint=fingerprint)

    def _give_voucher(self, connection: Connection, row: Any) -> Any:
        if row.uses:
            after = connection.execute(statements.GIVE_USE, {"voucher_id": row.voucher_id}).first()
        else:
            after = connection.execute(
                statements.GIVE_MONEY, {"voucher_id": row.voucher_id, "amount": -row.amount_minor}
            ).first()
        if after is None and row.kind == EntryKind.LOAD:
            details = {"currency": row.currency}
            raise No(Refused(reason=Reason.INSUFFICIENT_BALANCE, details=details))
        if after is None:
            # Nothing is counted any more, so that it was taken back by somebody else.
            earlier = connection.execute(
                statements.READ_RETURN, {"entry_id": row.id}
            ).scalar_one_or_none()
            raise _returned(earlier)
        return after

    def _give_others(self, connection: Connection, rows: list[Any]) -> None:
        for row in _by(rows, "code_id"):
            if row.on_code:
                connection.execute(statements.GIVE_CODE, {"code_id": row.code_id})
        for row in _by(rows, "recipient_id"):
            days = ([""] if row.on_recipient else []) + ([row.on_day] if row.on_day else [])
            for day in days:
                connection.execute(
                    statements.GIVE_RECIPIENT,
                    {
                        "in_campaign": row.campaign_id,
                        "by_recipient": row.recipient_id,
                        "on_day": day,
                    },
                )
        for row in _by(rows, "campaign_id"):
            if row.on_budget:
                connection.execute(
                    statements.GIVE_BUDGET,
                    {
                        "campaign_id": row.campaign_id,
                        "taken": row.uses,
                        "amount": row.discount_minor - row.amount_minor,
                    },
                )

    def _kind(self, connection: Connection, call: Call, row: Any) -> EntryKind:
        terms = self._reader.terms_of(connection, row.revision_id)
        same_till = (
            row.api_key_id == call.client.id
            and row.store_id == call.where.store_id
            and row.terminal_id == call.where.terminal_id
        )
        kind = ledger.taking_back(
            row.created_at,
            same_till=same_till,
            zone=ZoneInfo(row.store_timezone or "UTC"),
            refund_days=terms.refund_days,
            now=call.now,
        )
        # What was loaded is undone on the spot or not at all: afterwards it may be spent.
        if kind is None or (row.kind == EntryKind.LOAD and kind is not EntryKind.REVERSAL):
            raise No(Refused(reason=Reason.REVERSAL_WINDOW_CLOSED))
        if kind is EntryKind.REFUND:
            self._cards.count_operator(
                connection, call, terms.operator_cap_minor, row, -row.amount_minor
            )
        return kind

    def _answer(
        self,
        connection: Connection,
        call: Call,
        parts: list[dict[str, object]],
        entries: list[dict[str, Any]],
        events: list[dict[str, Any]],
        *,
        fingerprint: bytes,
        before_original: bool = False,
    ) -> Answer:
        body = orjson.dumps(
            {"outcome": "accepted", "reversals": parts, "before_original": before_original}
        ).decode()
        self._books.book(
            connection, call, entries=entries, events=events, body=body, fingerprint=fingerprint
        )
        return Answer(status=200, body=body)


def _returned(at: dt.datetime | None) -> No:
    details = {"at": at.isoformat()} if at is not None else {}
    return No(Refused(reason=Reason.ALREADY_REVERSED, details=details))


def _by(rows: Iterable[Any], column: str) -> list[Any]:
    return sorted(rows, key=lambda row: getattr(row, column) or 0)
