"""`passerelle worker`."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import Any

import click

from app import logs
from app.cli.terminal import pass_deployment, say
from app.delivery.worker import Worker
from app.services.deployment import Deployment
from app.store import migrations

#: How much a worker process gives way to the servers beside it (see nice(1)).
NICE = 5


@click.command()
@pass_deployment
def worker(deployment: Deployment) -> None:
    """Tell phones and wallets what changed, until stopped; any number may run."""
    migrations.insist(deployment.database)
    _ = deployment.keyring
    deployment.certificates.insist()
    _ = deployment.hints.huey  # A queue address that is wrong is found now.
    working = Worker(deployment)

    def end(_signal: int, _frame: Any) -> None:
        working.end()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    with suppress(OSError):
        # On a machine that serves tills as well, they go first.
        os.nice(NICE)
    logs.configure(deployment.settings.log_level)
    say("Working. Stop with Ctrl-C; it may also be killed at any moment.")
    working.run()
