"""Housekeeping: what lapsed is released, what ended is booked, and old keys are forgotten.

A till's next write does the same for its voucher, so that nothing depends on the clock but the
books of cards that nobody uses.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import BigInteger, bindparam, delete, select

from app.domain.ledger import HoldStatus
from app.services.tills import holds
from app.services.tills.attempt import Attempt
from app.services.tills.holds import READ_HOLD
from app.services.tills.lookup import LAPSED
from app.services.tills.requests import Where
from app.services.tills.tables import RECORD, C, H, LineId, R, RowId, V
from app.services.tills.voucher_rows import LOCK_VOUCHER, override_of
from app.store.session import Database
from app.store.statements import Command, Query

#: How long an idempotency key is remembered: the longest time in which a till may repeat a call.
KEPT = dt.timedelta(days=90)


class _OverrideRow(NamedTuple):
    id: int
    override: Mapping[str, object] | None
    override_forced: bool | None


_LOCK_LAPSED = Query(LineId, LAPSED.with_for_update())
_READ_DUE_HOLDS = Query(
    RowId,
    select(H.voucher_id.label("id"))
    .where(H.status == HoldStatus.OPEN, H.expires_at <= bindparam("now", type_=H.expires_at.type))
    .distinct()
    .limit(bindparam("count", type_=BigInteger)),
)
#: Campaigns whose override moves the end of their cards.
_READ_OVERRIDES = Query(
    _OverrideRow, select(C.id, C.override, C.override_forced).where(C.override.is_not(None))
)
#: Cards whose own end is over; `protected` are campaigns whose override ends later than now.
_READ_DUE_CARDS = Query(
    RowId,
    select(V.id)
    .where(
        V.balance_minor > 0,
        V.ends_at <= bindparam("now", type_=V.ends_at.type),
        V.balance_minor > V.held_minor,
        V.campaign_id.not_in(bindparam("protected", expanding=True)),
    )
    .order_by(V.ends_at)
    .limit(bindparam("count", type_=BigInteger)),
)
#: Cards of campaigns whose forced end is over, whatever their own end is.
_READ_RECALLED_CARDS = Query(
    RowId,
    select(V.id)
    .where(
        V.balance_minor > 0,
        V.balance_minor > V.held_minor,
        V.campaign_id.in_(bindparam("recalled", expanding=True)),
    )
    .order_by(V.id)
    .limit(bindparam("count", type_=BigInteger)),
)
_FORGET_KEYS = Command(
    delete(RECORD).where(R.created_at < bindparam("before", type_=R.created_at.type))
)


def release(attempt: Attempt, voucher_id: int) -> int:
    """Release the voucher's lapsed holds, each where it was made; returns how many.

    Raises:
        Undone: another call settled one of them meanwhile.
    """
    connection, now = attempt.connection, attempt.call.now
    LOCK_VOUCHER.one(connection, voucher_id=voucher_id)
    # All of them are locked before the first settles a budget: who gives back what was redeemed
    # from a basket locks a hold, too, and then the budget.
    lapsed = _LOCK_LAPSED.all(connection, voucher_id=voucher_id, now=now)
    for row in lapsed:
        hold = READ_HOLD.one(connection, hold_id=row.id)
        attempt.where = Where(store_id=hold.store_id, terminal_id=hold.terminal_id)
        holds.release(attempt, hold, status=HoldStatus.LAPSED)
    return len(lapsed)


def due(database: Database, *, now: dt.datetime, limit: int) -> tuple[list[int], list[int]]:
    """Vouchers that have lapsed holds, and cards whose time is over; at most `limit` of each."""
    protected, recalled = [], []
    with database.reading() as connection:
        held = [row.id for row in _READ_DUE_HOLDS.all(connection, now=now, count=limit)]
        for row in _READ_OVERRIDES.all(connection):
            override = override_of(row)
            if override is None or override.ends_at is None:
                continue
            if override.ends_at > now:
                protected.append(row.id)
            elif "ends_at" in override.forced:
                recalled.append(row.id)
        ended = _READ_DUE_CARDS.all(connection, now=now, count=limit, protected=protected)
        ended += _READ_RECALLED_CARDS.all(connection, count=limit, recalled=recalled)
    # A card may be due in both ways.
    return held, list(dict.fromkeys(row.id for row in ended))


def forget_keys(database: Database, *, now: dt.datetime) -> int:
    """Remove idempotency keys that no till may repeat any more; returns how many."""
    with database.transaction() as connection:
        return _FORGET_KEYS.run(connection, before=now - KEPT)
