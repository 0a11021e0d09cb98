"""Gift cards beside spending: activate, load, adjust, block, unblock, deactivate, refund.

Each is one entry of the ledger under the voucher's row lock. Money comes onto a card only by
opening, load, adjustment, refund or transfer, each with the operator who did it; a campaign may
cap what one operator gives in a day.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

import orjson
from sqlalchemy import Connection

from app.domain import ledger, rules
from app.domain.ledger import DEAD, EntryKind
from app.domain.refusals import Reason, Refused
from app.domain.rules import Place
from app.services.tills import answers, baskets, books
from app.services.tills import sql as statements
from app.services.tills.attempt import Busy, Call, Found, No
from app.services.tills.books import Books
from app.services.tills.lookup import Reader
from app.services.tills.operator_caps import Caps
from app.services.tills.replacements import Replacing
from app.services.tills.requests import Answer, CardAction, CardCall, Refund
from app.services.tills.sql import holds as sql

_ENTRY = {
    CardAction.ACTIVATE: EntryKind.ACTIVATE,
    CardAction.LOAD: EntryKind.LOAD,
    CardAction.ADJUST: EntryKind.ADJUST,
    CardAction.BLOCK: EntryKind.BLOCK,
    CardAction.UNBLOCK: EntryKind.UNBLOCK,
    CardAction.DEACTIVATE: EntryKind.DEACTIVATE,
}
_EVENT = {
    CardAction.ACTIVATE: "activated",
    CardAction.LOAD: "loaded",
    CardAction.ADJUST: "adjusted",
    CardAction.BLOCK: "blocked",
    CardAction.UNBLOCK: "unblocked",
    CardAction.DEACTIVATE: "deactivated",
}


class Cards:
    """What may be done with the gift cards of one deployment."""

    def __init__(self, reader: Reader, books: Books, replacing: Replacing, caps: Caps) -> None:
        self._reader = reader
        self._caps = caps
        self._replacing = replacing
        self._books = books

    def act(
        self,
        connection: Connection,
        call: Call,
        asked: CardCall,
        found: Found,
        *,
        fingerprint: bytes,
    ) -> Answer:
        """Do what is asked with the card that was found.

        Raises:
            No: the card's state, its holds or the operator's cap are against it.
            Busy: the card changed status since it was read.
        """
        standing, row = found.standing, found.row
        status = self._status_after(asked, found, call)
        amount = asked.amount_minor
        if asked.action is CardAction.DEACTIVATE:
            # From the locked row: what was read before may have been spent or loaded since.
            card = connection.execute(sql.LOCK_VOUCHER, {"voucher_id": row.voucher_id}).one()
            amount = -int(card.balance_minor - card.held_minor)
        if amount and asked.currency is not None and asked.currency != standing.currency:
            details = {"currency": standing.currency}
            raise No(Refused(reason=Reason.CURRENCY_MISMATCH, details=details), found)
        cap = found.terms.load_cap_minor
        # Whatever the page's session calls it: it puts money on cards where their campaign says so.
        loading = amount > 0 and (asked.action is CardAction.LOAD or call.client.from_page)
        if loading and cap is None and call.client.from_page:
            raise No(Refused(reason=Reason.NOT_LOADABLE), found)
        if loading and cap is not None and amount > cap:
            over = {"cap_minor": cap, "currency": standing.currency}
            raise No(Refused(reason=Reason.LOAD_CAP, details=over), found)
        ending = asked.action is CardAction.DEACTIVATE
        if not ending and rules.available(standing) + amount < 0:
            raise No(_short(found), found)
        after = connection.execute(
            sql.MOVE_MONEY,
            {
                "voucher_id": row.voucher_id,
                "expected_status": row.status,
                "new_status": status,
                "amount": amount,
            },
        ).first()
        if after is None:
            raise Busy
        call.changed.append(row.voucher_id)
        counted: dict[str, str] = {}
        if asked.action in (CardAction.LOAD, CardAction.ADJUST, CardAction.ACTIVATE):
            counted = self._caps.count(
                connection, call, found.terms.operator_cap_minor, row, amount
            )
        if asked.action is CardAction.UNBLOCK:
            connection.execute(sql.RESET_PIN, {"voucher_id": row.voucher_id})
        because = asked.reason.value if asked.reason is not None else asked.because
        if asked.reason and asked.because:
            counted["because"] = asked.because
        entry = books.entry(
            call,
            voucher_id=row.voucher_id,
            campaign_id=row.campaign_id,
            code_id=row.code_id,
            kind=_ENTRY[asked.action],
            amount_minor=amount,
            currency=standing.currency,
            used_after=after.used,
            balance_after_minor=after.balance_minor,
            reason=because,
            details=counted or None,
        )
        event = books.event(
            call,
            kind=_EVENT[asked.action],
            campaign_id=row.campaign_id,
            voucher_id=row.voucher_id,
            number=after.events,
            entry_id=entry["entry_id"],
            data={"amount_minor": amount},
        )
        body = orjson.dumps(
            {
                "outcome": "accepted",
                "action": asked.action.value,
                "entry_id": str(entry["entry_id"]),
                "status": status,
                "applied_minor": amount if standing.holds_money else None,
                "voucher": answers.voucher(found, after),
            }
        ).decode()
        self._books.book(
            connection, call, entries=[entry], events=[event], body=body, fingerprint=fingerprint
        )
        return Answer(status=200, body=body)

    def refund(
        self,
        connection: Connection,
        call: Call,
        refund: Refund,
        *,
        key_id: int,
        fingerprint: bytes,
    ) -> Answer:
        """Give money of a redemption back to its card, or to the one that replaces it.

        Raises:
            No: no such redemption of a card, too late, or more than is left of it.
            Known, Busy: as `Reader.claim`.
        """
        self._reader.claim(connection, call)
        row = connection.execute(statements.READ_ENTRIES, {"ids": [refund.redemption_id]}).first()
        if (
            row is None
            or row.kind != EntryKind.REDEMPTION
            or row.amount_minor >= 0
            or not call.client.may_touch(row.campaign_key)
        ):
            raise No(Refused(reason=Reason.UNKNOWN_REDEMPTION))
        if refund.currency is not None and refund.currency != row.currency:
            raise No(Refused(reason=Reason.CURRENCY_MISMATCH, details={"currency": row.currency}))
        terms = self._reader.terms_of(connection, row.revision_id)
        in_time = ledger.taking_back(
            row.created_at,
            same_till=False,
            zone=ZoneInfo(row.store_timezone or "UTC"),
            refund_days=terms.refund_days,
            now=call.now,
        )
        if in_time is None:
            raise No(Refused(reason=Reason.REVERSAL_WINDOW_CLOSED))
        connection.execute(sql.LOCK_VOUCHER, {"voucher_id": row.voucher_id}).one()
        # Asked under the voucher's lock, so that of two refunds one sees the other.
        returned = connection.execute(sql.READ_RETURNED, {"entry_id": row.id}).scalar_one()
        left = -row.amount_minor - int(returned)
        amount = left if refund.amount_minor is None else refund.amount_minor
        if left == 0:
            raise No(Refused(reason=Reason.ALREADY_REVERSED))
        if amount > left:
            details = {"left_minor": left, "currency": row.currency}
            raise No(Refused(reason=Reason.REFUND_OVER_REDEMPTION, details=details))
        after = connection.execute(
            statements.GIVE_MONEY, {"voucher_id": row.voucher_id, "amount": amount}
        ).one()
        entry = books.entry(
            call,
            voucher_id=row.voucher_id,
            campaign_id=row.campaign_id,
            code_id=row.code_id,
            kind=EntryKind.REFUND,
            amount_minor=amount,
            currency=row.currency,
            used_after=after.used,
            balance_after_minor=after.balance_minor,
            on_budget=row.on_budget,
            refers_to_id=row.id,
            reason=refund.because,
        )
        event = books.event(
            call,
            kind="refunded",
            campaign_id=row.campaign_id,
            voucher_id=row.voucher_id,
            number=after.events,
            entry_id=entry["entry_id"],
            data={"amount_minor": amount},
        )
        call.changed.append(row.voucher_id)
        entries, events = [entry], [event]
        moved = self._replacing.move_from_dead(
            connection,
            call,
            row.voucher_id,
            amount,
            because_of=entry["entry_id"],
            key_id=key_id,
            entries=entries,
            events=events,
        )
        replaced_by, after = moved or (None, after)
        # After every voucher's row, as everywhere: two calls never wait for each other.
        event["event_data"] |= baskets.Returns(connection).told(row, stands=amount < left)
        entry["entry_details"] = (
            self._caps.count(connection, call, terms.operator_cap_minor, row, amount) or None
        )
        if row.on_budget:
            connection.execute(
                statements.GIVE_BUDGET,
                {"campaign_id": row.campaign_id, "taken": 0, "amount": amount},
            )
        body = orjson.dumps(
            {
                "outcome": "accepted",
                "refund_id": str(entry["entry_id"]),
                "redemption_id": str(row.id),
                "returned_minor": amount,
                "left_minor": left - amount,
                "replaced_by": replaced_by,
                "voucher": answers.returned(row, after),
            }
        ).decode()
        self._books.book(
            connection, call, entries=entries, events=events, body=body, fingerprint=fingerprint
        )
        return Answer(status=200, body=body)

    def _status_after(self, asked: CardCall, found: Found, call: Call) -> str:
        """The card's status afterwards; refuses what its status does not allow."""
        standing, action = found.standing, asked.action
        money_only = action not in (CardAction.BLOCK, CardAction.UNBLOCK)
        if money_only and not standing.holds_money:
            raise No(Refused(reason=Reason.NOT_A_GIFT_CARD), found)
        if standing.replaced:
            raise No(Refused(reason=Reason.STALE_BARCODE), found)
        status = standing.status
        if action is CardAction.UNBLOCK:
            if status not in ("blocked", "active"):
                raise No(Refused(reason=Reason.NOT_BLOCKED), found)
            return "active"
        if status in DEAD:
            reason = Reason.EXPIRED if status == "expired" else Reason.REVOKED
            raise No(Refused(reason=reason), found)
        if action is CardAction.BLOCK:
            return "blocked"
        if action is CardAction.DEACTIVATE:
            return "deactivated"
        if action is CardAction.ADJUST:
            return status
        if action is CardAction.ACTIVATE:
            if status != "pending":
                reason = Reason.ALREADY_ACTIVE if status == "active" else Reason.BLOCKED
                raise No(Refused(reason=reason), found)
            return "active"
        against = rules.objections(
            standing,
            found.terms,
            place=Place(
                store=call.where.store, terminal=call.where.terminal, channel=call.where.channel
            ),
            basket=None,
            now=call.now,
        )
        if against:
            raise No(against[0], found)
        return status


def _short(found: Found) -> Refused:
    standing = found.standing
    return Refused(
        reason=Reason.INSUFFICIENT_BALANCE,
        details={"available_minor": rules.available(standing), "currency": standing.currency},
    )
