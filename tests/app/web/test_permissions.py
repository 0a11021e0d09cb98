"""What every kind of key may do with every kind of object: each cell of `permissions.txt` is asked.

A refused request changes nothing in the database, and what is another's is answered as what does
not exist.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app import create_app
from app.services.access import Scope
from app.services.permissions import RULES, Reach
from app.settings import Settings
from tests.conftest import MASTER_KEYS, Clock
from tests.permissions import Call, Kind, World, call_of

COLUMNS = ("free", "campaign", "store", "terminal", "session")


@dataclass(frozen=True)
class Row:
    """A line of the matrix."""

    operation: str
    where: str
    scopes: tuple[str, ...]
    cells: dict[str, str]

    @property
    def id(self) -> str:
        return f"{self.operation} {self.where}".replace(" ", "-")

    def cell(self, kind: Kind) -> str:
        """What is stated for a kind of key."""
        if self.scopes == ("anyone",):
            return self.cells["free"]
        if kind.binding in ("none", "revoked"):
            return "401"
        if kind.binding == "session":
            return self.cells["session"]
        opens = kind.scope in self.scopes or kind.scope == Scope.ADMIN
        return self.cells[kind.binding] if opens else "403"


def rows() -> Iterator[Row]:
    for line in Path(__file__).with_name("permissions.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            method, path, where, scopes, *cells = line.split()
            yield Row(
                f"{method} {path}",
                where,
                tuple(scopes.split(",")),
                dict(zip(COLUMNS, cells, strict=len(cells) > 1)),
            )


ROWS = tuple(rows())


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


def is_refused(cell: str) -> bool:
    return not cell.startswith(("2", "3", "sees"))


def told(answer: TestResponse, call: Call) -> set[str]:
    """What an answer is in the words of the matrix."""
    found = {str(answer.status_code)}
    if answer.status_code == 200:
        if call.sees:
            seen = re.sub(r"\s*([:,])\s*", r"\1", answer.get_data(as_text=True))
            found.add("sees" if call.sees in seen else "blind")
        body = answer.get_json(silent=True)
        if isinstance(body, dict) and body.get("outcome") == "refused":
            found = {body["reason"]}
    return found


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_every_kind_of_key_gets_what_the_matrix_states(world: World, row: Row) -> None:
    method = row.operation.partition(" ")[0]
    if method == "GET" and not world.deployment.database.is_sqlite:
        pytest.skip("What is only read is asked for on one kind of database.")
    refused = [kind for kind in world.kinds if is_refused(row.cell(kind))]
    others = [kind for kind in world.kinds if not is_refused(row.cell(kind))]
    wrong = []

    def check(kind: Kind, call: Call) -> TestResponse:
        answer = world.ask(method, call, kind)
        cell = row.cell(kind)
        if cell not in told(answer, call):
            wrong.append(
                f"{kind.scope or '-'}/{kind.binding}: {cell} stated, "
                f"{sorted(told(answer, call))} got: {answer.get_data()[:300]!r}"
            )
        return answer

    call = call_of(world, row.operation, row.where, world.free)
    hidden = "404" in row.cells.values() and "/api/" in row.operation
    absent = call_of(world, row.operation, "absent", world.free) if hidden else call
    at_tills = any(row.cell(kind).isidentifier() for kind in refused) and "/pos/" in row.operation
    before = world.digest(refusal=at_tills) if method != "GET" else {}
    for kind in refused:
        answer = check(kind, call)
        if row.cell(kind) == "404" and absent is not call:
            unknown = world.ask(method, absent, kind)
            assert problem(answer) == problem(unknown), "An answer tells what exists."
    if method != "GET":
        after = world.digest(refusal=at_tills)
        assert {name for name in after if after[name] != before[name]} == set()
    for kind in others:
        check(kind, call_of(world, row.operation, row.where, kind))
    assert wrong == []


def operations(world: World) -> set[str]:
    """Every operation that the application answers."""
    parameter = re.compile(r"<(?:[^<>:]+:)?([^<>]+)>")
    return {
        method + " " + parameter.sub(r"{\1}", rule.rule)
        for rule in world.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def test_every_operation_and_page_has_its_rows_and_no_row_is_left_over(world: World) -> None:
    stated = {row.operation for row in ROWS}
    described = world.plain.get("/openapi.json").get_json()["paths"]
    named = {
        f"{method.upper()} {path}" for path, answers in described.items() for method in answers
    }
    assert stated == operations(world)
    assert named <= stated
    assert len({row.id for row in ROWS}) == len(ROWS)


def test_the_description_states_what_the_matrix_states(world: World) -> None:
    described = world.plain.get("/openapi.json").get_json()["paths"]
    for row in ROWS:
        method, path = row.operation.split()
        if row.scopes == ("anyone",):
            continue
        operation = described[path][method.lower()]
        assert {each["key"][0] for each in operation["security"]} == set(row.scopes)
        reach = Reach(operation["x-reach"])
        assert RULES[reach] in operation["description"]
        whole = {row.cells[name] for name in ("campaign", "store")}
        if reach is Reach.DEPLOYMENT:
            assert whole == {"403"}
        elif reach is Reach.CAMPAIGNS:
            assert row.cells["store"] == row.cells["terminal"] == "403"


def test_a_door_that_says_nothing_of_who_may_answers_nobody(app: Flask) -> None:
    app.add_url_rule("/api/v1/forgotten", view_func=lambda: "secret")
    assert app.test_client().get("/api/v1/forgotten").status_code == 500


def problem(answer: TestResponse) -> tuple[int, dict[str, object]]:
    body = answer.get_json()
    return answer.status_code, {name: body[name] for name in body if name != "request_id"}
