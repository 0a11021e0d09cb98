"""Heavy requests take turns, and tills notice nothing of them."""

from __future__ import annotations

import io
import threading
import time

import pytest
from flask import Flask
from PIL import Image

from app.services.access import Scope
from app.services.campaigns import pictures
from app.services.deployment import Deployment
from app.web.heavy import Turns
from app.web.problems import Problem
from tests.shop import Shop, Till

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def test_two_run_two_wait_and_the_next_is_asked_to_come_again(app: Flask) -> None:
    turns = Turns(2, waiting=2, patience=5)
    inside, release = threading.Semaphore(0), threading.Event()
    most = [0, 0]
    lock = threading.Lock()

    def work() -> None:
        with turns.turn():
            with lock:
                most[0] += 1
                most[1] = max(most)
            inside.release()
            release.wait(5)
            with lock:
                most[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        assert inside.acquire(timeout=5)
    threads += [threading.Thread(target=work) for _ in range(2)]
    for thread in threads[2:]:
        thread.start()
    deadline = time.monotonic() + 5
    while turns._places._value and time.monotonic() < deadline:  # type: ignore[attr-defined]
        time.sleep(0.005)
    with pytest.raises(Problem) as sent_away, turns.turn():
        pass
    release.set()
    for thread in threads:
        thread.join()

    assert (sent_away.value.status, sent_away.value.code) == (503, "busy")
    assert int(sent_away.value.headers["Retry-After"]) > 0
    assert most[1] == 2
    with turns.turn():
        pass


def test_who_waits_too_long_is_asked_to_come_again(app: Flask) -> None:
    turns = Turns(1, waiting=1, patience=0.01)
    with turns.turn(), pytest.raises(Problem), turns.turn():
        pass
    with turns.turn():
        pass


def test_pictures_that_come_at_once_are_sent_away_and_tills_go_on(
    app: Flask, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(deployment)
    shop.campaign()
    shop.store()
    headers = {"Authorization": f"Bearer {shop.key(Scope.CAMPAIGN)}"}
    begun, release = threading.Semaphore(0), threading.Event()

    def slow(_data: bytes) -> str | None:
        begun.release()
        release.wait(10)
        return None

    monkeypatch.setattr(pictures, "fault", slow)
    app.extensions["passerelle.turns"]["campaigns"] = Turns(2, waiting=0)
    picture = io.BytesIO()
    Image.new("RGB", (10, 10)).save(picture, "PNG")
    statuses: list[int] = []

    def send() -> None:
        answer = app.test_client().post(
            "/api/v1/pictures", data=picture.getvalue(), headers=headers
        )
        statuses.append(answer.status_code)

    threads = [threading.Thread(target=send) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        assert begun.acquire(timeout=10)
    send()
    till = Till(app.test_client(), shop.key(store="paris", terminal="1"))
    assert till.redeem(shop.voucher().barcode)["outcome"] == "accepted"
    release.set()
    for thread in threads:
        thread.join()

    assert statuses == [503, 201, 201]


def test_a_picture_of_40_megapixels_is_refused_by_its_heading(
    app: Flask, deployment: Deployment
) -> None:
    large = io.BytesIO()
    Image.new("1", (8_000, 5_000)).save(large, "PNG")
    key = Shop(deployment).key(Scope.CAMPAIGN)

    answer = app.test_client().post(
        "/api/v1/pictures",
        data=large.getvalue(),
        headers={"Authorization": f"Bearer {key}"},
    )

    assert (answer.status_code, answer.get_json()["code"]) == (422, "picture_faulty")
    assert "8000 × 5000 pixels, more than 16 million" in answer.get_json()["detail"]
