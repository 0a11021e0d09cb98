"""Answers held to the description of the API: `/openapi.json` is what they are judged by."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from typing import Any

import jsonschema_rs
from flask import Flask, Response, request

from app.web.description import codes_of
from app.web.problems import MEDIA_TYPE

_PARAMETER = re.compile(r"<(?:[^<>:]+:)?([^<>]+)>")
#: Doors whose answers are described.
DOORS = ("/api/v1/", "/pos/v1/")
NDJSON = "application/x-ndjson"


class Description:
    """The description of an application, as a judge of what it answers."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.components = deepcopy(document["components"])
        # A client may ignore a member that it does not know, so that a schema allows it; a member
        # that an answer has and the description has not is a fault of the description.
        for schema in self.components["schemas"].values():
            _close(schema)
        self._validator = cache(self._made)

    def operations(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Method, path and description of every operation."""
        for path, operations in self.document["paths"].items():
            for method, operation in operations.items():
                if isinstance(operation, dict) and "responses" in operation:
                    yield method.upper(), path, operation

    def faults_of(self, value: object, schema: dict[str, Any]) -> list[str]:
        """What of a value does not fit a schema; members that it does not describe are faults."""
        validator = self._validator(json.dumps(schema))
        return [f"{list(each.instance_path)}: {each}" for each in validator.iter_errors(value)]

    def faults(self, method: str, rule: str, response: Response) -> list[str]:
        """What of a successful answer is not as it is described."""
        path = _PARAMETER.sub(r"{\1}", rule)
        operation = self.document["paths"].get(path, {}).get(method.lower())
        if operation is None:
            return [f"{method} {path} is not described"]
        answer = operation["responses"].get(str(response.status_code))
        if answer is None:
            return [f"{method} {path}: {response.status_code} is not described"]
        if not (content := answer.get("content")):
            return [f"{method} {path} answers a body"] if response.get_data() else []
        if (media := content.get(response.mimetype)) is None:
            return [f"{method} {path}: {response.mimetype} is not described"]
        if response.mimetype == NDJSON:
            values = [json.loads(line) for line in response.get_data().splitlines()]
        elif response.mimetype.endswith("json"):
            values = [json.loads(response.get_data())]
        else:
            return []
        return [
            f"{method} {path}: {fault}"
            for value in values
            for fault in self.faults_of(value, media["schema"])
        ]

    def _made(self, schema: str) -> Any:
        return jsonschema_rs.Draft202012Validator(
            {**_closed(json.loads(schema)), "components": self.components}, validate_formats=True
        )


def judged(app: Flask) -> list[str]:
    """Let every answer of `app` be judged; the list has what is found wrong.

    A successful one is of its schema, and a problem is one of those that its operation names.
    """
    found: list[str] = []

    @app.after_request
    def _judge(response: Response) -> Response:
        rule = request.url_rule
        if (
            rule is not None
            and rule.rule.startswith(DOORS)
            and 200 <= response.status_code < 300
            and not response.is_streamed
        ):
            found.extend(description_of(app).faults(request.method, rule.rule, response))
        if rule is not None and rule.rule.startswith(DOORS) and response.mimetype == MEDIA_TYPE:
            code = json.loads(response.get_data())["code"]
            if code not in codes_of(app, rule, request.method):
                found.append(f"{request.method} {rule.rule}: the problem {code} is not named")
        return response

    return found


def description_of(app: Flask) -> Description:
    """The description, which is the same for every application of a run but for its address."""
    if not _MADE:
        _MADE.append(Description(app.test_client().get("/openapi.json").get_json()))
    return _MADE[0]


_MADE: list[Description] = []


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    _close(schema)
    return schema


def _close(schema: Any) -> None:
    if isinstance(schema, list):
        for each in schema:
            _close(each)
    elif isinstance(schema, dict):
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
        for name, each in schema.items():
            if name not in ("example", "examples", "default", "enum", "const"):
                _close(each)
