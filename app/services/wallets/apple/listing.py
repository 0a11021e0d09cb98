"""What changed for a device since it last asked, and what it fetched since."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Row, Select, bindparam, or_, select, update

from app.domain import codes
from app.services.wallets.apple.states import FETCHED, LISTED, Pair, behind
from app.store.models import (
    AppleDevice,
    AppleRegistration,
    Campaign,
    Voucher,
)

#: A pass that was listed but not fetched for so long is listed again.
LISTED_AGAIN = dt.timedelta(minutes=10)


_DEVICES = AppleDevice.metadata.tables[AppleDevice.__tablename__]
_REGISTRATIONS = AppleDevice.metadata.tables[AppleRegistration.__tablename__]
_DIGITS = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Listing:
    """An answer to "what changed?": serial numbers and the tag to ask with next time."""

    serials: tuple[str, ...]
    tag: str


def _held() -> Select[int, int, int, int, int, int, int, bool]:
    """What a device holds, and whether it is to be listed anew: it changed, or was not fetched."""
    return (
        select(
            AppleDevice.id,
            AppleDevice.generation,
            AppleRegistration.id,
            AppleRegistration.generation,
            Voucher.public_id,
            Voucher.version,
            Campaign.version,
            or_(
                behind(LISTED),
                behind(FETCHED) & (AppleRegistration.listed_at < bindparam("listed_before")),
            ),
        )
        .join(AppleRegistration, AppleRegistration.device_id == AppleDevice.id)
        .join(Voucher, Voucher.id == AppleRegistration.voucher_id)
        .join(Campaign, Campaign.id == Voucher.campaign_id)
        .where(AppleDevice.library_id == bindparam("device"))
        .order_by(AppleRegistration.id)
    )


# Composed once: composing statements takes longer than everything else that a list needs.
_HELD = _held()
_LOCKED = (
    select(AppleDevice.id).where(AppleDevice.library_id == bindparam("device")).with_for_update()
)
_LISTED = (
    update(_REGISTRATIONS)
    .where(_REGISTRATIONS.c.id == bindparam("row"))
    .values(
        generation=bindparam("next"),
        # Listing tells as much as a push does: no push is owed for it any more.
        pushed_voucher=bindparam("voucher"),
        pushed_campaign=bindparam("campaign"),
        listed_voucher=bindparam("voucher"),
        listed_campaign=bindparam("campaign"),
        listed_at=bindparam("now"),
    )
)
_ASKED = (
    update(_DEVICES)
    .where(_DEVICES.c.id == bindparam("row"))
    .values(generation=bindparam("next"), listed_at=bindparam("now"))
)
_UNFETCHED = (
    select(
        AppleRegistration.id,
        AppleRegistration.listed_voucher,
        AppleRegistration.listed_campaign,
        AppleRegistration.listed_at,
    )
    .where(
        AppleRegistration.voucher_id == bindparam("holder"),
        or_(
            AppleRegistration.fetched_voucher.is_distinct_from(bindparam("voucher")),
            AppleRegistration.fetched_campaign.is_distinct_from(bindparam("campaign")),
        ),
    )
    .order_by(AppleRegistration.id)
    .with_for_update()
)
_FETCHED = (
    update(_REGISTRATIONS)
    .where(_REGISTRATIONS.c.id == bindparam("row"))
    .values(
        fetched_voucher=bindparam("voucher"),
        fetched_campaign=bindparam("campaign"),
        fetched_at=bindparam("now"),
    )
)


def has_news(connection: Connection, *, library_id: str, tag: str | None, now: dt.datetime) -> bool:
    """Whether a list would say anything; a read, so that the common 204 costs no write."""
    rows = _holdings(connection, library_id, now)
    seen = _seen(tag, rows[0][1]) if rows else 0
    return any(unlisted or generation > seen for _, _, _, generation, _, _, _, unlisted in rows)


def list_changed(
    connection: Connection, *, library_id: str, tag: str | None, now: dt.datetime
) -> Listing | None:
    """The passes that changed since the device was given `tag`, or None if there are none.

    The tag is a generation of the device, digits only. Each list gives what changed since it was
    last listed the next generation and answers everything above the tag: an answer that got lost
    is repeated when the device asks with its old tag again. A tag that is absent, malformed or
    larger than any that was given (a restored phone) is answered with everything.
    """
    if connection.execute(_LOCKED, {"device": library_id}).first() is None:
        return None
    rows = _holdings(connection, library_id, now)
    if not rows:
        return None
    device, given = rows[0][0], rows[0][1]
    seen = _seen(tag, given)
    changed = [row for row in rows if row[7]]
    told = [row[4] for row in rows if row[7] or row[3] > seen]
    present = given + 1 if changed else given
    if changed:
        connection.execute(
            _LISTED,
            [
                {"row": row, "next": present, "voucher": version, "campaign": edition, "now": now}
                for _, _, row, _, _, version, edition, _ in changed
            ],
        )
    connection.execute(_ASKED, {"row": device, "next": present, "now": now})
    if not told:
        return None
    return Listing(tuple(codes.serial(public_id) for public_id in told), str(present))


def record_fetch(connection: Connection, voucher_id: int, pair: Pair, *, now: dt.datetime) -> None:
    """Note that a device has the pass in this state.

    A fetch does not say which device it is: it counts for the registration that was listed this
    state first and had not fetched it.
    """
    state = {"voucher": pair[0], "campaign": pair[1]}
    waiting = connection.execute(_UNFETCHED, {"holder": voucher_id, **state}).fetchall()
    if not waiting:
        return
    listed = [each for each in waiting if (each[1], each[2]) == pair] or list(waiting)
    first = min(listed, key=lambda each: (each[3] or now, each[0]))
    connection.execute(_FETCHED, {"row": first[0], "now": now, **state})


def _holdings(
    connection: Connection, library_id: str, now: dt.datetime
) -> Sequence[Row[int, int, int, int, int, int, int, bool]]:
    values = {"device": library_id, "listed_before": now - LISTED_AGAIN}
    return connection.execute(_HELD, values).fetchall()


def _seen(tag: str | None, generation: int) -> int:
    """The generation that the device has heard of; -1 where everything is to be answered."""
    if tag is None or not _DIGITS.fullmatch(tag) or int(tag) > generation:
        return -1
    return int(tag)
