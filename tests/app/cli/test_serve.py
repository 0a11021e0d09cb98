"""`serve` as an operator runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from app.services.deployment import Deployment
from app.services.wallets.health import assess
from app.settings import Settings
from tests.serving import PATIENCE, ROOT, environment, free_port, running

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def test_ctrl_c_ends_the_server_and_its_worker_which_leaves_nothing_leased(
    deployment: Deployment, settings: Settings
) -> None:
    with running(settings) as server:
        until = time.monotonic() + PATIENCE
        while not assess(deployment).workers:
            assert time.monotonic() < until, "the worker says nothing"
            time.sleep(0.05)

        assert server.interrupt() == 0
        # A worker says goodbye when its last batch is recorded.
        assert assess(deployment).workers == 0
        with pytest.raises(ProcessLookupError):
            os.killpg(server.pid, 0)


@pytest.mark.parametrize("set_url", [False, True])
def test_a_development_server_s_links_lead_to_its_port_and_its_log_is_of_one_form(
    settings: Settings, tmp_path: Path, set_url: bool
) -> None:
    port = free_port()
    own = f"http://127.0.0.1:{port}"
    env = {**os.environ, **environment(settings), "PASSERELLE_LOG_LEVEL": "info"}
    env["PASSERELLE_CERTS"] = str(tmp_path / "made")
    env["PASSERELLE_BASE_URL"] = "http://shop.test" if set_url else ""
    with subprocess.Popen(
        [sys.executable, "-m", "app.cli", "serve", "--port", str(port)],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            described = json.loads(answer_of(f"{own}/openapi.json"))
            assert answer_of(f"{own}/favicon.ico").startswith(b"\x89PNG")
        finally:
            process.send_signal(signal.SIGTERM)
            said, logged = process.communicate(timeout=PATIENCE)
    assert described["servers"][0]["url"] == ("http://shop.test" if set_url else own)
    assert (f"Links lead to {own}." in said) is not set_url
    events = [json.loads(line)["event"] for line in logged.splitlines()]
    assert {"throwaway_certificates", "serving", "request"} <= set(events)


def answer_of(url: str) -> bytes:
    """The answer of a server that may still be starting."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
                found: bytes = answer.read()
                return found
        except OSError:
            assert time.monotonic() < until, "the server says nothing"
            time.sleep(0.05)
