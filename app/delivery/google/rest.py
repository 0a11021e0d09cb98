"""Google's Wallet API, one call at a time: what was asked, and what Google's answer means.

Every answer, and every missing one, is a value (`GoogleAnswer`) whose verdict says what is
known about the resource; nothing that Google says raises. A refused token is renewed once. An
answer that leaves open whether the call was carried out is `UNCLEAR`, never guessed. Refuses: to
wait; pacing and repeating belong to the caller, who alone knows whether a repeat is safe.

Statuses and limits: https://developers.google.com/wallet/reference/rest
"""

from __future__ import annotations

import email.utils
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import quote

from app.delivery.outcomes import DONE, Outcome, RequestFault, Retry, StopSender
from app.delivery.wire import Unanswered, Wire, WireReply

from .oauth import AccessTokens, TokenRefused

__all__ = [
    "Collection",
    "GoogleAnswer",
    "Patch",
    "ResourceVerdict",
    "WalletApi",
    "backoff",
    "outcome",
]

Collection: TypeAlias = Literal["offerClass", "offerObject", "giftCardClass", "giftCardObject"]

#: Seconds in which a call has to be answered, all included, and bytes of its answer.
_SECONDS, _BATCH_SECONDS = 15.0, 60.0
_LARGEST, _BATCH_LARGEST = 10_000_000, 50_000_000
_BATCH_SIZE: Final = 100
_LONGEST_BACKOFF = timedelta(minutes=30)


class ResourceVerdict(StrEnum):
    """What an answer says about the resource."""

    OK = "ok"
    #: 409: an insert found it there already; patch it.
    EXISTS = "exists"
    #: 404: it, or the class it refers to, is not there; insert it.
    MISSING = "missing"
    #: 400 and other refusals of the content: repeating cannot help.
    INVALID = "invalid"
    #: 401 with a fresh token, or no token: our key is not accepted.
    UNAUTHENTICATED = "unauthenticated"
    #: 403: the account is not invited to this issuer.
    FORBIDDEN = "forbidden"
    #: 429: too many calls; nothing was done.
    BUSY = "busy"
    #: The pass had its three notifications of the day; nothing was done.
    MESSAGE_QUOTA = "message_quota"
    #: Nobody was reached; nothing was done.
    UNREACHABLE = "unreachable"
    #: 5xx or no answer: it may have been done.
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class GoogleAnswer:
    """Google's answer to one call.

    ``resource`` is the class or object as stored, when the call succeeded; ``retry_after`` is what
    Google asked for; ``reason`` names the cause, without anything secret, when it did not succeed.
    """

    verdict: ResourceVerdict
    status: int = 0
    resource: Mapping[str, Any] | None = None
    reason: str = ""
    retry_after: timedelta | None = None

    @property
    def ok(self) -> bool:
        return self.verdict is ResourceVerdict.OK


@dataclass(frozen=True, slots=True)
class Patch:
    """One PATCH of a batch: members merge, lists are replaced whole."""

    collection: Collection
    resource_id: str
    body: Mapping[str, Any]


