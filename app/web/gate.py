"""The gate that every request passes: JSON, query and path hold only what may come in.

The rule is `app.domain.inputs`. A body that is no JSON (RFC 8259: so no NaN, no bytes that are not
UTF-8, no brackets without end) is 400; JSON or a query with text or numbers that are refused is
422, and says where. A path that holds such text names nothing: 404. Files have the same rule in
the modules that read them.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import orjson
from flask import Flask, Request, request

from app.domain import inputs
from app.domain.inputs import InputFault
from app.web.problem_codes import ProblemCode
from app.web.problems import FaultyMember, Problem


def parse_json(data: str | bytes) -> Any:
    """Read a body as JSON (RFC 8259), for a use case that asks the rule itself.

    The parser gives up at a depth of its own, so that brackets without end cost nothing.

    Raises:
        Problem: 400, it is not JSON.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        # The parser's message says what it expected and where, and repeats nothing of the body.
        raise Problem(
            ProblemCode.BAD_REQUEST,
            cause=f"The body is not JSON: {error}.",
            remedy="Send JSON in UTF-8 (RFC 8259), as /openapi.json describes it.",
        ) from None


def read_json(data: str | bytes) -> Any:
    """Read a body as JSON that the rule admits.

    Raises:
        Problem: 400, it is not JSON; 422, it holds what the rule refuses.
    """
    value = parse_json(data)
    if isinstance(value, str):
        # What validates requests would read a text as JSON once more, and past this gate.
        raise _refused("body", InputFault("", "is a text and not an object"))
    fault = inputs.first_fault(value)
    if fault is not None:
        raise _refused("body", fault)
    return value


_GATE = SimpleNamespace(loads=read_json)


class GatedRequest(Request):
    """A request whose JSON is read through the gate."""

    @property
    def json_module(self) -> Any:
        """What reads the body."""
        return _GATE

    @json_module.setter
    def json_module(self, _given: Any) -> None:
        """Flask gives each request what writes its answers; that would read past the gate."""


def register(app: Flask) -> None:
    """Let every request of `app` pass the gate, after its key was asked for."""
    app.request_class = GatedRequest

    @app.before_request
    def _look() -> None:
        if inputs.text_fault(request.path) is not None:
            raise Problem(
                ProblemCode.NOT_FOUND,
                cause="The address has a character that no address has.",
            )
        if request.query_string:
            for name, value in request.args.items(multi=True):
                fault = inputs.text_fault(name) or inputs.text_fault(value)
                if fault is not None:
                    place = name if inputs.text_fault(name) is None else "(a name)"
                    raise _refused("query", InputFault(place, fault))


def _refused(part: str, fault: InputFault) -> Problem:
    at = ".".join(filter(None, (part, fault.at)))
    return Problem(
        ProblemCode.INVALID_REQUEST,
        cause=f"The request does not fit its description: {at} {fault.cause}.",
        errors=[FaultyMember(at=at, cause=fault.cause)],
    )
