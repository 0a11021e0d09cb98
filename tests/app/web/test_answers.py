"""What operations answer is what the description says: every member, with its type and unit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from app import create_app
from app.settings import Settings
from tests.conftest import MASTER_KEYS, Clock
from tests.described import Description, description_of
from tests.permissions import World, call_of

API = "/api/v1/"
#: What has no example of its own: an answer without a body, and a file.
FILES = ("application/octet-stream", "image/png", "image/jpeg")


@pytest.fixture(scope="module")
def world(
    kept_database_url: str, certs: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    settings = Settings(
        database_url=kept_database_url,
        queue_url=f"sqlite:///{folder}/queue.sqlite",
        master_keys=MASTER_KEYS,
        certs=certs,
        google_wait_ms=0,
        spool=folder / "spool",
        log_level="critical",
    )
    app = create_app(settings, clock=Clock())
    yield World(app)
    app.extensions["passerelle"].close()


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One kind is enough for what is said: the description is the same on both."""
    return sqlite_url


@pytest.fixture
def description(app: Flask) -> Description:
    return description_of(app)


def test_every_operation_answers_what_is_described(world: World) -> None:
    described = description_of(world.app)
    faults: list[str] = []
    for method, path, _ in described.operations():
        if not path.startswith(API):
            continue
        call = call_of(world, f"{method} {path}", "own", world.free)
        answer = world.free.client.open(
            call.path, method=method, headers=world.free.headers, **call.body
        )
        assert 200 <= answer.status_code < 300, (method, path, answer.text)
        rule = path.replace("{", "<").replace("}", ">")
        faults += described.faults(method, rule, answer)
    assert faults == []


def test_examples_are_what_is_described(description: Description) -> None:
    faults: list[str] = []
    for method, path, where, media_type, media in _contents(description):
        if not path.startswith(API) or media_type in FILES:
            continue
        assert "example" in media, (method, path, where, media_type)
        if media_type.endswith("json"):
            found = description.faults_of(media["example"], media["schema"])
            faults += [f"{method} {path} {where}: {fault}" for fault in found]
    assert faults == []


def test_every_member_of_the_marketers_api_says_what_it_is(description: Description) -> None:
    silent: set[str] = set()
    for method, path, operation in description.operations():
        if not path.startswith(API):
            continue
        silent |= {
            f"{method} {path}: {parameter['name']}"
            for parameter in operation.get("parameters", ())
            if not parameter.get("description")
        }
        for _, _, _, _, media in _contents(description, only=(method, path)):
            silent |= set(_silent(description, media["schema"], seen=set()))
    assert silent == set()


def test_every_operation_says_what_it_is_for(description: Description) -> None:
    for method, path, operation in description.operations():
        if path.startswith(API):
            assert operation["summary"].endswith("."), (method, path)
            assert operation["description"], (method, path)


def test_a_name_of_a_component_means_one_thing(app: Flask) -> None:
    """The framework lets a later component replace an earlier one of the same name."""
    found: dict[str, Any] = {}
    for blueprint in app.blueprints.values():
        for name, schema in getattr(blueprint, "components_schemas", {}).items():
            plain = schema.model_dump(by_alias=True, exclude_none=True)
            plain.pop("definitions", None)
            assert found.setdefault(name, plain) == plain, name


def _contents(
    description: Description, only: tuple[str, str] | None = None
) -> Iterator[tuple[str, str, str, str, dict[str, Any]]]:
    """Every body that operations take, and every one that they answer with success."""
    for method, path, operation in description.operations():
        if only is not None and only != (method, path):
            continue
        parts = {"request": operation.get("requestBody") or {}}
        parts |= {
            status: answer
            for status, answer in operation["responses"].items()
            if status.startswith("2")
        }
        for where, part in parts.items():
            for media_type, media in part.get("content", {}).items():
                yield method, path, where, media_type, media


def _silent(description: Description, schema: Any, *, seen: set[str]) -> Iterator[str]:
    """Members that a schema leads to and that say nothing of themselves."""
    if isinstance(schema, list):
        for each in schema:
            yield from _silent(description, each, seen=seen)
    elif isinstance(schema, dict):
        name = str(schema.get("$ref", "")).rpartition("/")[2]
        if name and name not in seen:
            seen.add(name)
            schemas = description.document["components"]["schemas"]
            component = schemas[name]
            for member, value in component.get("properties", {}).items():
                # What a member's own type says of itself needs not be said again.
                of_type = schemas.get(str(value.get("$ref", "")).rpartition("/")[2], {})
                if not (value.get("description") or of_type.get("description")):
                    yield f"{name}.{member}"
            yield from _silent(description, component, seen=seen)
        for key, each in schema.items():
            if key not in ("example", "examples", "default", "enum"):
                yield from _silent(description, each, seen=seen)
