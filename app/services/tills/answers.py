"""Tills are told of vouchers, discounts and refusals: plain values for JSON."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple, Protocol

from sqlalchemy import bindparam, select

from app.domain import codes
from app.domain.baskets import Basket
from app.domain.kinds import KINDS
from app.domain.ledger import EntryKind
from app.domain.refusals import OVERRIDABLE, RETRYABLE, Reason
from app.domain.rules import Standing
from app.services import refusal_texts
from app.services.tills.attempt import Attempt
from app.services.tills.decision import VoucherGrant
from app.services.tills.endings import RefusedCall
from app.services.tills.tables import ENTRY, RECIPIENT, STORE, E, S, not_returned
from app.services.tills.voucher_rows import Counters, Found, OfCampaign, overridden
from app.store.statements import Query


class LastUse(NamedTuple):
    """The latest use of a voucher that was not taken back."""

    created_at: dt.datetime
    receipt: str | None
    store_id: int | None
    store_name: str | None


class _LanguageRow(NamedTuple):
    language: str | None


LAST_USE = Query(
    LastUse,
    select(E.created_at, E.receipt, E.store_id, S.name.label("store_name"))
    .select_from(ENTRY.outerjoin(STORE, S.id == E.store_id))
    .where(
        E.voucher_id == bindparam("voucher_id"),
        E.kind.in_([EntryKind.REDEMPTION, EntryKind.REPORT]),
        not_returned(),
    )
    .order_by(E.created_at.desc())
    .limit(1),
)
#: The language of a recipient, for what a till says to them.
_READ_LANGUAGE = Query(
    _LanguageRow, select(RECIPIENT.c.language).where(RECIPIENT.c.id == bindparam("recipient_id"))
)


def serial(found: Found) -> str | None:
    """What a voucher is called; None for a code that has none."""
    return None if found.row.public_id is None else codes.serial(found.row.public_id)


def voucher(found: Found, after: Counters | None = None) -> dict[str, object]:
    """A voucher as a till sees it; `after` are its counters once something was taken."""
    row, standing = found.row, found.standing
    now = after if after is not None else standing
    uses_left = None if standing.holds_money else _left(standing.uses, now)
    benefit = found.terms.benefit
    return {
        "serial": serial(found),
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


class Settled(OfCampaign, Protocol):
    """A row of a voucher with its campaign, of which something was settled or given back."""

    @property
    def public_id(self) -> int: ...
    @property
    def campaign_key(self) -> str: ...
    @property
    def campaign_name(self) -> str: ...
    @property
    def campaign_currency(self) -> str | None: ...


def settled(row: Settled, after: Counters) -> dict[str, object]:
    """A voucher after its hold was settled or something was given back to it, with the terms that
    count: its campaign's override is one row that no voucher's row knows of.
    """
    money = KINDS[row.campaign_kind].holds_money
    uses, ends_at = overridden(row, after.uses)
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


def _left(uses: int | None, counters: Counters | Standing) -> int | None:
    """Uses that are left; a forced override may leave less than was used, which is none."""
    return None if uses is None else max(0, uses - counters.used - counters.held)


def discount(grant: VoucherGrant, basket: Basket | None) -> dict[str, object] | None:
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


def refusal(attempt: Attempt, no: RefusedCall) -> dict[str, object]:
    """A refusal with its texts; a repeated scan says when and where the first one was."""
    refused, found, where = no.refused, no.found, attempt.where
    details = dict(refused.details)
    if refused.reason in (Reason.ALREADY_REDEEMED, Reason.LIMIT_REACHED):
        details |= _last_use(attempt, found)
    told = refusal_texts.texts_of(
        refused.reason,
        details,
        language=where.language,
        own=_language(attempt, found),
        timezone=where.timezone,
        zone=found.standing.timezone if found else None,
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


def _last_use(attempt: Attempt, found: Found | None) -> dict[str, object]:
    """When and where a voucher was used last; nothing of one that was not."""
    if found is None or found.row.voucher_id is None:
        return {}
    last = LAST_USE.first(attempt.connection, voucher_id=found.row.voucher_id)
    if last is None:
        return {}
    receipt, store_id = attempt.call.origin.receipt, attempt.where.store_id
    # Unknown where either call named no receipt.
    same = (last.receipt, last.store_id) == (receipt, store_id)
    return {
        "at": last.created_at.isoformat(),
        "store": last.store_name,
        "same_receipt": None if receipt is None or last.receipt is None else same,
    }


def _language(attempt: Attempt, found: Found | None) -> str | None:
    """The language of whoever holds the voucher, as far as it is known."""
    if found is None or found.row.recipient_id is None:
        return None
    row = _READ_LANGUAGE.first(attempt.connection, recipient_id=found.row.recipient_id)
    return None if row is None else row.language
