"""Taking what was granted: every counter by its guard, then the books."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection

from app.domain.baskets import Basket
from app.domain.ledger import EntryKind
from app.domain.refusals import Reason, Refused
from app.services.redeeming import answers, booking, statements
from app.services.redeeming.calls import Override
from app.services.redeeming.progress import Busy, Call, Grant, No, Overtaken


def take(
    connection: Connection, call: Call, grants: Sequence[Grant], *, postgresql: bool
) -> dict[int, Any]:
    """Take from vouchers, codes, recipients and budgets, each kind in the order of its ids.

    Returns the counters after, by voucher.

    Raises:
        No: the code, the recipient or the campaign has nothing left to take.
        Overtaken: another call took from the voucher between the decision and now; decide again.
        Busy: likewise the receipt got a coupon.
    """
    taken: dict[int, Any] = {}
    for grant in _by(grants, lambda grant: grant.found.row.voucher_id):
        taken[grant.found.row.voucher_id] = _take_voucher(connection, call, grant)
    for grant in _by(grants, lambda grant: grant.found.row.code_id or 0):
        if grant.on_code:
            row = grant.found.row
            if connection.execute(statements.TAKE_CODE, {"code_id": row.code_id}).rowcount != 1:
                raise _no(grant, Reason.LIMIT_REACHED, uses=row.code_limit)
    for grant in _by(grants, Grant.recipient_order):
        _take_recipient(connection, grant, postgresql=postgresql)
    for grant in _by(grants, lambda grant: grant.found.row.campaign_id):
        if grant.on_budget:
            bind = {
                "campaign_id": grant.found.row.campaign_id,
                "taken": grant.uses,
                "amount": grant.discount + grant.amount,
            }
            if connection.execute(statements.TAKE_BUDGET, bind).rowcount != 1:
                raise _no(grant, Reason.BUDGET_EXHAUSTED)
    call.changed.extend(taken)
    return taken


def entry_of(
    call: Call,
    grant: Grant,
    after: Any,
    *,
    kind: EntryKind = EntryKind.REDEMPTION,
    override: Override | None = None,
    basket: Basket | None = None,
    **more: object,
) -> dict[str, Any]:
    """The ledger's entry for what a grant took."""
    row, standing = grant.found.row, grant.found.standing
    reason, details = None, None
    if grant.overridden and override is not None:
        reason = override.because
        details = {"overridden": [waived.value for waived in grant.overridden]}
    return booking.entry(
        call,
        voucher_id=row.voucher_id,
        campaign_id=row.campaign_id,
        code_id=row.code_id,
        kind=kind,
        uses=grant.uses,
        amount_minor=-grant.amount,
        currency=standing.currency or (basket.currency if basket else None),
        discount_minor=grant.discount,
        used_after=after.used,
        balance_after_minor=after.balance_minor,
        on_code=grant.on_code,
        on_budget=grant.on_budget,
        on_recipient=grant.on_recipient,
        on_day=grant.on_day,
        reason=reason,
        details=details,
        **more,
    )


def event_of(
    call: Call,
    grant: Grant,
    after: Any,
    entry: dict[str, Any],
    *,
    basket_minor: int | None = None,
) -> dict[str, Any]:
    """The event for what a grant took.

    Args:
        basket_minor: what the basket came to, told once for each campaign in it.
    """
    row = grant.found.row
    data: dict[str, object] = (
        {"amount_minor": grant.amount}
        if grant.found.standing.holds_money
        else {"discount_minor": grant.discount}
    )
    if basket_minor is not None:
        data["basket_minor"] = basket_minor
    return booking.event(
        call,
        kind="redeemed",
        campaign_id=row.campaign_id,
        voucher_id=row.voucher_id,
        number=after.events,
        entry_id=entry["entry_id"],
        data=data,
    )


def body_of(
    grants: Sequence[Grant],
    taken: dict[int, Any],
    entries: Sequence[dict[str, Any]],
    basket: Basket | None,
) -> str:
    """The answer of an accepted call, as JSON text."""
    accepted = [
        {
            "redemption_id": str(entry["entry_id"]),
            "voucher": answers.voucher(grant.found, taken[grant.found.row.voucher_id]),
            "applied_minor": grant.amount if grant.found.standing.holds_money else None,
            "discount": answers.discount(grant, basket),
        }
        for grant, entry in zip(grants, entries, strict=True)
    ]
    return orjson.dumps(
        {
            "outcome": "accepted",
            "redemptions": accepted,
            "discount_minor": sum(grant.discount for grant in grants),
        }
    ).decode()


def _take_voucher(connection: Connection, call: Call, grant: Grant) -> Any:
    row, standing = grant.found.row, grant.found.standing
    bind: dict[str, Any] = {"voucher_id": row.voucher_id, "expected_status": row.status}
    if standing.holds_money:
        bind["amount"] = grant.amount
        after = connection.execute(statements.TAKE_MONEY, bind).first()
    else:
        bind["receipt"], bind["store_id"] = call.origin.receipt, call.where.store_id
        bind["allowed"] = standing.uses
        after = connection.execute(statements.TAKE_USE, bind).first()
        if after is not None and after.receipt_seen and not row.receipt_seen:
            raise Busy
    if after is None:
        # Another was first, since the rules had no objection: what became of the voucher, redeemed,
        # held or blocked, is known when it is read again.
        raise Overtaken
    return after


def _take_recipient(connection: Connection, grant: Grant, *, postgresql: bool) -> None:
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
        if limit == 0 or (
            connection.execute(statements.TAKE_RECIPIENT[postgresql], bind).first() is None
        ):
            raise _no(grant, Reason.CUSTOMER_LIMIT_REACHED, uses=limit)


def _by(grants: Iterable[Grant], order: Callable[[Grant], Any]) -> list[Grant]:
    return sorted(grants, key=order)


def _no(grant: Grant, reason: Reason, **details: object) -> No:
    return No(Refused(reason=reason, details=details, item=grant.index), grant.found)
