"""Whose birthday is when: one day in each year, also for those born on 29 February."""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Iterator
from enum import StrEnum


class LeapDay(StrEnum):
    """When those born on 29 February celebrate in the other years."""

    FEBRUARY_28 = "february_28"
    MARCH_1 = "march_1"


def day_number(birth_date: dt.date) -> int:
    """Month and day as one number (229 is 29 February), by which birthdays are found."""
    return birth_date.month * 100 + birth_date.day


def celebrated(birth_date: dt.date, year: int, *, leap_day: LeapDay) -> dt.date:
    """The birthday's day in `year`."""
    if (birth_date.month, birth_date.day) == (2, 29) and not calendar.isleap(year):
        return dt.date(year, 2, 28) if leap_day is LeapDay.FEBRUARY_28 else dt.date(year, 3, 1)
    return birth_date.replace(year=year)


def day_numbers(day: dt.date, *, leap_day: LeapDay) -> tuple[int, ...]:
    """The day numbers of those who celebrate on `day`."""
    numbers = {day_number(day)}
    if celebrated(dt.date(2000, 2, 29), day.year, leap_day=leap_day) == day:
        numbers.add(229)
    return tuple(sorted(numbers))


def occasion(day: dt.date) -> str:
    """The occasion of a birthday celebrated on `day`; one a year."""
    return f"birthday-{day.year}"


def due_days(
    today: dt.date, *, days_ahead: int, done_through: dt.date | None, catch_up_days: int
) -> Iterator[dt.date]:
    """The days whose birthdays are due now, oldest first.

    Args:
        today: the campaign's local day.
        days_ahead: how early a card is issued.
        done_through: the last birthday whose turn has come in an earlier run; None is no run yet.
        catch_up_days: how long after a missed birthday its card is still issued.

    Every run also covers the coming days again, for recipients who were added meanwhile; the
    occasion keeps it at one card a year.
    """
    last = today + dt.timedelta(days=days_ahead)
    first = today
    if done_through is not None and done_through < today - dt.timedelta(days=1):
        first = max(done_through + dt.timedelta(days=1), today - dt.timedelta(days=catch_up_days))
    for offset in range((last - first).days + 1):
        yield first + dt.timedelta(days=offset)
