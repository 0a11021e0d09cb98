"""The sender: pushes in, outcomes out, one connection behind it."""

import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Protocol, TypeVar

import pycurl

from app.delivery.apns.answers import CERTIFICATE_REMEDY, LONGEST_PAUSE, backoff, judge, parsed
from app.delivery.apns.transfers import Transfers
from app.delivery.outcomes import DONE, Outcome, Retry, StopSender
from app.delivery.wire import Bounded
from app.services.certificates import CertificateFault

PRODUCTION = "https://api.push.apple.com"


# Apple keeps one stored push per topic and device, so a long life costs nothing, and a phone that
# was off for a weekend still hears of its change.
EXPIRES_AFTER = timedelta(days=14)


IN_FLIGHT = 1000


CONNECT_TIMEOUT = 10


ANSWER_TIMEOUT = 10
# Bytes of an answer; Apple's have a few dozen.
LARGEST = 65_536


# A push that waits for longer than this no longer holds others back (seconds).
GRACE = 1.0
# So many that wait for long are tried beside the first push of a connection, or add to what may be
# under way on one that answers.
PROBES = 5
SILENT = 100
# How often the stream looks for pushes to take (seconds): while it could take some, and else.
SOON = 0.02
LATER = 0.25
# How often a long stream asks for the certificate (seconds).
CHECK_EVERY = 5.0
TIMED_OUT = pycurl.E_OPERATION_TIMEDOUT
# A certificate that Apple refused is tried again this often although nobody replaced it.
RECHECK = timedelta(hours=1)


class Push(Protocol):
    """One empty push, of whatever kind the caller has: it needs a token, in hexadecimal."""

    @property
    def token(self) -> str: ...


P = TypeVar("P", bound=Push)


@dataclass(frozen=True, slots=True)
class BarePush:
    """A push that is nothing but its token."""

    token: str


@dataclass(frozen=True, slots=True)
class Pause:
    """The sender rests: for how long, why, and what a person can do (empty: nothing is needed)."""

    until: timedelta
    reason: str
    remedy: str = ""


