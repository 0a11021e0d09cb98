"""From when until when a voucher is good: pure arithmetic over a campaign's validity.

Ends are exclusive instants in UTC. A length in days ends when a day ends in the campaign's zone,
whatever summer time does in between: a voucher of seven days issued on the 1st is good through
the 8th. A length in hours ends to the minute, rounded in the holder's favour. A window and a
length together give the narrower of the two; a length counts from the window's start when it was
anchored earlier, so that a voucher issued ahead of its season keeps its whole length.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from app.domain.campaign import Anchor, Validity


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """From `starts_at` (included) to `ends_at` (excluded), aware UTC; None is open."""

    starts_at: dt.datetime | None = None
    ends_at: dt.datetime | None = None

    @property
    def empty(self) -> bool:
        """Whether no moment lies inside."""
        return (
            self.starts_at is not None
            and self.ends_at is not None
            and self.ends_at <= self.starts_at
        )


def window(
    validity: Validity,
    zone: ZoneInfo,
    *,
    issued_at: dt.datetime | None,
    sent_at: dt.datetime | None = None,
    added_at: dt.datetime | None = None,
) -> Window:
    """The window of one voucher.

    Args:
        zone: the campaign's time zone, whose days end lengths in days.
        issued_at: when it is issued; the anchor too when `sent_at` is wanted and not stated. None:
            nobody was given it, as a shared code, so that no length has begun.
        sent_at: when the message that carries it is sent.
        added_at: when it was first added to a wallet; until then a length counted from there has
            not begun, and only the campaign's own window holds.
    """
    anchor = {
        Anchor.ISSUE: issued_at,
        Anchor.SEND: sent_at or issued_at,
        Anchor.FIRST_ADD: added_at,
    }[validity.anchor]
    starts, ends = validity.starts_at, validity.ends_at
    if anchor is not None and (validity.days is not None or validity.hours is not None):
        begins = anchor if starts is None else max(anchor, starts)
        if validity.days is not None:
            ends = _earlier(ends, end_of_day(begins, zone, days=validity.days))
        if validity.hours is not None:
            ends = _earlier(ends, _whole_minute(begins + dt.timedelta(hours=validity.hours)))
    return Window(starts_at=_utc(starts), ends_at=_utc(ends))


def begins_when_added(validity: Validity) -> bool:
    """Whether a length counts from the moment the pass is first in a wallet."""
    return validity.anchor is Anchor.FIRST_ADD and (
        validity.days is not None or validity.hours is not None
    )


def end_of_day(moment: dt.datetime, zone: ZoneInfo, *, days: int = 0) -> dt.datetime:
    """The instant at which the local day `days` after that of `moment` is over, in UTC.

    Where summer time begins at midnight, that midnight does not exist and the day ends at the
    change itself.
    """
    day = moment.astimezone(zone).date()
    try:
        following = day + dt.timedelta(days=days + 1)
    except OverflowError:
        following = dt.date.max
    return start_of_day(following, zone)


def start_of_day(day: dt.date, zone: ZoneInfo) -> dt.datetime:
    """The first instant of a local day, in UTC."""
    midnight = dt.datetime.combine(day, dt.time(), tzinfo=zone)
    try:
        return midnight.astimezone(dt.UTC)
    except OverflowError:
        return midnight.replace(tzinfo=dt.UTC)


def _earlier(one: dt.datetime | None, other: dt.datetime) -> dt.datetime:
    return other if one is None else min(one, other)


def _whole_minute(moment: dt.datetime) -> dt.datetime:
    """`moment`, or the next whole minute after it."""
    whole = moment.replace(second=0, microsecond=0)
    return whole if whole == moment else whole + dt.timedelta(minutes=1)


def _utc(moment: dt.datetime | None) -> dt.datetime | None:
    return None if moment is None else moment.astimezone(dt.UTC)
