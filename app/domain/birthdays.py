"""Whose birthday is when: one day in each year, also for those born on 29 February."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class LeapDay(StrEnum):
    """When those born on 29 February celebrate in the other years."""

    FEBRUARY_28 = "february_28"
    MARCH_1 = "march_1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """The latest birthday that was due (None: none yet), and whether its card is issued today.

    `opens` is the first day on which the next birthday's card is.
    """

    day: dt.date | None
    open: bool
    opens: dt.date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Birthdays:
    """When a campaign gives its cards: so many days before a birthday, and how late still."""

    days_ahead: int = 0
    leap_day: LeapDay = LeapDay.FEBRUARY_28
    catch_up_days: int = 30

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Birthdays:
        """The settings as a campaign stores them."""
        return cls(
            days_ahead=stored.get("days_ahead", 0),
            leap_day=LeapDay(stored.get("leap_day", LeapDay.FEBRUARY_28)),
            catch_up_days=stored.get("catch_up_days", 30),
        )

    def turn(self, birth_date: dt.date, today: dt.date) -> Turn:
        """The latest birthday that is due on `today`, the campaign's local day.

        One that was due longer ago than `catch_up_days` after it keeps the card that it has, and
        gets none any more.
        """
        ahead = dt.timedelta(days=self.days_ahead)
        last = (today + ahead).year
        days = [
            day
            for year in range(last - 1, last + 3)
            # Nobody celebrates the day on which they are born, or one before it.
            if year <= dt.MAXYEAR
            and (day := celebrated(birth_date, year, leap_day=self.leap_day)) > birth_date
        ]
        due = max((day for day in days if day - ahead <= today), default=None)
        return Turn(
            day=due,
            open=due is not None and today <= due + dt.timedelta(days=self.catch_up_days),
            opens=min((day - ahead for day in days if day - ahead > today), default=None),
        )


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


def is_occasion(text: str) -> bool:
    """Whether `text` reads as `occasion` writes it."""
    return re.fullmatch(r"birthday-\d{1,4}", text) is not None


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
