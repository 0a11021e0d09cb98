"""Calls to others over HTTP, each with a total deadline and a bound on what is read.

A call ends within its seconds, whatever the other side does: a name that does not
resolve, a handshake that hangs, an answer that drips, all count. No more of an answer is read than
was asked for. Redirects are not followed, and no request with a body goes out twice. Connections
are kept and used again, by any thread.
It does not raise anything but `Unanswered`, which names the cause without the address, and says
whether the other side may have had the request.
"""

from __future__ import annotations

import json
import os
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import certifi
import pycurl

#: Seconds to connect, TLS included.
CONNECT = 5.0

_UNTRUSTED = frozenset(
    {pycurl.E_PEER_FAILED_VERIFICATION, pycurl.E_SSL_CERTPROBLEM, pycurl.E_SSL_CACERT_BADFILE}
)
_TLS = frozenset({pycurl.E_SSL_CONNECT_ERROR, pycurl.E_SSL_CIPHER})
_UNSENT = frozenset(
    {pycurl.E_COULDNT_RESOLVE_HOST, pycurl.E_COULDNT_RESOLVE_PROXY, pycurl.E_COULDNT_CONNECT}
)


class Unanswered(Exception):
    """There was no answer, or no whole one.

    Attributes:
        sent: whether the other side may have had the request.
        status: what it answered, if only the answer's body did not come; else None.
        headers: those of that answer.
    """

    def __init__(
        self,
        reason: str,
        *,
        sent: bool,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent
        self.status = status
        self.headers = headers or {}


@dataclass(frozen=True, slots=True)
class WireReply:
    """An answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            ValueError: it is none.
        """
        return json.loads(self.body)


class Bounded(BytesIO):
    """A buffer that takes so many bytes; curl ends a transfer that brings more."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def take(self, piece: bytes) -> int:
        """Take a piece; 0 when it is too much."""
        return self.write(piece) if self.tell() + len(piece) <= self._most else 0


class Wire:
    """A way to one or more servers, for any thread.

    Args:
        ca: certificates to trust instead of the usual ones.
        dialled: the address to connect to whatever host a URL names; certificates are checked
            against the URL's host all the same, and no proxy is used.
    """

    def __init__(self, *, ca: str | None = None, dialled: tuple[str, int] | None = None) -> None:
        self._ca = ca
        self._dialled = dialled
        self._idle: list[pycurl.Curl] = []
        self._lock = threading.Lock()

    def send(
        self,
        method: str,
        url: str,
        *,
        seconds: float,
        most: int,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> WireReply:
        """Make a call.

        Args:
            seconds: in which all of it has to be done.
            most: bytes of an answer that are read.

        Raises:
            Unanswered: there was no whole answer.
        """
        with self._lock:
            handle = self._idle.pop() if self._idle else self._new()
        lines: list[bytes] = []
        read = Bounded(most)
        given = {"Expect": "", "Accept": "*/*", **(headers or {})}
        handle.setopt(pycurl.URL, url)
        handle.setopt(pycurl.HTTPHEADER, [f"{name}: {value}" for name, value in given.items()])
        handle.setopt(pycurl.CUSTOMREQUEST, method)
        if body is None:
            handle.setopt(pycurl.HTTPGET, 1)
        else:
            # A body that cannot be read twice keeps curl from sending a request anew when a kept
            # connection broke under it: the other side may have carried it out.
            handle.setopt(pycurl.POST, 1)
            handle.setopt(pycurl.READFUNCTION, BytesIO(body).read)
            handle.setopt(pycurl.POSTFIELDSIZE, len(body))
        handle.setopt(pycurl.TIMEOUT_MS, max(1, int(seconds * 1000)))
        handle.setopt(pycurl.CONNECTTIMEOUT_MS, int(min(seconds, CONNECT) * 1000))
        handle.setopt(pycurl.WRITEFUNCTION, read.take)
        handle.setopt(pycurl.HEADERFUNCTION, lines.append)
        try:
            handle.perform()
        except pycurl.error as error:
            raise _unanswered(handle, int(error.args[0]), _headers(lines)) from None
        finally:
            # A transfer that failed has closed its connection; the handle is as good as new.
            with self._lock:
                self._idle.append(handle)
        return WireReply(handle.getinfo(pycurl.RESPONSE_CODE), _headers(lines), read.getvalue())

    def close(self) -> None:
        """Close the connections that are kept."""
        with self._lock:
            idle, self._idle = self._idle, []
        for handle in idle:
            handle.close()

    def _new(self) -> pycurl.Curl:
        handle = pycurl.Curl()
        handle.setopt(pycurl.NOSIGNAL, 1)
        handle.setopt(pycurl.FOLLOWLOCATION, 0)
        handle.setopt(pycurl.PATH_AS_IS, 1)
        handle.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        handle.setopt(pycurl.SSLVERSION, pycurl.SSLVERSION_TLSv1_2)
        handle.setopt(pycurl.USERAGENT, "Passerelle")
        handle.setopt(pycurl.CAINFO, self._ca or _authorities())
        if self._dialled is not None:
            host, port = self._dialled
            shown = f"[{host}]" if ":" in host else host
            handle.setopt(pycurl.CONNECT_TO, [f"::{shown}:{port}"])
            handle.setopt(pycurl.PROXY, "")
        return handle


def _authorities() -> str:
    """The file of certificates that the system trusts, or that `certifi` brings."""
    named = os.environ.get("REQUESTS_CA_BUNDLE") or ssl.get_default_verify_paths().cafile
    return named if named and os.path.exists(named) else certifi.where()


def _headers(lines: list[bytes]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.decode("latin-1").partition(":")
        if colon:
            found[name.strip().lower()] = value.strip()
        elif line.startswith(b"HTTP/"):
            # What came before was an interim answer.
            found.clear()
    return found


def _unanswered(handle: pycurl.Curl, code: int, headers: dict[str, str]) -> Unanswered:
    status = handle.getinfo(pycurl.RESPONSE_CODE)
    # Before the connection is ready nothing of a request is on its way.
    sent = code == pycurl.E_SEND_FAIL_REWIND or (
        code not in _UNSENT and handle.getinfo(pycurl.REQUEST_SIZE) > 0
    )
    whole = status >= 200 and code in (pycurl.E_WRITE_ERROR, pycurl.E_OPERATION_TIMEDOUT)
    if code == pycurl.E_OPERATION_TIMEDOUT:
        reason = "It did not answer in time."
    elif code in _UNTRUSTED or code in _TLS:
        reason = "Its certificate is not trusted." if code in _UNTRUSTED else "It speaks no TLS."
    elif code == pycurl.E_WRITE_ERROR:
        reason = "Its answer is too large."
    elif code == pycurl.E_COULDNT_RESOLVE_HOST:
        reason = "The host is not known."
    else:
        reason = "It could not be reached."
    return Unanswered(reason, sent=sent, status=status if whole else None, headers=headers)
