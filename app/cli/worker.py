"""`passerelle worker`, and the application that `serve` runs with a worker beside it."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from contextlib import suppress
from typing import Any

import click
from flask import Flask

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
    if migrations.pending(deployment.database):
        raise click.ClickException(
            "The database's schema is not this release's: run `passerelle migrate` first."
        )
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
    say("Working. Stop with Ctrl-C; it may also be killed at any moment.")
    working.run()


def application() -> Flask:
    """The service with a worker in its own process, as SQLite needs it."""
    from app import create_app

    # A till's thread gets its turn within half a millisecond, not five, from those that deliver and
    # build passes.
    sys.setswitchinterval(0.0005)
    app = create_app()
    working = Worker(app.extensions["passerelle"])
    working.start()
    atexit.register(working.stop, patience=5.0)
    return app
