"""Birthdays: one day in each year for everybody, and no day forgotten."""

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from app.domain.birthdays import LeapDay, celebrated, day_number, day_numbers, due_days

BIRTHS = st.dates(dt.date(1900, 1, 1), dt.date(2020, 12, 31)) | st.just(dt.date(2004, 2, 29))


@given(birth=BIRTHS, year=st.integers(2021, 2120), leap_day=st.sampled_from(LeapDay))
def test_everybody_is_found_on_exactly_the_day_that_they_celebrate(
    birth: dt.date, year: int, leap_day: LeapDay
) -> None:
    day = celebrated(birth, year, leap_day=leap_day)
    around = [day + dt.timedelta(days=offset) for offset in (-2, -1, 0, 1, 2)]

    found = [each for each in around if day_number(birth) in day_numbers(each, leap_day=leap_day)]

    assert found == [day]


def test_those_born_on_29_february_celebrate_by_the_stated_rule() -> None:
    born = dt.date(2000, 2, 29)

    assert celebrated(born, 2028, leap_day=LeapDay.MARCH_1) == dt.date(2028, 2, 29)
    assert celebrated(born, 2027, leap_day=LeapDay.MARCH_1) == dt.date(2027, 3, 1)
    assert celebrated(born, 2027, leap_day=LeapDay.FEBRUARY_28) == dt.date(2027, 2, 28)


@given(gaps=st.lists(st.integers(1, 25), max_size=30), ahead=st.integers(0, 14))
def test_runs_with_gaps_cover_every_day_that_runs_without_gaps_cover(
    gaps: list[int], ahead: int
) -> None:
    today = dt.date(2026, 1, 1)
    through: dt.date | None = today - dt.timedelta(days=1)
    covered: set[dt.date] = set()
    for gap in [0, *gaps]:
        today += dt.timedelta(days=gap)
        days = list(due_days(today, days_ahead=ahead, done_through=through, catch_up_days=30))
        covered.update(days)
        through = days[-1]

    last = today + dt.timedelta(days=ahead)
    assert covered == {
        dt.date(2026, 1, 1) + dt.timedelta(days=n)
        for n in range((last - dt.date(2026, 1, 1)).days + 1)
    }
