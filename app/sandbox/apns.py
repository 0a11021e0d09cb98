"""Apple's push service on loopback: HTTP/2, client certificates demanded, every failure on command.

Promises: speaks to a client as developer.apple.com/documentation/usernotifications says: TLS with
a client certificate whose UID must be the topic, one request per push, a stream limit in SETTINGS,
GOAWAY, and each documented answer. It records every push and can call back the phones it reaches.
Refuses: nothing on its own account that Apple would accept.
"""

import asyncio
import random
import ssl
import tempfile
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
import orjson
from cryptography import x509
from cryptography.x509.oid import NameOID

from app.sandbox.certificates import Identity


@dataclass(frozen=True, slots=True)
class Received:
    """A push as it arrived, whatever was answered; `connection` counts from 1."""

    token: str
    headers: dict[str, str]
    payload: bytes
    connection: int
    status: int
    at: float


@dataclass(frozen=True, slots=True)
class PushAnswer:
    """What to say to a push: a status with Apple's reason, or silence, after `delay` seconds."""

    status: int = 200
    reason: str = ""
    timestamp: datetime | None = None
    retry_after: int | None = None
    delay: float = 0.0
    silent: bool = False


OK = PushAnswer()
SILENCE = PushAnswer(silent=True)

# What a bad day at Apple, or a bad line to it, looks like; used at random by `weather`.
STORMS = (
    PushAnswer(429, "TooManyRequests", retry_after=1),
    PushAnswer(500, "InternalServerError"),
    PushAnswer(503, "ServiceUnavailable"),
    PushAnswer(503, "Shutdown"),
)


@dataclass(slots=True)
class _Request:
    headers: dict[str, str]
    body: bytearray = field(default_factory=bytearray)


class ApnsStandIn:
    """The stand-in; a context manager that serves from a thread of its own.

    `identity` is the server's certificate, `trusted` the PEM certificates that issue client
    certificates, `streams` the limit in SETTINGS. `on_push` is called from the server's thread
    with the token of each push that was accepted.
    """

    def __init__(
        self,
        *,
        identity: Identity,
        trusted: bytes,
        streams: int = 100,
        on_push: Callable[[str], None] | None = None,
    ) -> None:
        self.streams = streams
        self.on_push = on_push
        self.received: list[Received] = []
        self.connections = 0
        self.most_streams = 0
        self.refusing = False
        self._context = _server_context(identity, trusted)
        self._lock = threading.Lock()
        self._next: deque[PushAnswer] = deque()
        self._next_of: dict[str, deque[PushAnswer]] = {}
        self._always: dict[str, PushAnswer] = {}
        self._weather: tuple[random.Random, float] | None = None
        self._open: set[_Connection] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="apns", daemon=True)
        self._server: asyncio.Server | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Return the address for PASSERELLE_APNS_URL."""
        return f"https://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def answer(self, answer: PushAnswer, *, times: int = 1, token: str | None = None) -> None:
        """Give this answer to the next pushes, of one token or of whichever come."""
        with self._lock:
            line = self._next if token is None else self._next_of.setdefault(token, deque())
            line.extend([answer] * times)

    def always(self, token: str, answer: PushAnswer | None) -> None:
        """Give this answer to every push of the token; None lifts it."""
        with self._lock:
            if answer is None:
                self._always.pop(token, None)
            else:
                self._always[token] = answer

    def unregister(self, token: str, at: datetime) -> None:
        """Answer 410 for the token: the pass left the device at that time."""
        self.always(token, PushAnswer(410, "Unregistered", timestamp=at))

    def weather(self, chance: random.Random | None, rate: float = 0.0) -> None:
        """Fail this share of the pushes in a random way; None is fair weather again."""
        with self._lock:
            self._weather = None if chance is None else (chance, rate)

    def calm(self) -> None:
        """Forget the answers for whichever pushes come next; those of one token stay."""
        with self._lock:
            self._next.clear()

    def goaway(self) -> None:
        """Announce on each connection that it will take no further streams, and close it."""
        self._on_each(_Connection.go_away)

    def cut(self) -> None:
        """Break every connection at once, whatever is under way."""
        self._on_each(_Connection.cut)

    def tokens(self) -> list[str]:
        """Return the tokens of the pushes accepted so far, in order."""
        return [push.token for push in tuple(self.received) if push.status == 200]

    def _on_each(self, action: "Callable[[_Connection], None]") -> None:
        done = threading.Event()

        def run() -> None:
            for connection in tuple(self._open):
                action(connection)
            done.set()

        self._loop.call_soon_threadsafe(run)
        done.wait(5)

    async def _listen(self) -> None:
        self._server = await self._loop.create_server(
            lambda: _Connection(self), "127.0.0.1", 0, ssl=self._context
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def _shut(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._open):
            connection.cut()
        await asyncio.sleep(0)

    def _decide(self, request: _Request, topic: str) -> tuple[str, PushAnswer]:
        """Return the token and the answer: Apple's own checks first, then what was commanded."""
        path = request.headers.get(":path", "")
        token = path.removeprefix("/3/device/")
        if request.headers.get(":method") != "POST":
            return token, PushAnswer(405, "MethodNotAllowed")
        if token == path or not token:
            return token, PushAnswer(404, "BadPath")
        if not _is_hex(token):
            return token, PushAnswer(400, "BadDeviceToken")
        named = request.headers.get("apns-topic")
        if named is None:
            return token, PushAnswer(400, "MissingTopic")
        if named != topic:
            return token, PushAnswer(400, "TopicDisallowed")
        if len(request.body) > 4096:
            return token, PushAnswer(413, "PayloadTooLarge")
        if not request.body:
            return token, PushAnswer(400, "PayloadEmpty")
        with self._lock:
            if line := self._next_of.get(token):
                return token, line.popleft()
            if token in self._always:
                return token, self._always[token]
            if self._next:
                return token, self._next.popleft()
            if self._weather is not None and self._weather[0].random() < self._weather[1]:
                return token, self._weather[0].choice(STORMS)
        return token, OK


