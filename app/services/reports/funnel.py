"""A funnel sums the counts that the worker keeps; a million vouchers cost it nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.domain.funnel import REFUSED
from app.services import eventlog
from app.services.eventlog import Position
from app.services.reports.rollup import READER, stages
from app.store.models import FunnelCount, LogReader, Slice, Store


class Dimension(StrEnum):
    """What a report may be split by; several together split by their combinations."""

    VARIANT = "variant"
    TIER = "tier"
    SEGMENT = "segment"
    STORE = "store"
    DAY = "day"


@dataclass(slots=True)
class FunnelPart:
    """The funnel of one part of a campaign.

    Attributes:
        part: value of each dimension of the report; a store's key, a day as ISO 8601.
        vouchers: by stage, vouchers that reached it for the first time.
        times: by stage, how often it was reached.
        refused: by reason, refusals.
        discount_minor: discount granted less what was taken back.
        spent_minor: gift money spent less what was given back.
        revenue_minor: what the baskets came to of which a redemption stands, each once.
    """

    part: dict[str, str]
    vouchers: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys((each.name for each in stages()), 0)
    )
    times: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys((each.name for each in stages()), 0)
    )
    refused: dict[str, int] = field(default_factory=dict)
    discount_minor: int = 0
    spent_minor: int = 0
    revenue_minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Funnel:
    """A campaign's report, and until when everything was counted."""

    rows: tuple[FunnelPart, ...]
    as_of: dt.datetime | None


def as_of(session: Session, *, now: dt.datetime) -> dt.datetime | None:
    """Until when every event was counted: `now` when none waits; None before the first count."""
    reader = session.get(LogReader, READER)
    if reader is None:
        return None
    waiting = eventlog.read(session, Position.parse(reader.position), limit=1).events
    return reader.current_at if waiting else now


def funnel(
    session: Session,
    campaign_id: int,
    *,
    now: dt.datetime,
    by: Sequence[Dimension] = (),
    since: dt.date | None = None,
    until: dt.date | None = None,
    store_id: int | None = None,
) -> Funnel:
    """The funnel of a campaign from `since` to `until` (days of its zone, both included).

    A voucher counts on the day and in the store of its first time. `store_id` is the only store
    that may be seen; None is every store, and what happened in none.
    """
    columns: dict[Dimension, Any] = {
        Dimension.VARIANT: Slice.variant,
        Dimension.TIER: Slice.tier,
        Dimension.SEGMENT: Slice.segment,
        Dimension.STORE: FunnelCount.store_id,
        Dimension.DAY: FunnelCount.day,
    }
    chosen = [columns[each] for each in by]
    statement = (
        select(
            *chosen,
            FunnelCount.stage,
            FunnelCount.reason,
            *(
                func.sum(getattr(FunnelCount, name)).label(name)
                for name in ("vouchers", "times", "discount_minor", "spent_minor", "revenue_minor")
            ),
        )
        .join(Slice, Slice.id == FunnelCount.slice_id)
        .where(Slice.campaign_id == campaign_id)
        .group_by(*chosen, FunnelCount.stage, FunnelCount.reason)
        .order_by(*chosen)
    )
    if since is not None:
        statement = statement.where(FunnelCount.day >= since)
    if until is not None:
        statement = statement.where(FunnelCount.day <= until)
    if store_id is not None:
        statement = statement.where(FunnelCount.store_id == store_id)
    stores: dict[int, str] = {0: ""}
    if Dimension.STORE in by:
        stores |= {row.id: row.key for row in session.execute(select(Store.id, Store.key))}
    rows: dict[tuple[Any, ...], FunnelPart] = {}
    for found in session.execute(statement):
        key = tuple(found[: len(by)])
        row = rows.get(key)
        if row is None:
            row = rows[key] = FunnelPart(
                part={
                    each.value: stores[value] if each is Dimension.STORE else str(value)
                    for each, value in zip(by, key, strict=True)
                }
            )
        row.vouchers[found.stage] += int(found.vouchers)
        row.times[found.stage] += int(found.times)
        if found.stage == REFUSED.name:
            row.refused[found.reason] = row.refused.get(found.reason, 0) + int(found.times)
        row.discount_minor += int(found.discount_minor)
        row.spent_minor += int(found.spent_minor)
        row.revenue_minor += int(found.revenue_minor)
    return Funnel(rows=tuple(rows.values()), as_of=as_of(session, now=now))
