"""Taking redemptions back: by their id, or by the key of the call that made them.

A reversal gives back every counter that the redemption took, and no other. What of a call was
taken back before stays so, the rest is given back; a card's load or activation is undone on the
spot or not at all, and so is a refund; a correction or a block is refused, never silently kept. A
key that was never seen gets a tombstone, so that the original, should it still arrive, is refused.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy import Connection

from app.domain import ledger
from app.domain.ledger import EntryKind, HoldStatus
from app.domain.refusals import Reason, Refused
from app.services.tills import answers, baskets, books
from app.services.tills import sql as statements
from app.services.tills.attempt import Busy, Call, Known, No, lock_name
from app.services.tills.books import Books
from app.services.tills.holds import Holds
from app.services.tills.lookup import Reader
from app.services.tills.operator_caps import Caps
from app.services.tills.refunds import Unrefunding
from app.services.tills.replacements import Replacing
from app.services.tills.requests import Answer, CardAction, Reversal
from app.services.tills.sql import holds as money_statements
from app.store.models import new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """An entry that is taken back; `row` is of READ_ENTRIES, `after` the voucher's counters."""

    row: Any
    #: What the balance changes by, in minor units.
    back: int
    kind: EntryKind
    after: Any


class Reverser:
    """Takes redemptions back for one deployment."""

    def __init__(
        self,
        reader: Reader,
        books: Books,
        holds: Holds,
        replacing: Replacing,
        caps: Caps,
        *,
        postgresql: bool,
    ) -> None:
        self._reader = reader
        self._books = books
        self._holds = holds
        self._replacing = replacing
        self._caps = caps
        self._unrefunding = Unrefunding(books, replacing, caps)
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
            ids = [reversal.redemption_id]
        else:
            original = connection.execute(
                statements.READ_RECORD, {"client_id": call.client.id, "key": reversal.key}
            ).first()
            if original is None or original.status == 0:
                return self._tombstone(
                    connection, call, reversal.key, fresh=original is None, fingerprint=fingerprint
                )
            made = orjson.loads(original.body)
            if "refund_id" in made:
                return self._unrefunding.undo(
                    connection,
                    call,
                    uuid.UUID(made["refund_id"]),
                    because=reversal.because,
                    fingerprint=fingerprint,
                )
            holds = [uuid.UUID(part["hold_id"]) for part in made.get("holds", [])]
            ids = [uuid.UUID(part["redemption_id"]) for part in made.get("redemptions", [])]
            ids += self._void(connection, call, holds)
            if made.get("action") in (CardAction.LOAD, CardAction.ACTIVATE):
                ids.append(uuid.UUID(made["entry_id"]))
            if not ids:
                if made["outcome"] == "accepted" and not holds:
                    raise No(Refused(reason=Reason.NOT_REVERSIBLE))
                return self._answer(connection, call, [], [], [], fingerprint=fingerprint)
        rows = self._entries(connection, call, ids)
        return self._take_back(
            connection, call, reversal, rows, key_id=key_id, fingerprint=fingerprint
        )

    def _void(self, connection: Connection, call: Call, ids: list[uuid.UUID]) -> list[uuid.UUID]:
        """Release the holds of a call that is taken back, as far as they are still open.

        Returns the redemptions that they were captured by, whoever captured them.
        """
        if not ids:
            return []
        read = money_statements.READ_HOLD
        vouchers = {connection.execute(read, {"hold_id": each}).one().voucher_id for each in ids}
        for voucher_id in sorted(vouchers):
            connection.execute(money_statements.LOCK_VOUCHER, {"voucher_id": voucher_id}).one()
        for each in ids:
            # Read again under the lock: somebody may have settled it meanwhile.
            hold = connection.execute(read, {"hold_id": each}).one()
            if hold.status == HoldStatus.OPEN:
                self._holds.release(connection, call, hold, status=HoldStatus.VOIDED)
        bind = {"vouchers": sorted(vouchers), "holds": ids}
        return list(connection.execute(money_statements.READ_CAPTURED, bind).scalars())

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

    def _entries(
        self, connection: Connection, call: Call, ids: Sequence[uuid.UUID | None]
    ) -> list[Any]:
        rows = connection.execute(statements.READ_ENTRIES, {"ids": list(ids)}).all()
        rows = [
            row
            for row in rows
            if row.kind != EntryKind.REFUND and call.client.may_touch(row.campaign_key)
        ]
        if not rows:
            raise No(Refused(reason=Reason.UNKNOWN_REDEMPTION))
        return sorted(rows, key=lambda row: (int(row.voucher_id), row.created_at))

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
        entries: list[dict[str, Any]] = []
        events: list[dict[str, Any]] = []
        parts: list[dict[str, object]] = []
        taken: list[_Taken] = []
        earlier: list[dt.datetime] = []
        for row in rows:
            # Asked after the voucher's row is locked, so that of two reversals one sees the other.
            connection.execute(money_statements.LOCK_VOUCHER, {"voucher_id": row.voucher_id}).one()
            bind = {"entry_id": row.id}
            returned = connection.execute(money_statements.READ_RETURNED, bind).scalar_one()
            at = connection.execute(statements.READ_RETURN, bind).scalar_one_or_none()
            back = -row.amount_minor - int(returned)
            if at is not None and (row.uses or back == 0):
                earlier.append(at)
                continue
            kind = self._kind(connection, call, row, back)
            after = self._give_voucher(connection, row, back)
            taken.append(_Taken(row=row, back=back, kind=kind, after=after))
        if not taken:
            details = {"at": max(earlier).isoformat()}
            raise No(Refused(reason=Reason.ALREADY_REVERSED, details=details))
        for each in taken:
            row, kind, after, back = each.row, each.kind, each.after, each.back
            call.changed.append(row.voucher_id)
            entry = books.entry(
                call,
                id=new_id(),
                voucher_id=row.voucher_id,
                campaign_id=row.campaign_id,
                code_id=row.code_id,
                kind=kind,
                uses=-row.uses,
                amount_minor=back,
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
                books.event(
                    call,
                    kind="reversed" if kind is EntryKind.REVERSAL else "refunded",
                    campaign_id=row.campaign_id,
                    voucher_id=row.voucher_id,
                    number=after.events,
                    entry_id=entry["entry_id"],
                    data={"amount_minor": back, "discount_minor": row.discount_minor},
                )
            )
            parts.append(
                {
                    "redemption_id": str(row.id),
                    "reversal_id": str(entry["entry_id"]),
                    "kind": "undo" if kind is EntryKind.REVERSAL else "refund",
                    "returned_minor": back or None,
                    "replaced_by": None,
                    "voucher": answers.returned(row, after),
                }
            )
        for each, part in zip(taken, parts, strict=True):
            moved = each.back > 0 and self._replacing.move_from_dead(
                connection,
                call,
                each.row.voucher_id,
                each.back,
                because_of=uuid.UUID(str(part["reversal_id"])),
                key_id=key_id,
                entries=entries,
                events=events,
            )
            if moved:
                part["replaced_by"], after = moved
                part["voucher"] = answers.returned(each.row, after)
        returns = baskets.Returns(connection)
        for each, entry, event in zip(taken, entries, events, strict=False):
            # All that was left of each is given back.
            event["event_data"] |= returns.told(each.row, stands=False)
            entry["entry_details"] = self._count_operator(connection, call, each) or None
        self._give_others(connection, taken)
        return self._answer(connection, call, parts, entries, events, fingerprint=fingerprint)

    def _count_operator(self, connection: Connection, call: Call, each: _Taken) -> dict[str, str]:
        """Count money that comes onto a card by somebody, and no more what was loaded."""
        if each.row.kind != EntryKind.REDEMPTION:
            return self._caps.give_back(connection, each.row)
        if each.kind is not EntryKind.REFUND:
            return {}
        cap = self._reader.terms_of(connection, each.row.revision_id).operator_cap_minor
        return self._caps.count(connection, call, cap, each.row, each.back)

    def _give_voucher(self, connection: Connection, row: Any, back: int) -> Any:
        bind: dict[str, Any] = {"voucher_id": row.voucher_id}
        if row.uses:
            bind["allowed"] = answers.allowed(row, row.voucher_uses)
            after = connection.execute(statements.GIVE_USE, bind).first()
        elif row.kind == EntryKind.ACTIVATE:
            last = connection.execute(statements.READ_LAST_USE, bind).first()
            if last is not None and last.created_at >= row.created_at:
                raise No(Refused(reason=Reason.NOT_REVERSIBLE))
            # Until it is activated again it is what it was before: worth nothing at a till.
            bind |= {"amount": back, "expected_status": "active", "new_status": "pending"}
            after = connection.execute(money_statements.MOVE_MONEY, bind).first()
            if after is None and row.status != "active":
                raise No(Refused(reason=Reason.NOT_REVERSIBLE))
        else:
            after = connection.execute(statements.GIVE_MONEY, bind | {"amount": back}).first()
        if after is None and back < 0:
            details = {"currency": row.currency}
            raise No(Refused(reason=Reason.INSUFFICIENT_BALANCE, details=details))
        if after is None:
            # Nothing is counted any more, so that it was taken back by somebody else.
            raise No(Refused(reason=Reason.ALREADY_REVERSED))
        return after

    def _give_others(self, connection: Connection, taken: list[_Taken]) -> None:
        rows = [each.row for each in taken]
        for row in _by(rows, "code_id"):
            if row.on_code:
                connection.execute(statements.GIVE_CODE, {"code_id": row.code_id})
        for row in sorted(rows, key=lambda row: (row.recipient_id or 0, row.campaign_id)):
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
        for each in sorted(taken, key=lambda each: int(each.row.campaign_id)):
            row = each.row
            if row.on_budget:
                connection.execute(
                    statements.GIVE_BUDGET,
                    {
                        "campaign_id": row.campaign_id,
                        "taken": row.uses,
                        "amount": row.discount_minor + each.back,
                    },
                )

    def _kind(self, connection: Connection, call: Call, row: Any, back: int) -> EntryKind:
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
        if kind is None or (row.kind != EntryKind.REDEMPTION and kind is not EntryKind.REVERSAL):
            raise No(Refused(reason=Reason.REVERSAL_WINDOW_CLOSED))
        # Money comes onto a card by somebody, here as by a refund.
        if kind is EntryKind.REFUND and back > 0 and call.origin.operator is None:
            raise No(Refused(reason=Reason.OPERATOR_REQUIRED))
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


def _by(rows: Iterable[Any], column: str) -> list[Any]:
    return sorted(rows, key=lambda row: getattr(row, column) or 0)
