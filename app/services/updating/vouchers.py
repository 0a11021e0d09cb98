"""Single vouchers updated, prolonged or withdrawn."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain import codes
from app.services import changes, events
from app.services.updating.wanted import UpdateFault
from app.store.models import (
    Campaign,
    Voucher,
)

#: Vouchers that one call may change one by one.
MOST_VOUCHERS = 1_000


class Action(StrEnum):
    """What is done to single vouchers."""

    UPDATE = "update"
    PROLONG = "prolong"
    WITHDRAW = "withdraw"


def change_vouchers(
    session: Session,
    serials: Sequence[str],
    action: Action,
    *,
    now: dt.datetime,
    ends_at: dt.datetime | None = None,
    only: frozenset[str] | None = None,
) -> list[str]:
    """Update, prolong or withdraw single vouchers; returns the serials that are unknown.

    Args:
        serials: serial numbers of passes.
        ends_at: the new end, for PROLONG; an earlier end is refused.
        only: keys of the campaigns that may be touched; None is every campaign.
    """
    if len(serials) > MOST_VOUCHERS:
        raise UpdateFault(
            "too_many_vouchers",
            f"{len(serials)} vouchers are more than {MOST_VOUCHERS}.",
            "Send several calls, or update the campaign.",
        )
    if (action is Action.PROLONG) != (ends_at is not None):
        raise UpdateFault(
            "ends_at_mismatch", "ends_at is for prolonging.", "Give it with prolong, and only then."
        )
    wanted = {codes.from_serial(serial): serial for serial in serials}
    rows = session.execute(
        select(Voucher, Campaign.key)
        .join(Campaign, Campaign.id == Voucher.campaign_id)
        .where(Voucher.public_id.in_([each for each in wanted if each is not None]))
        .order_by(Voucher.id)
        .with_for_update(of=Voucher)
    ).all()
    known = set()
    for voucher, key in rows:
        if only is not None and key not in only:
            continue
        known.add(wanted[voucher.public_id])
        if action is Action.PROLONG:
            # A voucher without an end would get one.
            if ends_at is None or voucher.ends_at is None or ends_at < voucher.ends_at:
                raise UpdateFault(
                    "would_shorten",
                    f"Voucher {codes.serial(voucher.public_id)} has no end, or a later one.",
                    "Prolong to a later time, or withdraw it.",
                )
            voucher.ends_at = ends_at
        elif action is Action.WITHDRAW:
            voucher.status = "revoked"
        voucher.version += 1
        session.flush()
        events.append(session, "updated", voucher.id, now=now)
        changes.voucher(session, voucher.id)
    return [serial for serial in serials if serial not in known]
