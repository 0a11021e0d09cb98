"""Google's service account: the key that signs save links and asks for access tokens."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Self

import orjson
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from passes.errors import CertificateError
from passes.signing.throwaway import THROWAWAY_EMAIL_DOMAIN

_FILE = "google/service-account.json"
_REMEDY = (
    "In Google Cloud's console open IAM & Admin, Service Accounts, Keys, make a JSON key and save"
    f" it as {_FILE}."
)
_SCOPE = "https://www.googleapis.com/auth/wallet_object.issuer"


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A service account's address and key, loaded once. Make it with `load` or `read`."""

    email: str
    key_id: str
    token_uri: str
    key: RSAPrivateKey = field(repr=False)
    _header: bytes = field(init=False, repr=False)
    _rsa: partial[bytes] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        header = {"alg": "RS256", "typ": "JWT", "kid": self.key_id}
        object.__setattr__(self, "_header", _b64(orjson.dumps(header)))
        object.__setattr__(
            self, "_rsa", partial(self.key.sign, padding=PKCS1v15(), algorithm=SHA256())
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read `folder`/google/service-account.json. Raises CertificateError."""
        path = folder / _FILE
        if not path.exists():
            raise CertificateError(_FILE, "There is no service account.", _REMEDY)
        return cls.read(path.read_bytes())

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Read the JSON that Google's console gave. Raises CertificateError."""
        try:
            account = json.loads(data)
            email, key_pem, token_uri, key_id = (
                account[name]
                for name in ("client_email", "private_key", "token_uri", "private_key_id")
            )
            key = load_pem_private_key(key_pem.encode(), None)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CertificateError(
                _FILE, "It is not the key file of a service account.", _REMEDY
            ) from error
        if not isinstance(key, RSAPrivateKey):
            raise CertificateError(_FILE, "Its key is not an RSA key.", _REMEDY)
        return cls(email, key_id, token_uri, key)

    @property
    def throwaway(self) -> bool:
        """Whether it was made by `throwaway`: Google does not know it, production refuses it."""
        return self.email.endswith(f"@{THROWAWAY_EMAIL_DOMAIN}")

    def jwt(self, claims: dict[str, Any]) -> str:
        """Return the claims as a JWT signed with RS256 (RFC 7515, RFC 7518 section 3.3)."""
        signed = self._header + b"." + _b64(orjson.dumps(claims))
        return (signed + b"." + _b64(self._rsa(signed))).decode()

    def token_request(self, now: datetime) -> dict[str, str]:
        """Return the form to post to `token_uri` for an access token of an hour (RFC 7523)."""
        issued = int(now.timestamp())
        claims = {
            "iss": self.email,
            "scope": _SCOPE,
            "aud": self.token_uri,
            "iat": issued,
            "exp": issued + 3600,
        }
        return {
            "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "assertion": self.jwt(claims),
        }


def _b64(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")
