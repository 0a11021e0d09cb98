"""Taking what was granted: every counter by its guard, then the books."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import Connection

from app.domain.baskets import Basket
from app.domain.ledger import EntryKind
from app.services.tills import answers, books, counters
from app.services.tills.attempt import Call, Grant
from app.services.tills.baskets import NO_BASKET, Share
from app.services.tills.requests import Override


def take(
    connection: Connection, call: Call, grants: Sequence[Grant], *, postgresql: bool
) -> dict[int, Any]:
    """Take what was granted, and note whose passes change. Returns the counters after, by voucher.

    Raises:
        No, Overtaken, Busy: as `counters.count`.
    """
    taken = counters.count(connection, call, grants, guards=counters.USED, postgresql=postgresql)
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
    share: Share = NO_BASKET,
    **more: object,
) -> dict[str, Any]:
    """The ledger's entry for what a grant took."""
    row, standing = grant.found.row, grant.found.standing
    reason, details = None, None
    if grant.overridden and override is not None:
        reason = override.because
        details = {"overridden": [waived.value for waived in grant.overridden]}
    return books.entry(
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
        basket_id=share.basket_id,
        basket_minor=share.basket_minor,
        **more,
    )


def event_of(
    call: Call,
    grant: Grant,
    after: Any,
    entry: dict[str, Any],
    *,
    share: Share = NO_BASKET,
) -> dict[str, Any]:
    """The event for what a grant took; one of each campaign in a basket tells what that came to."""
    row = grant.found.row
    data: dict[str, object] = (
        {"amount_minor": grant.amount}
        if grant.found.standing.holds_money
        else {"discount_minor": grant.discount}
    )
    if share.tells:
        data["basket_minor"] = share.basket_minor
    return books.event(
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
