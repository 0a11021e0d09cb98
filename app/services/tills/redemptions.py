"""Vouchers of a receipt are redeemed: found, decided, counted, booked and answered, in order."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

from sqlalchemy import insert

from app.domain.baskets import Basket
from app.domain.ledger import EntryKind, HoldStatus
from app.services import security
from app.services.security import Actor
from app.services.tills import answers, counters, decision
from app.services.tills.attempt import Attempt
from app.services.tills.decision import Undecided, VoucherGrant
from app.services.tills.endings import Again, RefusedCall
from app.services.tills.lines import NewEntry, NewEvent
from app.services.tills.requests import Answer, SupervisorOverride
from app.services.tills.tables import HOLD
from app.services.tills.voucher_rows import Counters

#: The longest that a hold may last, whatever the till asks for.
LONGEST_TTL = dt.timedelta(days=7)


def scan(attempt: Attempt, asked: Undecided) -> Answer | RefusedCall | Again:
    """Say what a voucher is and what would happen; changes no entitlement, is recorded."""
    grants = decision.decide(attempt, asked)
    if not isinstance(grants, list):
        return grants
    (grant,) = grants
    attempt.note(grant.found, "scanned", None)
    return attempt.answer(
        {
            "outcome": "accepted",
            "voucher": answers.voucher(grant.found),
            "discount": answers.discount(grant, asked.basket),
        }
    )


def redeem(attempt: Attempt, asked: Undecided) -> Answer | RefusedCall | Again:
    """Redeem every item, in order, or none; or set all of them aside.

    Raises:
        Undone: a counter has nothing left, or another call was first.
    """
    grants = decision.decide(attempt, asked)
    if not isinstance(grants, list):
        return grants
    if asked.override is not None:
        _record_override(attempt, asked.override, grants)
    if asked.hold is not None:
        return _set_aside(attempt, grants, ttl=asked.hold, basket=asked.basket)
    after = counters.take(attempt, grants)
    attempt.changed.extend(after)
    body = _body(grants, after, asked.basket)
    for grant in grants:
        left = after[grant.voucher_id]
        attempt.book(
            entry_of(attempt, grant, left, basket=asked.basket, override=asked.override),
            event_of(attempt, grant, left),
        )
    return attempt.answer(body)


def _set_aside(
    attempt: Attempt, grants: Sequence[VoucherGrant], *, ttl: dt.timedelta, basket: Basket | None
) -> Answer:
    """Set aside what was granted: all of it or nothing.

    Raises:
        Undone: as `counters.take`.
    """
    expires_at = attempt.call.now + min(ttl, LONGEST_TTL)
    after = counters.take(attempt, grants, counters.HELD)
    rows = [_row(attempt, grant, basket, expires_at=expires_at) for grant in grants]
    attempt.connection.execute(insert(HOLD), rows)
    parts = [
        {
            "hold_id": str(grant.id),
            "expires_at": expires_at.isoformat(),
            "held_minor": grant.amount if grant.found.standing.holds_money else None,
            "voucher": answers.voucher(grant.found, after[grant.voucher_id]),
            "discount": answers.discount(grant, basket),
        }
        for grant in grants
    ]
    for grant in grants:
        held = attempt.event(
            "held",
            voucher_id=grant.voucher_id,
            campaign_id=grant.found.row.campaign_id,
            number=after[grant.voucher_id].events,
            data={"hold_id": str(grant.id), "amount_minor": grant.amount},
        )
        attempt.book(held)
    return attempt.answer({"outcome": "accepted", "holds": parts})


def _row(
    attempt: Attempt, grant: VoucherGrant, basket: Basket | None, *, expires_at: dt.datetime
) -> dict[str, object]:
    call, where = attempt.call, attempt.where
    return {
        "id": grant.id,
        "voucher_id": grant.voucher_id,
        "status": HoldStatus.OPEN,
        "uses": grant.uses,
        "amount_minor": grant.amount,
        "captured_minor": 0,
        "discount_minor": grant.discount,
        "currency": grant.found.row.currency or (basket.currency if basket else None),
        "basket_id": grant.basket_id,
        "basket_minor": grant.basket_minor,
        "on_code": grant.on_code,
        "on_budget": grant.on_budget,
        "on_recipient": grant.on_recipient,
        "on_day": grant.on_day,
        "api_key_id": call.client.id,
        "operator": call.origin.operator,
        "receipt": call.origin.receipt,
        "store_id": where.store_id,
        "terminal_id": where.terminal_id,
        "created_at": call.now,
        "expires_at": expires_at,
    }


def entry_of(
    attempt: Attempt,
    grant: VoucherGrant,
    after: Counters,
    *,
    kind: EntryKind = EntryKind.REDEMPTION,
    override: SupervisorOverride | None = None,
    basket: Basket | None = None,
    currency: str | None = None,
    reported_id: str | None = None,
) -> NewEntry:
    """The ledger's entry for what a grant took."""
    row = grant.found.row
    reason: str | None = None
    details: Mapping[str, object] | None = None
    if grant.overridden and override is not None:
        reason = override.because
        details = {"overridden": [waived.value for waived in grant.overridden]}
    return attempt.entry(
        kind,
        id=grant.id,
        voucher_id=grant.voucher_id,
        campaign_id=row.campaign_id,
        code_id=row.code_id,
        after=after,
        uses=grant.uses,
        amount_minor=-grant.amount,
        currency=currency or row.currency or (basket.currency if basket else None),
        discount_minor=grant.discount,
        on_code=grant.on_code,
        on_budget=grant.on_budget,
        on_recipient=grant.on_recipient,
        on_day=grant.on_day,
        basket_id=grant.basket_id,
        basket_minor=grant.basket_minor,
        reported_id=reported_id,
        reason=reason,
        details=details,
    )


