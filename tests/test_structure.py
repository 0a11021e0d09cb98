"""The house stays plain: short modules, no circles of imports, one meaning for a class's name."""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
#: Lines of a module; a longer one becomes a folder.
MOST_LINES = 400
#: Modules of a table, which nobody reads from top to bottom, and why each is one.
TABLES = {
    "app.services.campaigns.file.sections": "every key of a campaign file with its description",
    "app.web.problem_codes": "every problem with its cause and remedy",
}
#: Names that several classes have, because they are the same thing at two stages.
SAME_MEANING = {
    # A section of a campaign file becomes the domain's value of the same name.
    "Benefit", "ExtraField", "GiftCard", "Link", "Look", "Place", "Products", "Texts", "Validity",
}  # fmt: skip
#: The share of the lines of `app/services` that are imports and lists of exported names.
MOST_DOORWAY = 0.10


@cache
def modules() -> dict[str, ast.Module]:
    """Every module of the service and the library by its dotted name."""
    found = {}
    for top in ("app", "passes"):
        for path in sorted((ROOT / top).rglob("*.py")):
            if "migrations" not in path.parts:
                parts = path.relative_to(ROOT).with_suffix("").parts
                name = ".".join(parts).removesuffix(".__init__")
                found[name] = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    return found


def is_package(name: str) -> bool:
    return (ROOT / name.replace(".", "/")).is_dir()


def imported_by(name: str) -> set[str]:
    """The modules that a module imports, in functions and for types, too."""
    found = set()
    for node in ast.walk(modules()[name]):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = name.split(".") if is_package(name) else name.split(".")[:-1]
            start = parts[: len(parts) - node.level + 1] if node.level else []
            source = ".".join((*start, *([node.module] if node.module else [])))
            for alias in node.names:
                whole = f"{source}.{alias.name}"
                found.add(whole if whole in modules() else source)
    return (found & set(modules())) - {name}


def test_no_modules_import_each_other_in_a_circle() -> None:
    left = {name: imported_by(name) for name in modules()}
    while free := [name for name, needed in left.items() if not needed & set(left)]:
        for name in free:
            del left[name]
    wanted: dict[str, set[str]] = {}
    # What imports a circle without being in it is left as well: it is imported by nothing left.
    while left != wanted:
        wanted = dict(left)
        needed = set().union(*left.values()) if left else set()
        left = {name: needs for name, needs in left.items() if name in needed}
    assert left == {}


def test_a_module_is_read_at_once() -> None:
    long = set()
    for name in modules():
        path = ROOT / name.replace(".", "/")
        source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if source.read_text(encoding="utf-8").count("\n") > MOST_LINES:
            long.add(name)
    assert long == set(TABLES)


def test_a_class_has_one_meaning() -> None:
    where = defaultdict(list)
    for name, tree in modules().items():
        if name.startswith("app"):
            for node in tree.body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    where[node.name].append(name)
    twice = {each: names for each, names in where.items() if len(names) > 1}
    assert {each: names for each, names in twice.items() if each not in SAME_MEANING} == {}
    assert set(where) >= SAME_MEANING, "A name that nothing has needs no exception."


def test_services_have_more_rooms_than_doorways() -> None:
    lines = doorway = 0
    for name, tree in modules().items():
        if name.startswith("app.services"):
            for node in tree.body:
                names = [
                    each.id
                    for target in getattr(node, "targets", [])
                    for each in ast.walk(target)
                    if isinstance(each, ast.Name)
                ]
                if isinstance(node, ast.Import | ast.ImportFrom) or "__all__" in names:
                    doorway += (node.end_lineno or 0) - node.lineno + 1
            lines += max((node.end_lineno or 0 for node in tree.body), default=0)
    assert doorway / lines <= MOST_DOORWAY


def test_no_test_module_imports_another() -> None:
    crossing = [
        (str(path.relative_to(ROOT)), node.module)
        for path in sorted((ROOT / "tests").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
        and node.module
        and node.module.startswith("tests.")
        and node.module.rpartition(".")[2].startswith("test_")
    ]
    assert crossing == []
