"""A rate is kept by all who share it, and urgent calls never queue behind idle plans."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from app.delivery.pace import SharedPace
from app.services.deployment import Deployment
from tests.conftest import Clock

FAR = dt.timedelta(hours=1)


def test_many_workers_together_keep_the_rate(deployment: Deployment, clock: Clock) -> None:
    def moments(_: int) -> list[dt.datetime]:
        pace = SharedPace(deployment.database, name="google", rate=20, burst=1)
        taken = []
        for _ in range(10):
            slots = pace.reserve(2, now=clock.now, within=FAR)
            assert slots is not None
            taken += [slots.at(0), slots.at(1)]
        return taken

    with ThreadPoolExecutor(4) as pool:
        taken = sorted(moment for found in pool.map(moments, range(4)) for moment in found)
    assert len(taken) == 80
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(taken)]
    assert min(gaps) > 0.0499
    assert (taken[-1] - clock.now).total_seconds() < 4.0


def test_after_a_pause_a_burst_goes_at_once(deployment: Deployment, clock: Clock) -> None:
    pace = SharedPace(deployment.database, name="google", rate=20, burst=3)
    taken = [pace.reserve(1, now=clock.now) for _ in range(5)]
    waits = [(slots.first - clock.now).total_seconds() for slots in taken if slots is not None]
    assert [round(wait, 3) for wait in waits] == [0, 0, 0, 0.05, 0.1]


def test_nothing_is_reserved_too_far_ahead(deployment: Deployment, clock: Clock) -> None:
    pace = SharedPace(deployment.database, name="google", rate=2, burst=1)
    assert pace.reserve(4, now=clock.now) is not None
    assert pace.reserve(1, now=clock.now) is None
    clock.advance(seconds=1)
    slots = pace.reserve(1, now=clock.now)
    assert slots is not None
    assert slots.first == clock.now + dt.timedelta(seconds=1)


def test_a_service_that_is_called_too_often_is_left_alone_by_all(
    deployment: Deployment, clock: Clock
) -> None:
    pace = SharedPace(deployment.database, name="google", rate=20)
    pace.reserve(1, now=clock.now)
    pace.hold_back(clock.now + dt.timedelta(seconds=30))
    other = SharedPace(deployment.database, name="google", rate=20)
    assert other.reserve(1, now=clock.now) is None
    clock.advance(seconds=30)
    slots = other.reserve(1, now=clock.now)
    assert slots is not None
    assert slots.first == clock.now


def test_what_can_wait_takes_only_what_is_left_over_and_leaves_one(
    deployment: Deployment, clock: Clock
) -> None:
    pace = SharedPace(deployment.database, name="lanes", rate=20)
    second = dt.timedelta(seconds=1)
    assert pace.take_spare(4, now=clock.now) > dt.timedelta(0)  # The row comes with the first.
    assert pace.take_spare(4, now=clock.now) == dt.timedelta(0)
    urgent = pace.reserve(1, now=clock.now)
    assert urgent is not None
    assert urgent.first == clock.now
    wait = pace.take_spare(1, now=clock.now)
    assert dt.timedelta(0) < wait <= second / 10
    clock.advance(seconds=wait.total_seconds())
    assert pace.take_spare(1, now=clock.now) == dt.timedelta(0)
    urgent = pace.reserve(1, now=clock.now)
    assert urgent is not None
    assert urgent.first == clock.now


def test_more_than_can_be_left_over_is_never_waited_for(deployment: Deployment) -> None:
    pace = SharedPace(deployment.database, name="lanes", rate=20)
    with pytest.raises(ValueError, match="1 to 4"):
        pace.take_spare(5, now=deployment.now())
