"""Heavy requests take turns, so that they never hold the threads that tills need.

Imports, pictures and the trial of a campaign cost seconds each. Of a kind two run at once in a
process and two more wait a moment; who comes then is asked to come again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

from flask import Flask, current_app

from app.web.problem_codes import ProblemCode
from app.web.problems import Problem

P = ParamSpec("P")
R = TypeVar("R")

AT_ONCE = 2
WAITING = 2
#: Seconds that a request waits for its turn while it holds a serving thread.
PATIENCE = 5.0
#: Seconds after which who was sent away may come again.
COME_AGAIN = 5
#: Imports wait for their bodies to arrive, so that they have turns of their own.
KINDS = ("imports", "campaigns")


class Turns:
    """Lets a few in at once; safe to share between threads."""

    def __init__(
        self, at_once: int = AT_ONCE, *, waiting: int = WAITING, patience: float = PATIENCE
    ) -> None:
        self._running = threading.BoundedSemaphore(at_once)
        self._places = threading.BoundedSemaphore(at_once + waiting)
        self._patience = patience

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold a turn.

        Raises:
            Problem: 503, too many are at it, or no turn came in time.
        """
        if not self._places.acquire(blocking=False):
            raise _busy()
        try:
            if not self._running.acquire(timeout=self._patience):
                raise _busy()
            try:
                yield
            finally:
                self._running.release()
        finally:
            self._places.release()


def takes_turns(kind: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a view run only in a turn of its kind, one of `KINDS`; 503 when too many want one."""

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def in_turn(*args: P.args, **kwargs: P.kwargs) -> R:
            turns: dict[str, Turns] = current_app.extensions["passerelle.turns"]
            with turns[kind].turn():
                return view(*args, **kwargs)

        return in_turn

    return decorate


def register(app: Flask) -> None:
    """Give `app` its turns."""
    app.extensions["passerelle.turns"] = {kind: Turns() for kind in KINDS}


def _busy() -> Problem:
    return Problem(
        ProblemCode.BUSY,
        cause="As many heavy requests as may run at once are running.",
        headers={"Retry-After": str(COME_AGAIN)},
    )
