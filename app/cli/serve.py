"""`passerelle serve` and `passerelle migrate`."""

from __future__ import annotations

import os

import click

from app import logs
from app.cli.terminal import pass_deployment, say
from app.services.deployment import Deployment
from app.serving.worker import run
from app.store import migrations

BASE_URL = "PASSERELLE_BASE_URL"


def address(host: str, port: int) -> str:
    """Return where a browser of this machine finds a server that listens there."""
    own = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - read here, not listened on
    return f"http://{own.get(host, f'[{host}]' if ':' in host else host)}:{port}"


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=8000,
    show_default=True,
    type=click.IntRange(1, 65_535),
    help="Port to listen on.",
)
@click.option(
    "--processes",
    default=1,
    show_default=True,
    type=click.IntRange(1, 256),
    help="Server processes; more than one needs PostgreSQL.",
)
@click.option(
    "--worker/--no-worker",
    default=True,
    show_default=True,
    help="Deliver in the server's own process too; without, run `passerelle worker` somewhere.",
)
@pass_deployment
def serve(deployment: Deployment, host: str, port: int, processes: int, worker: bool) -> None:
    """Serve requests until stopped; the database must be migrated."""
    if deployment.database.is_sqlite and processes != 1:
        raise click.UsageError(
            "SQLite has one writer: use --processes 1, or a PostgreSQL database for more."
        )
    migrations.insist(deployment.database)
    _ = deployment.keyring  # A key that is missing is found now, not at the first scan.
    deployment.certificates.insist()
    _ = deployment.hints.huey  # So is a queue address that is wrong.
    if not deployment.settings.production and not os.environ.get(BASE_URL, "").strip():
        os.environ[BASE_URL] = own = address(host, port)
        if own != deployment.settings.base_url:
            say(
                f"Links lead to {own}. Set {BASE_URL} to it, so that other commands' links do, too."
            )
    logs.configure(deployment.settings.log_level)
    run(
        application=f"app.cli.applications:{'delivering' if worker else 'alone'}",
        host=host,
        port=port,
        processes=processes,
        threads=deployment.settings.threads,
    )


@click.command()
@pass_deployment
def migrate(deployment: Deployment) -> None:
    """Bring the database to this release's schema."""
    if migrations.pending(deployment.database):
        migrations.upgrade(deployment.database)
        say("The database has this release's schema now.")
    elif migrations.ahead(deployment.database):
        say("The database has a later release's schema, beside which this one serves.")
    else:
        say("The database has this release's schema already.")
