"""Undoing refunds, for a till that never heard whether its refund was made and gives up on it.

It is undone like a load: on the same day by the same till, if the money is still there. What the
refund gave back is taken again: the card's money, or that of the card it was moved to, the
campaign's budget and the operator's cap. The redemption can be refunded again afterwards.
"""

from __future__ import annotations

import uuid
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy import Connection

from app.domain import ledger
from app.domain.ledger import EntryKind
from app.domain.refusals import Reason, Refused
from app.services.tills import answers, baskets, books
from app.services.tills import sql as statements
from app.services.tills.attempt import Call, Lapsed, No
from app.services.tills.books import Books
from app.services.tills.operator_caps import Caps
from app.services.tills.replacements import Replacing
from app.services.tills.requests import Answer
from app.services.tills.sql import holds as sql
from app.store.models import new_id

#: Name in the details of the entry that undoes a refund: which one.
UNDOES = "undoes"


class Unrefunding:
    """Undoes the refunds of one deployment."""

    def __init__(self, books: Books, replacing: Replacing, caps: Caps) -> None:
        self._books = books
        self._replacing = replacing
        self._caps = caps

    def undo(
        self,
        connection: Connection,
        call: Call,
        refund_id: uuid.UUID,
        *,
        because: str | None,
        fingerprint: bytes,
    ) -> Answer:
        """Take a refund back; the caller has claimed the keys.

        Raises:
            No: it was undone already, it is too late, the money was spent, or the budget was.
            Lapsed: the card has holds whose time is over.
        """
        row = connection.execute(statements.READ_ENTRIES, {"ids": [refund_id]}).first()
        if row is None or not call.client.may_touch(row.campaign_key):
            raise No(Refused(reason=Reason.UNKNOWN_REDEMPTION))
        card = connection.execute(sql.LOCK_VOUCHER, {"voucher_id": row.voucher_id}).one()
        bind = {"voucher_id": card.id, "now": call.now}
        if connection.execute(sql.READ_LAPSED, bind).first() is not None:
            # What they set aside is there to be taken.
            raise Lapsed(card.id)
        for undone in connection.execute(sql.READ_UNDONE, {"entry_id": row.refers_to_id}).all():
            if undone.details[UNDOES] == str(row.id):
                details = {"at": undone.created_at.isoformat()}
                raise No(Refused(reason=Reason.ALREADY_REVERSED, details=details))
        in_time = ledger.taking_back(
            row.created_at,
            same_till=row.api_key_id == call.client.id
            and row.store_id == call.where.store_id
            and row.terminal_id == call.where.terminal_id,
            zone=ZoneInfo(row.store_timezone or "UTC"),
            refund_days=0,
            now=call.now,
        )
        if in_time is not EntryKind.REVERSAL:
            raise No(Refused(reason=Reason.REVERSAL_WINDOW_CLOSED))
        amount, entry_id = row.amount_minor, new_id()
        entries: list[dict[str, Any]] = []
        events: list[dict[str, Any]] = []
        moved = connection.execute(sql.READ_MOVED, {"entry_id": row.id}).first()
        if moved is not None:
            entries, events = self._replacing.move_back(
                connection, call, card, moved.voucher_id, amount, because_of=entry_id
            )
        after = connection.execute(
            statements.GIVE_MONEY, {"voucher_id": row.voucher_id, "amount": -amount}
        ).first()
        if after is None:
            details = {"currency": row.currency}
            raise No(Refused(reason=Reason.INSUFFICIENT_BALANCE, details=details))
        call.changed.append(row.voucher_id)
        redeemed = connection.execute(statements.READ_ENTRIES, {"ids": [row.refers_to_id]}).one()
        told = baskets.Returns(connection).told(redeemed, stands=True)
        given_back = self._caps.give_back(connection, row)
        if row.on_budget:
            budget = {"campaign_id": row.campaign_id, "taken": 0, "amount": amount}
            if connection.execute(statements.TAKE_BUDGET, budget).rowcount != 1:
                raise No(Refused(reason=Reason.BUDGET_EXHAUSTED))
        entry = books.entry(
            call,
            id=entry_id,
            voucher_id=row.voucher_id,
            campaign_id=row.campaign_id,
            code_id=row.code_id,
            # Less was refunded of the redemption than before.
            kind=EntryKind.REFUND,
            amount_minor=-amount,
            currency=row.currency,
            used_after=after.used,
            balance_after_minor=after.balance_minor,
            on_budget=row.on_budget,
            refers_to_id=row.refers_to_id,
            reason=because,
            details={UNDOES: str(row.id), **given_back},
        )
        event = books.event(
            call,
            kind="refunded",
            campaign_id=row.campaign_id,
            voucher_id=row.voucher_id,
            number=after.events,
            entry_id=entry_id,
            data={"amount_minor": -amount, **told},
        )
        part = {
            "redemption_id": str(row.refers_to_id),
            "reversal_id": str(entry_id),
            "kind": "undo",
            "returned_minor": -amount,
            "replaced_by": None,
            "voucher": answers.returned(row, after),
        }
        body = orjson.dumps(
            {"outcome": "accepted", "reversals": [part], "before_original": False}
        ).decode()
        self._books.book(
            connection,
            call,
            entries=[entry, *entries],
            events=[*events, event],
            body=body,
            fingerprint=fingerprint,
        )
        return Answer(status=200, body=body)
