"""`worker` as an operator runs it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import Result

from app.services.deployment import Deployment
from app.services.wallets.health import assess

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
Cli = Callable[..., Result]


@pytest.fixture
def handlers() -> Iterator[None]:
    """Puts the process's own answers to signals back, and its priority where it may."""
    priority = os.getpriority(os.PRIO_PROCESS, 0)
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, priority)


def test_worker_works_until_it_is_told_to_end(
    cli: Cli, deployment: Deployment, handlers: None
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen: list[int] = []

    def stop() -> None:
        # The signal would end the tests before the worker answers it.
        deadline = time.monotonic() + 60
        while signal.getsignal(signal.SIGTERM) is before:
            if time.monotonic() > deadline:
                # It ended without ever working, which the test says by its output.
                return
            time.sleep(0.01)
        while not seen and time.monotonic() < deadline:
            if workers := assess(deployment).workers:
                seen.append(workers)
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=stop)
    thread.start()
    done = cli("worker")
    thread.join()

    assert done.exit_code == 0, done.output
    assert done.output == "Working. Stop with Ctrl-C; it may also be killed at any moment.\n"
    assert seen == [1]


def test_worker_refuses_a_database_of_another_release(cli: Cli, tmp_path: Path) -> None:
    refused = cli("worker", PASSERELLE_DATABASE_URL=f"sqlite:///{tmp_path}/new.sqlite")

    assert refused.exit_code == 1
    assert "run `passerelle migrate` first" in refused.output + refused.stderr


def test_worker_refuses_a_queue_that_is_none(cli: Cli) -> None:
    refused = cli("worker", PASSERELLE_QUEUE_URL="amqp://nowhere")

    assert refused.exit_code == 1
    assert "PASSERELLE_QUEUE_URL" in refused.output + refused.stderr
