"""What baskets count as revenue: each once for a campaign, while a redemption from it stands.

The log tells it, and reports add it up: of a campaign's redemptions from one basket the first says
what the basket came to, the others (more coupons, the parts of a hold) say nothing, and what takes
back the last one that stands says the same amount less. A redemption stands while a use or a minor
unit of it was not given back.
It does not guess; a redemption of which no basket is known adds nothing and takes nothing off.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from app.domain.baskets import Basket
from app.domain.ledger import RETURNS, EntryKind
from app.services.tills.attempt import Grant
from app.services.tills.sql import ENTRY, E, H

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
_READ_SHARED = _READ.where(E.basket_id == bindparam("basket_id", type_=E.basket_id.type))
_READ_ALONE = _READ.where(E.id == bindparam("entry_id", type_=E.id.type))

#: A basket is called after the first of its holds or redemptions, so that one of these is a row.
_LOCKS = tuple(
    select(column)
    .where(column == bindparam("basket_id", type_=column.type))
    .with_for_update(key_share=True)
    for column in (H.id, E.id)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A redemption's or a hold's part in a basket, as it is stored with it."""

    #: What it has in common with others of its campaign; None when it has the basket to itself.
    basket_id: uuid.UUID | None = None
    basket_minor: int | None = None
    #: Whether it is the one that tells the amount, if it stands from the start.
    tells: bool = False


#: Of what was taken without a basket.
NO_BASKET = Share()


def shares(
    grants: Sequence[Grant], ids: Sequence[uuid.UUID], basket: Basket | None, *, in_parts: bool
) -> list[Share]:
    """The parts of what a call grants, whose rows will be called `ids`.

    Args:
        in_parts: each may become several redemptions, as a hold that is captured in parts.
    """
    if basket is None:
        return [NO_BASKET] * len(grants)
    campaigns = [grant.found.row.campaign_id for grant in grants]
    count = Counter(campaigns)
    first: dict[int, uuid.UUID] = {}
    for campaign_id, id_ in zip(campaigns, ids, strict=True):
        first.setdefault(campaign_id, id_)
    return [
        Share(
            basket_id=first[campaign_id] if in_parts or count[campaign_id] > 1 else None,
            basket_minor=basket.total_minor,
            tells=first[campaign_id] == id_,
        )
        for campaign_id, id_ in zip(campaigns, ids, strict=True)
    ]


def captured(connection: Connection, hold: Any) -> int | None:
    """What the capture of a hold tells: its basket, unless another redemption from it stands.

    Asked before the capture is booked, and after every voucher's row is locked.
    """
    if hold.basket_minor is None:
        return None
    if hold.basket_id is None:
        # Of an earlier release that still ran after the migration: its first part tells.
        return None if hold.captured_minor else int(hold.basket_minor)
    standing = _standing(connection, hold.basket_id, None)
    return None if any(standing.values()) else int(hold.basket_minor)


class Returns:
    """What one call gives back, or takes again, of redemptions; `row`s are of READ_ENTRIES."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._standing: dict[uuid.UUID, dict[uuid.UUID, bool]] = {}

    def told(self, row: Any, *, stands: bool) -> dict[str, object]:
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
        return {"basket_minor": change * int(row.basket_minor)} if change else {}


def _standing(
    connection: Connection, basket_id: uuid.UUID | None, entry_id: uuid.UUID | None
) -> dict[uuid.UUID, bool]:
    """Which redemptions from a basket stand; others that settle one of them wait from here on."""
    if basket_id is None:
        rows = connection.execute(_READ_ALONE, {"entry_id": entry_id})
    else:
        for lock in _LOCKS:
            connection.execute(lock, {"basket_id": basket_id}).all()
        rows = connection.execute(_READ_SHARED, {"basket_id": basket_id})
    return {row.id: row.uses > 0 or row.minor > 0 for row in rows}
