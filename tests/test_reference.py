"""The guide's reference is what the code says, and leaves nothing out."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.services import webhooks
from app.web import guide
from tests.reference import FOLDER, PAGES, written

APP = FOLDER.parent


@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_the_reference_is_what_the_code_says(name: str) -> None:
    file = FOLDER / f"{name}.md"

    assert file.read_text(encoding="utf-8") == written(name), (
        f"Write it anew: python -m tests.reference {name}"
    )


def test_the_guide_lists_every_page_of_the_reference() -> None:
    assert guide.SECTIONS["Reference"] == tuple(PAGES)


def test_every_event_that_is_written_has_a_kind_and_every_kind_is_written() -> None:
    found = {kind for file in APP.rglob("*.py") for kind in _written_kinds(file)}

    assert found == {kind.value for kind in webhooks.WebhookEventKind}


def _written_kinds(file: Path) -> Iterator[str]:
    """The kinds that calls which append events, and rows of events, name in a module."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    tables = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in ("eventlog.append", "attempt.event", "attempt.note"):
                for value in node.args:
                    yield from _texts(value, tables)
        elif isinstance(node, ast.Dict) and "Event" in file.read_text(encoding="utf-8"):
            members = {key.value: value for key, value in zip(node.keys, node.values, strict=True)
                       if isinstance(key, ast.Constant)}  # fmt: skip
            if "event_kind" in members:
                yield from _texts(members["event_kind"], tables)
            elif {"kind", "voucher_id", "number"} <= members.keys():
                yield from _texts(members["kind"], tables)


def _texts(value: ast.expr, tables: dict[str, ast.expr]) -> Iterator[str]:
    if isinstance(value, ast.Subscript) and isinstance(value.value, ast.Name):
        table = tables.get(value.value.id)
        if isinstance(table, ast.Dict):
            for each in table.values:
                yield from _texts(each, tables)
    elif isinstance(value, ast.IfExp):
        yield from _texts(value.body, tables)
        yield from _texts(value.orelse, tables)
    elif isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value
