"""A withdrawal takes back a link or a whole voucher; there is no other way to do either.

Whoever takes a voucher back (API, command, a stop of rules) is bound by the same rules.
A serial means the voucher that stands for it now, so that one that was issued anew is taken back by
what it was called before. What a till holds is refused, since the customer is at the till; what is
over (redeemed, expired, withdrawn) is left as it is. Each answer says which, and only what changed
counts as changed. A withdrawn link answers that it is withdrawn, and the pass in a wallet keeps
working; a withdrawn voucher is worth nothing at any till, and its pass says so.
It does not take back what nobody knows.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.orm import Session

from app.domain import codes
from app.domain.ledger import HoldStatus
from app.faults import VoucherUnknown
from app.services import (
    changes,
    eventlog,
    security,
)
from app.services.deployment import Deployment
from app.services.issuance.serials import (
    ALIVE,
    STANDING,
    Meant,
    living,
    meant_by,
    over,
    wanted,
)
from app.services.security import SecurityEventKind
from app.services.tills import Tills
from app.store.models import Campaign, Hold, Voucher

#: Statuses of a voucher that is worth nothing any more.
ENDED = ("revoked", "deactivated", "expired", "replaced")
#: Judged by the UPDATE itself, whatever was read before.
_GOOD = and_(
    Voucher.status.in_(ALIVE),
    Voucher.replaced_by_id.is_(None),
    Voucher.held == 0,
    Voucher.held_minor == 0,
)


class Left(StrEnum):
    """Why something was not changed."""

    UNKNOWN = "unknown"
    #: A till holds a part of it.
    HELD = "held"
    REDEEMED = "redeemed"
    EXPIRED = "expired"
    #: It was withdrawn before, or ended by order at a till.
    WITHDRAWN = "withdrawn"
    #: It is as it was asked to be, or what was asked protects it.
    KEPT = "kept"


#: What has to be done before the same may be asked again; what is over needs nothing.
REFUSED = (Left.UNKNOWN, Left.HELD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """What became of one voucher that was asked for."""

    #: As it was asked for.
    serial: str
    #: What the voucher is called now; the same, unless it was issued anew or replaced.
    now: str
    #: Why it was left as it was; None: it was changed.
    left: Left | None = None


def withdraw(
    deployment: Deployment,
    serials: Sequence[str],
    *,
    reason: str | None = None,
    only: Collection[str] | None = None,
) -> list[Changed]:
    """Take vouchers back, in the order asked; a gift card's money is booked as expired later.

    Args:
        reason: why, as somebody worded it; kept with the fact.
        only: keys of the campaigns that may be touched; None is every campaign.
    """
    now = deployment.now()
    _release(deployment, serials, now=now)
    with deployment.database.write() as session:
        done: dict[int, Left | None] = {}

        def taken(meant: Meant) -> Left | None:
            if meant.row_id not in done:
                left = done[meant.row_id] = take(session, meant.row_id, now=now, reason=reason)
                if left is None:
                    _record(
                        session, SecurityEventKind.VOUCHER_WITHDRAWN, meant, now=now, reason=reason
                    )
            return done[meant.row_id]

        return [
            Changed(serial=serial, now=serial, left=Left.UNKNOWN)
            if meant is None
            else Changed(serial=serial, now=meant.serial, left=taken(meant))
            for serial, meant in meant_by(session, serials, only=only)
        ]


def take(
    session: Session,
    voucher_id: int,
    *,
    now: dt.datetime,
    reason: str | None = None,
    only: ColumnElement[bool] | None = None,
) -> Left | None:
    """Make one voucher worth nothing, or say why it was left as it is.

    Args:
        voucher_id: the row that stands for what was asked; see `living`.
        only: a condition on the row, without which it is kept.
    """
    row = session.execute(STANDING.where(Voucher.id == voucher_id)).one()
    if (why := over(row, now=now)) is not None:
        return Left(why)
    if row.held or row.held_minor:
        return Left.HELD
    number = eventlog.append(
        session,
        "updated",
        voucher_id,
        now=now,
        only=_GOOD if only is None else and_(_GOOD, only),
        together={"status": "revoked", "version": Voucher.version + 1},
        data={"status": "revoked"},
        reason=reason,
    )
    if number is None:
        return Left.KEPT
    changes.voucher(session, voucher_id)
    return None


def withdraw_link(
    deployment: Deployment, serial: str, *, only: Collection[str] | None = None
) -> Changed:
    """Let the voucher's link answer "withdrawn" from now on, by whatever serial it is asked."""
    now = deployment.now()
    with deployment.database.write() as session:
        ((_, meant),) = meant_by(session, [serial], only=only)
        if meant is None:
            return Changed(serial=serial, now=serial, left=Left.UNKNOWN)
        # The link of the old serial, too: a card's goes on beside that of its replacement.
        shut = session.scalars(
            update(Voucher)
            .where(
                or_(Voucher.id == meant.row_id, Voucher.public_id == codes.from_serial(serial)),
                Voucher.link_withdrawn_at.is_(None),
            )
            .values(link_withdrawn_at=now)
            .returning(Voucher.id)
            .execution_options(synchronize_session=False)
        ).all()
        left = None if meant.row_id in shut else Left.WITHDRAWN
        if shut:
            _record(session, SecurityEventKind.LINK_WITHDRAWN, meant, now=now)
        return Changed(serial=serial, now=meant.serial, left=left)


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
        VoucherUnknown: there is none.
    """
    # A voucher that is issued anew while its lock is awaited hands the id to another row, which
    # only a second statement sees.
    for _ in range(2):
        voucher = session.scalar(
            select(Voucher).where(Voucher.public_id == public_id).with_for_update()
        )
        if voucher is not None:
            return voucher
    raise VoucherUnknown


def _record(
    session: Session,
    kind: SecurityEventKind,
    meant: Meant,
    *,
    now: dt.datetime,
    reason: str | None = None,
) -> None:
    security.record(session, kind, now=now, object=f"voucher {meant.serial}", reason=reason)


def _release(deployment: Deployment, serials: Sequence[str], *, now: dt.datetime) -> None:
    """Give back what tills held for too long, as every write on a voucher does first."""
    with deployment.database.read() as session:
        rows = living(session, wanted(serials), lock=False)
        lapsed = session.scalars(
            select(Hold.voucher_id)
            .distinct()
            .where(
                Hold.voucher_id.in_(set(rows.values())),
                Hold.status == HoldStatus.OPEN,
                Hold.expires_at <= now,
            )
            .order_by(Hold.voucher_id)
        ).all()
    tills = Tills(deployment) if lapsed else None
    for voucher_id in lapsed:
        if tills is not None:
            tills.released(voucher_id, now=now)
