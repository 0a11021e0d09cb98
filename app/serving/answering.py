"""One request and its answer: the WSGI application called, and its answer let go as a whole.

An answer leaves its thread complete, so that a client that reads slowly, or never, holds
no thread and no connection to the database; what is large waits in a file without a name. An answer
that breaks while it is made is a 500, never a part that looks whole.
Refuses: header fields with an underscore, which no proxy tells from those with a hyphen.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterable
from typing import IO, Any

import structlog

from app.serving.refusals import FAULT

#: Bytes of an answer that are kept in memory; a larger one is a file.
IN_MEMORY = 1024 * 1024

Headers = list[tuple[str, str]]
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_BASE: dict[str, Any] = {
    "SCRIPT_NAME": "",
    "SERVER_SOFTWARE": "granian",
    "wsgi.errors": sys.stderr,
    # A body that was gathered, or is read piece by piece, ends by itself.
    "wsgi.input_terminated": True,
    "wsgi.multiprocess": False,
    "wsgi.multithread": True,
    "wsgi.run_once": False,
    "wsgi.version": (1, 0),
}
#: Header fields under their names in an environ; what clients send again and again is in it.
_NAMES = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"} | {
    name: "HTTP_" + name.upper().replace("-", "_")
    for name in (
        *("accept", "accept-encoding", "accept-language", "authorization", "connection", "cookie"),
        *("host", "idempotency-key", "if-modified-since", "if-none-match", "origin", "referer"),
        *("sec-fetch-dest", "sec-fetch-mode", "sec-fetch-site", "user-agent", "x-forwarded-for"),
        *("x-forwarded-host", "x-forwarded-proto", "x-passerelle-till", "x-request-id"),
    )
}


def environ(scope: Any) -> dict[str, Any]:
    """A request's environ (PEP 3333), without its body."""
    path: str = scope.path
    host, _, port = scope.server.rpartition(":")
    made = {
        **_BASE,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "SERVER_NAME": host.strip("[]"),
        "SERVER_PORT": port,
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "REQUEST_METHOD": scope.method,
        "PATH_INFO": path if path.isascii() else path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "wsgi.url_scheme": scope.scheme,
    }
    for name, value in scope.headers.items():
        known = _NAMES.get(name)
        if known is None:
            if "_" in name:
                continue
            known = "HTTP_" + name.upper().replace("-", "_")
        if known in made:
            made[known] += ("; " if name == "cookie" else ",") + value
        else:
            made[known] = value
    if "HTTP_HOST" not in made:
        made["HTTP_HOST"] = scope.authority or ""
    return made


class ApplicationAnswer:
    """An answer as the application makes it: `start_response`, then `take` what it returned."""

    __slots__ = ("body", "file", "headers", "status")

    def __init__(self) -> None:
        self.status = 0
        self.headers: Headers = []
        self.body = b""
        #: The body instead, if it is large.
        self.file: IO[bytes] | None = None

    def __call__(self, status: str, headers: Headers, _exc_info: Any = None) -> Any:
        self.status = int(status[:3])
        self.headers = headers

    def take(self, returned: Iterable[bytes]) -> None:
        pieces, size = [], 0
        for piece in returned:
            if self.file is not None:
                self.file.write(piece)
                continue
            pieces.append(piece)
            size += len(piece)
            if size > IN_MEMORY:
                self.file = tempfile.TemporaryFile()  # noqa: SIM115 - it is read after this
                self.file.writelines(pieces)
        if self.file is not None:
            self.file.flush()
            size = self.file.tell()
        else:
            self.body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if size and not any(name.lower() == "content-length" for name, _ in self.headers):
            self.headers.append(("Content-Length", str(size)))


def answered(
    application: Application, request: dict[str, Any], body: IO[bytes]
) -> ApplicationAnswer:
    """The application's answer to a request."""
    request["wsgi.input"] = body
    answer = ApplicationAnswer()
    returned: Iterable[bytes] = ()
    try:
        returned = application(request, answer)
        answer.take(returned)
    except Exception as error:
        # The application answers its own faults; this one was in the making of the answer's body.
        structlog.get_logger().error("answer_broke", exc_info=error)
        if answer.file is not None:
            answer.file.close()
        answer = ApplicationAnswer()
        answer.status, answer.headers, answer.body = FAULT.answer("")
    finally:
        close = getattr(returned, "close", None)
        if close is not None:
            close()
    return answer
