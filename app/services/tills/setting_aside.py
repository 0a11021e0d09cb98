"""Setting aside what was granted: the counterpart of taking, for holds.

A hold counts on every counter that the redemption would, so that what is held and what is used
never pass a limit together.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import orjson
from sqlalchemy import Connection

from app.domain.baskets import Basket
from app.domain.ledger import HoldStatus
from app.services.tills import answers, baskets, books, counters
from app.services.tills.attempt import Call, Grant
from app.services.tills.books import Books
from app.services.tills.requests import Answer
from app.services.tills.sql import holds as sql
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
            No, Overtaken, Busy: as `counters.count`.
        """
        expires_at = call.now + min(ttl, LONGEST_TTL)
        rows, events, parts = [], [], []
        after = counters.count(
            connection, call, grants, guards=counters.HELD, postgresql=self._postgresql
        )
        ids = [new_id() for _ in grants]
        shares = baskets.shares(grants, ids, basket, in_parts=True)
        for grant, hold_id, share in zip(grants, ids, shares, strict=True):
            row, standing = grant.found.row, grant.found.standing
            left = after[row.voucher_id]
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
                    "basket_id": share.basket_id,
                    "basket_minor": share.basket_minor,
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
                books.event(
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
