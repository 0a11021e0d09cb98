"""Every operation of `/openapi.json` says what a client and its generator need to know of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema_rs
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.services.access import Scope
from app.services.permissions import RULES
from app.serving import refusals
from app.web import access
from app.web.description import codes_of
from app.web.problem_codes import PROBLEMS, ProblemCode

#: With these the name of an operation begins: what it does.
VERBS = [
    "activate",
    "adjust",
    "apply",
    "add",
    "block",
    "cancel",
    "capture",
    "change",
    "compare",
    "deactivate",
    "decide",
    "forget",
    "generate",
    "import",
    "invite",
    "issue",
    "list",
    "load",
    "order",
    "pause",
    "redeem",
    "refund",
    "reissue",
    "remember",
    "remove",
    "render",
    "replay",
    "report",
    "resume",
    "reverse",
    "rotate",
    "scan",
    "show",
    "store",
    "take",
    "unblock",
    "void",
    "withdraw",
]
#: Problems that every operation has.
SERVICE = {"invalid_request", "fault", "unavailable", "misconfigured", "busy", "ending"}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One kind is enough: the description is the same on both."""
    return sqlite_url


@pytest.fixture
def description(client: FlaskClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/openapi.json").get_json()
    return found


def operations(description: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, of_path in description["paths"].items():
        for method, operation in of_path.items():
            yield f"{method.upper()} {path}", operation


def nodes(value: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, dict):
        yield path, value
        for name, below in value.items():
            yield from nodes(below, f"{path}/{name}")
    elif isinstance(value, list):
        for at, below in enumerate(value):
            yield from nodes(below, f"{path}/{at}")


def test_no_reference_dangles(description: dict[str, Any]) -> None:
    for path, node in nodes(description):
        assert "$defs" not in node, path
        if isinstance(reference := node.get("$ref"), str):
            found: Any = description
            for part in reference.removeprefix("#/").split("/"):
                assert part in found, f"{path}: {reference}"
                found = found[part]


def test_a_client_learns_where_the_service_is_and_how_it_shows_its_key(
    description: dict[str, Any],
) -> None:
    assert [each["url"] for each in description["servers"]] == ["http://127.0.0.1:8000"]
    assert description["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    told = {each["name"]: each.get("description") for each in description["tags"]}
    assert all(told.values())
    for name, operation in operations(description):
        assert len(operation["tags"]) == 1, name
        assert operation["tags"][0] in told, name


def test_operations_are_named_as_functions_are(description: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, operation in operations(description)]
    assert len(names) == len(set(names))
    faulty = [
        f"{name}: {operation['operationId']}"
        for name, operation in operations(description)
        if not re.fullmatch(rf"({'|'.join(VERBS)})(_[a-z]+)+", operation["operationId"])
    ]
    assert not faulty


def test_operations_are_described_in_full(description: dict[str, Any]) -> None:
    lacking = {
        name: told
        for name, operation in operations(description)
        if (told := sorted(set(lacks(operation, description))))
    }
    assert not lacking


def lacks(operation: Mapping[str, Any], description: Mapping[str, Any]) -> Iterator[str]:
    """What an operation does not say."""
    if not re.fullmatch(rf"({'|'.join(VERBS)})(_[a-z]+)+", operation["operationId"]):
        yield "a name of a verb and a noun"
    if not operation.get("summary", "").endswith((".", "?")):
        yield "a summary"
    own = operation["description"]
    for rule in RULES.values():
        own = own.replace(rule, "")
    if len(own.strip()) < 20 or "<br/>" in own:
        yield "a description"
    if (body := operation.get("requestBody")) is not None:
        for media_type, media in body["content"].items():
            yield from (
                f"{fault} of the request" for fault in faulty(media_type, media, description)
            )
    good = {status: answer for status, answer in operation["responses"].items() if status < "300"}
    if not good:
        yield "what it answers"
    for status, answer in good.items():
        if status == "204":
            continue
        if not answer.get("content"):
            yield f"what it answers with {status}"
        for media_type, media in answer.get("content", {}).items():
            yield from (f"{fault} of {status}" for fault in faulty(media_type, media, description))


def faulty(
    media_type: str, media: Mapping[str, Any], description: Mapping[str, Any]
) -> Iterator[str]:
    """What is wrong with what is sent or answered: untyped, without an example, or a wrong one."""
    schema = media.get("schema", {})
    if schema.get("format") == "binary":
        return
    if media_type == "application/json" and not typed(schema, description["components"]["schemas"]):
        yield "a type"
    if "example" not in media:
        yield "an example"
    elif media_type == "application/json":
        whole = {**schema, "components": description["components"]}
        validator = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
        validator.validate(media["example"])


def typed(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> bool:
    """Whether a schema says which members there are."""
    if "$ref" in schema:
        return typed(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if "items" in schema:
        return typed(schema["items"], schemas)
    choices = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    if choices:
        return all(typed(each, schemas) for each in choices)
    members = schema.get("properties", {})
    bare = [
        name
        for name, each in members.items()
        if (each.get("items") or each).get("type") == "object"
        and not isinstance((each.get("items") or each).get("additionalProperties"), dict)
        and not each.get("description")
    ]
    return bool(members) and not bare


def test_every_operation_names_its_scopes_and_problems(
    app: Flask, description: dict[str, Any]
) -> None:
    for name, operation in operations(description):
        scopes = [scope for each in operation["security"] for scope in each["key"]]
        assert scopes, name
        assert set(scopes) <= {scope.value for scope in Scope}, name
        named: set[str] = set()
        for status, answer in operation["responses"].items():
            if status < "400":
                continue
            (media,) = answer["content"].items()
            assert media[0] == "application/problem+json", name
            assert all(ProblemCode(code).status == int(status) for code in media[1]["examples"])
            assert all(f"`{code}`" in answer["description"] for code in media[1]["examples"])
            named |= set(media[1]["examples"])
        assert named >= SERVICE | {"key_required", "scope_missing", "guessing"}, name


def test_problems_are_an_enumeration_with_status_cause_and_remedy(
    description: dict[str, Any],
) -> None:
    code = description["components"]["schemas"]["ProblemBody"]["properties"]["code"]
    listed = description["components"]["schemas"][code["$ref"].rpartition("/")[2]]["enum"]
    assert listed == [each.value for each in PROBLEMS]
    shown = description["components"]["examples"]
    for each in PROBLEMS:
        assert re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", each.value)
        assert 400 <= each.status < 600
        assert each.cause.endswith(".")
        assert each.remedy.endswith(".")
        assert not re.search("cause", each.remedy), "a remedy says itself what to do"
        assert shown[each.value]["value"]["remedy"] == each.remedy


def test_what_is_cut_off_before_the_service_works_is_among_the_problems() -> None:
    found = [each for each in vars(refusals).values() if isinstance(each, refusals.RequestRefusal)]
    assert found
    for each in found:
        assert ProblemCode(each.code).status == each.status


def test_codes_follow_from_what_an_operation_takes(app: Flask) -> None:
    of = {
        (method, rule.rule): set(codes_of(app, rule, method))
        for rule in app.url_map.iter_rules()
        for method in rule.methods or ()
        if access.permission(app, rule.endpoint) is not None
    }
    redeem = of["POST", "/pos/v1/redemptions"]
    assert {ProblemCode.IDEMPOTENCY_KEY_REQUIRED, ProblemCode.TOO_LARGE} <= redeem
    assert ProblemCode.STORE_KEY_REFUSED not in redeem
    sync = of["GET", "/api/v1/sync"]
    assert ProblemCode.STORE_KEY_REFUSED in sync
    assert ProblemCode.CAMPAIGN_KEY_REFUSED not in sync
    assert ProblemCode.BAD_REQUEST not in sync
    assert ProblemCode.CAMPAIGN_KEY_REFUSED in of["GET", "/api/v1/security-events"]
