"""Clients that are slow or silent: connections of every kind, against every door without a key."""

from __future__ import annotations

import itertools
import selectors
import socket
import threading
import time
from contextlib import suppress

#: A request for each door that needs no key; those that write carry a body.
READING = (
    *("/p/AAAA", "/p/AAAA/apple", "/p/AAAA/google", "/p/AAAA/code.png", "/p/AAAA/pass.png"),
    *("/c/sun/AAAA", "/a/" + "0" * 64 + ".png", "/till", "/static/till/till.js", "/robots.txt"),
    *("/healthz", "/readyz", "/metrics", "/docs", "/openapi.json", "/pos/v1/day", "/api/v1/sync"),
    "/apple/v1/devices/a/registrations/pass.example.passerelle",
)
WRITING = (
    *("/c/sun/AAAA", "/till/session", "/google/callback", "/apple/v1/log", "/pos/v1/redemptions"),
    *("/api/v1/vouchers", "/apple/v1/devices/a/registrations/pass.example.passerelle/b"),
)
#: How a connection behaves.
KINDS = (
    *("silent", "head drips", "body drips", "half a post", "half a chunk", "never reads"),
    "idle after an answer",
)


class Crowd:
    """Connections that misbehave, kept by one thread; those that are cut off come again.

    Args:
        count: connections.
    """

    def __init__(self, port: int, count: int) -> None:
        self._port = port
        self._count = count
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        #: Those whose answers are left where they are.
        self._unread: list[socket.socket] = []
        self.opened = 0
        self.present = 0

    def __enter__(self) -> Crowd:
        self._thread.start()
        until = time.monotonic() + 30
        while self.present < self._count and time.monotonic() < until:
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        ways = itertools.product(KINDS, range(max(len(READING), len(WRITING))))
        turns = itertools.cycle(list(ways))
        selector = selectors.DefaultSelector()
        dripped = time.monotonic()
        while not self._ending.is_set():
            while self.present < self._count and not self._ending.is_set():
                kind, number = next(turns)
                self._open(selector, kind, number)
            for key, _ in selector.select(0.05):
                closed = True
                with suppress(OSError):
                    closed = not key.fileobj.recv(65_536)  # type: ignore[union-attr]
                if closed:
                    self._close(selector, key.fileobj)  # type: ignore[arg-type]
            if time.monotonic() - dripped > 1.0:
                dripped = time.monotonic()
                for key in list(selector.get_map().values()):
                    if "drips" in key.data:
                        with suppress(OSError):
                            key.fileobj.send(b"x")  # type: ignore[union-attr]
        for connection in self._unread:
            connection.close()
        for key in list(selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        selector.close()

    def _open(self, selector: selectors.BaseSelector, kind: str, number: int) -> None:
        reading, writing = READING[number % len(READING)], WRITING[number % len(WRITING)]
        connection = socket.socket()
        if kind == "never reads":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        try:
            connection.connect(("127.0.0.1", self._port))
            connection.sendall(_begun(kind, reading, writing))
        except OSError:
            connection.close()
            return
        connection.setblocking(False)
        if kind == "never reads":
            self._unread.append(connection)
        else:
            selector.register(connection, selectors.EVENT_READ, kind)
        self.opened += 1
        self.present += 1

    def _close(self, selector: selectors.BaseSelector, connection: socket.socket) -> None:
        selector.unregister(connection)
        connection.close()
        self.present -= 1


def _begun(kind: str, reading: str, writing: str) -> bytes:
    host = "Host: 127.0.0.1\r\n"
    posted = f"POST {writing} HTTP/1.1\r\n{host}Content-Type: application/json\r\n"
    match kind:
        case "silent":
            return b""
        case "head drips":
            return f"GET {reading} HTTP/1.1\r\n{host}X-Slow: ".encode()
        case "body drips" | "half a post":
            return f'{posted}Content-Length: 5000\r\n\r\n{{"a":'.encode()
        case "half a chunk":
            return f'{posted}Transfer-Encoding: chunked\r\n\r\n10\r\n{{"a":'.encode()
        case _:
            return f"GET {reading} HTTP/1.1\r\n{host}\r\n".encode()
