"""The HTTP face of the Google stand-in: requests taken apart, answers put together.

Promises: REST, batch, OAuth, the callback keys, save links and wallets stand where Google has them,
or where a phone in a browser looks for them. Refuses: connections from anywhere but this machine.
"""

from __future__ import annotations

import email.parser
import email.policy
import json
import secrets
import socket
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Protocol, cast
from urllib.parse import parse_qs, urlsplit

from .callbacks import CallbackSigner
from .pages import save_page, wallet_page
from .store import GoogleRefusal, Saved, WalletStore

__all__ = ["PERSON", "Handler", "Server", "error"]

_LARGEST: Final = 1_000_000
#: The user behind the phone that a browser shows.
PERSON: Final = "demo"


def error(status: int, reason: str) -> dict[str, Any]:
    """Return the body of a refusal, as Google writes it."""
    return {"error": {"code": status, "message": reason}}


class Server(ThreadingHTTPServer):
    """A server of many threads on loopback."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().server_bind()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing when a client went away; the caller sees its own error."""


class Answers(Protocol):
    """What a request is answered with; `GoogleStandIn` says what each member does."""

    store: WalletStore
    signer: CallbackSigner
    keys_served: int
    keys_reachable: bool

    def rest(
        self, method: str, path: str, body: Any, authorization: str
    ) -> tuple[int, Any, dict[str, str]]: ...

    def drops_batch(self) -> bool: ...

    def save(self, jwt: str, user: str) -> list[Saved]: ...

    def grant(self, assertion: str) -> dict[str, Any]: ...

    def forget(self, object_id: str, user: str) -> None: ...


class Handler(BaseHTTPRequestHandler):
    """Takes requests apart; the stand-in answers them."""

    google: Answers
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
            except GoogleRefusal as refusal:
                status, answer = refusal.status, error(refusal.status, refusal.reason)
            self._reply(status, json.dumps(answer).encode())

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve  # noqa: N815

    def _rest(self, content: bytes) -> None:
        try:
            body = json.loads(content) if content else None
        except ValueError:
            self._reply(400, json.dumps(error(400, "Invalid JSON payload.")).encode())
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
        except GoogleRefusal as refusal:
            self._reply(refusal.status, refusal.reason.encode(), {"Content-Type": "text/plain"})

    def _elsewhere(self, path: str, content: bytes) -> tuple[int, Any]:
        user = self.headers.get("X-User", "")
        if path == "/token":
            form = parse_qs(content.decode())
            if form.get("grant_type") != ["urn:ietf:params:oauth:grant-type:jwt-bearer"]:
                raise GoogleRefusal(400, "unsupported_grant_type")
            return 200, self.google.grant(form.get("assertion", [""])[0])
        if path == "/gp/m/issuer/keys":
            self.google.keys_served += 1
            if not self.google.keys_reachable:
                raise GoogleRefusal(503, "The keys are away.")
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
        raise GoogleRefusal(404, f"{self.command} {path} is nothing here.")

    def _reply(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json"} | dict(headers or {})).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
