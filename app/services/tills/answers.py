"""What tills are told: vouchers, discounts and refusals as plain values for JSON."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from app.domain import codes, overrides
from app.domain.baskets import Basket
from app.domain.campaign import Source
from app.domain.kinds import KINDS
from app.domain.refusals import OVERRIDABLE, RETRYABLE, Reason
from app.services import refusal_texts
from app.services.tills import sql as statements
from app.services.tills.attempt import Call, Found, Grant, No


def voucher(found: Found, after: Any = None) -> dict[str, object]:
    """A voucher as a till sees it; `after` are its counters once something was taken."""
    row, standing = found.row, found.standing
    now = after if after is not None else standing
    uses_left = None if standing.holds_money else _left(standing.uses, now)
    benefit = found.terms.benefit
    return {
        "serial": found.serial,
        "campaign": row.campaign_key,
        "name": row.campaign_name,
        "kind": row.kind,
        "uses_left": uses_left,
        "balance_minor": now.balance_minor if standing.holds_money else None,
        "available_minor": now.balance_minor - now.held_minor if standing.holds_money else None,
        "load_cap_minor": found.terms.load_cap_minor if standing.holds_money else None,
        "currency": standing.currency,
        "ends_at": standing.ends_at.isoformat() if standing.ends_at else None,
        "benefit": None
        if standing.holds_money
        else {
            "type": benefit.type,
            "percent": str(benefit.percent) if benefit.percent is not None else None,
            "minor": benefit.minor,
        },
    }


def returned(row: Any, after: Any) -> dict[str, object]:
    """A voucher after something was given back to it; `row` is of READ_ENTRIES."""
    return _settled(row, after)


def of_hold(hold: Any, after: Any) -> dict[str, object]:
    """A voucher after its hold was settled; `hold` is of READ_HOLD."""
    return _settled(hold, after)


def _settled(row: Any, after: Any) -> dict[str, object]:
    """A voucher by its row and campaign, with the terms that count: its campaign's override is
    one row that no voucher's row knows of.
    """
    money = KINDS[row.campaign_kind].holds_money
    override = overrides.read(row.override, forced=bool(row.override_forced))
    ends_at, uses = overrides.end_for(row.ends_at, override), allowed(row, after.uses)
    return {
        "serial": codes.serial(row.public_id),
        "campaign": row.campaign_key,
        "name": row.campaign_name,
        "kind": row.campaign_kind,
        "uses_left": _left(uses, after),
        "balance_minor": after.balance_minor if money else None,
        "available_minor": after.balance_minor - after.held_minor if money else None,
        "currency": row.campaign_currency,
        "ends_at": ends_at.isoformat() if ends_at else None,
        "benefit": None,
    }


def allowed(row: Any, uses: int | None) -> int | None:
    """How often a voucher may be used, its campaign's override included; None is without limit.

    Args:
        row: of READ_ENTRIES or READ_HOLD.
        uses: the voucher's own.
    """
    bare = row.campaign_source == Source.SHARED and row.recipient_id is None
    if bare or KINDS[row.campaign_kind].holds_money:
        return uses
    override = overrides.read(row.override, forced=bool(row.override_forced))
    return overrides.uses_for(uses, override)


def _left(uses: int | None, counters: Any) -> int | None:
    """Uses that are left; a forced override may leave less than was used, which is none."""
    return None if uses is None else max(0, uses - counters.used - counters.held)


def discount(grant: Grant, basket: Basket | None) -> dict[str, object] | None:
    """What comes off the basket, line by line; None for cards and calls without a basket."""
    if basket is None or grant.found.standing.holds_money:
        return None
    return {
        "minor": grant.discount,
        "currency": basket.currency,
        "lines": [
            {"id": line.id, "minor": part}
            for line, part in zip(basket.lines, grant.lines, strict=True)
        ],
    }


def refusal(connection: Connection, call: Call, no: No) -> dict[str, object]:
    """A refusal with its texts; a repeated scan says when and where the first one was."""
    refused, details = no.refused, dict(no.refused.details)
    if (
        refused.reason in (Reason.ALREADY_REDEEMED, Reason.LIMIT_REACHED)
        and no.found is not None
        and no.found.voucher_id is not None
    ):
        last = connection.execute(
            statements.READ_LAST_USE, {"voucher_id": no.found.voucher_id}
        ).first()
        if last is not None:
            details["at"] = last.created_at.isoformat()
            details["store"] = last.store_name
            # Unknown where either call named no receipt.
            details["same_receipt"] = (
                None
                if call.origin.receipt is None or last.receipt is None
                else (last.receipt, last.store_id) == (call.origin.receipt, call.where.store_id)
            )
    told = refusal_texts.texts_of(
        refused.reason,
        details,
        language=call.where.language,
        own=_language(connection, no.found),
        timezone=call.where.timezone,
        zone=no.found.standing.timezone if no.found else None,
    )
    return {
        "outcome": "refused",
        "reason": refused.reason.value,
        "item": refused.item,
        "cashier_text": told.cashier,
        "customer_text": told.customer,
        "customer_language": told.customer_language,
        "retryable": refused.reason in RETRYABLE,
        "overridable": refused.reason in OVERRIDABLE,
        "details": details,
    }


def _language(connection: Connection, found: Found | None) -> str | None:
    """The language of whoever holds the voucher, as far as it is known."""
    if found is None or found.row.recipient_id is None:
        return None
    language: str | None = connection.execute(
        statements.READ_LANGUAGE, {"recipient_id": found.row.recipient_id}
    ).scalar()
    return language
