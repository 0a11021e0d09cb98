"""Counting what was granted on every counter that limits it, as used or as held.

What is held and what is used never pass a limit together, because both are counted by
the same guards, in the same order: vouchers, codes, recipients, budgets, each by its id. Refuses:
to decide; the rules had no objection before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from app.domain.refusals import Reason, Refused
from app.services.tills import sql as statements
from app.services.tills.attempt import Busy, Call, Grant, No, Overtaken
from app.services.tills.sql import holds as money_statements


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """A guard for each counter; `recipient` by whether the database is PostgreSQL."""

    use: Any
    money: Any
    code: Any
    recipient: Mapping[bool, Any]
    budget: Any


USED = Guards(
    use=statements.TAKE_USE,
    money=statements.TAKE_MONEY,
    code=statements.TAKE_CODE,
    recipient=statements.TAKE_RECIPIENT,
    budget=statements.TAKE_BUDGET,
)
HELD = Guards(
    use=money_statements.HOLD_USE,
    money=money_statements.HOLD_MONEY,
    code=money_statements.HOLD_CODE,
    recipient=money_statements.HOLD_RECIPIENT,
    budget=money_statements.HOLD_BUDGET,
)


def count(
    connection: Connection,
    call: Call,
    grants: Sequence[Grant],
    *,
    guards: Guards,
    postgresql: bool,
) -> dict[int, Any]:
    """Count what was granted: all of it or nothing. Returns the counters after, by voucher.

    Raises:
        No: the code, the recipient or the campaign has nothing left.
        Overtaken: another call took from the voucher between the decision and now; decide again.
        Busy: likewise the receipt got a coupon.
    """
    after: dict[int, Any] = {}
    for grant in sorted(grants, key=lambda grant: int(grant.found.row.voucher_id)):
        after[grant.found.row.voucher_id] = _on_voucher(connection, call, grant, guards)
    for grant in sorted(grants, key=lambda grant: grant.found.row.code_id or 0):
        if grant.on_code:
            row = grant.found.row
            if connection.execute(guards.code, {"code_id": row.code_id}).rowcount != 1:
                raise _no(grant, Reason.LIMIT_REACHED, uses=row.code_limit)
    for grant in sorted(grants, key=Grant.recipient_order):
        _on_recipient(connection, grant, guards.recipient[postgresql])
    for grant in sorted(grants, key=lambda grant: int(grant.found.row.campaign_id)):
        if grant.on_budget:
            bind = {
                "campaign_id": grant.found.row.campaign_id,
                "taken": grant.uses,
                "amount": grant.discount + grant.amount,
            }
            if connection.execute(guards.budget, bind).rowcount != 1:
                raise _no(grant, Reason.BUDGET_EXHAUSTED)
    return after


def _on_voucher(connection: Connection, call: Call, grant: Grant, guards: Guards) -> Any:
    row, standing = grant.found.row, grant.found.standing
    bind: dict[str, Any] = {"voucher_id": row.voucher_id, "expected_status": row.status}
    if standing.holds_money:
        bind["amount"] = grant.amount
        after = connection.execute(guards.money, bind).first()
    else:
        bind["receipt"], bind["store_id"] = call.origin.receipt, call.where.store_id
        bind["allowed"] = standing.uses
        after = connection.execute(guards.use, bind).first()
        if after is not None and after.receipt_seen and not row.receipt_seen:
            # The receipt got a coupon between the decision and now: decide again.
            raise Busy
    if after is None:
        # Another was first, since the rules had no objection: what became of the voucher, redeemed,
        # held or blocked, is known when it is read again.
        raise Overtaken
    return after


def _on_recipient(connection: Connection, grant: Grant, guard: Any) -> None:
    row, terms = grant.found.row, grant.found.terms
    limits = []
    if grant.on_recipient:
        limits.append(("", terms.uses_per_recipient))
    if grant.on_day is not None:
        limits.append((grant.on_day, terms.uses_per_day))
    for day, limit in limits:
        bind = {
            "campaign_id": row.campaign_id,
            "recipient_id": row.recipient_id,
            "day": day,
            "limit": limit,
        }
        # A limit of none at all would let the first row in, which has nothing to compare with.
        if limit == 0 or connection.execute(guard, bind).first() is None:
            raise _no(grant, Reason.CUSTOMER_LIMIT_REACHED, uses=limit)


def _no(grant: Grant, reason: Reason, **details: object) -> No:
    return No(Refused(reason=reason, details=details, item=grant.index), grant.found)
