"""The queue of hints: "look at this voucher", "look at this campaign", from servers to workers.

Sending never fails and never blocks a request for long; a queue that is down or lost
costs moments, not updates. One hint reaches one worker. Messages are JSON, so that whoever can
write to the queue can make workers look, and nothing else.
It does not carry anything but ids.

PASSERELLE_QUEUE_URL names the storage: sqlite:///path, redis://… (or rediss://, unix://) or
postgresql://….
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import structlog

from app.services.changes import Change, Subject

if TYPE_CHECKING:
    from huey import Huey

#: Seconds to wait for a storage that does not answer.
PATIENCE = 2
#: Least time between two messages of a process (seconds). A quiet shop's hint goes at once; those
#: of a busy one share messages, so that a worker looks at them together.
GATHER = 0.1

Listener = Callable[[frozenset[Change]], None]


class Hints:
    """One process's end of the queue.

    `huey` is there for the worker, which consumes it. Nothing is opened before the first hint, and
    what is sent is written by a thread, so that no request waits for the storage.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._huey: Huey | None = None
        self._task: Any = None
        self._listener: Listener | None = None
        self._outbox: SimpleQueue[frozenset[Change] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    @property
    def huey(self) -> Huey:
        with self._lock:
            if self._huey is None:
                # Loaded with the first hint: Huey and the clients of its storages are a fifth of
                # what a server would load before its first answer.
                from app.services import hint_storage

                huey = hint_storage.open_at(self._url, patience=PATIENCE)
                self._task = huey.task(name="hint")(self._arrived)
                self._huey = huey
            return self._huey

    def listen(self, listener: Listener) -> None:
        """Hand the hints that this process consumes to the listener."""
        self._listener = listener

    def send(self, changes: Collection[Change]) -> None:
        """Tell the workers, soon."""
        if not changes:
            return
        self._outbox.put(frozenset(changes))
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._post, name="hints", daemon=True)
                    self._thread.start()

    def close(self) -> None:
        """Write what is left, for as long as a storage may take, and close."""
        if self._thread is not None:
            self._outbox.put(None)
            self._thread.join(PATIENCE + 1)
            self._thread = None
        self._close_storage()

    def _post(self) -> None:
        going = True
        written = float("-inf")
        while going:
            told: set[Change] = set()
            try:
                first = self._outbox.get()
                if first is not None:
                    time.sleep(max(0.0, written + GATHER - time.monotonic()))
                while True:
                    if first is None:
                        going = False
                        break
                    told |= first
                    first = self._outbox.get_nowait()
            except Empty:
                pass
            if told:
                self._write(told)
                written = time.monotonic()
        self._close_storage()

    def _close_storage(self) -> None:
        """Close what the calling thread has open; Huey keeps a connection for each thread."""
        close = getattr(self._huey.storage, "close", None) if self._huey is not None else None
        if close is not None:
            close()

    def _write(self, told: set[Change]) -> None:
        try:
            _ = self.huey
            self._task([[change.subject.value, change.id] for change in told])
        except Exception as error:  # Whatever a storage raises: the request has succeeded.
            structlog.get_logger().warning("hint_lost", reason=type(error).__name__)

    def _arrived(self, changes: list[list[Any]]) -> None:
        if self._listener is not None:
            self._listener(
                frozenset(Change(Subject(subject), int(row)) for subject, row in changes)
            )
