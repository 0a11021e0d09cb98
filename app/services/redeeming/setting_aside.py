"""Setting aside what was granted: the counterpart of taking, for holds.

A hold counts on every counter that the redemption would, so that what is held and what is used
never pass a limit together.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import Connection

from app.domain.baskets import Basket
from app.domain.ledger import HoldStatus
from app.domain.refusals import Reason, Refused
from app.services.redeeming import answers, booking
from app.services.redeeming import money_statements as sql
from app.services.redeeming.booking import Books
from app.services.redeeming.calls import Answer
from app.services.redeeming.progress import Busy, Call, Grant, No
from app.store.models import new_id

#: The longest that a hold may last, whatever the till asks for.
LONGEST_TTL = dt.timedelta(days=7)


class SettingAside:
    """Sets aside for one deployment."""

    def __init__(self, books: Books, *, postgresql: bool) -> None:
        self._books = books
        self._postgresql = postgresql

    def hold(
        self,
        connection: Connection,
        call: Call,
        grants: Sequence[Grant],
        *,
        ttl: dt.timedelta,
        basket: Basket | None,
        fingerprint: bytes,
    ) -> Answer:
        """Set aside what was granted: all of it or nothing.

        Raises:
            No: the code, the recipient or the campaign has nothing left.
            Busy: another call was first at a voucher or the receipt; decide again.
        """
        expires_at = call.now + min(ttl, LONGEST_TTL)
        rows, events, parts = [], [], []
        after = {
            grant.found.row.voucher_id: self._hold_voucher(connection, call, grant)
            for grant in sorted(grants, key=lambda grant: int(grant.found.row.voucher_id))
        }
        self._hold_others(connection, grants)
        told: set[int] = set()
        for grant in grants:
            row, standing = grant.found.row, grant.found.standing
            left = after[row.voucher_id]
            hold_id = new_id()
            tells = basket is not None and row.campaign_id not in told
            told.add(row.campaign_id)
            rows.append(
                {
                    "id": hold_id,
                    "voucher_id": row.voucher_id,
                    "status": HoldStatus.OPEN,
                    "uses": grant.uses,
                    "amount_minor": grant.amount,
                    "captured_minor": 0,
                    "discount_minor": grant.discount,
                    "currency": standing.currency or (basket.currency if basket else None),
                    "basket_minor": basket.total_minor if tells and basket else None,
                    "on_code": grant.on_code,
                    "on_budget": grant.on_budget,
                    "on_recipient": grant.on_recipient,
                    "on_day": grant.on_day,
                    "api_key_id": call.client.id,
                    "operator": call.origin.operator,
                    "receipt": call.origin.receipt,
                    "store_id": call.where.store_id,
                    "terminal_id": call.where.terminal_id,
                    "created_at": call.now,
                    "expires_at": expires_at,
                }
            )
            events.append(
                booking.event(
                    call,
                    kind="held",
                    campaign_id=row.campaign_id,
                    voucher_id=row.voucher_id,
                    number=left.events,
                    data={"hold_id": str(hold_id), "amount_minor": grant.amount},
                )
            )
            parts.append(
                {
                    "hold_id": str(hold_id),
                    "expires_at": expires_at.isoformat(),
                    "held_minor": grant.amount if standing.holds_money else None,
                    "voucher": answers.voucher(grant.found, left),
                    "discount": answers.discount(grant, basket),
                }
            )
        connection.execute(sql.INSERT_HOLD, rows)
        body = orjson.dumps({"outcome": "accepted", "holds": parts}).decode()
        self._books.book(
            connection, call, entries=[], events=events, body=body, fingerprint=fingerprint
        )
        return Answer(status=200, body=body)

    def _hold_voucher(self, connection: Connection, call: Call, grant: Grant) -> Any:
        row, standing = grant.found.row, grant.found.standing
        bind: dict[str, Any] = {"voucher_id": row.voucher_id, "expected_status": row.status}
        if standing.holds_money:
            found = connection.execute(sql.HOLD_MONEY, {**bind, "amount": grant.amount}).first()
        else:
            bind |= {
                "allowed": standing.uses,
                "receipt": call.origin.receipt,
                "store_id": call.where.store_id,
            }
            found = connection.execute(sql.HOLD_USE, bind).first()
            if found is not None and found.receipt_seen and not row.receipt_seen:
                # The receipt got a coupon between the decision and now: decide again.
                raise Busy
        if found is None:
            # As when taking: another was first, and what it did is known when it is read again.
            raise Busy
        return found

    def _hold_others(self, connection: Connection, grants: Sequence[Grant]) -> None:
        for grant in sorted(grants, key=lambda grant: grant.found.row.code_id or 0):
            row = grant.found.row
            if (
                grant.on_code
                and connection.execute(sql.HOLD_CODE, {"code_id": row.code_id}).rowcount != 1
            ):
                raise _no(grant, Reason.LIMIT_REACHED, uses=row.code_limit)
        for grant in sorted(grants, key=Grant.recipient_order):
            self._hold_recipient(connection, grant)
        for grant in sorted(grants, key=lambda grant: int(grant.found.row.campaign_id)):
            bind = {
                "campaign_id": grant.found.row.campaign_id,
                "taken": grant.uses,
                "amount": grant.discount + grant.amount,
            }
            if grant.on_budget and connection.execute(sql.HOLD_BUDGET, bind).rowcount != 1:
                raise _no(grant, Reason.BUDGET_EXHAUSTED)

    def _hold_recipient(self, connection: Connection, grant: Grant) -> None:
        row, terms = grant.found.row, grant.found.terms
        limits = [("", terms.uses_per_recipient)] if grant.on_recipient else []
        if grant.on_day is not None:
            limits.append((grant.on_day, terms.uses_per_day))
        for day, limit in limits:
            bind = {
                "campaign_id": row.campaign_id,
                "recipient_id": row.recipient_id,
                "day": day,
                "limit": limit,
            }
            done = (
                limit != 0
                and connection.execute(sql.HOLD_RECIPIENT[self._postgresql], bind).first()
            )
            if not done:
                raise _no(grant, Reason.CUSTOMER_LIMIT_REACHED, uses=limit)


def _no(grant: Grant, reason: Reason, **details: object) -> No:
    return No(Refused(reason=reason, details=details, item=grant.index), grant.found)
