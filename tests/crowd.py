"""Many tills at once, over HTTP: threads that post, retry with the same key, and remember."""

from __future__ import annotations

import http.client
import json
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

#: What a till does not take for an answer: it sends the same again.
RETRIED = (409, 503)


@dataclass
class HttpTill:
    """A till that keeps its connection, as tills do; one for each thread."""

    port: int
    key: str
    timeout: float = 10.0
    _local: threading.local = field(default_factory=threading.local)
    _opened: list[http.client.HTTPConnection] = field(default_factory=list)

    def __enter__(self) -> HttpTill:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self._opened:
            connection.close()

    def post(self, path: str, body: Any, *, key: str) -> tuple[int, bytes]:
        """One attempt; raises OSError or HTTPException when no answer came."""
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
            self._local.connection = connection
            self._opened.append(connection)
        try:
            connection.request(
                "POST",
                f"/pos/v1{path}",
                body=json.dumps(body),
                headers={
                    "Authorization": f"Bearer {self.key}",
                    "Content-Type": "application/json",
                    "Idempotency-Key": key,
                },
            )
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            self._local.connection = None
            raise

    def insist(self, path: str, body: Any, *, key: str | None = None, patience: float = 60) -> Any:
        """Send until an answer comes, always with the same key; returns it."""
        key = key or uuid.uuid4().hex
        deadline = time.monotonic() + patience
        while True:
            status = 0
            try:
                status, data = self.post(path, body, key=key)
            except (OSError, http.client.HTTPException):
                data = b""
            if status and status not in RETRIED:
                assert status == 200, (status, data)
                return json.loads(data)
            assert time.monotonic() < deadline, f"no answer within {patience} s, last {status}"
            time.sleep(0.05)


def at_once(work: Sequence[Callable[[], T]], *, threads: int = 16) -> list[T]:
    """Do everything, as much at once as `threads` allow; the first failure is raised."""
    with ThreadPoolExecutor(threads) as pool:
        return [future.result() for future in [pool.submit(each) for each in work]]
