"""What is seen of requests: an id for each, one structured log line, counters and durations.

A log line names the route, never the path, because paths hold tokens; and it holds no header,
query or body. It names the prefix of the API key that asked, or why one was refused. An incoming
X-Request-Id is kept if it is harmless, so that a till's log and ours can be laid side by side.
"""

from __future__ import annotations

import re
import secrets
import time
from typing import Any

import structlog
from flask import Flask, Response, g, request
from prometheus_client import Counter, Histogram

from app.services.metrics import REGISTRY

_HARMLESS = re.compile(r"[A-Za-z0-9._-]{1,64}")

REQUESTS = Counter(
    "passerelle_requests_total",
    "Requests answered",
    ["route", "method", "status"],
    registry=REGISTRY,
)
SECONDS = Histogram(
    "passerelle_request_seconds",
    "Seconds from a request to its answer",
    ["route"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
    registry=REGISTRY,
)


def register(app: Flask) -> None:
    """Observe every request of `app`."""
    log = structlog.get_logger()
    series: dict[tuple[str, str, int], tuple[Any, Any]] = {}

    @app.before_request
    def _begin() -> None:
        given = request.headers.get("X-Request-Id", "")
        g.request_id = given if _HARMLESS.fullmatch(given) else secrets.token_hex(8)
        g.began = time.perf_counter()

    @app.after_request
    def _end(response: Response) -> Response:
        seconds = time.perf_counter() - g.began if "began" in g else 0.0
        rule = request.url_rule
        route = rule.rule if rule is not None else "unknown"
        # Looking a labelled series up costs more than counting in it.
        # Whoever invents methods must not make series of them.
        method = request.method if rule is not None else "other"
        key = (route, method, response.status_code)
        found = series.get(key)
        if found is None:
            found = series[key] = (
                REQUESTS.labels(route, method, str(response.status_code)),
                SECONDS.labels(route),
            )
        found[0].inc()
        found[1].observe(seconds)
        response.headers["X-Request-Id"] = g.get("request_id", "")
        log.info(
            "request",
            request_id=g.get("request_id"),
            route=route,
            method=method,
            status=response.status_code,
            ms=round(seconds * 1000, 2),
            **_who(),
        )
        return response


def _who() -> dict[str, str]:
    """The key that asked, if one did, or why one was refused."""
    if "client" in g:
        return {"key": g.client.prefix}
    refused = g.get("key_refused")
    if refused is None:
        return {}
    told = {"key_refused": refused.reason.value}
    return told if refused.prefix is None else {"key": refused.prefix, **told}
