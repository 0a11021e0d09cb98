"""Servers and workers log JSON lines on standard error; commands keep standard output clean."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence

import pytest
import structlog
from click.testing import CliRunner

from app.cli import main
from app.settings import Settings
from tests.serving import PATIENCE, ROOT, environment, free_port, is_ready


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


def ended(settings: Settings, words: Sequence[str], *, port: int | None = None) -> tuple[str, str]:
    """What a process wrote on standard output and standard error until it was asked to end."""
    process = subprocess.Popen(
        [sys.executable, "-c", "from app.cli import main; main()", *words],
        cwd=ROOT,
        env={**os.environ, **environment(settings)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    try:
        if port is not None:
            until = time.monotonic() + PATIENCE
            while not is_ready(f"http://127.0.0.1:{port}"):
                assert process.poll() is None
                assert time.monotonic() < until
                time.sleep(0.1)
        else:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("Working.")
    finally:
        process.terminate()
    return process.communicate(timeout=60)


def test_a_server_logs_json_lines_and_nothing_else(settings: Settings) -> None:
    port = free_port()
    # More threads than the machine has cores are meant: nobody is warned of them.
    many = dataclasses.replace(settings, log_level="info", threads=64)

    out, err = ended(many, ["serve", "--port", str(port)], port=port)

    lines = [json.loads(line) for line in err.splitlines()]
    assert out == ""
    assert {"serving", "request"} <= {line["event"] for line in lines}
    assert not any("threads" in line["event"] for line in lines)
    assert all({"event", "level", "timestamp"} <= line.keys() for line in lines)


def test_the_http_servers_own_words_are_json_lines_too() -> None:
    speaks = (
        "import logging.config; from app import logs;"
        "logging.config.dictConfig(logs.of_http_server());"
        "logging.getLogger('_granian').warning('A worker of its own words')"
    )

    done = subprocess.run(
        [sys.executable, "-c", speaks], cwd=ROOT, capture_output=True, text=True, check=True
    )

    line = json.loads(done.stderr)
    assert (line["event"], line["level"]) == ("A worker of its own words", "warning")


def test_a_worker_logs_json_lines(settings: Settings) -> None:
    gone = f"https://127.0.0.1:{free_port()}/keys"
    told = dataclasses.replace(settings, log_level="info", google_callback_keys_url=gone)

    _, err = ended(told, ["worker"])

    assert all({"event", "level"} <= json.loads(line).keys() for line in err.splitlines())


def test_what_is_logged_beneath_a_command_is_not_on_its_standard_output(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(structlog, "is_configured", lambda: False)
    warning = dataclasses.replace(settings, log_level="warning")

    @main.command("log-something")
    def command() -> None:
        """Log a line."""
        structlog.get_logger().warning("something", cause="a test")

    try:
        done = CliRunner().invoke(main, ["log-something"], env=environment(warning))
    finally:
        del main.commands["log-something"]
        structlog.reset_defaults()

    assert done.exit_code == 0, done.output
    assert done.stdout == ""
    assert "a test" in done.stderr
