"""Who looked: a view of a voucher's page, recorded as a fact.

Recording that a page was seen is not issuing: nothing that the voucher grants or shows changes.
At most one view of a voucher is counted in an hour, decided by the voucher's own row, so that a
page that is opened again writes nothing and several server processes agree.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from sqlalchemy import or_

from app.services import eventlog
from app.services.wallets.holdings import Holding
from app.store.models import Voucher
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

    Vouchers are taken in the order of their ids, as every writer takes them.

    Args:
        device: the sort of device: "iphone", "android" or "desktop".
    """
    not_lately = or_(Voucher.viewed_at.is_(None), Voucher.viewed_at <= now - PAUSE)
    with database.write() as session:
        numbers = [
            eventlog.append(
                session,
                "viewed",
                voucher_id,
                now=now,
                only=not_lately,
                together={"viewed_at": now},
                data={"device": device},
            )
            for voucher_id in sorted(voucher_ids)
        ]
    return len(numbers) - numbers.count(None)
