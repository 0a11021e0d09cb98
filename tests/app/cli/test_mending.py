"""What a person can mend is said in a sentence or two, by every command; a traceback never is.

The commands are found in the program, so that a new one is asked the same.
"""

from __future__ import annotations

import re
import socket
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from click.testing import Result

from app.cli import main
from app.settings import Settings
from app.store.session import Database
from tests.conftest import Cli
from tests.serving import free_port

#: The test's own servers would run until they are stopped.
SERVERS = {("serve",), ("worker",), ("demo",)}
#: What works without a database.
WITHOUT_DATABASE = {
    ("migrate",),
    ("keys", "generate"),
    *(("certs", name) for name in ("csr", "install", "check", "throwaway")),
}
#: Nobody who forgets a setting, or misspells one, is left alone with it.
UNMENDED = re.compile(r"Traceback|\w(Error|Exception)\b|object at 0x|sqlalchemy|sqlite3\.|psycopg")


def commands() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that does something, by its words."""
    pending: list[tuple[tuple[str, ...], click.Command]] = [((), main)]
    while pending:
        words, command = pending.pop()
        if isinstance(command, click.Group):
            pending += [((*words, name), each) for name, each in command.commands.items()]
        else:
            yield words, command


COMMANDS = sorted(commands())


def each_of(names: Iterator[tuple[tuple[str, ...], click.Command]]) -> pytest.MarkDecorator:
    found = list(names)
    return pytest.mark.parametrize(
        ("words", "command"), found, ids=["-".join(words) for words, _ in found]
    )


class Value:
    """What is given to a command's parameters: one file for all files, one text for all texts."""

    def __init__(
        self, *, file: Path, out: Path | None = None, text: str = "unknown", number: str = "7"
    ) -> None:
        self._file, self._out, self._text, self._number = file, out or file, text, number

    def line(self, words: tuple[str, ...], command: click.Command, *, most: bool) -> list[str]:
        """A call with what is needed, or with the most that can be given."""
        line = list(words)
        for each in command.params:
            if isinstance(each, click.Option) and (each.required or most or "--yes" in each.opts):
                line += [each.opts[0], *([] if each.is_flag else [self.of(each)])]
        line += [self.of(each) for each in command.params if isinstance(each, click.Argument)]
        return line

    def of(self, parameter: click.Parameter) -> str:
        match parameter.type:
            case click.Path():
                return str(self._file if isinstance(parameter, click.Argument) else self._out)
            case click.Choice(choices=[first, *_]):
                return str(first)
            case click.types.UUIDParameterType():
                return str(uuid.UUID(int=7))
            case click.DateTime():
                return "2026-11-28"
            case kind if kind.name == "moment":
                return "2030-11-28T00:00:00Z"
            case kind if kind.name in ("number", "integer", "integer range", "float range"):
                return self._number
            case kind if kind.name == "DAYS|DATE":
                return "90"
            case _:
                return self._text


