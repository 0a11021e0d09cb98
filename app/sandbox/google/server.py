"""The Google stand-in: OAuth, REST, save links, wallets, keys, faults.

Promises: every call is authenticated, rate-limited, logged and watched for a second call to the
same resource while the first still runs. Faults come on command (`PlannedFault`) or at random
(`Chaos`). Refuses: connections from anywhere but this machine.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from .callbacks import CallbackSender, CallbackSigner
from .faults import Bucket, Chaos, PlannedFault
from .schema import COLLECTIONS
from .store import GoogleRefusal, Saved, WalletStore
from .wire import PERSON, Handler, Server, error

__all__ = ["PERSON", "Chaos", "GoogleStandIn", "PlannedFault", "RestCall"]

_SCOPE: Final = "https://www.googleapis.com/auth/wallet_object.issuer"
_LINK_LIMIT: Final = 1800


@dataclass(frozen=True, slots=True)
class RestCall:
    """One REST call as it arrived: ``status`` is what was answered, 0 when nothing was."""

    at: datetime
    method: str
    path: str
    body: Any
    status: int


class GoogleStandIn:
    """Google Wallet on loopback, for as long as the ``with`` block lasts.

    ``accounts`` maps a service account's e-mail address to its public key. ``rate`` is calls per
    second for the whole issuer. ``inspect`` is called with (collection, method, body) for every
    resource that is sent, before anything else looks at it: tests hang Google's own schema there.
    """

    def __init__(
        self,
        *,
        issuer_id: str,
        accounts: Mapping[str, rsa.RSAPublicKey],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        rate: float = 20.0,
        burst: float = 20.0,
        messages_per_day: int = 3,
        fetch_pictures: bool = True,
        latency: float = 0.0,
        port: int = 0,
        inspect: Callable[[str, str, Any], None] | None = None,
    ) -> None:
        self.store = WalletStore(
            issuer_id=issuer_id,
            clock=clock,
            messages_per_day=messages_per_day,
            fetch_pictures=fetch_pictures,
        )
        self.signer = CallbackSigner(issuer_id=issuer_id, clock=clock)
        self.sender = CallbackSender()
        self.accounts = dict(accounts)
        self.calls: list[RestCall] = []
        self.tokens_issued = 0
        self.keys_served = 0
        self.over_rate = 0
        self.overlapping: Counter[str] = Counter()
        self.faults: list[PlannedFault] = []
        self.chaos: Chaos | None = None
        self.keys_reachable = True
        self.invited = True
        self.latency = latency
        self.inspect = inspect
        self._clock = clock
        self._bucket = Bucket(rate, burst)
        self._lock = threading.Lock()
        self._tokens: dict[str, float] = {}
        self._running: Counter[str] = Counter()
        stand_in = self

        class Wire(Handler):
            google = stand_in

        self._server = Server(("127.0.0.1", port), Wire)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="google-stand-in", daemon=True
        )

    @property
    def url(self) -> str:
        """The address that stands for ``https://walletobjects.googleapis.com``."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def token_url(self) -> str:
        """The address that belongs into the service account's ``token_uri``."""
        return f"{self.url}/token"

    @property
    def keys_url(self) -> str:
        """The address of the callback root keys."""
        return f"{self.url}/gp/m/issuer/keys"

    @property
    def save_url(self) -> str:
        """What a save link starts with, ending in ``/``."""
        return f"{self.url}/gp/v/save/"

    def __enter__(self) -> GoogleStandIn:
        self._thread.start()
        self.sender.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
        self.sender.stop()

    def fail(self, fault: PlannedFault) -> None:
        """Fail the next matching calls as ``fault`` says."""
        with self._lock:
            self.faults.append(fault)

    def expire_tokens(self) -> None:
        """Forget every access token, as when Google revokes them early."""
        with self._lock:
            self._tokens.clear()

    # -- what the handler asks ------------------------------------------------------------------

    def grant(self, assertion: str) -> dict[str, Any]:
        """Exchange a signed assertion (RFC 7523) for an access token."""
        claims = self._verified(assertion)
        now = self._clock().timestamp()
        if claims.get("aud") != self.token_url:
            raise GoogleRefusal(400, "invalid_grant: the audience must be the token address.")
        if claims.get("scope") != _SCOPE:
            raise GoogleRefusal(400, "invalid_scope")
        if not claims["iat"] - 60 <= now <= claims["exp"] or claims["exp"] > claims["iat"] + 3600:
            raise GoogleRefusal(400, "invalid_grant: iat and exp must span now, an hour at most.")
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._tokens[token] = now + 3600
            self.tokens_issued += 1
        return {"access_token": token, "token_type": "Bearer", "expires_in": 3600}

    def rest(
        self, method: str, path: str, body: Any, authorization: str
    ) -> tuple[int, Any, dict[str, str]]:
        """Answer one REST call: (status or 0 for none, body, headers)."""
        with self._watched(path):
            fault = self._fault(method, path)
            time.sleep(self.latency + (fault.delay if fault else 0.0))
            status, answer, headers = self._answer(method, path, body, authorization, fault)
        with self._lock:
            self.calls.append(RestCall(self._clock(), method, path, body, status))
        if fault and fault.hang:
            time.sleep(fault.hang)
        return status, answer, headers

    def drops_batch(self) -> bool:
        """Say whether a fault on command is for a batch as a whole, which then gets no answer."""
        return any(fault.path == "/batch" for fault in self.faults) and bool(
            self._fault("POST", "/batch")
        )

    def save(self, jwt: str, user: str) -> list[Saved]:
        """Save what a link names for a user, and call the issuer back."""
        if len(jwt) > _LINK_LIMIT:
            raise GoogleRefusal(400, "The link is longer than 1800 characters and was cut off.")
        claims = self._verified(jwt)
        if claims.get("aud") != "google" or claims.get("typ") != "savetowallet":
            raise GoogleRefusal(400, "The link is no savetowallet JWT for Google.")
        if not isinstance(claims.get("iat"), int) or claims["iat"] > self._clock().timestamp() + 60:
            raise GoogleRefusal(400, "iat must be whole seconds and not in the future.")
        saved = self.store.save(claims.get("payload", {}), user=user)
        for one in saved:
            self._call_back(one)
        return saved

    def forget(self, object_id: str, user: str) -> None:
        """Delete an object from a user's wallet, and call the issuer back."""
        self._call_back(self.store.forget(object_id, user=user))

    def _call_back(self, saved: Saved) -> None:
        if saved.callback_url:
            body = self.signer.body(
                class_id=saved.class_id, object_id=saved.object_id, event=saved.event
            )
            self.sender.send(saved.callback_url, body)

    def _verified(self, jwt: str) -> dict[str, Any]:
        try:
            head, payload, signature = jwt.split(".")
            header = json.loads(_unbase64(head))
            claims: dict[str, Any] = json.loads(_unbase64(payload))
            key = self.accounts[claims["iss"]]
            if header.get("alg") != "RS256":
                raise GoogleRefusal(400, "invalid_grant: RS256 is the only algorithm.")
            key.verify(
                _unbase64(signature),
                f"{head}.{payload}".encode(),
                padding.PKCS1v15(),
                hashes.SHA256(),
            )
        except (ValueError, KeyError, InvalidSignature) as error:
            raise GoogleRefusal(400, "invalid_grant: the signature does not verify.") from error
        return claims

    @contextmanager
    def _watched(self, path: str) -> Iterator[None]:
        match = re.match(r"/walletobjects/v1/\w+/([^/?]+)", path)
        resource_id = match[1] if match else ""
        with self._lock:
            self._running[resource_id] += 1
            if resource_id and self._running[resource_id] > 1:
                self.overlapping[resource_id] += 1
        try:
            yield
        finally:
            with self._lock:
                self._running[resource_id] -= 1

    def _fault(self, method: str, path: str) -> PlannedFault | None:
        with self._lock:
            for fault in self.faults:
                if re.fullmatch(fault.method, method) and re.search(fault.path, path):
                    fault.times -= 1
                    if fault.times <= 0:
                        self.faults.remove(fault)
                    return fault
            return self.chaos.next() if self.chaos else None

    def _answer(
        self, method: str, path: str, body: Any, authorization: str, fault: PlannedFault | None
    ) -> tuple[int, Any, dict[str, str]]:
        with self._lock:
            token = authorization.removeprefix("Bearer ")
            known = self._tokens.get(token, 0) > self._clock().timestamp()
            within = self._bucket.take()
            self.over_rate += not within
        if not known:
            return 401, error(401, "Request had invalid authentication credentials."), {}
        if not self.invited:
            return 403, error(403, "The service account may not access this issuer."), {}
        if not within:
            return 429, error(429, "Quota exceeded for requests per second."), {"Retry-After": "1"}
        if fault and not fault.after:
            return _failed(fault)
        try:
            answer = self._do(method, path, body)
        except GoogleRefusal as refusal:
            return refusal.status, error(refusal.status, refusal.reason), {}
        return _failed(fault) if fault else (200, answer, {})

    def _do(self, method: str, path: str, body: Any) -> Any:
        parts = unquote(urlsplit(path).path).removeprefix("/walletobjects/v1/").split("/")
        if parts[0] not in COLLECTIONS or len(parts) > 3:
            raise GoogleRefusal(404, f"{path} is no address of the Wallet API.")
        if self.inspect is not None and body is not None:
            self.inspect(parts[0], method if len(parts) < 3 else "addMessage", body)
        match method, len(parts):
            case "POST", 1:
                return self.store.insert(parts[0], body)
            case "GET", 2:
                return self.store.get(parts[0], parts[1])
            case (("PATCH" | "PUT"), 2):
                return self.store.change(parts[0], parts[1], body, whole=method == "PUT")
            case "POST", 3 if parts[2] == "addMessage":
                stored = self.store.add_message(parts[0], parts[1], body.get("message", {}))
                return {"resource": stored}
            case "GET", 1:
                query = parse_qs(urlsplit(path).query)
                if query.get("issuerId", [self.store.issuer_id]) != [self.store.issuer_id]:
                    raise GoogleRefusal(403, "The service account may not access this issuer.")
                wanted = query.get("classId", [""])[0]
                found = self.store.resources(parts[0])
                return {"resources": [one for one in found if one.get("classId", "") == wanted]}
        raise GoogleRefusal(404, f"{method} {path} is no call of the Wallet API.")


def _failed(fault: PlannedFault) -> tuple[int, Any, dict[str, str]]:
    headers = {"Retry-After": str(fault.retry_after)} if fault.retry_after is not None else {}
    return fault.status, error(fault.status, fault.reason), headers


def _unbase64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
