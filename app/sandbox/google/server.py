"""The Google stand-in on the wire: OAuth, REST, batch, save links, wallets, keys, faults.

Promises: every call is authenticated, rate-limited, logged and watched for a second call to the
same resource while the first still runs. Faults come on command (`Fault`) or at random (`Chaos`):
before the work is done, after it (so that the caller cannot know), or as no answer at all.
Refuses: connections from anywhere but this machine.
"""

from __future__ import annotations

import base64
import email.parser
import email.policy
import json
import random
import re
import secrets
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, cast
from urllib.parse import parse_qs, unquote, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from .callbacks import CallbackSender, CallbackSigner
from .pages import save_page, wallet_page
from .schema import COLLECTIONS
from .store import Refusal, Saved, WalletStore

__all__ = ["PERSON", "Call", "Chaos", "Fault", "GoogleStandIn"]

_SCOPE: Final = "https://www.googleapis.com/auth/wallet_object.issuer"
_LINK_LIMIT: Final = 1800
_LARGEST: Final = 1_000_000
#: The user behind the phone that a browser shows.
PERSON: Final = "demo"


@dataclass(frozen=True, slots=True)
class Call:
    """One REST call as it arrived: ``status`` is what was answered, 0 when nothing was."""

    at: datetime
    method: str
    path: str
    body: Any
    status: int


@dataclass(slots=True)
class Fault:
    """A failure on command for the next ``times`` calls that match.

    ``status`` 0 closes the connection without an answer; ``after`` does the work first, so that
    the answer is lost but the change is not. ``delay`` makes the work take seconds longer; ``hang``
    holds the answer back for seconds once the work is done.
    """

    status: int
    method: str = ".*"
    path: str = ".*"
    times: int = 1
    after: bool = False
    retry_after: int | None = None
    reason: str = "Fault on command."
    delay: float = 0.0
    hang: float = 0.0


@dataclass
class Chaos:
    """Random faults on a ``share`` of the calls, repeatable through ``seed``."""

    share: float
    seed: int = 1
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311  (repeatable, not secret)

    def next(self) -> Fault | None:
        if self._random.random() >= self.share:
            return None
        return self._random.choice(
            [
                Fault(503),
                Fault(500, after=True),
                Fault(0),
                Fault(0, after=True),
                Fault(429, retry_after=1),
            ]
        )


