"""What people can mend is one tree, which is drawn in full, and every code of it is known."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import app
from app import faults
from app.faults import Fault, Unknown
from app.web.problem_codes import ProblemCode
from app.web.problems import problem_of

#: What starts a server process when it is imported.
SCRIPTS = {"app.cli.__main__", "app.store.migrations.env"}
SOURCES = sorted(Path(app.__path__[0]).rglob("*.py"))


def load_all() -> None:
    for module in pkgutil.walk_packages(app.__path__, "app."):
        if module.name not in SCRIPTS and ".versions." not in module.name:
            importlib.import_module(module.name)


def below(kind: type[Fault]) -> Iterator[tuple[type[Fault], type[Fault]]]:
    for each in kind.__subclasses__():
        yield kind, each
        yield from below(each)


def drawn() -> set[tuple[str, str]]:
    """The pairs of kind and subkind in the picture."""
    parents, pairs = ["Fault"], set()
    for line in (faults.__doc__ or "").splitlines():
        if (found := re.match(r"    ([│ ]*)[├└]── (\w+)", line)) is not None:
            depth = len(found[1]) // 4 + 1
            del parents[depth:]
            pairs.add((parents[-1], found[2]))
            parents.append(found[2])
    return pairs


def test_the_tree_is_drawn_as_it_is() -> None:
    load_all()
    assert drawn() == {(kind.__name__, each.__name__) for kind, each in below(Fault)}


def test_every_code_of_a_fault_is_a_problem_or_is_the_service_s_own() -> None:
    load_all()
    given = {each.code for _, each in below(Fault)} | set(literal_codes())
    assert given - {"fault"} >= {"campaign_unknown", "already_published", "unknown_store"}
    assert not {code for code in given if ProblemCode.named(code) is None}


def literal_codes() -> Iterator[str]:
    """Codes that are given where a fault is raised, in the whole program."""
    leading = {each.__name__ for _, each in below(Fault) if takes_code_first(each)}
    assert leading == {"UpdateFault", "CallFault"}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            said = [each.value for each in node.keywords if each.arg == "code"]
            if node.func.id in leading:
                said = node.args[:1]
            elif not node.func.id.endswith("Fault"):
                continue
            for value in said:
                assert isinstance(value, ast.Constant), f"{path}:{value.lineno}: not a literal"
                yield str(value.value)


def takes_code_first(kind: type[Fault]) -> bool:
    names = kind.__init__.__code__.co_varnames
    return "__init__" in vars(kind) and names[1:2] == ("code",)


def test_a_door_tells_of_what_exists_and_of_the_service_in_the_code_s_own_words() -> None:
    unknown = problem_of(faults.CampaignUnknown("secret", nearest="secrets"))
    assert unknown.code is ProblemCode.CAMPAIGN_UNKNOWN
    assert "secret" not in unknown.cause + unknown.remedy
    own = problem_of(Fault("The key 7 is missing.", "Add it.", code="misconfigured"))
    assert (own.status, own.cause) == (503, ProblemCode.MISCONFIGURED.cause)
    nameless = problem_of(Fault("The port is in use."))
    assert (nameless.code, nameless.status) == (ProblemCode.FAULT, 500)
    assert "port" not in nameless.cause
    asked = problem_of(Fault("It changes nothing.", "Give a text.", code="nothing_to_update"))
    assert (asked.cause, asked.remedy) == ("It changes nothing.", "Give a text.")
    assert not [each for _, each in below(Unknown) if ProblemCode.named(each.code) is None]
