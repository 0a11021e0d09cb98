"""Tills go before phones: what can wait does, for a moment."""

from __future__ import annotations

import threading
import time

import pytest
from flask.testing import FlaskClient

from app.services import access
from app.services.access import Scope
from app.services.deployment import Deployment
from app.services.priority import Precedence


def test_what_gives_way_goes_on_when_the_last_till_is_answered() -> None:
    precedence = Precedence()
    order: list[str] = []
    precedence.enter()
    precedence.enter()

    def phone() -> None:
        precedence.give_way(longest=60)
        order.append("phone")

    waiting = threading.Thread(target=phone)
    waiting.start()
    precedence.leave()
    waiting.join(0.05)
    assert order == []
    order.append("tills")
    precedence.leave()
    waiting.join(60)
    assert order == ["tills", "phone"]


def test_nothing_waits_without_a_till_and_nothing_waits_for_long() -> None:
    precedence = Precedence()
    began = time.monotonic()
    precedence.give_way(longest=60)
    precedence.enter()
    precedence.give_way(longest=0.01)
    assert time.monotonic() - began < 50


def test_a_till_has_precedence_until_it_is_answered_whatever_the_answer(
    client: FlaskClient, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered = []
    enter = deployment.precedence.enter
    monkeypatch.setattr(deployment.precedence, "enter", lambda: (entered.append(1), enter()))
    with deployment.database.write() as session:
        key = access.create(session, "till", [Scope.POS], now=deployment.now())
    # Who shows no key gets none.
    client.post("/pos/v1/redemptions", json={"items": []})
    assert not entered
    answer = client.post(
        "/pos/v1/redemptions", json={"items": []}, headers={"authorization": f"Bearer {key}"}
    )
    assert answer.status_code in (400, 422)
    assert len(entered) == 1
    began = time.monotonic()
    deployment.precedence.give_way(longest=60)
    assert time.monotonic() - began < 50
