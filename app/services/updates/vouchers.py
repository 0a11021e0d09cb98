"""Single vouchers updated, prolonged or withdrawn, by whatever serial they were ever known."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain import codes
from app.services import (
    changes,
    eventlog,
    issuance,
)
from app.services.deployment import Deployment
from app.services.issuance import (
    Changed,
    Left,
    meant_by,
)
from app.services.updates.update import UpdateFault
from app.store.models import Voucher

#: Vouchers that one call may change one by one.
MOST_VOUCHERS = 1_000


class Action(StrEnum):
    """What is done to single vouchers."""

    UPDATE = "update"
    PROLONG = "prolong"
    WITHDRAW = "withdraw"


def change_vouchers(
    deployment: Deployment,
    serials: Sequence[str],
    action: Action,
    *,
    ends_at: dt.datetime | None = None,
    reason: str | None = None,
    only: frozenset[str] | None = None,
) -> list[Changed]:
    """Update, prolong or withdraw single vouchers; says what became of each, in the order asked.

    Args:
        serials: serial numbers of passes, also of those that were issued anew since.
        ends_at: the new end, for PROLONG; an earlier end is refused, and what was withdrawn or
            booked as expired is left.
        reason: why, for WITHDRAW; kept with the fact.
        only: keys of the campaigns that may be touched; None is every campaign.

    Raises:
        UpdateFault: too many at once, an end without PROLONG or the other way round, or an end
            that takes time away; nothing is changed then.
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
    if reason is not None and action is not Action.WITHDRAW:
        raise UpdateFault(
            "reason_mismatch", "reason is for withdrawing.", "Give it with withdraw, and only then."
        )
    if action is Action.WITHDRAW:
        return issuance.withdraw(deployment, serials, reason=reason, only=only)
    now = deployment.now()
    with deployment.database.write() as session:
        done: dict[int, Left | None] = {}
        answers = []
        for serial, meant in meant_by(session, serials, only=only):
            if meant is None:
                answers.append(Changed(serial=serial, now=serial, left=Left.UNKNOWN))
                continue
            if meant.row_id not in done:
                done[meant.row_id] = _change(session, meant.row_id, ends_at, now=now)
            answers.append(Changed(serial=serial, now=meant.serial, left=done[meant.row_id]))
    return answers


def _change(
    session: Session, voucher_id: int, ends_at: dt.datetime | None, *, now: dt.datetime
) -> Left | None:
    """Give one voucher its new end, if any, and let its phones fetch it; its row is locked."""
    voucher = session.scalars(select(Voucher).where(Voucher.id == voucher_id)).one()
    together: dict[str, object] = {"version": Voucher.version + 1}
    if ends_at is not None:
        if voucher.status in ("revoked", "deactivated"):
            return Left.WITHDRAWN
        if voucher.status == "expired":
            # Its money was booked as expired: another end brings nothing back.
            return Left.EXPIRED
        # A voucher without an end would get one.
        if voucher.ends_at is None or ends_at < voucher.ends_at:
            raise UpdateFault(
                "would_shorten",
                f"Voucher {codes.serial(voucher.public_id)} has no end, or a later one.",
                "Prolong to a later time, or withdraw it.",
            )
        if ends_at == voucher.ends_at:
            return Left.KEPT
        together["ends_at"] = ends_at
    eventlog.append(session, "updated", voucher.id, now=now, together=together)
    changes.voucher(session, voucher.id)
    return None
