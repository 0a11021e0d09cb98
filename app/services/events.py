"""Facts about vouchers: appended, never changed, and numbered without gaps.

The number is taken by an UPDATE of the voucher's own row, whose lock is held until the transaction
ends, so that two facts of one voucher never share a number and none is left out. What else the
fact changes in that row, and what must hold for it to be a fact at all, goes into the same UPDATE.
(A till's statements number theirs in the UPDATE that redeems.)
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, insert, true, update
from sqlalchemy.orm import Session

from app.store.models import Event, Voucher


def append(
    session: Session,
    kind: str,
    voucher_id: int,
    *,
    now: dt.datetime,
    only: ColumnElement[bool] | None = None,
    together: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
    reason: str | None = None,
) -> int | None:
    """Append a fact about the voucher; returns its number, or None if `only` does not hold.

    The voucher's row is changed in the database alone: flush what the session changed of it before,
    and do not change it there afterwards.

    Args:
        only: a condition on the voucher's row, judged under its lock.
        together: columns of the row that change with it.
        data: what else is to be known, for programs.
        reason: the same, as somebody worded it.
    """
    numbered = session.execute(
        update(Voucher)
        .where(Voucher.id == voucher_id, true() if only is None else only)
        .values(events=Voucher.events + 1, **(together or {}))
        .returning(Voucher.events, Voucher.campaign_id)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if numbered is None:
        return None
    session.execute(
        insert(Event).values(
            kind=kind,
            at=now,
            campaign_id=numbered.campaign_id,
            voucher_id=voucher_id,
            number=numbered.events,
            data=None if data is None else dict(data),
            reason=reason,
        )
    )
    number: int = numbered.events
    return number
