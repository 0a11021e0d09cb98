"""Holds: uses or money set aside for a till until captured, voided or lapsed.

A hold counts on every counter that the redemption would, so that what is held and what is used
never pass a limit together. It may be captured until its own end, even though the voucher's time
ended meanwhile; what is not captured is given back. Money that becomes available on a card whose
time is over is booked as expired in the same transaction.
"""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection

from app.domain import rules
from app.domain.kinds import KINDS
from app.domain.ledger import DEAD, EntryKind, HoldStatus
from app.domain.refusals import Reason, Refused
from app.services.access import Client
from app.services.tills import answers, baskets, books
from app.services.tills import sql as statements
from app.services.tills.attempt import Busy, Call, No
from app.services.tills.books import Books
from app.services.tills.lookup import Reader, is_over
from app.services.tills.requests import Answer, Capture, Origin, Where
from app.services.tills.sql import holds as sql

#: Who releases what lapsed: the service itself, not a till.
CLOCK = Client(id=0, name="clock", scopes=frozenset())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settlement:
    """What becomes of a hold, or of a part of it."""

    #: Uses and minor units that are kept as used, and that leave the held.
    kept: int = 0
    freed: int = 0
    kept_minor: int = 0
    freed_minor: int = 0


class Holds:
    """Sets aside, captures and releases for one deployment."""

    def __init__(self, reader: Reader, books: Books, *, postgresql: bool) -> None:
        self._reader = reader
        self._books = books
        self._postgresql = postgresql

    # -- settling --

    def capture(
        self, connection: Connection, call: Call, capture: Capture, *, fingerprint: bytes
    ) -> Answer:
        """Turn a hold, or a part of it, into a redemption.

        Raises:
            No: no such hold, it ended, it is not enough, or the card was blocked meanwhile.
            Known, Busy: as `Reader.claim`.
        """
        hold = self._find(connection, call, capture.hold_id)
        if hold.expires_at <= call.now:
            raise No(Refused(reason=Reason.HOLD_EXPIRED))
        left = hold.amount_minor - hold.captured_minor
        amount = left if capture.amount_minor is None else capture.amount_minor
        if capture.currency is not None and capture.currency != hold.currency:
            raise No(Refused(reason=Reason.CURRENCY_MISMATCH, details={"currency": hold.currency}))
        if amount > left or (hold.uses and capture.amount_minor is not None):
            details = {"left_minor": left, "currency": hold.currency}
            raise No(Refused(reason=Reason.CAPTURE_OVER_HOLD, details=details))
        self._join_receipt(connection, call, hold)
        closing = capture.final or amount == left
        done = _Settlement(
            kept=hold.uses,
            freed=hold.uses,
            kept_minor=amount,
            freed_minor=left if closing else amount,
        )
        counted = not hold.uses or answers.allowed(hold, hold.voucher_uses) is not None
        after = self._settle_voucher(connection, hold, done, changes=int(counted))
        call.changed.append(hold.voucher_id)
        # A card that was blocked keeps what is on it; a use that was withdrawn is not taken.
        if after.status in ("blocked", "revoked", "deactivated"):
            reason = Reason.BLOCKED if after.status == "blocked" else Reason.REVOKED
            raise No(Refused(reason=reason))
        values: dict[str, Any] = {"captured_minor": hold.captured_minor + amount}
        if closing:
            values |= {"status": HoldStatus.CAPTURED, "closed_at": call.now}
        changed = connection.execute(
            sql.CAPTURE_HOLD.values(**values),
            {"hold_id": hold.id, "seen": hold.captured_minor, "now": call.now},
        )
        if changed.rowcount != 1:
            raise Busy
        basket_minor = baskets.captured(connection, hold)
        self._settle_others(connection, hold, done)
        entry = books.entry(
            call,
            voucher_id=hold.voucher_id,
            campaign_id=hold.campaign_id,
            code_id=hold.code_id,
            kind=EntryKind.REDEMPTION,
            uses=hold.uses,
            amount_minor=-amount,
            currency=hold.currency,
            discount_minor=hold.discount_minor,
            used_after=after.used,
            balance_after_minor=after.balance_minor,
            on_code=hold.on_code,
            on_budget=hold.on_budget,
            on_recipient=hold.on_recipient,
            on_day=hold.on_day,
            hold_id=hold.id,
            basket_id=hold.basket_id,
            basket_minor=hold.basket_minor if hold.basket_id is not None else basket_minor,
        )
        if call.origin.receipt is None:
            entry["entry_receipt"] = hold.receipt
        data: dict[str, object] = {"hold_id": str(hold.id), "amount_minor": amount}
        if basket_minor is not None:
            data["basket_minor"] = basket_minor
        event = books.event(
            call,
            kind="captured",
            campaign_id=hold.campaign_id,
            voucher_id=hold.voucher_id,
            number=after.events,
            entry_id=entry["entry_id"],
            data=data,
        )
        money = KINDS[hold.campaign_kind].holds_money
        entries, events = [entry], [event]
        part = {
            "redemption_id": str(entry["entry_id"]),
            "hold_id": str(hold.id),
            "released_minor": done.freed_minor - amount if money else None,
            "applied_minor": amount if money else None,
            "voucher": answers.of_hold(hold, after),
            "discount": None,
        }
        body = orjson.dumps(
            {
                "outcome": "accepted",
                "redemptions": [part],
                "discount_minor": hold.discount_minor,
            }
        ).decode()
        self._books.book(
            connection, call, entries=entries, events=events, body=body, fingerprint=fingerprint
        )
        self.expire(connection, hold.voucher_id, call)
        return Answer(status=200, body=body)

    def void(
        self, connection: Connection, call: Call, hold_id: uuid.UUID, *, fingerprint: bytes
    ) -> Answer:
        """Give back what a hold set aside."""
        hold = self._find(connection, call, hold_id)
        part = self.release(connection, call, hold, status=HoldStatus.VOIDED)
        body = orjson.dumps({"outcome": "accepted", "holds": [part]}).decode()
        self._books.keep(connection, call, body=body, fingerprint=fingerprint)
        return Answer(status=200, body=body)

    def release(
        self, connection: Connection, call: Call, hold: Any, *, status: HoldStatus
    ) -> dict[str, object]:
        """Free what is left of an open hold.

        Raises:
            Busy: somebody settled it meanwhile.
        """
        left = hold.amount_minor - hold.captured_minor
        done = _Settlement(freed=hold.uses, freed_minor=left)
        after = self._settle_voucher(connection, hold, done, changes=0)
        changed = connection.execute(
            sql.CLOSE_HOLD.values(status=status, closed_at=call.now),
            {"hold_id": hold.id, "seen": hold.captured_minor},
        )
        if changed.rowcount != 1:
            raise Busy
        self._settle_others(connection, hold, done)
        event = books.event(
            call,
            kind="voided",
            campaign_id=hold.campaign_id,
            voucher_id=hold.voucher_id,
            number=after.events,
            data={"hold_id": str(hold.id), "amount_minor": left, "because": status.value},
        )
        self._books.write(connection, [], [event])
        self.expire(connection, hold.voucher_id, call)
        return {
            "hold_id": str(hold.id),
            "expires_at": hold.expires_at.isoformat(),
            "held_minor": left if KINDS[hold.campaign_kind].holds_money else None,
            "voucher": answers.of_hold(hold, after),
            "discount": None,
        }

    # -- what the next write and the clock do --

    def release_lapsed(self, connection: Connection, voucher_id: int, *, now: dt.datetime) -> int:
        """Release the voucher's lapsed holds, one transaction's worth; returns how many."""
        connection.execute(sql.LOCK_VOUCHER, {"voucher_id": voucher_id}).one()
        # All of them are locked before the first settles a budget: who gives back what was redeemed
        # from a basket locks a hold, too, and then the budget.
        lapsed = connection.execute(sql.LOCK_LAPSED, {"voucher_id": voucher_id, "now": now}).all()
        for row in lapsed:
            hold = connection.execute(sql.READ_HOLD, {"hold_id": row.id}).one()
            by = Call(
                client=CLOCK,
                key="",
                where=Where(store_id=hold.store_id, terminal_id=hold.terminal_id),
                origin=Origin(),
                now=now,
            )
            self.release(connection, by, hold, status=HoldStatus.LAPSED)
        return len(lapsed)

    def expire(self, connection: Connection, voucher_id: int, call: Call) -> int:
        """Book what is available on a card whose time is over; returns the minor units.

        Money that holds set aside stays until they are settled.
        """
        row = connection.execute(sql.LOCK_VOUCHER, {"voucher_id": voucher_id}).one()
        if not KINDS[row.campaign_kind].holds_money:
            return 0
        over = is_over(row, call.now)
        if row.status not in DEAD and not over:
            return 0
        available = int(row.balance_minor - row.held_minor)
        if available == 0:
            return 0
        after = connection.execute(
            sql.EMPTY_CARD,
            {
                "voucher_id": voucher_id,
                "balance": row.balance_minor,
                "new_status": row.status if row.status in DEAD else "expired",
            },
        ).first()
        if after is None:
            raise Busy
        entry = books.entry(
            call,
            voucher_id=voucher_id,
            campaign_id=row.campaign_id,
            code_id=row.code_id,
            kind=EntryKind.EXPIRE,
            amount_minor=-available,
            currency=row.campaign_currency,
            used_after=after.used,
            balance_after_minor=after.balance_minor,
            store_id=None,
            terminal_id=None,
            api_key_id=None,
            operator=None,
            receipt=None,
        )
        event = books.event(
            call,
            kind="expired",
            campaign_id=row.campaign_id,
            voucher_id=voucher_id,
            number=after.events,
            entry_id=entry["entry_id"],
            data={"amount_minor": available},
        )
        self._books.write(connection, [entry], [event])
        return available

    # -- parts --

    def _join_receipt(self, connection: Connection, call: Call, hold: Any) -> None:
        """Refuse a coupon that may not join the receipt it is captured on.

        On the receipt that it was held for it was decided already.
        """
        receipt, store_id = call.origin.receipt, call.where.store_id
        if not hold.uses or receipt is None or (receipt, store_id) == (hold.receipt, hold.store_id):
            return
        bind = {"receipt": receipt, "store_id": store_id, "now": call.now}
        others = [
            self._reader.terms_of(connection, row.revision_id)
            for row in connection.execute(statements.READ_RECEIPT, bind).all()
        ]
        if not rules.combinable(self._reader.terms_of(connection, hold.revision_id), others):
            raise No(Refused(reason=Reason.NOT_COMBINABLE))

    def _find(self, connection: Connection, call: Call, hold_id: uuid.UUID) -> Any:
        self._reader.claim(connection, call)
        hold = connection.execute(sql.READ_HOLD, {"hold_id": hold_id}).first()
        if hold is None or not call.client.may_touch(hold.campaign_key):
            raise No(Refused(reason=Reason.UNKNOWN_HOLD))
        if hold.status == HoldStatus.LAPSED:
            raise No(Refused(reason=Reason.HOLD_EXPIRED))
        if hold.status != HoldStatus.OPEN:
            raise No(Refused(reason=Reason.HOLD_CLOSED))
        return hold

    def _settle_voucher(
        self, connection: Connection, hold: Any, done: _Settlement, *, changes: int
    ) -> Any:
        after = connection.execute(
            sql.SETTLE_VOUCHER,
            {
                "voucher_id": hold.voucher_id,
                "kept": done.kept,
                "freed": done.freed,
                "kept_minor": done.kept_minor,
                "freed_minor": done.freed_minor,
                "changes": changes,
            },
        ).first()
        if after is None:
            # The counters no longer hold it: it was settled since it was read.
            raise Busy
        return after

    def _settle_others(self, connection: Connection, hold: Any, done: _Settlement) -> None:
        uses = {"kept": done.kept, "freed": done.freed}
        if hold.on_code:
            connection.execute(sql.SETTLE_CODE, {"code_id": hold.code_id, **uses})
        days = ([""] if hold.on_recipient else []) + ([hold.on_day] if hold.on_day else [])
        for day in days:
            connection.execute(
                sql.SETTLE_RECIPIENT,
                {
                    "of_campaign": hold.campaign_id,
                    "of_recipient": hold.recipient_id,
                    "on_day": day,
                    **uses,
                },
            )
        if hold.on_budget:
            # A coupon's hold has its discount in the budget, a card's its money.
            discount = hold.discount_minor
            connection.execute(
                sql.SETTLE_BUDGET,
                {
                    "campaign_id": hold.campaign_id,
                    **uses,
                    "kept_minor": done.kept_minor + discount * done.kept,
                    "freed_minor": done.freed_minor + discount * done.freed,
                },
            )
