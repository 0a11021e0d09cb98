"""Baskets count as revenue: each once for a campaign, while a redemption from it stands.

The log tells it, and reports add it up: of a campaign's redemptions from one basket the first says
what the basket came to, the others (more coupons, the parts of a hold) say nothing, and what takes
back the last one that stands says the same amount less. A redemption stands while a use or a minor
unit of it was not given back.
It does not guess; a redemption of which no basket is known adds nothing and takes nothing off.
"""

from __future__ import annotations

import uuid
from typing import NamedTuple, Protocol

from sqlalchemy import Connection, bindparam, func, select

from app.domain.ledger import RETURNS, EntryKind
from app.services.tills.tables import ENTRY, E, H, LineId
from app.store.statements import Query


class _LeftRow(NamedTuple):
    id: uuid.UUID
    uses: int
    minor: int


_BACK = ENTRY.alias("back")

#: Redemptions from a basket, or the one that has its basket to itself, and what is left of each.
_READ = (
    select(
        E.id,
        (E.uses + func.coalesce(func.sum(_BACK.c.uses), 0)).label("uses"),
        (-E.amount_minor - func.coalesce(func.sum(_BACK.c.amount_minor), 0)).label("minor"),
    )
    .select_from(
        ENTRY.outerjoin(
            _BACK,
            (_BACK.c.refers_to_id == E.id) & _BACK.c.kind.in_([str(each) for each in RETURNS]),
        )
    )
    .where(E.kind == EntryKind.REDEMPTION)
    .group_by(E.id, E.uses, E.amount_minor)
)
_READ_SHARED = Query(
    _LeftRow, _READ.where(E.basket_id == bindparam("basket_id", type_=E.basket_id.type))
)
_READ_ALONE = Query(_LeftRow, _READ.where(E.id == bindparam("entry_id", type_=E.id.type)))

#: A basket is called after the first of its holds or redemptions, so that one of these is a row.
_LOCKS = tuple(
    Query(
        LineId,
        select(column)
        .where(column == bindparam("basket_id", type_=column.type))
        .with_for_update(key_share=True),
    )
    for column in (H.id, E.id)
)


def captured(
    connection: Connection,
    *,
    basket_id: uuid.UUID | None,
    basket_minor: int | None,
    captured_minor: int,
) -> int | None:
    """What the capture of a hold tells: its basket, unless another redemption from it stands.

    Asked before the capture is booked, and after every voucher's row is locked; the basket and
    what was captured before are the hold's.
    """
    if basket_minor is None:
        return None
    if basket_id is None:
        # Of an earlier release that still ran after the migration: its first part tells.
        return None if captured_minor else basket_minor
    standing = _standing(connection, basket_id, None)
    return None if any(standing.values()) else basket_minor


class InBasket(Protocol):
    """An entry that may be from a basket."""

    @property
    def id(self) -> uuid.UUID: ...
    @property
    def kind(self) -> str: ...
    @property
    def basket_id(self) -> uuid.UUID | None: ...
    @property
    def basket_minor(self) -> int | None: ...


class Returns:
    """What one call gives back, or takes again, of redemptions."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._standing: dict[uuid.UUID, dict[uuid.UUID, bool]] = {}

    def told(self, row: InBasket, *, stands: bool) -> dict[str, object]:
        """What the event says beside the rest: that the basket counts no more, or again.

        Asked in the order of the call, before it is booked and after every voucher's row is locked.

        Args:
            stands: whether anything of the redemption is left afterwards.
        """
        if row.kind != EntryKind.REDEMPTION or row.basket_minor is None:
            return {}
        name = row.basket_id or row.id
        if name not in self._standing:
            self._standing[name] = _standing(self._connection, row.basket_id, row.id)
        standing = self._standing[name]
        before = any(standing.values())
        standing[row.id] = stands
        change = any(standing.values()) - before
        return {"basket_minor": change * row.basket_minor} if change else {}


def _standing(
    connection: Connection, basket_id: uuid.UUID | None, entry_id: uuid.UUID | None
) -> dict[uuid.UUID, bool]:
    """Which redemptions from a basket stand; others that settle one of them wait from here on."""
    if basket_id is None:
        rows = _READ_ALONE.all(connection, entry_id=entry_id)
    else:
        for lock in _LOCKS:
            lock.all(connection, basket_id=basket_id)
        rows = _READ_SHARED.all(connection, basket_id=basket_id)
    return {row.id: row.uses > 0 or row.minor > 0 for row in rows}