class _Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, server: ApnsStandIn) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._requests: dict[int, _Request] = {}
        self._number = 0
        self._topic = ""
        self._h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        tls = transport.get_extra_info("ssl_object")
        if self._server.refusing or tls.selected_alpn_protocol() != "h2":
            self._transport.abort()
            return
        self._topic = _uid(tls.getpeercert(binary_form=True))
        self._server.connections += 1
        self._number = self._server.connections
        self._server._open.add(self)
        self._h2.initiate_connection()
        # From the client's acknowledgement on, a stream too many is a fault of the connection.
        self._h2.update_settings(
            {h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: self._server.streams}
        )
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._server._open.discard(self)

    def data_received(self, data: bytes) -> None:
        try:
            events = self._h2.receive_data(data)
        except h2.exceptions.ProtocolError:
            self._flush()
            self.cut()
            return
        for event in events:
            if isinstance(event, h2.events.RequestReceived):
                headers = {str(name): str(value) for name, value in event.headers}
                self._requests[event.stream_id] = _Request(headers)
                self._server.most_streams = max(self._server.most_streams, len(self._requests))
            elif isinstance(event, h2.events.DataReceived):
                self._requests[event.stream_id].body += event.data
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                self._handle(event.stream_id)
            elif isinstance(event, h2.events.StreamReset):
                self._requests.pop(event.stream_id, None)
            elif isinstance(event, h2.events.ConnectionTerminated):
                self.cut()
                return
        self._flush()

    def go_away(self) -> None:
        """Announce the end, as Apple does before maintenance, and close."""
        if self._transport is None or self._transport.is_closing():
            return
        self._h2.close_connection(additional_data=b'{"reason":"Shutdown"}')
        self._flush()
        self._transport.close()

    def cut(self) -> None:
        """Break the line."""
        if self._transport is not None:
            self._transport.abort()

    def _handle(self, stream: int) -> None:
        request = self._requests[stream]
        token, answer = self._server._decide(request, self._topic)
        self._server.received.append(
            Received(
                token,
                request.headers,
                bytes(request.body),
                self._number,
                0 if answer.silent else answer.status,
                time.monotonic(),
            )
        )
        if answer.silent:
            return
        if answer.delay:
            self._server._loop.call_later(answer.delay, self._respond_late, stream, token, answer)
        else:
            self._respond(stream, token, answer)

    def _respond_late(self, stream: int, token: str, answer: PushAnswer) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._respond(stream, token, answer)
            self._flush()

    def _respond(self, stream: int, token: str, answer: PushAnswer) -> None:
        if self._requests.pop(stream, None) is None:
            return
        headers = [(":status", str(answer.status)), ("apns-id", str(uuid.uuid4()))]
        if answer.retry_after is not None:
            headers.append(("retry-after", str(answer.retry_after)))
        body: dict[str, object] = {"reason": answer.reason}
        if answer.timestamp is not None:
            body["timestamp"] = int(answer.timestamp.timestamp() * 1000)
        try:
            self._h2.send_headers(stream, headers, end_stream=answer.status == 200)
            if answer.status != 200:
                self._h2.send_data(stream, orjson.dumps(body), end_stream=True)
        except h2.exceptions.ProtocolError:
            # The client reset the stream, or the connection is going away: it gets no answer.
            return
        if answer.status == 200 and self._server.on_push is not None:
            self._server.on_push(token)

    def _flush(self) -> None:
        if self._transport is not None and (data := self._h2.data_to_send()):
            self._transport.write(data)


def _server_context(identity: Identity, trusted: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    context.verify_mode = ssl.CERT_REQUIRED
    # The issuing certificate alone is trusted, as Apple trusts its own intermediate ones.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=trusted.decode("ascii"))
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = Path(folder, "server.pem"), Path(folder, "server.key")
        identity.write(certificate, key)
        context.load_cert_chain(certificate, key)
    return context


def _uid(certificate: bytes) -> str:
    names = x509.load_der_x509_certificate(certificate).subject
    found = names.get_attributes_for_oid(NameOID.USER_ID)
    return str(found[0].value) if found else ""


def _is_hex(token: str) -> bool:
    return len(token) % 2 == 0 and all(letter in "0123456789abcdef" for letter in token.lower())
