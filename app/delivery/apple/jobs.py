"""A device to be pushed, as leased; and what leasing and recording share.

What is done for every push is done a thousand at a time, by statements that are composed once for
each dialect: composing one takes as long as two hundred pushes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

import orjson
from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Text,
    and_,
    any_,
    bindparam,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.services.wallets.apple.states import PUSHED, Pair
from app.store.models import AppleDevice, AppleRegistration, Campaign, Voucher

#: Two pushes to one device are at least so far apart; what changes meanwhile rides on the second.
GAP = dt.timedelta(seconds=2)


DEVICES = AppleDevice.metadata.tables[AppleDevice.__tablename__]
REGISTRATIONS = AppleDevice.metadata.tables[AppleRegistration.__tablename__]

Pushed = tuple[int | None, int | None]


# Tuples, since some are made for every push and a frozen dataclass takes three times as long.
class ToldRegistration(NamedTuple):
    """One registration that a push tells of: its id, what it was told before, and the state now."""

    id: int
    before: Pushed
    pair: Pair

    @property
    def is_new(self) -> bool:
        """Whether the device has never been told of the pass."""
        return self.before == (None, None)


class DevicePush(NamedTuple):
    """A leased device."""

    device_id: int
    token: str
    until: dt.datetime
    attempts: int
    reminder: int
    told: tuple[ToldRegistration, ...]


def among(dialect: str, column: InstrumentedAttribute[int]) -> ColumnElement[bool]:
    """Whether a column is one of `ids`, sent as one value: a thousand of them cost no more."""
    if dialect == "postgresql":
        return column == any_(bindparam("ids", type_=ARRAY(BigInteger)))
    listed = func.json_each(bindparam("ids", type_=Text)).table_valued("value")
    return column.in_(select(listed.c.value))


def listed(dialect: str, ids: Sequence[int]) -> object:
    """The value of `ids`."""
    return list(ids) if dialect == "postgresql" else orjson.dumps(ids).decode()


def is_owed() -> ColumnElement[bool]:
    """Whether a registration is to be pushed; edits of a paused campaign are not."""
    return or_(
        PUSHED[0].is_distinct_from(Voucher.version),
        and_(PUSHED[1].is_distinct_from(Campaign.version), ~Campaign.delivery_paused),
    )


def is_held(lease: str) -> ColumnElement[bool]:
    """Whether a device is still leased as in the parameter `lease`, or by nobody.

    A worker that was stopped for longer than its lease finds another's, and leaves it alone.
    """
    return or_(AppleDevice.claimed_until.is_(None), AppleDevice.claimed_until == bindparam(lease))


def holding(job: DevicePush, until: dt.datetime) -> dict[str, object]:
    """The columns that keep a device from everybody until then, and have it looked at then."""
    return {
        "row": job.device_id,
        "lease": job.until,
        "new_claimed_until": until,
        "new_due_at": until,
    }


def update_devices(session: Session, rows: Sequence[dict[str, object]]) -> None:
    """Set columns (`new_…`) of leased devices, in the order of their ids; those that are gone or
    another's meanwhile stay so.
    """
    if not rows:
        return
    names = [name for name in rows[0] if name.startswith("new_")]
    session.connection().execute(
        update(DEVICES)
        .where(DEVICES.c.id == bindparam("row"), is_held("lease"))
        .values({name.removeprefix("new_"): bindparam(name) for name in names}),
        sorted(rows, key=lambda row: str(row["row"]).zfill(20)),
    )
