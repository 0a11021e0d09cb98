"""Admission control: who may use a thread now, who waits for one, and who is told to come back.

Of the threads that serve, a quarter is for tills alone, however many customers, phones,
callbacks and marketers ask; marketers take half of the rest at most, so that their long work leaves
customers some. A till that this process does not know yet has one of the tills' turns to be known
by, which customers cannot take and newcomers share alone. Whoever asks how the service does has a
turn of its own, so that a busy server is not taken for a dead one. Tills go first, the others in
the order in which they came.
It does not let a queue grow without bound.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from enum import StrEnum
from typing import Generic, Protocol, TypeVar


class Caller(StrEnum):
    """Who asks, as far as a turn depends on it."""

    TILL = "till"
    #: Who knocks at the tills' door with a credential that was not accepted there yet: a till after
    #: a restart, or anybody with an invented key.
    NEWCOMER = "newcomer"
    #: Customers, their phones, and Google's callbacks: whoever needs no key.
    CUSTOMER = "customer"
    MARKETER = "marketer"
    #: Load balancers and monitoring.
    OPERATOR = "operator"


class Asking(Protocol):
    """A request that wants a thread."""

    caller: Caller
    #: When it began to wait, in monotonic seconds.
    since: float


R = TypeVar("R", bound=Asking)

#: Requests that may wait for a turn; one more is told to come back.
WAITING = {
    Caller.TILL: 1024,
    Caller.NEWCOMER: 256,
    Caller.CUSTOMER: 512,
    Caller.MARKETER: 128,
    Caller.OPERATOR: 16,
}


class Full(Exception):
    """Too many wait already."""


class Admission(Generic[R]):
    """The turns of one server process, for any thread.

    Args:
        threads: how many requests are worked on at once, operators' one aside; 2 at least.
    """

    def __init__(self, threads: int) -> None:
        self.threads = max(2, threads)
        #: What tills leave to others, and what these leave to marketers.
        self.others = self.threads - max(1, self.threads // 4)
        self.limits = {
            Caller.TILL: self.threads,
            Caller.NEWCOMER: 1,
            Caller.CUSTOMER: self.others,
            Caller.MARKETER: max(1, self.others // 2),
            Caller.OPERATOR: 1,
        }
        self._lock = threading.Lock()
        self._running = dict.fromkeys(Caller, 0)
        self._waiting: dict[Caller, deque[R]] = {caller: deque() for caller in Caller}

    @property
    def most(self) -> int:
        """The most requests that are ever worked on at once."""
        return self.threads + self.limits[Caller.OPERATOR]

    @property
    def busy(self) -> bool:
        """Whether anything is worked on, or waits for its turn."""
        return any(self._running.values()) or any(self._waiting.values())

    def enter(self, request: R) -> bool:
        """Whether the request may run now; otherwise it waits, and `leave` will hand it out.

        Raises:
            Full: it may not even wait.
        """
        caller = request.caller
        with self._lock:
            # Whoever waits came earlier.
            if not self._waiting[caller] and self._may(caller):
                self._running[caller] += 1
                return True
            if len(self._waiting[caller]) >= WAITING[caller]:
                raise Full
            request.since = time.monotonic()
            self._waiting[caller].append(request)
            return False

    def leave(self, caller: Caller) -> R | None:
        """End a turn; returns the request whose turn it is now, if one waits."""
        with self._lock:
            self._running[caller] -= 1
            found = self._next()
            if found is not None:
                self._running[found.caller] += 1
            return found

    def _next(self) -> R | None:
        waiting = self._waiting
        if not any(waiting.values()):
            return None
        for first in (Caller.OPERATOR, Caller.TILL, Caller.NEWCOMER):
            if waiting[first] and self._may(first):
                return waiting[first].popleft()
        others = [
            waiting[caller]
            for caller in (Caller.CUSTOMER, Caller.MARKETER)
            if waiting[caller] and self._may(caller)
        ]
        return min(others, key=lambda queue: queue[0].since).popleft() if others else None

    def _may(self, caller: Caller) -> bool:
        running = self._running
        if running[caller] >= self.limits[caller]:
            return False
        if caller is Caller.OPERATOR:
            return True
        others = running[Caller.CUSTOMER] + running[Caller.MARKETER]
        if caller in (Caller.CUSTOMER, Caller.MARKETER) and others >= self.others:
            return False
        return running[Caller.TILL] + running[Caller.NEWCOMER] + others < self.threads
