"""Who a request is from, before it is worked on: by its path, and by what it was answered before.

A request counts as a till's only if the same credential was accepted at the tills' door
before, so that nobody gets a till's turn by inventing keys; a till's very first request waits with
those of others whom this process does not know. It does not decide what anybody may do; the
application does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from app.serving.admission import Caller

_TILLS = "/pos/v1/"
_MARKETERS = "/api/v1/"
_OPERATORS = frozenset({"/healthz", "/readyz", "/metrics"})
#: Credentials that are remembered; the oldest give way.
_MOST = 10_000
_REFUSED = frozenset({401, 403})


class Callers:
    """What one process knows of its callers; for any thread."""

    def __init__(self) -> None:
        self._accepted: dict[bytes, None] = {}

    def of(self, environ: Mapping[str, Any]) -> Caller:
        """Who asks."""
        path = environ["PATH_INFO"]
        if path.startswith(_TILLS):
            return Caller.TILL if _credential(environ) in self._accepted else Caller.NEWCOMER
        if path.startswith(_MARKETERS):
            # Without a key this is anybody, and gets nothing but a refusal.
            return Caller.MARKETER if "HTTP_AUTHORIZATION" in environ else Caller.CUSTOMER
        return Caller.OPERATOR if path in _OPERATORS else Caller.CUSTOMER

    def heard(self, environ: Mapping[str, Any], status: int) -> None:
        """Learn from the answer to a request at the tills' door."""
        if not environ["PATH_INFO"].startswith(_TILLS):
            return
        credential = _credential(environ)
        if status in _REFUSED:
            self._accepted.pop(credential, None)
        elif 200 <= status < 300 and credential not in self._accepted:
            if len(self._accepted) >= _MOST:
                self._accepted.pop(next(iter(self._accepted)), None)
            self._accepted[credential] = None


def _credential(environ: Mapping[str, Any]) -> bytes:
    """A digest of the key, or of the till page's session."""
    shown = environ.get("HTTP_AUTHORIZATION") or environ.get("HTTP_COOKIE") or ""
    return hashlib.blake2b(shown.encode(), digest_size=16).digest()
