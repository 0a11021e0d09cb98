"""Vouchers of codes that nobody holds: made when such a code is first taken from.

A code that was printed, mailed or typed without a pass still redeems; the entitlement then
belongs to its bearer. A code of its own gets one voucher with its uses or its money; a shared code
gets one voucher without a limit of its own, because the code's own counter is the limit. The
voucher is made in a short transaction before the redemption: until something is taken from it, it
is worth what the code was.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, insert, or_, select, update

from app.domain import codes
from app.domain.campaign import Terms
from app.domain.kinds import KINDS
from app.domain.ledger import REPLACED, EntryKind
from app.domain.validity import window
from app.services.tills import sql as statements
from app.services.tills.sql import CAMPAIGN, CODE, ENTRY, REVISION, VOUCHER
from app.store.models import new_id

TermsOf = Callable[[Connection, int], Terms]


def current_terms(
    connection: Connection, campaign_id: int, revision: int, terms_of: TermsOf
) -> Terms:
    """The terms of a campaign's latest revision, which a voucher made now would keep."""
    table = REVISION.c
    found = connection.execute(
        select(table.id).where(table.campaign_id == campaign_id, table.number == revision)
    ).scalar_one()
    return terms_of(connection, found)


def opening_entry(
    *,
    voucher_id: int,
    campaign_id: int,
    code_id: int | None,
    balance_minor: int,
    currency: str | None,
    now: dt.datetime,
) -> dict[str, object] | None:
    """The ledger's first entry for a card that is issued with money on it; None for the others.

    A balance is the sum of its entries, so that whoever issues a card books what is on it.
    """
    if balance_minor == 0:
        return None
    return {
        "id": new_id(),
        "voucher_id": voucher_id,
        "campaign_id": campaign_id,
        "code_id": code_id,
        "kind": EntryKind.ACTIVATE,
        "uses": 0,
        "amount_minor": balance_minor,
        "currency": currency,
        "discount_minor": 0,
        "used_after": 0,
        "balance_after_minor": balance_minor,
        "created_at": now,
    }


def ensure(
    connection: Connection,
    code_id: int,
    *,
    terms_of: TermsOf,
    key_id: int,
    now: dt.datetime,
    postgresql: bool,
) -> None:
    """Give the code its bearer's voucher unless it has one; callers of one code take turns."""
    code = connection.execute(select(CODE).where(CODE.c.id == code_id).with_for_update()).one()
    campaign = connection.execute(select(CAMPAIGN).where(CAMPAIGN.c.id == code.campaign_id)).one()
    shared = campaign.source == "shared"
    table = VOUCHER.c
    held = select(table.id).where(
        table.code_id == code_id,
        or_(table.replaced_by_id.is_(None), table.status == REPLACED),
    )
    if shared:
        held = held.where(table.recipient_id.is_(None))
    if connection.execute(held.limit(1)).first() is not None:
        return
    revision = connection.execute(
        select(REVISION).where(
            REVISION.c.campaign_id == campaign.id,
            REVISION.c.number == campaign.revision,
        )
    ).one()
    terms, kind = terms_of(connection, revision.id), KINDS[campaign.kind]
    good = window(
        terms.validity,
        ZoneInfo(campaign.timezone),
        # A shared code is not issued to anybody, so that a relative validity has no beginning.
        issued_at=None if shared else now,
    )
    balance = kind.opening_balance(terms, code_amount=code.amount_minor)
    voucher_id = connection.execute(
        insert(VOUCHER)
        .values(
            public_id=codes.new_public_id(),
            key_id=key_id,
            campaign_id=campaign.id,
            revision_id=revision.id,
            code_id=code_id,
            recipient_id=None,
            occasion="bearer",
            status="active",
            starts_at=good.starts_at,
            ends_at=good.ends_at,
            uses=None if shared else kind.uses(terms, code_uses=code.limit),
            used=0,
            held=0,
            balance_minor=balance,
            held_minor=0,
            version=1,
            events=1,
            issued_at=now,
        )
        .returning(VOUCHER.c.id)
    ).scalar_one()
    opening = opening_entry(
        voucher_id=voucher_id,
        campaign_id=campaign.id,
        code_id=code_id,
        balance_minor=balance,
        currency=campaign.currency,
        now=now,
    )
    if opening is not None:
        connection.execute(insert(ENTRY).values(opening))
    connection.execute(
        statements.INSERT_EVENT[postgresql],
        {
            **{f"event_{name}": None for name in statements.EVENT_NAMES},
            "event_kind": "issued",
            "event_at": now,
            "event_campaign_id": campaign.id,
            "event_voucher_id": voucher_id,
            "event_number": 1,
        },
    )
    if not shared:
        connection.execute(update(CODE).where(CODE.c.id == code_id).values(free=False))