class ApnsSender:
    """Sends pushes for one pass type identifier.

    `identity` returns certificate, intermediate and key as one PEM text, or raises
    CertificateFault; it is asked before each `send`, so that a renewed certificate is used without
    a restart. `ca` names a PEM file of authorities to trust instead of
    the built-in ones (for a stand-in). `clock` is monotonic seconds.
    """

    def __init__(
        self,
        *,
        topic: str,
        identity: Callable[[], bytes],
        url: str = PRODUCTION,
        ca: Path | None = None,
        in_flight: int = IN_FLIGHT,
        connect_timeout: float = CONNECT_TIMEOUT,
        answer_timeout: float = ANSWER_TIMEOUT,
        grace: float = GRACE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._topic = topic
        self._ask_identity = identity
        self._ca = ca
        self._prefix = f"{url.rstrip('/')}/3/device/"
        self._in_flight = in_flight
        self._connect_timeout = connect_timeout
        self._answer_timeout = answer_timeout
        self._grace = grace
        self._clock = clock
        self._identity: bytes | None = None
        self._pem = b""
        self._transfers: Transfers | None = None
        self._idle: list[pycurl.Curl] = []
        self._bodies: dict[pycurl.Curl, Bounded] = {}
        self._headers: list[str] = []
        self._stopped: tuple[StopSender, float] | None = None
        self._resume_at = 0.0
        self._proved = False
        self._failures = 0
        self._last_failure = ""
        self.connections = 0

    def pause(self) -> Pause | None:
        """Say whether the sender rests at the moment, so that nothing need be claimed for it."""
        self._load_certificate()
        now = self._clock()
        if self._stopped is not None:
            stop, until = self._stopped
            if now < until:
                return Pause(timedelta(seconds=until - now), stop.reason, stop.remedy)
            self._stopped = None
        if now < self._resume_at:
            return Pause(timedelta(seconds=self._resume_at - now), self._last_failure)
        return None

    def send(self, pushes: Iterable[P], *, now: datetime) -> Iterator[tuple[P, Outcome]]:
        """Send them and yield each with its outcome, in the order of the answers; see `stream`."""
        waiting = iter(pushes)
        return self.stream(lambda: next(waiting, None), now=now)

    def stream(
        self,
        offered: Callable[[], P | None],
        *,
        now: datetime,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> Iterator[tuple[P, Outcome]]:
        """Send what is offered and yield each push with its outcome, in the order of the answers.

        `offered` returns the next push, or None if there is none at the moment. It is asked as
        places in the connection become free, and asked again while pushes are under way, so that
        one that is never answered holds nothing back; the stream ends when nothing is offered and
        nothing is under way. Every push taken is yielded once; none is taken while the sender
        rests or after the connection broke: those left over remain the caller's, who asks `pause`
        when to come again. `meanwhile` is called whenever pushes have just gone out, for work that
        is best done while their answers are under way.
        """
        if self.pause() is not None:
            return
        self._set_headers(now)
        transfers = self._open()
        under_way: dict[pycurl.Curl, tuple[P, float]] = {}
        # From the first failure of the connection itself on, nothing new is started on it; what is
        # under way gets its answer or its own failure.
        broken = closing = False
        answered_at = checked_at = time.monotonic()
        try:
            while True:
                started = time.monotonic()
                if started - checked_at > CHECK_EVERY:
                    checked_at = started
                    # Another certificate signs passes: this connection is not added to.
                    closing = closing or self._is_replaced()
                silent = _older(under_way, than=started - self._grace)
                limit = self._limit(silent, answers=started - answered_at < self._grace)
                dry = broken or closing
                before = len(under_way)
                while not dry and len(under_way) < limit:
                    push = offered()
                    if push is None:
                        dry = True
                        break
                    handle = self._idle.pop() if self._idle else self._new_handle()
                    handle.setopt(pycurl.URL, self._prefix + push.token)
                    under_way[handle] = push, started
                    transfers.add(handle)
                if not under_way or (broken and silent == len(under_way)):
                    break
                more = len(under_way) > before
                finished = transfers.advance(0.0 if more else SOON if dry else LATER)
                answers: list[tuple[P, Outcome]] = []
                for handle, error in finished:
                    push, began = under_way.pop(handle)
                    # Where others were answered meanwhile, it is this push that was not.
                    alone = error is not None and error[0] == TIMED_OUT and answered_at > began
                    outcome, ends = self._read(handle, error, now=now)
                    if error is None:
                        answered_at = time.monotonic()
                    ends = ends and not alone
                    broken = broken or ends
                    self._proved = self._proved or not ends
                    self._idle.append(handle)
                    answers.append((push, outcome))
                # No handle is between two places here: who takes the answers may fail.
                yield from answers
                if more:
                    meanwhile()
            for handle, (push, _) in list(under_way.items()):
                self._give_up(transfers, under_way, handle)
                yield push, Retry(backoff(self._failures), "No answer before the connection ended")
        finally:
            for handle in list(under_way):
                self._give_up(transfers, under_way, handle)
            if broken:
                self._reopen_later()
            elif self._proved:
                self._failures = 0

    def _limit(self, silent: int, *, answers: bool) -> int:
        """How many pushes may be under way, of which `silent` have waited for long.

        The first push of a connection goes alone: its answer proves the certificate, and by then
        the server's SETTINGS have told how many streams it allows. Where it is not answered, a few
        others try. On a connection that answers, some that are silent take no place of others.
        """
        if not self._proved:
            return 1 + min(silent, PROBES)
        return self._in_flight + (min(silent, SILENT) if answers else 0)

    def _give_up(
        self,
        transfers: Transfers,
        under_way: dict[pycurl.Curl, tuple[P, float]],
        handle: pycurl.Curl,
    ) -> None:
        del under_way[handle]
        transfers.remove(handle)
        handle.close()
        self._bodies.pop(handle, None)

    def _is_replaced(self) -> bool:
        try:
            return sha256(self._ask_identity()).digest() != self._identity
        except CertificateFault:
            return True

    def close(self) -> None:
        """Close the connection; the next `send` opens a new one."""
        for handle in self._idle:
            handle.close()
        self._idle.clear()
        self._bodies.clear()
        if self._transfers is not None:
            self._transfers.close()
            self._transfers = None
        self._proved = False

    def _load_certificate(self) -> None:
        """Ask for certificate and key; a change closes the connection and ends a stop."""
        try:
            pem = self._ask_identity()
        except CertificateFault as fault:
            self._stopped = (
                StopSender(f"CertificateUnusable: {fault}", CERTIFICATE_REMEDY),
                self._clock() + RECHECK.total_seconds(),
            )
            self._identity = None
            return
        identity = sha256(pem).digest()
        if identity != self._identity:
            self.close()
            self._identity = identity
            self._pem = pem
            self._stopped = None
            self._failures = 0
            self._resume_at = 0.0

    def _set_headers(self, now: datetime) -> None:
        # Whole hours, so that the handles' header lists stay the same from send to send.
        expiration = int((now + EXPIRES_AFTER).timestamp()) // 3600 * 3600
        headers = [
            f"apns-topic: {self._topic}",
            "apns-push-type: background",
            "apns-priority: 5",
            f"apns-expiration: {expiration}",
            "content-type: application/json",
        ]
        if headers != self._headers:
            self._headers = headers
            for handle in self._idle:
                handle.setopt(pycurl.HTTPHEADER, headers)

    def _open(self) -> "Transfers":
        if self._transfers is None:
            self._transfers = Transfers(streams=self._in_flight)
        return self._transfers

    def _new_handle(self) -> pycurl.Curl:
        handle = pycurl.Curl()
        body = Bounded(LARGEST)
        handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2TLS)
        handle.setopt(pycurl.PIPEWAIT, 1)
        handle.setopt(pycurl.POST, 1)
        handle.setopt(pycurl.POSTFIELDS, "{}")
        handle.setopt(pycurl.HTTPHEADER, self._headers)
        handle.setopt(pycurl.WRITEFUNCTION, body.take)
        handle.setopt(pycurl.NOSIGNAL, 1)
        handle.setopt(pycurl.SSLVERSION, pycurl.SSLVERSION_TLSv1_2)
        handle.setopt(pycurl.SSLCERT_BLOB, self._pem)
        handle.setopt(pycurl.SSLKEY_BLOB, self._pem)
        if self._ca is not None:
            handle.setopt(pycurl.CAINFO, str(self._ca))
        handle.setopt(pycurl.PROXY, "")
        handle.setopt(pycurl.CONNECTTIMEOUT_MS, int(self._connect_timeout * 1000))
        handle.setopt(pycurl.TIMEOUT_MS, int(self._answer_timeout * 1000))
        handle.setopt(pycurl.TCP_KEEPALIVE, 1)
        # An hour without pushes is no reason for a new connection (Apple asks to keep it).
        handle.setopt(pycurl.MAXAGE_CONN, 3600)
        self._bodies[handle] = body
        return handle

    def _read(
        self, handle: pycurl.Curl, error: tuple[int, str] | None, *, now: datetime
    ) -> tuple[Outcome, bool]:
        """Return the outcome, and whether the connection must not be used any further."""
        self.connections += handle.getinfo(pycurl.NUM_CONNECTS)
        body = self._bodies[handle]
        if error is not None:
            body.seek(0)
            body.truncate()
            return self._failed(*error), True
        status = handle.getinfo(pycurl.RESPONSE_CODE)
        if status == 200:
            return DONE, False
        answer = parsed(body.getvalue())
        body.seek(0)
        body.truncate()
        retry_after = handle.getinfo(pycurl.RETRY_AFTER)
        outcome = judge(status, answer, retry_after=retry_after, failures=self._failures)
        if isinstance(outcome, StopSender):
            self._stopped = (outcome, self._clock() + RECHECK.total_seconds())
            return outcome, True
        if status >= 500:
            self._last_failure = f"{status} {answer.get('reason', '')}".strip()
            return outcome, True
        return outcome, False

    def _failed(self, code: int, text: str) -> Outcome:
        self._last_failure = f"curl {code}: {text}"
        refused = "alert" in text and "certificate" in text
        if refused or code == pycurl.E_SSL_CERTPROBLEM:
            stop = StopSender(f"CertificateRefused: {text}", CERTIFICATE_REMEDY)
            self._stopped = (stop, self._clock() + RECHECK.total_seconds())
            return stop
        return Retry(backoff(self._failures), self._last_failure)

    def _reopen_later(self) -> None:
        """Close a connection that failed; pause for long unless it had worked before."""
        proved = self._proved
        self.close()
        self._failures = 0 if proved else self._failures + 1
        pause = 0.2 if proved else min(LONGEST_PAUSE, 0.5 * 2**self._failures)
        self._resume_at = self._clock() + pause * random.uniform(0.75, 1.25)  # noqa: S311


def _older(under_way: dict[pycurl.Curl, tuple[P, float]], *, than: float) -> int:
    """How many of the pushes, oldest first, were started before that moment."""
    count = 0
    for _, began in under_way.values():
        if began >= than:
            break
        count += 1
    return count
