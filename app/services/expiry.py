"""Coupons that end with uses left: the log says so, each once.

Money on cards is booked where cards expire; this is for vouchers that hold none. What ends a
voucher is its own end or, where the campaign overrides it, the campaign's: each override is gone
through once when its end has come, and once more when it changed. A voucher that was prolonged
after its end ends again, and the log says so again.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import orjson
from sqlalchemy import and_, exists, insert, or_, select, update
from sqlalchemy.orm import Session

from app.domain import overrides
from app.domain.kinds import KINDS
from app.services.deployment import Deployment
from app.store.dialects import insert_for
from app.store.models import Campaign, Event, LogReader, Voucher

READER = "expired"
BATCH = 500
#: Grows when what was gone through has to be once more. 2: vouchers that were issued although the
#: end that was forced on their campaign had come, which issuing refuses since.
_TURN = 2


def note_expired(deployment: Deployment) -> None:
    """Record what ended since the last look; the first look only says from when on."""
    while _note_some(deployment):
        pass
    for campaign_id in _overridden(deployment):
        while _note_overridden(deployment, campaign_id):
            pass


def _note_some(deployment: Deployment) -> bool:
    now = deployment.now()
    with deployment.database.write() as session:
        session.execute(
            insert_for(session, LogReader)
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
        _note(
            session,
            [
                row.id
                for row in rows
                if row.status == "active" and not KINDS[row.kind].holds_money and _ended_unused(row)
            ],
            now=now,
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
    return overrides.end_for(row.ends_at, override) == row.ends_at and _unused(row, override)


def _overridden(deployment: Deployment) -> list[int]:
    """Campaigns whose overriding end has come and was not gone through."""
    now = deployment.now()
    found = []
    with deployment.database.read() as session:
        for campaign in session.scalars(select(Campaign).where(Campaign.override.is_not(None))):
            end = _end_of(campaign)
            if end is None or end > now or KINDS[campaign.kind].holds_money:
                continue
            reader = session.get(LogReader, _reader_of(campaign))
            if reader is None or orjson.loads(reader.position) != [*_state(campaign), None]:
                found.append(campaign.id)
    return found


def _note_overridden(deployment: Deployment, campaign_id: int) -> bool:
    """Go through one batch of a campaign's vouchers; returns whether there may be more."""
    now = deployment.now()
    with deployment.database.write() as session:
        # Whoever notes anything holds the first reader's row, so that nothing is noted twice.
        turn = session.scalar(
            select(LogReader).where(LogReader.name == READER).with_for_update(skip_locked=True)
        )
        campaign = session.get_one(Campaign, campaign_id)
        end = _end_of(campaign)
        if turn is None or end is None or end > now:
            return False
        reader = session.get(LogReader, _reader_of(campaign))
        if reader is None:
            reader = LogReader(name=_reader_of(campaign), position="[]", current_at=now)
            session.add(reader)
        *state, after = orjson.loads(reader.position) or (None, None, None, 0)
        if state != _state(campaign):
            after = 0
        if after is None:
            return False
        override = overrides.read(campaign.override, forced=campaign.override_forced)
        noted = [Event.voucher_id == Voucher.id, Event.kind == "expired", Event.at >= end]
        ended = [Voucher.campaign_id == campaign_id, Voucher.id > after]
        if override is None or "ends_at" not in override.forced:
            # The later of the two ends counts; who has none keeps none.
            noted.append(Event.at >= Voucher.ends_at)
            ended.append(Voucher.ends_at <= now)
        rows = session.execute(
            select(
                Voucher.id,
                Voucher.status,
                Voucher.uses,
                Voucher.used,
                exists().where(*noted).label("noted"),
            )
            .where(*ended)
            .order_by(Voucher.id)
            .limit(BATCH)
        ).all()
        _note(
            session,
            [
                row.id
                for row in rows
                if row.status == "active" and not row.noted and _unused(row, override)
            ],
            now=now,
        )
        more = len(rows) == BATCH
        reader.position = orjson.dumps([*_state(campaign), rows[-1].id if more else None]).decode()
        reader.current_at = now
        return more


def _note(session: Session, ids: list[int], *, now: dt.datetime) -> None:
    if not ids:
        return
    numbered = session.execute(
        update(Voucher)
        .where(Voucher.id.in_(sorted(ids)))
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


def _end_of(campaign: Campaign) -> dt.datetime | None:
    """The end that a campaign sets for its holders."""
    override = overrides.read(campaign.override, forced=campaign.override_forced)
    return override.ends_at if override else None


def _reader_of(campaign: Campaign) -> str:
    return f"{READER}:{campaign.id}"


def _state(campaign: Campaign) -> list[Any]:
    """What decides when the campaign's vouchers end, to see whether it is another than before."""
    end = _end_of(campaign)
    return [end.isoformat() if end else None, campaign.override_forced, _TURN]


def _unused(row: Any, override: overrides.Override | None) -> bool:
    uses = overrides.uses_for(row.uses, override)
    return uses is None or row.used < uses
