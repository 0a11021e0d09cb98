"""A device to be pushed, as leased; and what leasing and recording share."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import orjson
from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    and_,
    any_,
    bindparam,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.services.installations import PUSHED, Pair
from app.store.models import AppleDevice, Campaign, Voucher

#: Two pushes to one device are at least so far apart; what changes meanwhile rides on the second.
GAP = dt.timedelta(seconds=2)


Pushed = tuple[int | None, int | None]


@dataclass(frozen=True, slots=True)
class Told:
    """One registration that a push tells of: its id, what it was told before, and the state now."""

    id: int
    before: Pushed
    pair: Pair

    @property
    def is_new(self) -> bool:
        """Whether the device has never been told of the pass."""
        return self.before == (None, None)


@dataclass(frozen=True, slots=True)
class DevicePush:
    """A leased device."""

    device_id: int
    token: str
    until: dt.datetime
    attempts: int
    reminder: int
    told: tuple[Told, ...]


def among(
    session: Session, column: InstrumentedAttribute[int], ids: Sequence[int]
) -> ColumnElement[bool]:
    """Whether a column is one of many ids, sent as one value: a thousand of them cost no more."""
    if session.get_bind().dialect.name == "postgresql":
        return column == any_(literal(list(ids), ARRAY(BigInteger)))
    listed = func.json_each(orjson.dumps(ids).decode()).table_valued("value")
    return column.in_(select(listed.c.value))


def is_owed() -> ColumnElement[bool]:
    """Whether a registration is to be pushed; edits of a paused campaign are not."""
    return or_(
        PUSHED[0].is_distinct_from(Voucher.version),
        and_(PUSHED[1].is_distinct_from(Campaign.version), ~Campaign.delivery_paused),
    )


def holding(device_id: int, until: dt.datetime) -> dict[str, object]:
    """The columns that keep a device from everybody until then, and have it looked at then."""
    return {"row": device_id, "claimed_until": until, "due_at": until}


def update_devices(session: Session, rows: Sequence[dict[str, object]]) -> None:
    """Set columns of devices, in the order of their ids; those that are gone meanwhile stay so."""
    table = AppleDevice.metadata.tables[AppleDevice.__tablename__]
    names = [name for name in rows[0] if name != "row"]
    session.connection().execute(
        table.update()
        .where(table.c.id == bindparam("row"))
        .values({name: bindparam(f"new_{name}") for name in names}),
        [
            {"row": row["row"]} | {f"new_{name}": row[name] for name in names}
            for row in sorted(rows, key=lambda row: str(row["row"]).zfill(20))
        ],
    )