def event_of(attempt: Attempt, grant: VoucherGrant, after: Counters) -> NewEvent:
    """The event for what a grant took; one of each campaign in a basket tells what that came to."""
    data: dict[str, object] = (
        {"amount_minor": grant.amount}
        if grant.found.standing.holds_money
        else {"discount_minor": grant.discount}
    )
    if grant.tells:
        data["basket_minor"] = grant.basket_minor
    return attempt.event(
        "redeemed",
        voucher_id=grant.voucher_id,
        campaign_id=grant.found.row.campaign_id,
        number=after.events,
        entry_id=grant.id,
        data=data,
    )


def _body(
    grants: Sequence[VoucherGrant], after: Mapping[int, Counters], basket: Basket | None
) -> dict[str, object]:
    return {
        "outcome": "accepted",
        "redemptions": [
            {
                "redemption_id": str(grant.id),
                "voucher": answers.voucher(grant.found, after[grant.voucher_id]),
                "applied_minor": grant.amount if grant.found.standing.holds_money else None,
                "discount": answers.discount(grant, basket),
            }
            for grant in grants
        ],
        "discount_minor": sum(grant.discount for grant in grants),
    }


def _record_override(
    attempt: Attempt, override: SupervisorOverride, grants: Sequence[VoucherGrant]
) -> None:
    """Record a supervisor's word, whether or not it was needed."""
    call, where = attempt.call, attempt.where
    security.record(
        attempt.connection,
        security.SecurityEventKind.REFUSAL_OVERRIDDEN,
        now=call.now,
        object=f"voucher {', '.join(answers.serial(grant.found) or '–' for grant in grants)}",
        reason=f"{', '.join(sorted(override.reasons))}: {override.because}",
        by=Actor(
            key_prefix=call.client.prefix or None,
            terminal="/".join(filter(None, (where.place.store, where.place.terminal))) or None,
            operator=call.origin.operator,
            address=call.origin.address or None,
        ),
    )
