"""What a client is told that is not served: problem details (RFC 9457), and the connection ends."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import orjson
import structlog
from prometheus_client import Counter

from app.services.metrics import REGISTRY

REFUSED = Counter(
    "passerelle_requests_refused_total",
    "Requests that were cut off or sent away before the service worked on them",
    ["code"],
    registry=REGISTRY,
)


@dataclass(frozen=True, slots=True)
class RequestRefusal:
    """Why a request is not worked on; `retry_after` is seconds."""

    status: int
    code: str
    cause: str
    remedy: str
    retry_after: int | None = None

    def answer(self, caller: str) -> tuple[int, list[tuple[str, str]], bytes]:
        """The answer's status, headers and body; it is counted and logged."""
        request_id = secrets.token_hex(8)
        REFUSED.labels(self.code).inc()
        structlog.get_logger().info(
            "request_refused", request_id=request_id, code=self.code, caller=caller
        )
        body = orjson.dumps(
            {
                "type": "about:blank",
                "title": self.code.replace("_", " ").capitalize(),
                "status": self.status,
                "code": self.code,
                "detail": self.cause,
                "remedy": self.remedy,
                "request_id": request_id,
            }
        )
        headers = [
            ("Content-Type", "application/problem+json"),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Request-Id", request_id),
            # What else the client had to say is not read any more.
            ("Connection", "close"),
        ]
        if self.retry_after is not None:
            headers.append(("Retry-After", str(self.retry_after)))
        return self.status, headers, body


SLOW = RequestRefusal(
    408,
    "too_slow",
    "The request's body did not come in time.",
    "Send the whole request at once; send it again with the same Idempotency-Key.",
)
LARGE = RequestRefusal(
    413,
    "too_large",
    "The body is larger than this door takes.",
    "Send less, or in several requests.",
)
BUSY = RequestRefusal(
    503,
    "busy",
    "Too many requests wait already.",
    "Send the same request again, with the same Idempotency-Key.",
    retry_after=1,
)
ENDING = RequestRefusal(
    503,
    "ending",
    "This server process ends.",
    "Send the same request again, with the same Idempotency-Key.",
    retry_after=1,
)
FAULT = RequestRefusal(
    500,
    "fault",
    "The service failed; this is its fault, not the request's.",
    "Try again; if it stays, tell the operator the request_id.",
)
