"""README, the guide and the contributors' pages are true: what they name exists, links lead on."""

from __future__ import annotations

import dataclasses
import importlib
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import click
import pytest
from flask import Flask
from markdown_it.token import Token

from app.cli import main
from app.environment import unknown
from app.web import guide
from tests.campaign_options import OPTIONS

ROOT = Path(__file__).parent.parent
GUIDE = ROOT / "app" / "guide"
DOCUMENTS = [
    ROOT / "README.md",
    *sorted((ROOT / ".github").glob("*.md")),
    *sorted(GUIDE.glob("*.md")),
]
NAMES = [str(file.relative_to(ROOT)) for file in DOCUMENTS]

#: Folders of the repository whose files the documents name by their path.
_FOLDERS = ("app/", "passes/", "tests/", "findings/", "certs.example/", ".ci/", ".github/")
_PATH = re.compile(
    rf"(?:{'|'.join(map(re.escape, _FOLDERS))})[\w./*-]*[\w*]|wsgi\.py|pyproject\.toml"
)
_MODULE = re.compile(r"\b(?:app|passes|tests)(?:\.[a-zA-Z_]\w*)+\b")
_SETTING = re.compile(r"\bPASSERELLE_[A-Z][A-Z_]*[A-Z]\b")
_ADDRESS = re.compile(r"(?:(GET|POST|PUT|PATCH|DELETE) )?((?:/[\w{}<>….-]+)+)")
#: What ends a call in a line of a shell.
_ENDS = ("|", "&&", "||", ";", ">", ">>", "<", "…", "→")
#: Where the service has doors; other addresses in the documents are files or other people's.
_DOORS = (
    *("/api/v1", "/pos/v1", "/apple/v1", "/google/callback", "/till", "/guide", "/docs"),
    *("/openapi.json", "/metrics", "/healthz", "/readyz"),
)


@dataclasses.dataclass(frozen=True)
class Piece:
    """A piece of code in a document: its text, and the language of a block (none within a line)."""

    text: str
    language: str | None = None


def tokens_of(name: str) -> list[Token]:
    return guide.markdown().parse((ROOT / name).read_text(encoding="utf-8"))


def pieces_of(name: str) -> Iterator[Piece]:
    for token in tokens_of(name):
        if token.type == "fence":
            yield Piece(token.content, token.info.strip())
        for child in token.children or ():
            if child.type == "code_inline":
                yield Piece(child.content)


