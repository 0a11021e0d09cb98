"""This module shows a person what is held of them, and forgets them.

The books stay whole: a forgotten person's vouchers stay, and whoever has a gift card can still
spend it. Nothing left in the database says whose it was, and nothing is given to them twice.
A person is named by the marketer's own id only.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import String, cast, delete, literal, select, update
from sqlalchemy.orm import Session

from app.domain import codes
from app.services import security
from app.services.issuance import forgotten
from app.services.wallets.holdings import home_changed, show_home
from app.store.keyring import Keyring
from app.store.models import (
    Activity,
    Campaign,
    Decision,
    Event,
    Recipient,
    Voucher,
)

#: Rows of one statement.
CHUNK = 500


def held(session: Session, recipient: Recipient) -> dict[str, Any]:
    """Everything that is held about a person, for the person; never a code."""
    vouchers = session.execute(
        select(Voucher, Campaign.key)
        .join(Campaign, Campaign.id == Voucher.campaign_id)
        .where(Voucher.recipient_id == recipient.id)
        .order_by(Voucher.id)
    ).all()
    ids = [row.Voucher.id for row in vouchers]
    return {
        "external_id": recipient.external_id,
        "language": recipient.language,
        "birth_date": recipient.birth_date.isoformat() if recipient.birth_date else None,
        "segment": recipient.segment,
        "previous_segment": recipient.previous_segment,
        "score": recipient.score,
        "attributes": recipient.attributes,
        "created_at": recipient.created_at.isoformat(),
        "updated_at": recipient.updated_at.isoformat(),
        "vouchers": [
            {
                "serial": codes.serial(row.Voucher.public_id),
                "campaign": row.key,
                "occasion": row.Voucher.occasion,
                "variant": row.Voucher.variant,
                "status": row.Voucher.status,
                "issued_at": row.Voucher.issued_at.isoformat(),
                "used": row.Voucher.used,
                "balance_minor": row.Voucher.balance_minor,
            }
            for row in vouchers
        ],
        "decisions": [
            {
                "campaign": row.key,
                "occasion": row.Decision.occasion,
                "held_out": row.Decision.held_out,
                "tier": row.Decision.tier,
                "variant": row.Decision.variant,
                "segment": row.Decision.segment,
                "bought_minor": row.Decision.spent_minor,
                "created_at": row.Decision.created_at.isoformat(),
            }
            for row in session.execute(
                select(Decision, Campaign.key)
                .join(Campaign, Campaign.id == Decision.campaign_id)
                .where(Decision.recipient_id == recipient.id)
                .order_by(Decision.id)
            )
        ],
        "activities": [
            {
                "name": each.name,
                "id": each.key,
                "value_minor": each.value_minor,
                "at": each.at.isoformat(),
            }
            for each in session.scalars(
                select(Activity).where(Activity.recipient_id == recipient.id).order_by(Activity.id)
            )
        ],
        "events": [
            {"kind": each.kind, "at": each.at.isoformat(), "voucher": each.voucher_id}
            for some in _some(ids)
            for each in session.scalars(
                select(Event).where(Event.voucher_id.in_(some)).order_by(Event.id)
            )
        ],
    }


def forget(session: Session, keyring: Keyring, recipient: Recipient, *, now: dt.datetime) -> int:
    """Forget a person: who they are, what is known of them, what they did; returns how many of
    their vouchers stay, belonging to nobody known. Forgetting again changes nothing.

    The row stays without a name, since entries and events hold its number. A pass shows nothing of
    a person but, of many shops, those near their home; one that did is owed the campaign's own.
    What they were given, or kept from by a holdout, stays so: as digests from which nothing can be
    read.
    """
    session.refresh(recipient, with_for_update=True)
    vouchers = session.execute(
        select(Voucher.id, Voucher.campaign_id, Voucher.occasion)
        .where(Voucher.recipient_id == recipient.id)
        .order_by(Voucher.id)
    ).all()
    ids = [row.id for row in vouchers]
    if recipient.forgotten_at is not None or recipient.external_id is None:
        return len(ids)
    decided = session.execute(
        select(Decision.campaign_id, Decision.occasion).where(Decision.recipient_id == recipient.id)
    ).all()
    forgotten.note(
        session,
        keyring,
        recipient.external_id,
        ((row.campaign_id, row.occasion) for row in (*vouchers, *decided)),
        now=now,
    )
    security.record(
        session,
        security.SecurityEventKind.PERSON_FORGOTTEN,
        now=now,
        object=f"recipient {recipient.id}",
    )
    recipient.external_id = None
    recipient.language = None
    recipient.birth_date = None
    recipient.birth_day = None
    recipient.segment = None
    recipient.previous_segment = None
    recipient.score = None
    had_home = home_changed(recipient.attributes, {})
    recipient.attributes = {}
    recipient.updated_at = recipient.forgotten_at = now
    session.execute(delete(Activity).where(Activity.recipient_id == recipient.id))
    session.execute(
        update(Decision)
        .where(Decision.recipient_id == recipient.id)
        # An occasion may name a basket or a mail, and so the person.
        .values(segment="", occasion=_unnamed(Decision.id))
        .execution_options(synchronize_session=False)
    )
    for some in _some(ids):
        session.execute(
            update(Voucher)
            .where(Voucher.id.in_(some))
            .values(occasion=_unnamed(Voucher.id))
            .execution_options(synchronize_session=False)
        )
    session.flush()
    if had_home:
        show_home(session, recipient.id)
    return len(ids)


def forget_inactive(
    session: Session, keyring: Keyring, *, before: dt.datetime, now: dt.datetime, limit: int
) -> int:
    """Forget people of whom nothing was heard since `before` and who hold nothing that is still
    good; returns how many.
    """
    holds = (
        select(Voucher.id)
        .where(
            Voucher.recipient_id == Recipient.id,
            Voucher.status.in_(("active", "pending", "blocked")),
            (Voucher.ends_at.is_(None)) | (Voucher.ends_at > before),
        )
        .exists()
    )
    quiet = session.scalars(
        select(Recipient)
        .where(
            Recipient.forgotten_at.is_(None),
            Recipient.updated_at < before,
            ~holds,
            ~select(Activity.id)
            .where(Activity.recipient_id == Recipient.id, Activity.at >= before)
            .exists(),
        )
        .order_by(Recipient.id)
        .limit(limit)
    ).all()
    for recipient in quiet:
        forget(session, keyring, recipient, now=now)
    return len(quiet)


def _unnamed(row_id: Any) -> Any:
    """An occasion that says nothing and is no other's."""
    return literal("forgotten-") + cast(row_id, String)


def _some(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for at in range(0, len(ids), CHUNK):
        yield ids[at : at + CHUNK]
