"""Codes that nobody holds get a voucher when they are first taken from.

A code that was printed, mailed or typed without a pass still redeems; the entitlement then
belongs to its bearer. A code of its own gets one voucher with its uses or its money; a shared code
gets one voucher without a limit of its own, because the code's own counter is the limit. The
voucher is made in a short transaction before the redemption: until something is taken from it, it
is worth what the code was.
"""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, insert, or_, select, update

from app.domain import codes
from app.domain.campaign import Source
from app.domain.kinds import KINDS
from app.domain.ledger import REPLACED, EntryKind
from app.domain.validity import window
from app.services.tills.attempt import Attempt
from app.services.tills.tables import CODE, ENTRY, VOUCHER, C, K, RowId, V
from app.store.models import new_id
from app.store.statements import Command, Query


class _CodeRow(NamedTuple):
    campaign_id: int
    limit: int | None
    amount_minor: int | None


class _CampaignRow(NamedTuple):
    kind: str
    source: str
    currency: str | None
    timezone: str
    revision: int


_LOCK_CODE = Query(
    _CodeRow,
    select(K.campaign_id, K.limit, K.amount_minor)
    .where(K.id == bindparam("code_id"))
    .with_for_update(),
)
_READ_CAMPAIGN = Query(
    _CampaignRow,
    select(C.kind, C.source, C.currency, C.timezone, C.revision).where(
        C.id == bindparam("campaign_id")
    ),
)
_HELD = (
    select(V.id)
    .where(V.code_id == bindparam("code_id"), or_(V.replaced_by_id.is_(None), V.status == REPLACED))
    .limit(1)
)
_READ_HOLDER = Query(RowId, _HELD)
_READ_BEARER = Query(RowId, _HELD.where(V.recipient_id.is_(None)))
_MAKE = Query(RowId, insert(VOUCHER).returning(V.id))
_TAKE = Command(update(CODE).where(K.id == bindparam("code_id")).values(free=False))


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


def make(attempt: Attempt, code_id: int) -> None:
    """Give the code its bearer's voucher unless it has one; callers of one code take turns."""
    connection, now = attempt.connection, attempt.call.now
    code = _LOCK_CODE.one(connection, code_id=code_id)
    campaign = _READ_CAMPAIGN.one(connection, campaign_id=code.campaign_id)
    shared = campaign.source == Source.SHARED
    holder = _READ_BEARER if shared else _READ_HOLDER
    if holder.first(connection, code_id=code_id) is not None:
        return
    revision_id = attempt.memory.revision_of(connection, code.campaign_id, campaign.revision)
    terms, kind = attempt.memory.terms_of(connection, revision_id), KINDS[campaign.kind]
    good = window(
        terms.validity,
        ZoneInfo(campaign.timezone),
        # A shared code is not issued to anybody, so that a relative validity has no beginning.
        issued_at=None if shared else now,
    )
    balance = kind.opening_balance(terms, code_amount=code.amount_minor)
    made = _MAKE.one(
        connection,
        public_id=codes.new_public_id(),
        key_id=attempt.key_id,
        campaign_id=code.campaign_id,
        revision_id=revision_id,
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
    opening = opening_entry(
        voucher_id=made.id,
        campaign_id=code.campaign_id,
        code_id=code_id,
        balance_minor=balance,
        currency=campaign.currency,
        now=now,
    )
    if opening is not None:
        connection.execute(insert(ENTRY).values(opening))
    attempt.book(
        attempt.event("issued", voucher_id=made.id, campaign_id=code.campaign_id, number=1)
    )
    if not shared:
        _TAKE.run(connection, code_id=code_id)
