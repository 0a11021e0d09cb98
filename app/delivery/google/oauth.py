"""Access to Google as a service account: the JWT bearer grant (RFC 7523), cached.

Promises: one token for all calls of a process, renewed a minute before it lapses and thrown away
when Google refuses it; the private key never leaves the process. Refuses: a service-account file
that lacks what the grant needs, naming the member and where to get a whole one.
https://developers.google.com/identity/protocols/oauth2/service-account
"""

from __future__ import annotations

import base64
import json
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import requests
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

__all__ = ["SCOPE", "AccessTokens", "ServiceAccount", "ServiceAccountError", "TokenRefused"]

SCOPE = "https://www.googleapis.com/auth/wallet_object.issuer"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LIFETIME = timedelta(hours=1)
_MARGIN = timedelta(minutes=1)
_TIMEOUT = (3.05, 10)


class ServiceAccountError(ValueError):
    """The service-account file cannot be used; the message says why and what to do."""


class TokenRefused(Exception):
    """Google gave no token. ``status`` is its HTTP status, 0 when nobody answered."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """Who we are at Google: what the downloaded JSON key says."""

    email: str
    token_uri: str
    key_id: str
    key: rsa.RSAPrivateKey = field(repr=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> ServiceAccount:
        """Read the JSON key that Google Cloud's console offers for download.

        Raises:
            ServiceAccountError: it is not such a key.
        """
        remedy = "Download a new JSON key of the service account from Google Cloud's console."
        try:
            members = json.loads(text)
            key = serialization.load_pem_private_key(members["private_key"].encode(), None)
            email, token_uri = members["client_email"], members["token_uri"]
        except (ValueError, TypeError, AttributeError) as error:
            raise ServiceAccountError(f"The service account is no JSON key. {remedy}") from error
        except KeyError as error:
            raise ServiceAccountError(f"The service account lacks {error}. {remedy}") from error
        if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < 2048:
            raise ServiceAccountError(f"The service account's key is not RSA-2048. {remedy}")
        return cls(email, token_uri, str(members.get("private_key_id", "")), key)


class AccessTokens:
    """The token of a service account, for every thread of the process."""

    def __init__(self, account: ServiceAccount) -> None:
        self.account = account
        self._lock = threading.Lock()
        self._token = ""
        self._until: datetime | None = None

    def get(self, http: requests.Session, now: datetime) -> str:
        """Return a token that is good for a minute at least; asks Google only when none is.

        Raises:
            TokenRefused: Google did not answer, or said no.
        """
        with self._lock:
            if self._until is None or now >= self._until - _MARGIN:
                self._token, lifetime = self._ask(http, now)
                self._until = now + lifetime
            return self._token

    def discard(self, token: str) -> None:
        """Forget a token that Google refused, unless another thread has replaced it already."""
        with self._lock:
            if token == self._token:
                self._until = None

    def _ask(self, http: requests.Session, now: datetime) -> tuple[str, timedelta]:
        form = {"grant_type": _GRANT, "assertion": self._assertion(now)}
        try:
            answer = http.post(self.account.token_uri, data=form, timeout=_TIMEOUT)
        except requests.RequestException as error:
            raise TokenRefused(0, "Google's token address did not answer.") from error
        if answer.status_code != 200:
            # The answer names the cause (clock, key revoked, account deleted) and no secret.
            raise TokenRefused(answer.status_code, f"Google gave no token: {answer.text[:200]}")
        members: dict[str, Any] = answer.json()
        return str(members["access_token"]), timedelta(seconds=int(members["expires_in"]))

    def _assertion(self, now: datetime) -> str:
        issued = int(now.timestamp())
        header = {"alg": "RS256", "typ": "JWT", "kid": self.account.key_id}
        claims = {
            "iss": self.account.email,
            "scope": SCOPE,
            "aud": self.account.token_uri,
            "iat": issued,
            "exp": issued + int(_LIFETIME.total_seconds()),
        }
        signed = f"{_encoded(header)}.{_encoded(claims)}"
        signature = self.account.key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def _encoded(members: dict[str, Any]) -> str:
    text = json.dumps(members, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()
