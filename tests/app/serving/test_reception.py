"""Who is served first, and what becomes of requests and answers on their way to a thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from types import SimpleNamespace

import pytest

from app.serving import admission
from app.serving.admission import Admission, Caller, Full
from app.serving.answering import answered, environ
from app.serving.callers import Callers


class Asking:
    """A request as far as admission knows it."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.since = 0.0


def test_tills_keep_a_share_that_nobody_else_gets() -> None:
    turns: Admission[Asking] = Admission(8)

    customers = [turns.enter(Asking(Caller.CUSTOMER)) for _ in range(20)]
    marketers = [turns.enter(Asking(Caller.MARKETER)) for _ in range(5)]
    tills = [turns.enter(Asking(Caller.TILL)) for _ in range(3)]

    assert sum(customers) == 6
    assert not any(marketers)
    assert tills == [True, True, False]
    assert turns.enter(Asking(Caller.OPERATOR))
    # A turn that ends goes to the till that waits, and the next one to who came first.
    first = turns.leave(Caller.CUSTOMER)
    assert first is not None
    assert first.caller is Caller.TILL
    second = turns.leave(Caller.CUSTOMER)
    assert second is not None
    assert second.caller is Caller.CUSTOMER


def test_marketers_leave_customers_some_threads() -> None:
    turns: Admission[Asking] = Admission(8)

    assert sum(turns.enter(Asking(Caller.MARKETER)) for _ in range(8)) == 3
    assert sum(turns.enter(Asking(Caller.CUSTOMER)) for _ in range(8)) == 3


def test_queues_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(admission.WAITING, Caller.CUSTOMER, 2)
    turns: Admission[Asking] = Admission(2)

    assert [turns.enter(Asking(Caller.CUSTOMER)) for _ in range(3)] == [True, False, False]
    with pytest.raises(Full):
        turns.enter(Asking(Caller.CUSTOMER))


def test_a_till_that_is_not_known_yet_waits_for_no_customer_and_inventors_take_one_turn() -> None:
    turns: Admission[Asking] = Admission(8)

    for _ in range(600):
        with suppress(Full):
            turns.enter(Asking(Caller.CUSTOMER))
    assert [turns.enter(Asking(Caller.NEWCOMER)) for _ in range(3)] == [True, False, False]
    # A till that is known has the other of the tills' own turns all the same, and goes first.
    assert turns.enter(Asking(Caller.TILL))
    assert not turns.enter(Asking(Caller.TILL))
    first, second = turns.leave(Caller.TILL), turns.leave(Caller.NEWCOMER)
    assert first is not None
    assert first.caller is Caller.TILL
    assert second is not None
    assert second.caller is Caller.NEWCOMER


def test_only_who_was_answered_as_a_till_counts_as_one() -> None:
    callers = Callers()
    till = {"PATH_INFO": "/pos/v1/scans", "HTTP_AUTHORIZATION": "Bearer pk_a"}
    other = {"PATH_INFO": "/pos/v1/nothing", "HTTP_AUTHORIZATION": "Bearer pk_b"}

    assert callers.of(till) is Caller.NEWCOMER
    callers.heard(till, 200)
    callers.heard(other, 404)
    assert callers.of(till) is Caller.TILL
    assert callers.of(other) is Caller.NEWCOMER
    callers.heard(till, 401)
    assert callers.of(till) is Caller.NEWCOMER
    assert callers.of({"PATH_INFO": "/readyz"}) is Caller.OPERATOR
    assert callers.of({"PATH_INFO": "/api/v1/sync"}) is Caller.CUSTOMER


def scope(path: str, *headers: tuple[str, str]) -> SimpleNamespace:
    return SimpleNamespace(
        path=path,
        server="127.0.0.1:8000",
        client="[::1]:5000",
        http_version="1.1",
        method="GET",
        query_string="a=1",
        scheme="http",
        authority=None,
        headers=dict(headers) if not headers else SimpleNamespace(items=lambda: list(headers)),
    )


def test_environ_says_what_the_client_sent_and_nothing_it_could_forge() -> None:
    made = environ(
        scope(
            "/a/é",
            ("host", "pass.example.com"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-for", "10.0.0.2"),
            ("x_forwarded_for", "6.6.6.6"),
            ("cookie", "a=1"),
            ("cookie", "b=2"),
        )
    )

    assert made["REMOTE_ADDR"] == "::1"
    assert made["PATH_INFO"] == "/a/Ã©"
    assert made["HTTP_X_FORWARDED_FOR"] == "10.0.0.1,10.0.0.2"
    assert made["HTTP_COOKIE"] == "a=1; b=2"
    assert made["HTTP_HOST"] == "pass.example.com"


def test_large_answer_is_a_file_and_one_that_breaks_is_no_answer() -> None:
    def streaming(request: object, start: object) -> Iterator[bytes]:
        start("200 OK", [("Content-Type", "text/csv")])  # type: ignore[operator]
        for _ in range(40):
            yield b"x" * 65_536

    def breaking(request: object, start: object) -> Iterator[bytes]:
        yield from streaming(request, start)
        raise ValueError

    large = answered(streaming, {}, SimpleNamespace())  # type: ignore[arg-type]
    assert large.file is not None
    assert ("Content-Length", str(40 * 65_536)) in large.headers
    large.file.close()

    broken = answered(breaking, {}, SimpleNamespace())  # type: ignore[arg-type]
    assert broken.status == 500
    assert broken.file is None
