"""Access to Google as a service account: the JWT bearer grant (RFC 7523), cached.

One token for all threads of a process, renewed a minute before it lapses, thrown away
when Google refuses it and when the key file was replaced. It does not raise anything but
`TokenRefused`, whose reason names the cause and nothing secret.
https://developers.google.com/identity/protocols/oauth2/service-account
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from app.delivery.wire import Unanswered, Wire
from passes.google import ServiceAccount

__all__ = ["AccessTokens", "TokenRefused"]

_MARGIN = timedelta(minutes=1)
#: Seconds in which a token has to come, and the bytes of the answer that brings it.
_SECONDS = 10.0
_LARGEST = 100_000


class TokenRefused(Exception):
    """Google gave no token. ``status`` is its HTTP status, 0 when nobody answered."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class AccessTokens:
    """The token of the service account, for every thread of the process.

    ``account`` returns the account to use now, so that a replaced key file is taken up at once.
    """

    def __init__(self, account: Callable[[], ServiceAccount]) -> None:
        self._account = account
        self._lock = threading.Lock()
        self._token = ""
        self._until: datetime | None = None
        self._owner: ServiceAccount | None = None

    def get(self, http: Wire, now: datetime) -> str:
        """Return a token that is good for a minute at least; asks Google only when none is.

        Raises:
            TokenRefused: Google did not answer, or said no.
        """
        account = self._account()
        with self._lock:
            lapsed = self._until is None or now >= self._until - _MARGIN
            if lapsed or account is not self._owner:
                self._token, lifetime = _ask(account, http, now)
                self._owner, self._until = account, now + lifetime
            return self._token

    def discard(self, token: str) -> None:
        """Forget a token that Google refused, unless another thread has replaced it already."""
        with self._lock:
            if token == self._token:
                self._until = None


def _ask(account: ServiceAccount, http: Wire, now: datetime) -> tuple[str, timedelta]:
    try:
        answer = http.send(
            "POST",
            account.token_uri,
            seconds=_SECONDS,
            most=_LARGEST,
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            body=urlencode(account.token_request(now)).encode(),
        )
    except Unanswered as fault:
        raise TokenRefused(0, "Google's token address did not answer.") from fault
    try:
        members: dict[str, Any] = answer.json()
    except ValueError as error:
        raise TokenRefused(answer.status, "Google's token address sent no JSON.") from error
    if answer.status != 200:
        # The answer names the cause (clock, key revoked, account deleted) and no secret.
        raise TokenRefused(answer.status, f"Google gave no token: {answer.text[:200]}")
    try:
        return str(members["access_token"]), timedelta(seconds=int(members["expires_in"]))
    except (KeyError, TypeError, ValueError) as error:
        raise TokenRefused(0, "Google's token address sent no token.") from error
