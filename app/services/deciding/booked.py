"""What the service itself booked of recipients: redemptions, and vouchers added or looked at.

Promises: a redemption counts while it was not taken back, whoever decided it; a voucher that was
added to a wallet or looked at counts once, however often that happened, and with every card that
replaces it. All campaigns count; what belongs to nobody counts for nobody.
Refuses: to scan; recipients lead to their vouchers, and these to their entries and events.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session, aliased

from app.domain.ledger import RETURNS, USES, EntryKind
from app.domain.values import OWN_EVENTS, REDEEMED
from app.services.reporting.chains import firsts
from app.store.models import Entry, Event, Voucher

#: A conflict is a redemption, too: somebody redeemed, though no limit had room for it.
_TAKING = [str(kind) for kind in (*USES, EntryKind.CONFLICT)]
_RETURNING = [str(kind) for kind in RETURNS]
_BACK = aliased(Entry)


@dataclass(frozen=True, slots=True)
class Booked:
    """One of `OWN_EVENTS`, when it was last, and the voucher that it happened to."""

    event: str
    voucher_id: int
    at: dt.datetime


def booked_of(
    session: Session, recipient_ids: Collection[int], events: Collection[str]
) -> dict[int, list[Booked]]:
    """What was booked of these recipients, by their ids.

    Args:
        events: names of which those of `OWN_EVENTS` are looked up; others are other systems'.
    """
    found: dict[int, list[Booked]] = defaultdict(list)
    wanted = OWN_EVENTS.intersection(events)
    if REDEEMED in wanted:
        _redemptions(session, recipient_ids, found)
    if seen := wanted - {REDEEMED}:
        _sights(session, recipient_ids, seen, found)
    return found


def _redemptions(
    session: Session, recipient_ids: Collection[int], found: dict[int, list[Booked]]
) -> None:
    """Redemptions of which a use or a minor unit was not given back."""
    uses = Entry.uses + func.coalesce(func.sum(_BACK.uses), 0)
    minor = -Entry.amount_minor - func.coalesce(func.sum(_BACK.amount_minor), 0)
    for row in session.execute(
        select(Voucher.recipient_id, Entry.voucher_id, Entry.created_at)
        .join(Entry, Entry.voucher_id == Voucher.id)
        .outerjoin(_BACK, and_(_BACK.refers_to_id == Entry.id, _BACK.kind.in_(_RETURNING)))
        .where(Voucher.recipient_id.in_(recipient_ids), Entry.kind.in_(_TAKING))
        .group_by(Voucher.recipient_id, Entry.id)
        .having(or_(uses > 0, minor > 0))
    ):
        found[row.recipient_id].append(Booked(REDEEMED, row.voucher_id, row.created_at))


def _sights(
    session: Session,
    recipient_ids: Collection[int],
    events: Collection[str],
    found: dict[int, list[Booked]],
) -> None:
    """Vouchers that were added or looked at, each once, under the first card of its chain."""
    rows = session.execute(
        select(Voucher.recipient_id, Voucher.id, Event.kind, func.max(Event.at).label("at"))
        .join(Event, Event.voucher_id == Voucher.id)
        .where(Voucher.recipient_id.in_(recipient_ids), Event.kind.in_(events))
        .group_by(Voucher.recipient_id, Voucher.id, Event.kind)
    ).all()
    first = firsts(session, {row.id for row in rows})
    latest: dict[tuple[int, str, int], dt.datetime] = {}
    for row in rows:
        key = (row.recipient_id, row.kind, first.get(row.id, row.id))
        latest[key] = max(row.at, latest.get(key, row.at))
    for (recipient_id, event, voucher_id), at in latest.items():
        found[recipient_id].append(Booked(event, voucher_id, at))
