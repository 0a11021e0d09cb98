"""The bodies of requests: gathered before a thread works, or read by one that may wait for them.

A body is here within `SECONDS` or its request is refused, whatever its client sends
meanwhile and however much. Of a door without a key at most `MOST` bytes are kept. A marketer's
larger body (an import may be gigabytes, and is never kept in clear) is read by the thread that
works on it; that thread is one of the few that marketers have, and a client that sends nothing for
`SECONDS`, or less than `RATE` on average, loses it.
It does not keep time itself; `Deadlines` does, for all bodies that are under way.
"""

from __future__ import annotations

import io
import threading
import time
from asyncio import CancelledError
from collections.abc import Callable
from typing import Any, Protocol

from werkzeug.exceptions import RequestTimeout

#: Seconds in which a body has to come.
SECONDS = 10.0
#: Bytes that are gathered; what the application takes unless a door says otherwise.
MOST = 64 * 1024
#: Bytes a second below which a large body is too slow.
RATE = 16 * 1024
#: What each piece of a body counts at least, so that a body of crumbs ends as well.
CRUMB = 64


class Awaited(Protocol):
    """What the server gives for bytes that are still to come."""

    def add_done_callback(self, call: Callable[[Any], None], *, context: Any = None) -> None:
        """Let `call` hear when they are here, or never come."""

    def result(self) -> bytes:
        """Return them.

        Raises:
            CancelledError: nobody waits any more.
            RuntimeError: the client is gone.
        """

    def cancel(self) -> bool:
        """Give them up."""


class Incoming(Protocol):
    """A request's body, as the server has it: whole by a call, or piece by piece."""

    def __call__(self) -> Awaited: ...

    def __aiter__(self) -> Incoming: ...

    def __anext__(self) -> Awaited: ...


class TooLarge(Exception):
    """More bytes came than the door takes."""


class Deadlines:
    """Cuts the bodies that do not come in time; `sweep` is called a few times a second."""

    def __init__(self) -> None:
        # All last equally long, so that the first is always the next to end.
        self._until: dict[Gathered, float] = {}
        #: Whether the process ends, and everything is late.
        self.ended = False

    def begin(self, body: Gathered) -> None:
        self._until[body] = time.monotonic() + SECONDS

    def end(self, body: Gathered) -> None:
        self._until.pop(body, None)

    def sweep(self) -> None:
        """Cut what is late."""
        now = time.monotonic()
        for body, until in list(self._until.items()):
            if until > now and not self.ended:
                break
            body.cancel()


class Gathered:
    """A body that is gathered; `done` is called with it, or with why it never came.

    Args:
        length: bytes, if the client said how many.
    """

    __slots__ = ("_awaited", "_deadlines", "_done", "_incoming", "_pieces", "_weight")

    def __init__(
        self,
        incoming: Incoming,
        *,
        length: int | None,
        deadlines: Deadlines,
        done: Callable[[bytes | BaseException], None],
    ) -> None:
        self._done = done
        self._deadlines = deadlines
        self._pieces: list[bytes] = []
        self._weight = 0
        deadlines.begin(self)
        if length is not None:
            # The server sees to it that no more bytes come than the client said.
            self._awaited = incoming()
            self._awaited.add_done_callback(self._whole)
        else:
            self._incoming = incoming.__aiter__()
            self._next()

    def cancel(self) -> None:
        """Give up."""
        self._awaited.cancel()

    def _whole(self, awaited: Awaited) -> None:
        try:
            self._end(awaited.result())
        except (CancelledError, RuntimeError) as error:
            self._end(error)

    def _next(self) -> None:
        self._awaited = self._incoming.__anext__()
        self._awaited.add_done_callback(self._piece)

    def _piece(self, awaited: Awaited) -> None:
        try:
            piece = awaited.result()
        except (CancelledError, RuntimeError) as error:
            self._end(error)
            return
        if not piece:
            self._end(b"".join(self._pieces))
            return
        self._pieces.append(piece)
        self._weight += max(len(piece), CRUMB)
        if self._weight > MOST:
            self._end(TooLarge())
        else:
            self._next()

    def _end(self, found: bytes | BaseException) -> None:
        self._deadlines.end(self)
        self._done(found)


class Streamed(io.RawIOBase):
    """A body that the thread which reads it waits for, as `wsgi.input`.

    Raises (from reading):
        RequestTimeout: the client is too slow.
    """

    def __init__(self, incoming: Incoming) -> None:
        super().__init__()
        self._incoming = incoming.__aiter__()
        self._piece = memoryview(b"")
        self._received = 0
        self._began = time.monotonic()
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._piece and not self._ended:
            self._piece = memoryview(self._wait())
            self._received += len(self._piece)
            self._ended = not self._piece
        taken = min(len(buffer), len(self._piece))
        buffer[:taken] = self._piece[:taken]
        self._piece = self._piece[taken:]
        return taken

    def _wait(self) -> bytes:
        came = threading.Event()
        awaited = self._incoming.__anext__()
        awaited.add_done_callback(lambda _: came.set())
        late = self._began + SECONDS + self._received / RATE
        left = min(SECONDS, late - time.monotonic())
        if left <= 0 or not came.wait(left):
            awaited.cancel()
            raise RequestTimeout("The request's body did not come in time.")
        try:
            return awaited.result()
        except RuntimeError:
            return b""  # The client is gone, which a body that ends too early shows.
