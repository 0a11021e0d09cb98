"""Errors as RFC 9457 problem details: a stable `code`, the cause and the remedy.

Nothing of the request is repeated in a problem, since it may hold a code, a PIN or a token.
A business refusal at a till is not a problem; it is an answer.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from flask import Flask, Response, g
from pydantic import BaseModel, Field, ValidationError
from werkzeug.exceptions import HTTPException

from app.services.certificates import CertificateFault
from app.services.keys import KeyFault
from app.store.keyring import MissingKey
from app.store.session import Unavailable
from passes.errors import CertificateError

MEDIA_TYPE = "application/problem+json"

_HTTP_REMEDIES = {
    400: ("bad_request", "Send what /openapi.json describes."),
    404: ("not_found", "Check the address against /openapi.json."),
    405: ("method_not_allowed", "Use a method that the Allow header names."),
    413: ("too_large", "Send less, or in several requests."),
    415: ("unsupported_media_type", "Send application/json."),
    429: ("rate_limited", "Wait for the seconds in Retry-After."),
}


#: What the gate, the bounds and the database answer at every door.
_EVERYWHERE = ("400", "404", "413", "422", "429", "503")


class FaultyMember(BaseModel):
    """One member of a request that is wrong, and why."""

    at: str = Field(description="Where, as a path of names and indexes joined by dots")
    cause: str


class ProblemBody(BaseModel):
    """An error: what happened and what to do (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    code: str = Field(description="Stable name for programs")
    detail: str = Field(description="The cause")
    remedy: str = Field(description="What to do")
    request_id: str | None = None
    errors: list[FaultyMember] | None = None

    @classmethod
    def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The schema, worked out once: each door asks for it for each of its statuses, which was
        a third of what a server's start took.
        """
        return _problem_schema(cls, *args, **kwargs)


@cache
def _problem_schema(body: type[ProblemBody], *args: Any, **kwargs: Any) -> dict[str, Any]:
    return super(ProblemBody, body).model_json_schema(*args, **kwargs)


class Problem(Exception):
    """Ends a request with a problem.

    Args:
        status: HTTP status.
        code: stable name for programs, snake_case.
        cause: one sentence.
        remedy: one sentence.
        more: members of this code's own (RFC 9457, section 3.2), such as what to choose from.
    """

    def __init__(
        self,
        status: int,
        code: str,
        *,
        cause: str,
        remedy: str,
        headers: dict[str, str] | None = None,
        errors: list[FaultyMember] | None = None,
        more: dict[str, Any] | None = None,
    ) -> None:
        self.status = status
        self.code = code
        self.cause = cause
        self.remedy = remedy
        self.headers = headers or {}
        self.errors = errors
        self.more = more or {}
        super().__init__(cause)

    def response(self) -> Response:
        """The problem as an answer, never cached."""
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": self.code.replace("_", " ").capitalize(),
            "status": self.status,
            "code": self.code,
            "detail": self.cause,
            "remedy": self.remedy,
            "request_id": g.get("request_id"),
            **self.more,
        }
        if self.errors:
            body["errors"] = [error.model_dump() for error in self.errors]
        answer = Response(orjson.dumps(body), self.status, mimetype=MEDIA_TYPE)
        answer.headers["Cache-Control"] = "no-store"
        answer.headers.update(self.headers)
        return answer


#: Faults of a request that its cause names; `errors` has all of them.
SAID = 5


def invalid_request(error: ValidationError) -> Response:
    """The answer to a request that does not fit its description."""
    errors = [
        FaultyMember(at=".".join(map(str, fault["loc"])) or "body", cause=fault["msg"])
        for fault in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    more = f"; and {len(errors) - SAID} more" if len(errors) > SAID else ""
    return Problem(
        422,
        "invalid_request",
        cause="The request does not fit its description: "
        + "; ".join(f"{fault.at}: {fault.cause}" for fault in errors[:SAID])
        + more,
        remedy="Mend what `errors` names; /openapi.json describes the request.",
        errors=errors,
    ).response()


#: Shows a problem to people: a page, or None when the request is not for it.
Page = Callable[[Problem], Response | None]


def shown_as_page(app: Flask, page: Page) -> None:
    """Let `page` answer problems of the paths where people, not programs, are."""
    app.extensions.setdefault("passerelle_problem_pages", []).append(page)


def described(description: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI description with problems under their own media type, which the generator does
    not know, and with those that every door answers.
    """
    reference = {"$ref": "#/components/schemas/ProblemBody"}
    for path in description.get("paths", {}).values():
        for operation in path.values():
            if not isinstance(operation, dict):
                continue
            for status in _EVERYWHERE:
                operation.setdefault("responses", {}).setdefault(
                    status,
                    {
                        "description": HTTPStatus(int(status)).phrase,
                        "content": {"application/json": {"schema": reference}},
                    },
                )
            for answer in operation.get("responses", {}).values():
                content = answer.get("content", {})
                if content.get("application/json", {}).get("schema") == reference:
                    content[MEDIA_TYPE] = content.pop("application/json")
    return description


def register(app: Flask) -> None:
    """Let every exception of a request end as a problem."""

    def answer(problem: Problem) -> Response:
        for page in app.extensions.get("passerelle_problem_pages", ()):
            shown: Response | None = page(problem)
            if shown is not None:
                return shown
        return problem.response()

    @app.errorhandler(Problem)
    def _problem(error: Problem) -> Response:
        return answer(error)

    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response:
        if error.response is not None:
            return error.response  # type: ignore[return-value] # flask-openapi3 puts ours there
        status = error.code or 500
        if status < 400:
            return Response(status=status, headers=error.get_headers())
        code, remedy = _HTTP_REMEDIES.get(status, ("http_error", "See /openapi.json."))
        headers = {
            name: value
            for name, value in error.get_headers()
            if name.lower() in ("allow", "retry-after", "www-authenticate")
        }
        return answer(
            Problem(
                status, code, cause=error.description or error.name, remedy=remedy, headers=headers
            )
        )

    @app.errorhandler(Unavailable)
    def _unavailable(error: Unavailable) -> Response:
        structlog.get_logger().warning("database_unavailable", cause=str(error))
        return answer(
            Problem(
                503,
                "unavailable",
                cause="The database cannot answer now.",
                remedy="Send the same request again, with the same Idempotency-Key.",
                headers={"Retry-After": str(error.retry_after)},
            )
        )

    @app.errorhandler(KeyFault)
    @app.errorhandler(MissingKey)
    def _keys(error: Exception) -> Response:
        structlog.get_logger().error("master_key_fault", cause=str(error))
        return answer(
            Problem(
                503,
                "misconfigured",
                cause="The service's keys do not fit its database.",
                remedy="Tell the operator: /readyz and the log name the key.",
                headers={"Retry-After": "30"},
            )
        )

    @app.errorhandler(CertificateFault)
    @app.errorhandler(CertificateError)
    def _certificates(error: Exception) -> Response:
        structlog.get_logger().error("certificate_fault", cause=str(error))
        return answer(
            Problem(
                503,
                "misconfigured",
                cause="The service has no certificate that it can sign passes with.",
                remedy="Tell the operator: /readyz and the log name what is wrong with it.",
                headers={"Retry-After": "30"},
            )
        )

    @app.errorhandler(Exception)
    def _fault(error: Exception) -> Response:
        structlog.get_logger().error("fault", exc_info=error)
        return answer(
            Problem(
                500,
                "fault",
                cause="The service failed; this is its fault, not the request's.",
                remedy="Try again; if it stays, tell the operator the request_id.",
            )
        )