class WalletApi:
    """The calls of the Wallet API that the service makes; one instance per worker thread.

    ``url`` stands for ``https://walletobjects.googleapis.com``; ``tokens`` is shared by the threads
    of the process; ``clock`` gives aware UTC.
    """

    def __init__(self, url: str, *, tokens: AccessTokens, clock: Callable[[], datetime]) -> None:
        self._url = url.rstrip("/")
        self._tokens = tokens
        self._clock = clock
        self._http = Wire()

    def __enter__(self) -> WalletApi:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the kept connections."""
        self._http.close()

    def insert(self, collection: Collection, resource: Mapping[str, Any]) -> GoogleAnswer:
        """Insert a class or object; `EXISTS` when its id is taken."""
        return self._call("POST", f"/walletobjects/v1/{collection}", resource)

    def get(self, collection: Collection, resource_id: str) -> GoogleAnswer:
        """Read a class or object; objects carry ``hasUsers``."""
        return self._call("GET", _address(collection, resource_id), None)

    def classes(self, collection: Collection, issuer_id: str) -> GoogleAnswer:
        """List classes of an issuer, the first page of them: under ``resources``."""
        answer = self._call("GET", f"/walletobjects/v1/{collection}?issuerId={issuer_id}", None)
        if answer.resource is not None and "resources" not in answer.resource:
            return GoogleAnswer(answer.verdict, answer.status, {"resources": []})
        return answer

    def patch(
        self, collection: Collection, resource_id: str, body: Mapping[str, Any]
    ) -> GoogleAnswer:
        """Change the members that ``body`` names.

        Objects in ``body`` merge with what is stored, lists replace it whole, None removes. A class
        goes back ``UNDER_REVIEW`` with every change, which Google demands to be said.
        """
        return self._call("PATCH", _address(collection, resource_id), _reviewed(collection, body))

    def add_message(
        self, collection: Collection, resource_id: str, message: Mapping[str, Any]
    ) -> GoogleAnswer:
        """Append a message, which must carry an id: after an `UNCLEAR` answer look for it by `get`.

        Repeating the call instead may notify the holder twice.
        """
        if not message.get("id"):
            raise ValueError("A message needs an id, to be found again after an unclear answer.")
        address = f"{_address(collection, resource_id)}/addMessage"
        answer = self._call("POST", address, {"message": message})
        if answer.resource is not None:
            return GoogleAnswer(answer.verdict, answer.status, answer.resource.get("resource"))
        return answer

    def patch_all(self, changes: Sequence[Patch]) -> list[GoogleAnswer]:
        """Send up to 100 changes as one HTTP request; answers in the order of the changes.

        Each counts against Google's rate like a call of its own; what is saved is the round trips.
        A change whose answer is missing from the reply is `UNCLEAR`.
        """
        if len(changes) > _BATCH_SIZE:
            raise ValueError(f"A batch holds {_BATCH_SIZE} changes at most.")
        boundary = secrets.token_hex(16)
        parts = []
        for number, change in enumerate(changes):
            body = _dumped(_reviewed(change.collection, change.body))
            parts.append(
                f"--{boundary}\r\nContent-Type: application/http\r\nContent-ID: <{number}>\r\n\r\n"
                f"PATCH {_address(change.collection, change.resource_id)} HTTP/1.1\r\n"
                f"Content-Type: application/json\r\n\r\n".encode()
                + body
                + b"\r\n"
            )
        content = b"".join(parts) + f"--{boundary}--\r\n".encode()
        kind = f"multipart/mixed; boundary={boundary}"
        sent = self._send(
            "POST", "/batch", content, kind, seconds=_BATCH_SECONDS, most=_BATCH_LARGEST
        )
        if isinstance(sent, GoogleAnswer):
            return [sent] * len(changes)
        if sent.status != 200:
            return [self._judged(sent)] * len(changes)
        found = _batch_answers(sent.headers.get("content-type", ""), sent.text)
        unclear = GoogleAnswer(
            ResourceVerdict.UNCLEAR, reason="The batch's reply left this change out."
        )
        return [found.get(number, unclear) for number in range(len(changes))]

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None) -> GoogleAnswer:
        content = None if body is None else _dumped(body)
        sent = self._send(
            method, path, content, "application/json", seconds=_SECONDS, most=_LARGEST
        )
        return sent if isinstance(sent, GoogleAnswer) else self._judged(sent)

    def _send(
        self,
        method: str,
        path: str,
        content: bytes | None,
        kind: str,
        *,
        seconds: float,
        most: int,
    ) -> WireReply | GoogleAnswer:
        """Send with a token; a refused token is replaced once, since Google revokes at will."""
        for last in (False, True):
            try:
                token = self._tokens.get(self._http, self._clock())
            except TokenRefused as refused:
                if refused.status and refused.status < 500 and refused.status != 429:
                    return GoogleAnswer(
                        ResourceVerdict.UNAUTHENTICATED, refused.status, reason=refused.reason
                    )
                return GoogleAnswer(
                    ResourceVerdict.UNREACHABLE, refused.status, reason=refused.reason
                )
            try:
                answer = self._http.send(
                    method,
                    self._url + path,
                    seconds=seconds,
                    most=most,
                    headers={"Authorization": f"Bearer {token}", "Content-Type": kind},
                    body=content,
                )
            except Unanswered as fault:
                # Where the request may have gone out, it may have been carried out.
                if not fault.sent:
                    return GoogleAnswer(
                        ResourceVerdict.UNREACHABLE, reason="Google could not be reached."
                    )
                return GoogleAnswer(ResourceVerdict.UNCLEAR, reason=f"No answer: {fault.reason}")
            if answer.status != 401 or last:
                return answer
            self._tokens.discard(token)
        raise AssertionError("unreachable")

    def _judged(self, answer: WireReply) -> GoogleAnswer:
        wait = _retry_after(answer.headers.get("retry-after"), self._clock())
        return _judged(answer.status, answer.text, wait)


def outcome(answer: GoogleAnswer, *, attempts: int, jitter: Callable[[], float]) -> Outcome:
    """Say what the delivery engine does after an answer (to an insert or a change).

    ``attempts`` counts the failures so far; ``jitter`` gives a number from 0 to 1. `EXISTS` and
    `MISSING` are retried at once: the caller then knows to patch or to insert instead.
    """
    match answer.verdict:
        case ResourceVerdict.OK:
            return DONE
        case ResourceVerdict.EXISTS | ResourceVerdict.MISSING:
            return Retry(timedelta(0), answer.reason)
        case ResourceVerdict.INVALID:
            return RequestFault(
                f"Google refused the content ({answer.status}): {answer.reason}",
                "Correct the campaign's presentation; the next change is sent again by itself.",
            )
        case ResourceVerdict.UNAUTHENTICATED:
            return StopSender(
                f"Google does not accept the service account: {answer.reason}",
                "Check the clock and that the key was not revoked; put a new JSON key in place.",
            )
        case ResourceVerdict.FORBIDDEN:
            return StopSender(
                f"Google lets the service account touch nothing of this issuer: {answer.reason}",
                "Invite the service account's e-mail address in the Google Pay & Wallet console,"
                " and check PASSERELLE_GOOGLE_ISSUER_ID.",
            )
        case _:
            wait = backoff(attempts, jitter)
            return Retry(max(wait, answer.retry_after or wait), answer.reason)


def backoff(attempts: int, jitter: Callable[[], float]) -> timedelta:
    """Say how long to wait after a number of failures: doubling from 1 s, half of it jittered."""
    longest = min(timedelta(seconds=2.0 ** min(attempts, 20)), _LONGEST_BACKOFF)
    return longest * (0.5 + 0.5 * jitter())


def _judged(status: int, text: str, retry_after: timedelta | None) -> GoogleAnswer:
    try:
        members = json.loads(text) if text else {}
    except ValueError:
        members = {}
    if 200 <= status < 300 and isinstance(members, dict):
        return GoogleAnswer(ResourceVerdict.OK, status, members)
    error = members.get("error") if isinstance(members, dict) else None
    reason = str(error.get("message", "")) if isinstance(error, dict) else ""
    reason = (reason or f"HTTP {status}")[:300]
    if "QuotaExceededException" in text and status in (400, 403, 429):
        return GoogleAnswer(ResourceVerdict.MESSAGE_QUOTA, status, reason=reason)
    verdict = {
        401: ResourceVerdict.UNAUTHENTICATED,
        403: ResourceVerdict.FORBIDDEN,
        404: ResourceVerdict.MISSING,
        409: ResourceVerdict.EXISTS,
        429: ResourceVerdict.BUSY,
    }.get(status, ResourceVerdict.INVALID if 400 <= status < 500 else ResourceVerdict.UNCLEAR)
    return GoogleAnswer(verdict, status, reason=reason, retry_after=retry_after)


def _retry_after(value: str | None, now: datetime) -> timedelta | None:
    """Read ``Retry-After`` (RFC 9110, 10.2.3): seconds or a date."""
    if not value:
        return None
    if value.strip().isdigit():
        return timedelta(seconds=int(value))
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(moment - now, timedelta(0)) if moment.tzinfo else None


def _batch_answers(kind: str, text: str) -> dict[int, GoogleAnswer]:
    """Take a multipart reply apart: the number of each part's Content-ID, and its answer.

    Written out because `email` reads a part's own headers but not the HTTP reply inside it.
    """
    _, found, boundary = kind.partition("boundary=")
    answers: dict[int, GoogleAnswer] = {}
    if not found:
        return answers
    delimiter = "--" + boundary.strip().strip('"')
    for part in text.replace("\r\n", "\n").split(delimiter)[1:-1]:
        outer, _, inner = part.strip("\n").partition("\n\n")
        head, _, body = inner.partition("\n\n")
        content_id = _header(outer, "content-id").strip("<>").removeprefix("response-")
        status = head.split(" ", 2)[1:2]
        if not content_id.isdigit() or not status or not status[0].isdigit():
            continue
        seconds = _header(head, "retry-after")
        wait = timedelta(seconds=int(seconds)) if seconds.isdigit() else None
        answers[int(content_id)] = _judged(int(status[0]), body.strip(), wait)
    return answers


def _header(block: str, name: str) -> str:
    for line in block.split("\n"):
        key, _, value = line.partition(":")
        if key.strip().lower() == name:
            return value.strip()
    return ""


def _reviewed(collection: Collection, body: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**body, "reviewStatus": "UNDER_REVIEW"} if collection.endswith("Class") else body


def _address(collection: Collection, resource_id: str) -> str:
    return f"/walletobjects/v1/{collection}/{quote(resource_id, safe='')}"


def _dumped(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