@dataclass
class _Bucket:
    rate: float
    burst: float
    tokens: float = 0.0
    seen: float = 0.0

    def take(self) -> bool:
        now = time.monotonic()
        if not self.seen:
            self.tokens, self.seen = self.burst, now
        self.tokens = min(self.burst, self.tokens + (now - self.seen) * self.rate)
        self.seen = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


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
        self.calls: list[Call] = []
        self.tokens_issued = 0
        self.keys_served = 0
        self.over_rate = 0
        self.overlapping: Counter[str] = Counter()
        self.faults: list[Fault] = []
        self.chaos: Chaos | None = None
        self.keys_reachable = True
        self.invited = True
        self.latency = latency
        self.inspect = inspect
        self._clock = clock
        self._bucket = _Bucket(rate, burst)
        self._lock = threading.Lock()
        self._tokens: dict[str, float] = {}
        self._running: Counter[str] = Counter()
        stand_in = self

        class Handler(_Handler):
            google = stand_in

        self._server = _Server(("127.0.0.1", port), Handler)
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

    def fail(self, fault: Fault) -> None:
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
            raise Refusal(400, "invalid_grant: the audience must be the token address.")
        if claims.get("scope") != _SCOPE:
            raise Refusal(400, "invalid_scope")
        if not claims["iat"] - 60 <= now <= claims["exp"] or claims["exp"] > claims["iat"] + 3600:
            raise Refusal(400, "invalid_grant: iat and exp must span now, an hour at most.")
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
            self.calls.append(Call(self._clock(), method, path, body, status))
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
            raise Refusal(400, "The link is longer than 1800 characters and was cut off.")
        claims = self._verified(jwt)
        if claims.get("aud") != "google" or claims.get("typ") != "savetowallet":
            raise Refusal(400, "The link is no savetowallet JWT for Google.")
        if not isinstance(claims.get("iat"), int) or claims["iat"] > self._clock().timestamp() + 60:
            raise Refusal(400, "iat must be whole seconds and not in the future.")
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
                raise Refusal(400, "invalid_grant: RS256 is the only algorithm.")
            key.verify(
                _unbase64(signature),
                f"{head}.{payload}".encode(),
                padding.PKCS1v15(),
                hashes.SHA256(),
            )
        except (ValueError, KeyError, InvalidSignature) as error:
            raise Refusal(400, "invalid_grant: the signature does not verify.") from error
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

    def _fault(self, method: str, path: str) -> Fault | None:
        with self._lock:
            for fault in self.faults:
                if re.fullmatch(fault.method, method) and re.search(fault.path, path):
                    fault.times -= 1
                    if fault.times <= 0:
                        self.faults.remove(fault)
                    return fault
            return self.chaos.next() if self.chaos else None

    def _answer(
        self, method: str, path: str, body: Any, authorization: str, fault: Fault | None
    ) -> tuple[int, Any, dict[str, str]]:
        with self._lock:
            token = authorization.removeprefix("Bearer ")
            known = self._tokens.get(token, 0) > self._clock().timestamp()
            within = self._bucket.take()
            self.over_rate += not within
        if not known:
            return 401, _error(401, "Request had invalid authentication credentials."), {}
        if not self.invited:
            return 403, _error(403, "The service account may not access this issuer."), {}
        if not within:
            return 429, _error(429, "Quota exceeded for requests per second."), {"Retry-After": "1"}
        if fault and not fault.after:
            return _failed(fault)
        try:
            answer = self._do(method, path, body)
        except Refusal as refusal:
            return refusal.status, _error(refusal.status, refusal.reason), {}
        return _failed(fault) if fault else (200, answer, {})

    def _do(self, method: str, path: str, body: Any) -> Any:
        parts = unquote(urlsplit(path).path).removeprefix("/walletobjects/v1/").split("/")
        if parts[0] not in COLLECTIONS or len(parts) > 3:
            raise Refusal(404, f"{path} is no address of the Wallet API.")
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
                    raise Refusal(403, "The service account may not access this issuer.")
                wanted = query.get("classId", [""])[0]
                found = self.store.resources(parts[0])
                return {"resources": [one for one in found if one.get("classId", "") == wanted]}
        raise Refusal(404, f"{method} {path} is no call of the Wallet API.")


def _failed(fault: Fault) -> tuple[int, Any, dict[str, str]]:
    headers = {"Retry-After": str(fault.retry_after)} if fault.retry_after is not None else {}
    return fault.status, _error(fault.status, fault.reason), headers


def _error(status: int, reason: str) -> dict[str, Any]:
    return {"error": {"code": status, "message": reason}}


