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

from sqlalchemy import Connection, insert, select, update

from app.domain import codes, rules
from app.domain.campaign import Terms
from app.domain.kinds import KINDS
from app.services.redeeming.statements import CAMPAIGN, CODE, REVISION, VOUCHER

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


def ensure(
    connection: Connection, code_id: int, *, terms_of: TermsOf, key_id: int, now: dt.datetime
) -> None:
    """Give the code its bearer's voucher unless it has one; callers of one code take turns."""
    code = connection.execute(select(CODE).where(CODE.c.id == code_id).with_for_update()).one()
    campaign = connection.execute(select(CAMPAIGN).where(CAMPAIGN.c.id == code.campaign_id)).one()
    shared = campaign.source == "shared"
    table = VOUCHER.c
    held = select(table.id).where(table.code_id == code_id, table.replaced_by_id.is_(None))
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
    starts_at, ends_at = rules.window(
        # A shared code is not issued to anybody, so that a relative validity has no beginning.
        terms.validity,
        at=None if shared else now,
        zone=ZoneInfo(campaign.timezone),
    )
    connection.execute(
        insert(VOUCHER).values(
            public_id=codes.new_public_id(),
            key_id=key_id,
            campaign_id=campaign.id,
            revision_id=revision.id,
            code_id=code_id,
            recipient_id=None,
            occasion="bearer",
            status="active",
            starts_at=starts_at,
            ends_at=ends_at,
            uses=None if shared else kind.uses(terms),
            used=0,
            held=0,
            balance_minor=kind.opening_balance(terms, code_amount=code.amount_minor),
            held_minor=0,
            version=1,
            events=0,
            issued_at=now,
        )
    )
    if not shared:
        connection.execute(update(CODE).where(CODE.c.id == code_id).values(free=False))
