"""An attempt at a call is one transaction, and the books that the call writes to."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

import orjson
from sqlalchemy import BigInteger, ColumnElement, Connection, bindparam, cast, func, insert, select

from app.domain.ledger import EntryKind
from app.domain.refusals import Reason
from app.services.access import Client
from app.services.tills.endings import WAIT, Again, Undone
from app.services.tills.lines import Booking, NewEntry, NewEvent
from app.services.tills.memory import Memory
from app.services.tills.requests import NOWHERE, Answer, Origin, Reused, Where
from app.services.tills.tables import ENTRY, EVENT, RECORD, VOUCHER, E, R, V, mine
from app.services.tills.voucher_rows import Counters, Found
from app.store.models import new_id
from app.store.statements import INSERT, POSTGRESQL, Query, by_dialect, on_postgresql


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call: who asks, under which idempotency key (a scan has none), from where, when."""

    client: Client
    key: str = ""
    origin: Origin = NOWHERE
    now: dt.datetime
    #: Keyed digest of the request; a key is good for one request only.
    fingerprint: bytes = b""


class RecordRow(NamedTuple):
    """An answer that is kept under its key; status 0 is a tombstone's."""

    status: int
    fingerprint: bytes
    body: str


class _Mine(NamedTuple):
    mine: bool


class _Key(NamedTuple):
    key: str


class _Number(NamedTuple):
    events: int


_ENTRY: dict[str, ColumnElement[object]] = {
    name: bindparam(f"entry_{name}") for name in NewEntry._fields
}
_EVENT: dict[str, ColumnElement[object]] = {
    name: bindparam(f"event_{name}") for name in NewEvent._fields
}
_RECORD: dict[str, ColumnElement[object]] = {
    column.name: bindparam(f"record_{column.name}") for column in RECORD.columns
}
_ENTRY_BINDS = tuple(f"entry_{name}" for name in NewEntry._fields)
_EVENT_BINDS = tuple(f"event_{name}" for name in NewEvent._fields)


def _event_values(dialect: str) -> dict[str, ColumnElement[object]]:
    values: dict[str, ColumnElement[object]] = {**_EVENT}
    if dialect == POSTGRESQL:
        values["transaction"] = cast(cast(func.pg_current_xact_id(), E.kind.type), BigInteger)
    return values


_INSERT_ENTRY = insert(ENTRY).values(_ENTRY)
_INSERT_EVENT = by_dialect(lambda dialect: insert(EVENT).values(_event_values(dialect)))
#: Keep an answer under its key; no row when the key was used meanwhile.
_INSERT_RECORD = Query(
    _Key,
    by_dialect(
        lambda dialect: (
            INSERT[dialect](RECORD).values(_RECORD).on_conflict_do_nothing().returning(R.key)
        )
    ),
)
#: PostgreSQL: an entry, its event and the kept answer in one round trip.
_BOOK = Query(
    _Key,
    INSERT[POSTGRESQL](RECORD)
    .values(_RECORD)
    .on_conflict_do_nothing()
    .add_cte(
        insert(ENTRY).values(_ENTRY).cte("booked"),
        insert(EVENT).values(_event_values(POSTGRESQL)).cte("noted"),
    )
    .returning(R.key),
)
#: Try to become the only one at work on two names: a call's key, and its receipt or another key.
_CLAIM = Query(
    _Mine, by_dialect(lambda dialect: select(mine("key_hash", "other_hash", dialect=dialect)))
)
_READ_RECORD = Query(
    RecordRow,
    select(R.status, R.fingerprint, R.body).where(
        R.api_key_id == bindparam("client_id"), R.key == bindparam("key")
    ),
)
#: Number the next event of a voucher, under its row lock.
_NUMBER_EVENT = Query(
    _Number,
    VOUCHER.update()
    .where(V.id == bindparam("voucher_id"))
    .values(events=V.events + 1)
    .returning(V.events),
)


