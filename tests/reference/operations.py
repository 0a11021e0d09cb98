"""Every operation of the API with the scopes that open it, and what bound keys may touch."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from app import create_app
from app.services.access import Scope
from app.services.permissions import RULES, Reach
from app.settings import Settings
from tests.reference.markdown import code, listed, paragraph, table

_METHODS = ("get", "post", "put", "patch", "delete")


def page() -> str:
    description = _description()
    tags = {tag["name"]: tag.get("description", "") for tag in description["tags"]}
    by_tag: dict[str, list[tuple[str, str, str, str]]] = defaultdict(list)
    for path, item in description["paths"].items():
        for method in _METHODS:
            if method in item:
                operation = item[method]
                (tag,) = operation["tags"]
                by_tag[tag].append(_row(method, path, operation))
    pieces = [
        "# Operations and scopes\n",
        paragraph(
            "This page lists every operation of the API with the scopes that open it, and what a "
            "key may touch that is bound to campaigns or to a store."
        ),
        paragraph(
            "A key is sent as `Authorization: Bearer pk_…`. An operation opens with any one of the "
            "scopes that it names. Parameters, bodies and answers stand in `/docs` and "
            "`/openapi.json`, where each operation also has its scopes (`security`) and its reach "
            "(`x-reach`)."
        ),
        "## Scopes\n",
        table(("scope", "what it opens"), [(code(each.value), each.meaning) for each in Scope]),
        "## Reach\n",
        paragraph(
            "A key may be bound to campaigns (`--campaign`), or to a store and one of its "
            "terminals (`--store`, `--terminal`). The reach of an operation says what such a key "
            "may do."
        ),
        table(("reach", "rule"), [(code(each.value), RULES[each]) for each in Reach]),
    ]
    for tag, rows in by_tag.items():
        pieces += [f"## {tag}\n", paragraph(f"{tags[tag]}.") if tags[tag] else ""]
        pieces.append(table(("operation", "what it does", "scopes", "reach"), rows))
    return "\n".join(pieces)


def _row(method: str, path: str, operation: dict[str, Any]) -> tuple[str, str, str, str]:
    scopes = [scope for each in operation.get("security", []) for scope in each.get("key", [])]
    return (
        code(f"{method.upper()} {path}"),
        operation["summary"],
        listed([code(scope) for scope in scopes], last="or") if scopes else "no key",
        code(operation["x-reach"]) if "x-reach" in operation else "",
    )


def _description() -> dict[str, Any]:
    """The description of the API, as a service without any data gives it."""
    with tempfile.TemporaryDirectory() as folder:
        app = create_app(
            Settings(
                database_url=f"sqlite:///{folder}/a.sqlite",
                queue_url=f"sqlite:///{folder}/queue.sqlite",
                certs=Path(folder),
                spool=Path(folder) / "spool",
                log_level="error",
            )
        )
        try:
            answer = app.test_client().get("/openapi.json")
            found: dict[str, Any] = answer.get_json()
            return found
        finally:
            app.extensions["passerelle"].close()