def links_of(name: str) -> Iterator[str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    # Of the text as it is written: a page's links are changed when it is rendered.
    for block in guide.markdown(relinks=False).parse(text):
        for token in block.children or ():
            if token.type == "link_open":
                yield str(token.attrGet("href"))


def anchors_of(file: Path) -> set[str]:
    tokens = guide.markdown().parse(file.read_text(encoding="utf-8"))
    return {str(token.attrGet("id")) for token in tokens if token.type == "heading_open"}


@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_to_a_file_and_a_heading(name: str) -> None:
    file = ROOT / name
    for link in links_of(name):
        target = urlsplit(link)
        if target.scheme:
            assert target.scheme == "https", link
            continue
        led = file.parent / target.path if target.path else file
        assert led.is_file(), link
        # Served, a page can lead to other pages only.
        assert file.parent != GUIDE or led.parent.resolve() == GUIDE, link
        if target.fragment:
            assert target.fragment in anchors_of(led), link


@pytest.mark.parametrize("name", NAMES)
def test_every_command_exists_and_takes_the_options_named(name: str) -> None:
    wrong = []
    for piece in pieces_of(name):
        for line in _shell_lines(piece):
            for words in _commands(line):
                if (fault := _fault_of(words)) is not None:
                    wrong.append(f"{' '.join(words)}: {fault}")

    assert wrong == []


def _shell_lines(piece: Piece) -> list[str]:
    if piece.language is None:
        return [piece.text.replace("\n", " ")]
    lines = piece.text.replace("\\\n", " ").splitlines()
    if piece.language in ("sh", "console", "bash"):
        return lines
    # Units of systemd and files of containers name the program by its path.
    return [line for line in lines if "bin/passerelle" in line]


def _commands(line: str) -> Iterator[list[str]]:
    """The words of each call of the command in a line of a shell."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        words = line.split()
    for at, word in enumerate(words):
        # After an option the word is its value: the account has the program's name.
        called = word == "passerelle" or word.endswith("bin/passerelle")
        if called and not (at and words[at - 1].startswith("-")):
            rest = words[at + 1 :]
            end = next((n for n, each in enumerate(rest) if each in _ENDS), len(rest))
            # An account of the name owns files; a script hands on what it was given.
            if rest[:end] and not rest[0].startswith(("/", "$")):
                yield rest[:end]


def _fault_of(words: list[str]) -> str | None:
    """What is wrong with a call of the command, by its words after `passerelle`."""
    command: click.Command = main
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        found = command.commands.get(rest[0])
        if found is None:
            return f"no command {rest[0]}"
        command, rest = found, rest[1:]
    known = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
    for word in rest:
        option = word.partition("=")[0]
        if option.startswith("--") and option not in known | {"--help"}:
            return f"no option {option}"
    return None


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_exists(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")

    assert unknown(dict.fromkeys(_SETTING.findall(text), "")) == []


@pytest.mark.parametrize("name", NAMES)
def test_every_path_and_module_exists(name: str) -> None:
    missing = []
    for piece in pieces_of(name):
        if piece.language not in (None, "text", "sh", "console"):
            continue
        for path in _PATH.findall(piece.text):
            if "NNNN" not in path and not any(ROOT.glob(path)):
                missing.append(path)
        missing += [each for each in _MODULE.findall(piece.text) if not _is_module(each)]

    assert missing == []


def _is_module(name: str) -> bool:
    """Whether a dotted name is a module, or something in one."""
    parts = name.split(".")
    if (ROOT / "/".join(parts[:-1])).with_suffix(f".{parts[-1]}").is_file():
        return True
    for length in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_every_address_is_a_door(app: Flask) -> None:
    rules = [
        (
            re.compile(re.sub(r"<[^>]+>", "[^/]+", rule.rule.rstrip("/")) + "/?"),
            rule.methods or set(),
        )
        for rule in app.url_map.iter_rules()
    ]
    prefixes = [(rule.rule, set[str]()) for rule in app.url_map.iter_rules()]
    wrong = []
    for name in NAMES:
        for piece in pieces_of(name):
            for method, found_address in _ADDRESS.findall(piece.text.partition("?")[0]):
                address = found_address.rstrip("./")
                if not address.startswith(_DOORS) or "…" in address:
                    continue
                found = [methods for pattern, methods in rules if pattern.fullmatch(address)]
                found += [methods for rule, methods in prefixes if rule.startswith(f"{address}/")]
                if not any(method in methods for methods in found) if method else not found:
                    wrong.append(f"{name}: {method} {address}")

    assert wrong == []


@pytest.mark.parametrize("name", NAMES)
def test_every_key_in_a_piece_of_a_campaign_file_exists(name: str) -> None:
    known = {re.sub(r"\.(0|en)(?=\.|$)", "", option) for option in OPTIONS}
    strange = []
    for piece in pieces_of(name):
        if piece.language == "toml":
            for place in _keys(tomllib.loads(piece.text)):
                plain = re.sub(r"(^|\.)texts\.[a-zA-Z-]+", r"\1texts", place)
                if not any(plain == each or plain.startswith(f"{each}.") for each in known):
                    strange.append(place)

    assert strange == []


def _keys(table: dict[str, object], within: str = "") -> Iterator[str]:
    for name, value in table.items():
        place = f"{within}{name}"
        tables = value if isinstance(value, list) else [value]
        if tables and all(isinstance(each, dict) for each in tables):
            for each in tables:
                yield from _keys(each, f"{place}.")
        else:
            yield place


def test_readme_names_every_target_and_the_command_that_ci_runs() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    shown = set(re.findall(r"^([a-z-]+):.*## ", makefile, flags=re.MULTILINE))
    documents = [file.read_text(encoding="utf-8") for file in DOCUMENTS]
    named = {name for text in documents for name in re.findall(r"`make ([a-z]+)", text)}
    readme = set(re.findall(r"`make ([a-z]+)", documents[0]))

    assert named <= shown
    assert {"demo", "test", "bench"} <= readme
    assert "exec make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_every_command_says_what_it_does() -> None:
    silent = [name for name, command in main.commands.items() if not command.get_short_help_str()]

    assert silent == []


def test_every_page_of_the_guide_is_listed_and_linked_from_readme() -> None:
    listed = {name for names in guide.SECTIONS.values() for name in names}
    linked = {Path(link.partition("#")[0]).stem for link in links_of("README.md")}

    assert listed == {file.stem for file in GUIDE.glob("*.md")}
    assert listed - linked == set()


def test_contributors_are_led_to_their_pages() -> None:
    for name in ("CONTRIBUTING.md", "SECURITY.md"):
        led = {Path(link).name for link in links_of(f".github/{name}")}
        assert led & {"how-it-is-built.md", "how-to-add.md", "operators.md"}