@dataclass(slots=True, kw_only=True)
class Attempt:
    """One transaction of a call, and the books that it writes to."""

    connection: Connection
    call: Call
    where: Where
    memory: Memory
    #: The master key that vouchers made now are named by.
    key_id: int
    #: Items whose PIN was looked at.
    verified: frozenset[int] = frozenset()
    #: Vouchers whose passes show something else once the transaction has committed.
    changed: list[int] = field(default_factory=list)
    entries: list[NewEntry] = field(default_factory=list)
    events: list[NewEvent] = field(default_factory=list)

    # -- whose turn it is --

    @property
    def key_hash(self) -> int | None:
        """What a twin on another connection locks too."""
        return self.name_of(self.call.key) if self.call.key else None

    @property
    def receipt_hash(self) -> int | None:
        """What another call for the same receipt locks too."""
        receipt, store_id = self.call.origin.receipt, self.where.store_id
        if not self.call.key or receipt is None or store_id is None:
            return None
        return lock_name("receipt", str(store_id), receipt)

    def name_of(self, key: str) -> int:
        """What a call under an idempotency key of this client locks."""
        return lock_name("key", str(self.call.client.id), key)

    def is_mine(self, beside: int | None) -> bool:
        """Become the only one at work on the call's key, and on what is named beside it; whether
        nobody else is.
        """
        bind: dict[str, int | None] = {}
        if on_postgresql(self.connection):
            bind = {"key_hash": self.key_hash, "other_hash": beside}
        return _CLAIM.one(self.connection, **bind).mine

    def claim(self, beside: int | None) -> Answer | Again | None:
        """Become the only one at work on the call's key, and on what is named beside it.

        Returns the answer that the key has already, or that another call is at work; None when it
        is this call's turn.

        Raises:
            Reused: the key was used for another request.
        """
        if not self.is_mine(beside):
            return WAIT
        record = self.record(self.call.key)
        return None if record is None else self.repeated(record)

    def record(self, key: str) -> RecordRow | None:
        """What is kept under a key of this client."""
        return _READ_RECORD.first(self.connection, client_id=self.call.client.id, key=key)

    def repeated(self, record: RecordRow) -> Answer:
        """The kept answer of a call that is repeated.

        Raises:
            Reused: the key was used for another request.
        """
        if record.status and record.fingerprint != self.call.fingerprint:
            raise Reused
        return Answer(status=record.status or 200, body=record.body, replayed=True)

    # -- the books --

    def entry(
        self,
        kind: EntryKind,
        *,
        voucher_id: int,
        campaign_id: int,
        code_id: int | None,
        after: Counters,
        id: UUID | None = None,
        uses: int = 0,
        amount_minor: int = 0,
        currency: str | None = None,
        discount_minor: int = 0,
        on_code: bool = False,
        on_budget: bool = False,
        on_recipient: bool = False,
        on_day: str | None = None,
        basket_id: UUID | None = None,
        basket_minor: int | None = None,
        reported_id: str | None = None,
        refers_to_id: UUID | None = None,
        hold_id: UUID | None = None,
        reason: str | None = None,
        details: Mapping[str, object] | None = None,
    ) -> NewEntry:
        """An entry of this call; `after` are the voucher's counters."""
        origin, where = self.call.origin, self.where
        return NewEntry(
            id=new_id() if id is None else id,
            voucher_id=voucher_id,
            campaign_id=campaign_id,
            code_id=code_id,
            kind=kind,
            uses=uses,
            amount_minor=amount_minor,
            currency=currency,
            basket_id=basket_id,
            basket_minor=basket_minor,
            discount_minor=discount_minor,
            used_after=after.used,
            balance_after_minor=after.balance_minor,
            on_code=on_code,
            on_budget=on_budget,
            on_recipient=on_recipient,
            on_day=on_day,
            reported_id=reported_id,
            refers_to_id=refers_to_id,
            hold_id=hold_id,
            store_id=where.store_id,
            terminal_id=where.terminal_id,
            api_key_id=self.call.client.id,
            operator=origin.operator,
            receipt=origin.receipt,
            reason=reason,
            details=details,
            occurred_at=origin.occurred_at,
            created_at=self.call.now,
        )

    def event(
        self,
        kind: str,
        *,
        voucher_id: int,
        campaign_id: int,
        number: int,
        entry_id: UUID | None = None,
        reason: Reason | None = None,
        data: Mapping[str, object] | None = None,
    ) -> NewEvent:
        """An event of this call; `number` was given under the voucher's row lock."""
        return NewEvent(
            kind=kind,
            at=self.call.now,
            campaign_id=campaign_id,
            voucher_id=voucher_id,
            number=number,
            entry_id=entry_id,
            store_id=self.where.store_id,
            terminal_id=self.where.terminal_id,
            reason=reason,
            data=data,
        )

    def book(self, *lines: Booking) -> None:
        """Let entries and events be written with the answer, in this order."""
        for line in lines:
            if isinstance(line, NewEntry):
                self.entries.append(line)
            else:
                self.events.append(line)

    def note(self, found: Found, kind: str, reason: Reason | None) -> None:
        """Book an event that changes nothing but the voucher's count of events."""
        row = found.row
        if row.voucher_id is not None:
            number = _NUMBER_EVENT.one(self.connection, voucher_id=row.voucher_id).events
            self.book(
                self.event(
                    kind,
                    voucher_id=row.voucher_id,
                    campaign_id=row.campaign_id,
                    number=number,
                    reason=reason,
                )
            )

    def answer(self, body: Mapping[str, object]) -> Answer:
        """Write the books, and keep the answer under the call's key; a scan has none.

        Raises:
            Undone: the key got an answer meanwhile.
            Reused: for another request.
        """
        text = orjson.dumps(body).decode()
        if not self.call.key:
            self.write()
        elif len(self.entries) == len(self.events) == 1 and on_postgresql(self.connection):
            bind = {
                **_bound(_ENTRY_BINDS, self.entries.pop()),
                **_bound(_EVENT_BINDS, self.events.pop()),
                **self._kept(self.call.key, text),
            }
            self._check(_BOOK.first(self.connection, **bind))
        else:
            self.write()
            self._check(_INSERT_RECORD.first(self.connection, **self._kept(self.call.key, text)))
        return Answer(status=200, body=text)

    def write(self) -> None:
        """Write what was booked and not yet written."""
        if self.entries:
            rows = [_bound(_ENTRY_BINDS, entry) for entry in self.entries]
            self.connection.execute(_INSERT_ENTRY, rows)
            self.entries.clear()
        if self.events:
            rows = [_bound(_EVENT_BINDS, event) for event in self.events]
            self.connection.execute(_INSERT_EVENT[self.connection.dialect.name], rows)
            self.events.clear()

    def bury(self, key: str, body: Mapping[str, object]) -> None:
        """Leave a tombstone under another key: what its call is answered, should it still arrive.

        Raises:
            Undone: the call came in between after all.
        """
        record = self._kept(key, orjson.dumps(body).decode())
        record |= {"record_fingerprint": b"", "record_status": 0}
        if _INSERT_RECORD.first(self.connection, **record) is None:
            raise Undone(WAIT)

    def _kept(self, key: str, body: str) -> dict[str, object]:
        return {
            "record_api_key_id": self.call.client.id,
            "record_key": key,
            "record_fingerprint": self.call.fingerprint,
            "record_status": 200,
            "record_body": body,
            "record_created_at": self.call.now,
        }

    def _check(self, kept: _Key | None) -> None:
        if kept is None:
            record = self.record(self.call.key)
            raise Undone(WAIT if record is None else self.repeated(record))


def lock_name(*parts: str) -> int:
    """A 64-bit name for an advisory lock."""
    digest = hashlib.blake2b("\0".join(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _bound(names: tuple[str, ...], line: Booking) -> dict[str, object]:
    return dict(zip(names, line, strict=True))
