"""A load of HTTP requests from one thread, so cheap that it takes little from the server it
measures: requests are written beforehand, connections stay open, one selector waits for all.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections import deque
from collections.abc import Sequence


def post(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """A request as it goes over the wire."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def run(
    port: int, requests: Sequence[bytes], *, rate: float | None, clients: int, begins: bytes
) -> list[float]:
    """Send each request and return how long each answer took, in seconds.

    With a rate, a time counts from when the request was due (an open loop, which a slow answer
    does not slow down); without one, each client sends its next request at once.

    Args:
        begins: what the body of every answer begins with.

    Raises:
        RuntimeError: an answer is another.
    """
    times: list[float] = []
    selector = selectors.DefaultSelector()
    idle = deque(_Client(port) for _ in range(clients))
    pending = deque(requests)
    busy, began, sent = 0, time.perf_counter(), 0
    while pending or busy:
        now = time.perf_counter()
        while pending and idle and (rate is None or began + sent / rate <= now):
            client = idle.popleft()
            client.send(pending.popleft(), due=now if rate is None else began + sent / rate)
            selector.register(client.socket, selectors.EVENT_READ, client)
            busy, sent = busy + 1, sent + 1
        wait = None
        if pending and idle and rate is not None:
            wait = max(0.0, began + sent / rate - time.perf_counter())
        if not busy:
            time.sleep(wait or 0.0)
            continue
        for key, _ in selector.select(wait):
            answered: _Client = key.data
            body = answered.receive()
            if body is None:
                continue
            if not body.startswith(begins):
                raise RuntimeError(f"The server answered {body[:300]!r}.")
            times.append(time.perf_counter() - answered.due)
            selector.unregister(answered.socket)
            idle.append(answered)
            busy -= 1
    for client in idle:
        client.socket.close()
    selector.close()
    return times


class _Client:
    """One connection with at most one request under way."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.due = 0.0
        self._read = b""

    def send(self, request: bytes, *, due: float) -> None:
        self.due = due
        self._read = b""
        self.socket.sendall(request)

    def receive(self) -> bytes | None:
        """The answer's body once it is whole."""
        received = self.socket.recv(65_536)
        if not received:
            raise RuntimeError(f"The server closed the connection after {self._read[:300]!r}.")
        self._read += received
        head, ended, body = self._read.partition(b"\r\n\r\n")
        if not ended:
            return None
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        return body if len(body) >= int(length) else None