def mended(done: Result) -> str:
    """What a command said that did nothing, which has to be short, and no traceback."""
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    assert done.exit_code in (1, 2)
    said = done.stderr.strip()
    assert said
    assert not UNMENDED.search(said), said
    return said


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that is a text, and nothing else that any command reads."""
    path = tmp_path / "hello.csv"
    path.write_text("hello,world\n1,2\n", encoding="utf-8")
    return path


pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@each_of(each for each in COMMANDS if each[0] not in SERVERS | WITHOUT_DATABASE)
def test_a_database_that_cannot_be_used_is_named_with_the_remedy(
    cli: Cli, words: tuple[str, ...], command: click.Command, file: Path, tmp_path: Path
) -> None:
    file.write_text("external_id\nada\n", encoding="utf-8")
    call = Value(file=file, out=tmp_path / "out.csv").line(words, command, most=False)
    # Some look at what they were given before they look at the database.
    own = "No webhook unknown|is no backup|is not TOML|is no serial|names its columns"
    for url, sentence in (
        (f"sqlite:///{tmp_path}/new.sqlite", "no schema yet: run `passerelle migrate` first."),
        (f"sqlite:///{file}", "is no SQLite database. Name another, or move it away and run"),
        (f"sqlite:///{tmp_path}", "cannot be opened. Name a file in a folder that this user can"),
        (f"postgresql://u:hidden@127.0.0.1:{free_port()}/x", "Connection refused"),
        ("sqlite:/x", "is no address of a database. Write sqlite:///path or postgresql://"),
    ):
        said = mended(cli(*call, PASSERELLE_DATABASE_URL=url))
        assert re.search(f"{re.escape(sentence)}|{own}", said), said
        assert "hidden" not in said


@each_of(iter(COMMANDS))
def test_a_misspelt_setting_stops_every_command(
    cli: Cli, words: tuple[str, ...], command: click.Command, file: Path
) -> None:
    call = Value(file=file).line(words, command, most=False)
    said = mended(cli(*call, PASSERELLE_MASTERKEYS="1:x"))
    assert "PASSERELLE_MASTERKEYS is no setting: write PASSERELLE_MASTER_KEYS." in said


@each_of(
    (words, command)
    for words, command in COMMANDS
    if words not in SERVERS and any(isinstance(each.type, click.Path) for each in command.params)
)
def test_a_file_that_cannot_be_used_is_named_with_the_reason(
    cli: Cli, words: tuple[str, ...], command: click.Command, file: Path, tmp_path: Path
) -> None:
    empty, binary = tmp_path / "empty", tmp_path / "binary"
    empty.write_bytes(b"")
    binary.write_bytes(bytes(range(256)) * 20)
    for wrong in (tmp_path / "missing" / "x", tmp_path, empty, binary, file, empty / "below"):
        for most in (False, True):
            done = cli(*Value(file=wrong).line(words, command, most=most))
            if done.exit_code or done.exception:
                mended(done)
            else:
                # It asked for a file or folder to write, and that is one.
                assert words[0] in ("certs", "backup", "inventory"), done.output


@each_of((words, command) for words, command in COMMANDS if command.params and words not in SERVERS)
def test_values_that_mean_nothing_are_refused_in_words(
    cli: Cli, words: tuple[str, ...], command: click.Command, file: Path
) -> None:
    given = [{"text": text} for text in ("unknown", "\udcff", "", "two\nlines", "\x1b[2J")]
    given += [{"number": number} for number in ("99999999999999999999", "-1", "NaN")]
    for wrong in given:
        done = cli(*Value(file=file, **wrong).line(words, command, most=True))
        if done.exit_code or done.exception:
            mended(done)


def test_nothing_done_does_not_end_with_0(
    cli: Cli, spring: Callable[..., Path], tmp_path: Path
) -> None:
    spring(source="list")
    wrong, codes, out = tmp_path / "wrong.csv", tmp_path / "codes.csv", tmp_path / "out.csv"
    wrong.write_text("mail,name\nada@example.com,Ada\n", encoding="utf-8")
    codes.write_text("code,used\nAAAA-1111,yes\nBBBB-2222,yes\n", encoding="utf-8")
    heading = "names no column external_id: name the one so that tells recipients apart."

    assert heading in mended(cli("issue", "spring", wrong, "--out", out))
    assert heading in mended(cli("decide", "spring", wrong))
    assert heading in mended(cli("recipients", "import", wrong))
    wrong.write_text("external_id,birth_date\nada,soon\n", encoding="utf-8")
    assert "Nobody got a voucher" in mended(cli("issue", "spring", wrong, "--out", out))
    assert "has the recipients. Name another" in mended(
        cli("issue", "spring", wrong, "--out", wrong)
    )
    assert not out.exists()
    assert mended(cli("import", "spring", codes)).startswith("Nothing of the file could be")
    unknown = cli("vouchers", "withdraw", "NOPE")
    assert (unknown.exit_code, unknown.output) == (
        1,
        "0 vouchers are changed.\n  NOPE is unknown.\n",
    )
    assert "No store 'x' exists" in mended(cli("report", "day", "2026-11-28", "--store", "x"))
    assert "No campaign 'x' exists" in mended(cli("google", "status", "--campaign", "x"))


def test_a_port_in_use_is_said_before_anything_is_made(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        sentence = f"127.0.0.1 port {port} is in use. Stop what listens there, or name another"
        for command in ("serve", "demo"):
            assert mended(cli(command, "--port", port)).startswith(sentence)
    assert not (tmp_path / "var").exists()
    assert "is not of this machine" in mended(cli("demo", "--host", "198.51.100.1"))


def test_a_missing_certificate_stops_a_server_in_production_with_the_remedy(
    cli: Cli, tmp_path: Path
) -> None:
    empty = tmp_path / "no-certs"
    empty.mkdir()
    for check in (cli("certs", "check", empty), cli("certs", "check", tmp_path / "absent")):
        assert "cannot sign passes" in mended(check)
    # Whoever mends the settings is not told of the certificates only afterwards.
    production = {"PASSERELLE_ENV": "production", "PASSERELLE_CERTS": str(empty)}
    for command in ("serve", "worker"):
        said = mended(cli(command, PASSERELLE_BASE_URL="http://shop.test", **production))
        assert "PASSERELLE_BASE_URL is plain http" in said
        assert "  - apple/pass.pem: " in said
        assert "  - google/service-account.json: " in said
    assert "apple/" not in mended(
        cli("audit", PASSERELLE_BASE_URL="http://shop.test", **production)
    )


def test_what_does_not_work_on_a_later_schema_names_the_later_release(
    cli: Cli, settings: Settings
) -> None:
    database = Database(settings.database_url)
    with database.transaction() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    assert cli("stores", "add", "paris").exit_code == 0
    with database.transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE store RENAME TO shop")
    database.close()
    assert "a later release's, beside which" in mended(cli("stores", "add", "rome"))
