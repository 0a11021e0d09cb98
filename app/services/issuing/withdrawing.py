"""Taking back: a link that went astray, or a whole voucher.

A withdrawn link answers that it is withdrawn; the pass that is in a wallet already keeps working.
A revoked voucher is worth nothing at any till, and its pass says so. Both may be asked for again.
"""

from __future__ import annotations

import datetime as dt

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.ledger import REPLACED
from app.services import changes, events
from app.services.deployment import Deployment
from app.services.issuing.wanted import IssueFault
from app.store.models import Campaign, Voucher

#: Statuses of a voucher that is worth nothing any more.
ENDED = ("revoked", "deactivated", "expired", "replaced")


def withdraw_link(session: Session, public_id: int, *, now: dt.datetime) -> Voucher:
    """Let the voucher's link answer "withdrawn" from now on.

    Raises:
        IssueFault: no such voucher.
    """
    voucher = locked(session, public_id)
    voucher.link_withdrawn_at = voucher.link_withdrawn_at or now
    return voucher


def revoke(
    session: Session, public_id: int, *, now: dt.datetime, reason: str | None = None
) -> Voucher:
    """Make the voucher worth nothing; a gift card keeps its balance on the books.

    One that was issued anew since is meant by what it was called before, too: who revokes it knows
    nothing of the other name, and would be told that something was done.

    Raises:
        IssueFault: no such voucher, or its money or uses are held by a till right now.
    """
    voucher = locked(session, public_id)
    while voucher.status == REPLACED:
        voucher = session.scalars(
            select(Voucher).where(Voucher.id == voucher.replaced_by_id).with_for_update()
        ).one()
    if voucher.status in ENDED:
        return voucher
    if voucher.held or voucher.held_minor:
        raise IssueFault(
            "A till holds a part of the voucher: capture or void the hold first, then revoke it."
        )
    voucher.status = "revoked"
    voucher.version += 1
    session.flush()
    events.append(
        session, "updated", voucher.id, now=now, reason=reason, data={"status": "revoked"}
    )
    changes.voucher(session, voucher.id)
    return voucher


def campaign_of(deployment: Deployment, public_id: int) -> str | None:
    """The key of a voucher's campaign; None when no such voucher is known."""
    with deployment.database.read() as session:
        return session.scalar(
            select(Campaign.key)
            .join(Voucher, Voucher.campaign_id == Campaign.id)
            .where(Voucher.public_id == public_id)
        )


def locked(session: Session, public_id: int) -> Voucher:
    """The voucher, which nobody else changes before this transaction ends.

    Raises:
        IssueFault: no such voucher.
    """
    # A voucher that is issued anew while its lock is awaited hands the id to another row, which
    # only a second statement sees.
    for _ in range(2):
        voucher = session.scalar(
            select(Voucher).where(Voucher.public_id == public_id).with_for_update()
        )
        if voucher is not None:
            return voucher
    raise IssueFault("No such voucher is known: check its serial.")
