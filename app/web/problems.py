"""Errors as RFC 9457 problem details: a stable `code`, the cause and the remedy.

A view raises a `Problem` with one of `ProblemCode`, or lets the fault of a use case pass, which
`problem_of` maps, once for all doors.

Nothing of the request is repeated in a problem, since it may hold a code, a PIN or a token.
A business refusal at a till is not a problem; it is an answer.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import orjson
import structlog
from flask import Flask, Response, g
from pydantic import BaseModel, Field, ValidationError
from werkzeug.exceptions import HTTPException

from app.faults import Fault
from app.web.problem_codes import ProblemCode
from passes.errors import CertificateError

MEDIA_TYPE = "application/problem+json"

#: What HTTP itself refuses, by its status.
_HTTP = {
    400: ProblemCode.BAD_REQUEST,
    404: ProblemCode.NOT_FOUND,
    405: ProblemCode.METHOD_NOT_ALLOWED,
    408: ProblemCode.TOO_SLOW,
    413: ProblemCode.TOO_LARGE,
    415: ProblemCode.UNSUPPORTED_MEDIA_TYPE,
    429: ProblemCode.RATE_LIMITED,
}


class FaultyMember(BaseModel):
    """One member of a request that is wrong, and why."""

    at: str = Field(description="Where, as a path of names and indexes joined by dots")
    cause: str


class ProblemBody(BaseModel):
    """An error: what happened and what to do (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    code: ProblemCode = Field(description="Stable name for programs")
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
        code: which; it decides the status.
        cause: one sentence; the code's own when absent.
        remedy: one sentence; the code's own when absent.
        status: another one, for `HTTP_ERROR` alone.
        more: members of this code's own (RFC 9457, section 3.2), such as what to choose from.
    """

    def __init__(
        self,
        code: ProblemCode,
        *,
        cause: str = "",
        remedy: str = "",
        status: int | None = None,
        headers: dict[str, str] | None = None,
        errors: list[FaultyMember] | None = None,
        more: dict[str, Any] | None = None,
    ) -> None:
        self.status = status or code.status
        self.code = code
        self.cause = cause or code.cause
        self.remedy = remedy or code.remedy
        self.headers = headers or {}
        self.errors = errors
        self.more = more or {}
        super().__init__(self.cause)

    def body(self) -> dict[str, Any]:
        """The members of the answer, without those that only a request has."""
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": self.code.replace("_", " ").capitalize(),
            "status": self.status,
            "code": self.code.value,
            "detail": self.cause,
            "remedy": self.remedy,
        }
        if self.errors:
            body["errors"] = [error.model_dump() for error in self.errors]
        return body

    def response(self) -> Response:
        """The problem as an answer, never cached."""
        body = {**self.body(), "request_id": g.get("request_id"), **self.more}
        answer = Response(orjson.dumps(body), self.status, mimetype=MEDIA_TYPE)
        answer.headers["Cache-Control"] = "no-store"
        answer.headers.update(self.headers)
        return answer


def problem_of(fault: Fault) -> Problem:
    """What a caller is told of a use case's fault: the one map from faults to problems.

    What is the service's own to mend is logged, and told in the code's own words. So is what does
    not exist, of which nobody learns whether it is another's.
    """
    code = ProblemCode.named(fault.code) or ProblemCode.FAULT
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    if code.status >= 500:
        log = structlog.get_logger()
        if code is ProblemCode.FAULT:
            log.error("fault", exc_info=fault)
        else:
            log.error(code.value, cause=str(fault))
        return Problem(code, headers=headers)
    if code.status == 404:
        return Problem(code)
    return Problem(code, cause=fault.cause, remedy=fault.remedy, headers=headers)


def example_of(code: ProblemCode) -> dict[str, Any]:
    """An answer with a code, for the description."""
    return {**Problem(code).body(), "request_id": "b1946ac92492d234"}


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
        ProblemCode.INVALID_REQUEST,
        cause="The request does not fit its description: "
        + "; ".join(f"{fault.at}: {fault.cause}" for fault in errors[:SAID])
        + more,
        errors=errors,
    ).response()


#: Shows a problem to people: a page, or None when the request is not for it.
Page = Callable[[Problem], Response | None]


def shown_as_page(app: Flask, page: Page) -> None:
    """Let `page` answer problems of the paths where people, not programs, are."""
    app.extensions.setdefault("passerelle_problem_pages", []).append(page)


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
        code = _HTTP.get(status, ProblemCode.HTTP_ERROR if status < 500 else ProblemCode.FAULT)
        headers = {
            name: value
            for name, value in error.get_headers()
            if name.lower() in ("allow", "retry-after", "www-authenticate")
        }
        cause = error.description or error.name
        return answer(Problem(code, cause=cause, status=status, headers=headers))

    @app.errorhandler(Fault)
    def _fault(error: Fault) -> Response:
        return answer(problem_of(error))

    @app.errorhandler(CertificateError)
    def _certificate(error: CertificateError) -> Response:
        # Certificates are looked at when something is signed, which may be long after the start.
        return answer(problem_of(Fault(str(error), code="misconfigured", retry_after=30)))

    @app.errorhandler(Exception)
    def _unforeseen(error: Exception) -> Response:
        structlog.get_logger().error("fault", exc_info=error)
        return answer(Problem(ProblemCode.FAULT))
