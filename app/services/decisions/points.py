"""This module sums a recipient's points, by campaign and by what they come from."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.values import Rules
from app.services import campaigns
from app.services.decisions.knowledge import Known, known_of
from app.store.models import Activity, Campaign


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """The points of one event.

    Attributes:
        worth: points of each time.
        times: how often it counts: the larger of the two below.
        reported: how often other systems reported it.
        booked: how often the service itself booked it.
    """

    event: str
    worth: int
    times: int
    reported: int
    booked: int
    points: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """A recipient's points by the rules of one campaign; without a window all time counts."""

    campaign: str
    points: int
    within_days: int | None
    since: dt.datetime | None
    events: tuple[Scored, ...]


def points_of(
    session: Session,
    recipient_id: int,
    external_id: str,
    *,
    now: dt.datetime,
    campaign: str | None = None,
) -> list[Points]:
    """The recipient's points as a decision at `now` would have them, by the keys of campaigns.

    Args:
        campaign: only of this one, which is listed even if its rules give no points.
    """
    wanted = select(Campaign).order_by(Campaign.key)
    if campaign is None:
        wanted = wanted.where(Campaign.rules.is_not(None))
    else:
        wanted = wanted.where(Campaign.key == campaign)
    rules = {each.key: campaigns.rules_of(each) for each in session.scalars(wanted)}
    names = {name: 1 for each in rules.values() for name in each.points}
    # Campaigns of the same window count the same events, so that each window is read once; but for
    # somebody of whom something was reported for some campaigns alone.
    apart = bool(
        session.scalar(
            select(Activity.id)
            .where(Activity.recipient_id == recipient_id, Activity.campaigns.is_not(None))
            .limit(1)
        )
    )
    known: dict[tuple[int | None, str], Known] = {}
    found = []
    for key, each in rules.items():
        if not each.points and campaign is None:
            continue
        days = each.points_within_days
        read = (days, key if apart else "")
        if read not in known:
            counted = Rules(points=names, points_within_days=days)
            ids = {external_id: recipient_id}
            known[read] = known_of(session, counted, ids, campaigns=(key,), now=now)
        found.append(_points(key, each, known[read], external_id, now=now))
    return found


def _points(key: str, rules: Rules, known: Known, name: str, *, now: dt.datetime) -> Points:
    events = tuple(
        Scored(
            event=event,
            worth=worth,
            times=known.times(name, event),
            reported=known.reported[name][event],
            booked=known.booked[name][event],
            points=worth * known.times(name, event),
        )
        # PostgreSQL keeps no order of a document's names.
        for event, worth in sorted(rules.points.items())
    )
    return Points(
        campaign=key,
        points=sum(each.points for each in events),
        within_days=rules.points_within_days,
        since=rules.points_since(now),
        events=events,
    )
