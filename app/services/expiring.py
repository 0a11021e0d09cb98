"""Coupons that end with uses left: the log says so, each once.

Money on cards is booked where cards expire; this is for vouchers that hold none. Vouchers whose end
the campaign overrides are left out, since their own end no longer decides.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import orjson
from sqlalchemy import and_, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from app.domain import overrides
from app.domain.kinds import KINDS
from app.services.deployment import Deployment
from app.store.models import Campaign, Event, LogReader, Voucher

READER = "expired"
BATCH = 500


def note_expired(deployment: Deployment) -> None:
    """Record what ended since the last look; the first look only says from when on."""
    while _note_some(deployment):
        pass


def _note_some(deployment: Deployment) -> bool:
    now = deployment.now()
    with deployment.database.write() as session:
        make = sqlite.insert if deployment.database.is_sqlite else postgresql.insert
        session.execute(
            make(LogReader)
            .values(name=READER, position=_written(now, 0), current_at=now)
            .on_conflict_do_nothing()
        )
        reader = session.scalar(
            select(LogReader).where(LogReader.name == READER).with_for_update(skip_locked=True)
        )
        if reader is None or reader.current_at >= now:
            return False
        text, after = orjson.loads(reader.position)
        moment = dt.datetime.fromisoformat(text)
        rows = session.execute(
            select(
                Voucher.id,
                Voucher.ends_at,
                Voucher.status,
                Voucher.uses,
                Voucher.used,
                Campaign.kind,
                Campaign.override,
                Campaign.override_forced,
            )
            .join(Campaign, Campaign.id == Voucher.campaign_id)
            .where(
                Voucher.ends_at >= moment,
                Voucher.ends_at <= now,
                or_(Voucher.ends_at > moment, and_(Voucher.ends_at == moment, Voucher.id > after)),
            )
            .order_by(Voucher.ends_at, Voucher.id)
            .limit(BATCH)
        ).all()
        ids = sorted(
            row.id
            for row in rows
            if row.status == "active" and not KINDS[row.kind].holds_money and _ended_unused(row)
        )
        if ids:
            numbered = session.execute(
                update(Voucher)
                .where(Voucher.id.in_(ids))
                .values(events=Voucher.events + 1)
                .returning(Voucher.id, Voucher.events, Voucher.campaign_id)
                .execution_options(synchronize_session=False)
            ).all()
            session.execute(
                insert(Event),
                [
                    {
                        "kind": "expired",
                        "at": now,
                        "campaign_id": row.campaign_id,
                        "voucher_id": row.id,
                        "number": row.events,
                    }
                    for row in numbered
                ],
            )
        if len(rows) == BATCH:
            reader.position = _written(rows[-1].ends_at, rows[-1].id)
            return True
        if rows:
            reader.position = _written(rows[-1].ends_at, rows[-1].id)
        reader.current_at = now
        return False


def _written(moment: dt.datetime, voucher_id: int) -> str:
    return orjson.dumps([moment.isoformat(), voucher_id]).decode()


def _ended_unused(row: Any) -> bool:
    """Whether a voucher ended at its own end with uses left; one with an overriding end did not."""
    override = overrides.read(row.override, forced=row.override_forced)
    uses = overrides.uses_for(row.uses, override)
    return overrides.end_for(row.ends_at, override) == row.ends_at and (
        uses is None or row.used < uses
    )
