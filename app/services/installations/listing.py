"""What changed for a device since it last asked, and what it fetched since."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.orm import Session

from app.domain import codes
from app.services.installations.devices import lock
from app.services.installations.states import FETCHED, LISTED, Pair, behind
from app.store.models import (
    AppleDevice,
    AppleRegistration,
    Campaign,
    Voucher,
)

#: A pass that was listed but not fetched for so long is listed again.
LISTED_AGAIN = dt.timedelta(minutes=10)


_DIGITS = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Listing:
    """An answer to "what changed?": serial numbers and the tag to ask with next time."""

    serials: tuple[str, ...]
    tag: str


def has_news(session: Session, *, library_id: str, tag: str | None, now: dt.datetime) -> bool:
    """Whether a list would say anything; a read, so that the common 204 costs no write."""
    device = session.execute(
        select(AppleDevice.id, AppleDevice.generation).where(AppleDevice.library_id == library_id)
    ).one_or_none()
    if device is None:
        return False
    seen = _seen(tag, device.generation)
    query = (
        select(AppleRegistration.id)
        .join(Voucher, Voucher.id == AppleRegistration.voucher_id)
        .join(Campaign, Campaign.id == Voucher.campaign_id)
        .where(
            AppleRegistration.device_id == device.id,
            or_(AppleRegistration.generation > seen, _unlisted(now)),
        )
        .limit(1)
    )
    return session.scalar(query) is not None


def list_changed(
    session: Session, *, library_id: str, tag: str | None, now: dt.datetime
) -> Listing | None:
    """The passes that changed since the device was given `tag`, or None if there are none.

    The tag is a generation of the device, digits only. Each list gives what changed since it was
    last listed the next generation and answers everything above the tag: an answer that got lost
    is repeated when the device asks with its old tag again. A tag that is absent, malformed or
    larger than any that was given (a restored phone) is answered with everything.
    """
    device = lock(session, library_id)
    if device is None:
        return None
    seen = _seen(tag, device.generation)
    rows = session.execute(
        select(
            AppleRegistration.id,
            AppleRegistration.generation,
            Voucher.public_id,
            Voucher.version,
            Campaign.version.label("campaign_version"),
            _unlisted(now).label("unlisted"),
        )
        .join(Voucher, Voucher.id == AppleRegistration.voucher_id)
        .join(Campaign, Campaign.id == Voucher.campaign_id)
        .where(AppleRegistration.device_id == device.id)
        .order_by(AppleRegistration.id)
    ).all()
    changed = [row for row in rows if row.unlisted]
    told = [row for row in rows if row.unlisted or row.generation > seen]
    if changed:
        device.generation += 1
        session.execute(
            update(AppleRegistration),
            [
                {
                    "id": row.id,
                    "generation": device.generation,
                    # Listing tells as much as a push does: no push is owed for it any more.
                    "pushed_voucher": row.version,
                    "pushed_campaign": row.campaign_version,
                    "listed_voucher": row.version,
                    "listed_campaign": row.campaign_version,
                    "listed_at": now,
                }
                for row in changed
            ],
        )
    device.listed_at = now
    session.flush()
    if not told:
        return None
    return Listing(tuple(codes.serial(row.public_id) for row in told), str(device.generation))


def record_fetch(session: Session, voucher_id: int, pair: Pair, *, now: dt.datetime) -> None:
    """Note that a device has the pass in this state.

    A fetch does not say which device it is: it counts for the registration that was listed this
    state first and had not fetched it.
    """
    waiting = session.scalars(
        select(AppleRegistration)
        .where(
            AppleRegistration.voucher_id == voucher_id,
            or_(
                AppleRegistration.fetched_voucher.is_distinct_from(pair[0]),
                AppleRegistration.fetched_campaign.is_distinct_from(pair[1]),
            ),
        )
        .order_by(AppleRegistration.id)
        .with_for_update()
    ).all()
    if not waiting:
        return
    listed = [
        each for each in waiting if (each.listed_voucher, each.listed_campaign) == pair
    ] or list(waiting)
    first = min(listed, key=lambda each: (each.listed_at or now, each.id))
    first.fetched_voucher, first.fetched_campaign = pair
    first.fetched_at = now
    session.flush()


def _seen(tag: str | None, generation: int) -> int:
    """The generation that the device has heard of; -1 where everything is to be answered."""
    if tag is None or not _DIGITS.fullmatch(tag) or int(tag) > generation:
        return -1
    return int(tag)


def _unlisted(now: dt.datetime) -> ColumnElement[bool]:
    """Whether a registration is to be listed anew: it changed, or was listed and not fetched."""
    return or_(behind(LISTED), behind(FETCHED) & (AppleRegistration.listed_at < now - LISTED_AGAIN))
