"""Writing the books: ledger entries, events, and the answer under its idempotency key."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from app.domain.refusals import Reason
from app.services.tills import sql as statements
from app.services.tills.attempt import Call, Found, Known
from app.store.models import new_id

#: How long an idempotency key is remembered: the longest time in which a till may repeat a call.
KEPT = dt.timedelta(days=90)

_NO_ENTRY: dict[str, Any] = {f"entry_{name}": None for name in statements.ENTRY_NAMES} | {
    "entry_uses": 0,
    "entry_amount_minor": 0,
    "entry_discount_minor": 0,
    "entry_on_code": False,
    "entry_on_budget": False,
    "entry_on_recipient": False,
}


def entry(call: Call, **values: object) -> dict[str, Any]:
    """The values of a ledger entry of a call; names are the columns'."""
    return {
        **_NO_ENTRY,
        "entry_id": new_id(),
        "entry_store_id": call.where.store_id,
        "entry_terminal_id": call.where.terminal_id,
        "entry_api_key_id": call.client.id,
        "entry_operator": call.origin.operator,
        "entry_receipt": call.origin.receipt,
        "entry_occurred_at": call.origin.occurred_at,
        "entry_created_at": call.now,
        **{f"entry_{name}": value for name, value in values.items()},
    }


def event(
    call: Call,
    *,
    kind: str,
    campaign_id: int,
    voucher_id: int | None,
    number: int | None,
    reason: Reason | None = None,
    entry_id: uuid.UUID | None = None,
    data: dict[str, object] | None = None,
) -> dict[str, Any]:
    """The values of an event; `number` was given under the voucher's row lock."""
    return {
        "event_kind": kind,
        "event_at": call.now,
        "event_campaign_id": campaign_id,
        "event_voucher_id": voucher_id,
        "event_number": number,
        "event_entry_id": entry_id,
        "event_store_id": call.where.store_id,
        "event_terminal_id": call.where.terminal_id,
        "event_reason": reason,
        "event_data": data,
    }


class Books:
    """Writes for calls of one deployment."""

    def __init__(self, *, postgresql: bool) -> None:
        self._postgresql = postgresql

    def book(
        self,
        connection: Connection,
        call: Call,
        *,
        entries: Sequence[dict[str, Any]],
        events: Sequence[dict[str, Any]],
        body: str,
        fingerprint: bytes,
    ) -> None:
        """Write entries, events and the kept answer.

        Raises:
            Known: the key got an answer meanwhile; the transaction must not commit.
        """
        if self._postgresql and len(entries) == len(events) == 1:
            kept = connection.execute(
                statements.BOOK, {**entries[0], **events[0], **_record(call, body, fingerprint)}
            ).first()
            if kept is None:
                raise self.known(connection, call)
        else:
            self.write(connection, entries, events)
            self.keep(connection, call, body=body, fingerprint=fingerprint)

    def write(
        self,
        connection: Connection,
        entries: Sequence[dict[str, Any]],
        events: Sequence[dict[str, Any]],
    ) -> None:
        """Write entries and their events without an answer."""
        if entries:
            connection.execute(statements.INSERT_ENTRY, list(entries))
        if events:
            connection.execute(statements.INSERT_EVENT[self._postgresql], list(events))

    def keep(
        self,
        connection: Connection,
        call: Call,
        *,
        body: str,
        fingerprint: bytes,
        status: int = 200,
        key: str | None = None,
    ) -> None:
        """Keep an answer under the call's key, or a tombstone (status 0) under another `key`.

        Raises:
            Known: the key has an answer already.
        """
        record = _record(call, body, fingerprint) | {"record_status": status}
        if key is not None:
            record["record_key"] = key
        kept = connection.execute(statements.INSERT_RECORD[self._postgresql], record).first()
        if kept is None:
            raise self.known(connection, call)

    def note(
        self, connection: Connection, call: Call, found: Found, *, kind: str, reason: Reason | None
    ) -> None:
        """Write an event that changes nothing but the voucher's count of events."""
        if found.voucher_id is None:
            return
        number = connection.execute(
            statements.NUMBER_EVENT, {"voucher_id": found.voucher_id}
        ).scalar_one()
        noted = event(
            call,
            kind=kind,
            campaign_id=found.row.campaign_id,
            voucher_id=found.voucher_id,
            number=number,
            reason=reason,
        )
        connection.execute(statements.INSERT_EVENT[self._postgresql], noted)

    def known(self, connection: Connection, call: Call) -> Known:
        """What is kept under the call's key."""
        row = connection.execute(
            statements.READ_RECORD, {"client_id": call.client.id, "key": call.key}
        ).one()
        return Known(row.status, row.fingerprint, row.body)


def _record(call: Call, body: str, fingerprint: bytes) -> dict[str, Any]:
    return {
        "record_api_key_id": call.client.id,
        "record_key": call.key,
        "record_fingerprint": fingerprint,
        "record_status": 200,
        "record_body": body,
        "record_created_at": call.now,
    }
