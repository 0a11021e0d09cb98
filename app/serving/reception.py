"""The reception: every request of a process passes here, from the wire to a thread and back.

How: the server calls `receive` in any of its threads once a request's head is here. A request
without a body, or whose body is gathered, enters by `Admission`: it runs in the thread that brought
it, or waits until a thread that ends its turn takes it along. So there is no hop between threads
that the server would not make anyway, and always a thread left that brings the next request.
"""

from __future__ import annotations

import io
import threading
import time
from asyncio import CancelledError
from typing import IO, Any

import structlog

from app.serving import refusals
from app.serving.admission import Admission, Caller, Full
from app.serving.answering import Application, answered, environ
from app.serving.bodies import MOST, Deadlines, Gathered, Streamed, TooLarge
from app.serving.callers import Callers
from app.serving.refusals import RequestRefusal

#: Seconds after which nobody waits for a request's turn any more.
PATIENCE = 15.0
#: Seconds between two looks at what is late.
TICK = 0.25
#: Seconds that a large answer's file stays open for the server to take it up.
HANDED_OVER = 10.0


class Request:
    """One request on its way."""

    __slots__ = ("body", "caller", "environ", "protocol", "since")

    def __init__(self, environ: dict[str, Any], caller: Caller, protocol: Any) -> None:
        self.environ = environ
        self.caller = caller
        #: The server's end of it, as RSGI has it.
        self.protocol = protocol
        self.body: IO[bytes] = io.BytesIO()
        self.since = time.monotonic()

    def refuse(self, refusal: RequestRefusal) -> None:
        self.protocol.response_bytes(*refusal.answer(self.caller))


class Reception:
    """Receives what the server brings, for one WSGI application.

    Args:
        threads: how many requests are worked on at once.
    """

    def __init__(self, application: Application, *, threads: int) -> None:
        self.admission: Admission[Request] = Admission(threads)
        self._application = application
        self._callers = Callers()
        self._deadlines = Deadlines()
        self._files: list[tuple[float, IO[bytes]]] = []
        self._wake = threading.Event()
        self._idle_since: float | None = None
        threading.Thread(target=self._keep_time, name="deadlines", daemon=True).start()

    def stop(self) -> None:
        """Refuse whoever has not sent all of a request, so that the process can end."""
        self._deadlines.ended = True
        self._wake.set()

    @property
    def ended_for(self) -> float:
        """Seconds since there was nothing left to do after `stop`; 0 while there is."""
        return 0.0 if self._idle_since is None else time.monotonic() - self._idle_since

    def receive(self, scope: Any, protocol: Any) -> None:
        """Take a request whose head is here; returns when it waits, or was answered."""
        asked = environ(scope)
        request = Request(asked, self._callers.of(asked), protocol)
        said = asked.get("CONTENT_LENGTH")
        if said is None and "HTTP_TRANSFER_ENCODING" not in asked:
            self._enter(request)
            return
        length = None if said is None else int(said)
        if request.caller is Caller.MARKETER and (length is None or length > MOST):
            request.body = io.BufferedReader(Streamed(protocol))
            self._enter(request)
        elif length is not None and length > MOST:
            request.refuse(refusals.LARGE)
        else:
            Gathered(
                protocol,
                length=length,
                deadlines=self._deadlines,
                done=lambda found: self._gathered(request, found),
            )

    def _gathered(self, request: Request, found: bytes | BaseException) -> None:
        if isinstance(found, bytes):
            request.body = io.BytesIO(found)
            self._enter(request)
        elif isinstance(found, TooLarge):
            request.refuse(refusals.LARGE)
        elif isinstance(found, CancelledError):
            request.refuse(refusals.ENDING if self._deadlines.ended else refusals.SLOW)
        else:
            # The client is gone.
            request.protocol.response_empty(400, [])

    def _enter(self, request: Request) -> None:
        try:
            admitted = self.admission.enter(request)
        except Full:
            request.refuse(refusals.BUSY)
            return
        turn: Request | None = request if admitted else None
        while turn is not None:
            try:
                self._serve(turn)
            except Exception as error:
                structlog.get_logger().error("serving_failed", exc_info=error)
            turn = self.admission.leave(turn.caller)

    def _serve(self, request: Request) -> None:
        if time.monotonic() - request.since > PATIENCE:
            request.refuse(refusals.BUSY)
            return
        answer = answered(self._application, request.environ, request.body)
        self._callers.heard(request.environ, answer.status)
        if answer.file is None:
            request.protocol.response_bytes(answer.status, answer.headers, answer.body)
            return
        self._files.append((time.monotonic() + HANDED_OVER, answer.file))
        request.protocol.response_file(
            answer.status, answer.headers, f"/dev/fd/{answer.file.fileno()}"
        )

    def _keep_time(self) -> None:
        while True:
            self._wake.wait(TICK)
            self._wake.clear()
            self._deadlines.sweep()
            if not self._deadlines.ended or self.admission.busy:
                self._idle_since = None
            elif self._idle_since is None:
                self._idle_since = time.monotonic()
            while self._files and self._files[0][0] < time.monotonic():
                self._files.pop(0)[1].close()