def _unbase64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().server_bind()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing when a client went away; the caller sees its own error."""


class _Handler(BaseHTTPRequestHandler):
    """Takes requests apart; the stand-in answers them."""

    google: GoogleStandIn
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent; `GoogleStandIn.calls` is the log."""

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        content = self.rfile.read(min(length, _LARGEST))
        path = urlsplit(self.path).path
        if path == "/batch":
            self._batch(content)
        elif path.startswith("/walletobjects/"):
            self._rest(content)
        elif path.startswith("/phone") or (
            path.startswith("/gp/v/save/") and self.command == "GET"
        ):
            self._phone(path)
        else:
            try:
                status, answer = self._elsewhere(path, content)
            except Refusal as refusal:
                status, answer = refusal.status, _error(refusal.status, refusal.reason)
            self._reply(status, json.dumps(answer).encode())

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve  # noqa: N815

    def _rest(self, content: bytes) -> None:
        try:
            body = json.loads(content) if content else None
        except ValueError:
            self._reply(400, json.dumps(_error(400, "Invalid JSON payload.")).encode())
            return
        authorization = self.headers.get("Authorization", "")
        status, answer, headers = self.google.rest(self.command, self.path, body, authorization)
        if status == 0:
            self._hang_up()
            return
        self._reply(status, json.dumps(answer).encode(), headers)

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _batch(self, content: bytes) -> None:
        if self.google.drops_batch():
            self._hang_up()
            return
        kind = self.headers.get("Content-Type", "")
        document = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(
            f"Content-Type: {kind}\r\n\r\n".encode() + content
        )
        boundary = secrets.token_hex(12)
        answers = []
        for part in document.iter_parts():
            request = cast(bytes, part.get_payload(decode=True))
            head, _, body = request.partition(b"\r\n\r\n")
            method, path, _version = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
            status, answer, headers = self.google.rest(
                method,
                path,
                json.loads(body) if body.strip() else None,
                self.headers.get("Authorization", ""),
            )
            lines = [f"HTTP/1.1 {status or 503} -", "Content-Type: application/json"]
            lines += [f"{name}: {value}" for name, value in headers.items()]
            answers.append(
                f"--{boundary}\r\nContent-Type: application/http\r\n"
                f"Content-ID: <response-{str(part['Content-ID']).strip('<>')}>\r\n\r\n"
                + "\r\n".join(lines)
                + f"\r\n\r\n{json.dumps(answer)}\r\n"
            )
        payload = ("".join(answers) + f"--{boundary}--\r\n").encode()
        self._reply(200, payload, {"Content-Type": f"multipart/mixed; boundary={boundary}"})

    def _phone(self, path: str) -> None:
        """Serve people: the page that saves, and the wallet of the person at this machine."""
        html = {"Content-Type": "text/html; charset=utf-8"}
        try:
            if path.startswith("/gp/v/save/"):
                self._reply(200, save_page(path.removeprefix("/gp/v/save/")), html)
            elif path.startswith("/phone/save/") and self.command == "POST":
                self.google.save(path.removeprefix("/phone/save/"), PERSON)
                self._reply(303, b"", {"Location": "/phone"})
            else:
                held = self.google.store.wallet(PERSON)
                mine = {one["id"] for one in held}
                rang = [n.text for n in self.google.store.notifications if n.object_id in mine]
                self._reply(200, wallet_page(held, rang), html)
        except Refusal as refusal:
            self._reply(refusal.status, refusal.reason.encode(), {"Content-Type": "text/plain"})

    def _elsewhere(self, path: str, content: bytes) -> tuple[int, Any]:
        user = self.headers.get("X-User", "")
        if path == "/token":
            form = parse_qs(content.decode())
            if form.get("grant_type") != ["urn:ietf:params:oauth:grant-type:jwt-bearer"]:
                raise Refusal(400, "unsupported_grant_type")
            return 200, self.google.grant(form.get("assertion", [""])[0])
        if path == "/gp/m/issuer/keys":
            self.google.keys_served += 1
            if not self.google.keys_reachable:
                raise Refusal(503, "The keys are away.")
            return 200, json.loads(self.google.signer.keys())
        if path.startswith("/gp/v/save/") and self.command == "POST":
            saved = self.google.save(path.removeprefix("/gp/v/save/"), user)
            return 200, {"saved": [one.object_id for one in saved]}
        if path == "/wallet":
            notified = [
                {"objectId": seen.object_id, "text": seen.text}
                for seen in self.google.store.notifications
            ]
            return 200, {"objects": self.google.store.wallet(user), "notifications": notified}
        if path.startswith("/wallet/") and self.command == "DELETE":
            self.google.forget(path.removeprefix("/wallet/"), user)
            return 200, {}
        raise Refusal(404, f"{self.command} {path} is nothing here.")

    def _reply(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json"} | dict(headers or {})).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
