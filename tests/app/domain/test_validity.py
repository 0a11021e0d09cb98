"""Validity over windows, anchors, zones and changes of the clock."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.campaign import Anchor, Validity
from app.domain.validity import Window, window

PARIS = ZoneInfo("Europe/Paris")
ZONES = ["Europe/Paris", "America/New_York", "Pacific/Apia", "Asia/Kathmandu", "Asia/Beirut", "UTC"]


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).astimezone(dt.UTC)


def test_days_end_when_the_last_local_day_is_over_also_across_summer_time() -> None:
    issued = at("2026-03-25T18:00:00+01:00")

    found = window(Validity(days=7), PARIS, issued_at=issued)

    assert found.ends_at == at("2026-04-02T00:00:00+02:00")


def test_hours_end_to_the_minute_in_the_holders_favour() -> None:
    issued = at("2026-03-25T18:00:30+01:00")

    assert window(Validity(hours=2), PARIS, issued_at=issued).ends_at == at(
        "2026-03-25T20:01:00+01:00"
    )


@pytest.mark.parametrize(
    ("sent", "end"),
    [(None, "2026-03-03T00:00+01:00"), ("2026-03-05T09:00+01:00", "2026-03-07T00:00+01:00")],
)
def test_a_length_from_sending_counts_from_the_stated_send_time(sent: str | None, end: str) -> None:
    found = window(
        Validity(anchor=Anchor.SEND, days=1),
        PARIS,
        issued_at=at("2026-03-01T09:00+01:00"),
        sent_at=at(sent) if sent else None,
    )
    assert found.ends_at == at(end)


def test_a_length_from_the_first_add_does_not_run_before_it() -> None:
    validity = Validity(anchor=Anchor.FIRST_ADD, days=3, ends_at=at("2026-12-31T00:00+01:00"))
    issued = at("2026-03-01T09:00+01:00")

    assert window(validity, PARIS, issued_at=issued).ends_at == validity.ends_at
    added = window(validity, PARIS, issued_at=issued, added_at=at("2026-05-01T09:00+02:00"))
    assert added.ends_at == at("2026-05-05T00:00+02:00")


def test_a_window_and_a_length_give_the_narrower_and_a_later_start_is_waited_for() -> None:
    validity = Validity(
        starts_at=at("2026-06-01T00:00+02:00"), ends_at=at("2026-06-05T00:00+02:00"), days=30
    )
    found = window(validity, PARIS, issued_at=at("2026-01-01T00:00+01:00"))

    assert found == Window(starts_at=validity.starts_at, ends_at=validity.ends_at)
    assert not found.empty


@given(
    issued=st.integers(0, 120 * 365 * 86_400),
    days=st.integers(0, 4_000),
    zone=st.sampled_from(ZONES).map(ZoneInfo),
)
def test_the_end_is_the_first_instant_of_a_local_day_and_no_day_is_cut_short(
    issued: int, days: int, zone: ZoneInfo
) -> None:
    moment = dt.datetime(1980, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=issued)
    end = window(Validity(days=days), zone, issued_at=moment).ends_at

    assert end is not None
    assert end > moment
    last = (end - dt.timedelta(microseconds=1)).astimezone(zone).date()
    wanted = moment.astimezone(zone).date() + dt.timedelta(days=days)
    # Samoa left out 30 December 2011: a day that never was is over when the one before it is.
    assert last == wanted or (zone.key == "Pacific/Apia" and wanted == dt.date(2011, 12, 30))
    assert end.astimezone(zone).date() > wanted


def test_a_code_that_was_given_to_nobody_has_only_the_campaigns_own_window() -> None:
    validity = Validity(ends_at=at("2026-12-31T00:00+01:00"), days=3)

    assert window(validity, PARIS, issued_at=None).ends_at == validity.ends_at
    assert window(Validity(anchor=Anchor.SEND, hours=1), PARIS, issued_at=None) == Window()
