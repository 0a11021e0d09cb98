"""Who looked: a view of a voucher's page, recorded as a fact.

Recording that a page was seen is not issuing: nothing that the voucher grants or shows changes.
At most one view of a voucher is counted in an hour, decided by the voucher's own row, so that a
page that is opened again writes nothing and several server processes agree.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from sqlalchemy import insert, or_, update

from app.services.presenting import Holding
from app.store.models import Event, Voucher
from app.store.session import Database

#: How long after a view the next one counts.
PAUSE = dt.timedelta(hours=1)


def due(holding: Holding, *, now: dt.datetime) -> bool:
    """Whether a view at `now` would count, as far as the row that was read tells."""
    viewed_at = holding.voucher.viewed_at
    return viewed_at is None or viewed_at <= now - PAUSE


def record_views(
    database: Database, voucher_ids: Sequence[int], *, device: str, now: dt.datetime
) -> int:
    """Append a `viewed` event to each voucher that was not seen lately; returns how many.

    Events of a voucher are numbered without gaps under its row lock; vouchers are taken in the
    order of their ids, as every writer takes them.

    Args:
        device: the sort of device: "iphone", "android" or "desktop".
    """
    counted = 0
    with database.write() as session:
        for voucher_id in sorted(voucher_ids):
            numbered = session.execute(
                update(Voucher)
                .where(
                    Voucher.id == voucher_id,
                    or_(Voucher.viewed_at.is_(None), Voucher.viewed_at <= now - PAUSE),
                )
                .values(events=Voucher.events + 1, viewed_at=now)
                .returning(Voucher.events, Voucher.campaign_id)
                .execution_options(synchronize_session=False)
            ).one_or_none()
            if numbered is None:
                continue
            session.execute(
                insert(Event).values(
                    kind="viewed",
                    at=now,
                    campaign_id=numbered.campaign_id,
                    voucher_id=voucher_id,
                    number=numbered.events,
                    data={"device": device},
                )
            )
            counted += 1
    return counted
