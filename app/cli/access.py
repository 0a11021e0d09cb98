"""`passerelle access`: API keys."""

from __future__ import annotations

import click
from sqlalchemy import select

from app.cli.terminal import pass_deployment, say
from app.services import access as service
from app.services.access import Scope
from app.services.deployment import Deployment
from app.store.models import ApiKey


@click.group()
def access() -> None:
    """API keys: make, list and revoke them."""


@access.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice([scope.value for scope in Scope]),
)
@click.option("--store", help="Key of the store it is bound to.")
@click.option("--terminal", help="Key of the terminal, within that store.")
@click.option("--campaign", "campaigns", multiple=True, help="Campaign it is bound to.")
@pass_deployment
def create(
    deployment: Deployment,
    name: str,
    scopes: tuple[str, ...],
    store: str | None,
    terminal: str | None,
    campaigns: tuple[str, ...],
) -> None:
    """Make a key called NAME and print it; it cannot be read again."""
    with deployment.database.write() as session:
        key = service.create(
            session,
            name,
            [Scope(scope) for scope in scopes],
            now=deployment.now(),
            store=store,
            terminal=terminal,
            campaigns=campaigns or None,
        )
    say(key)


@access.command("list")
@pass_deployment
def show(deployment: Deployment) -> None:
    """List the keys, without their secrets."""
    with deployment.database.read() as session:
        for key in session.scalars(select(ApiKey).order_by(ApiKey.id)):
            state = "revoked" if key.revoked_at else "good"
            say(f"pk_{key.prefix}_…  {state:7}  {','.join(key.scopes):24}  {key.name}")


@access.command()
@click.argument("prefix")
@pass_deployment
def revoke(deployment: Deployment, prefix: str) -> None:
    """Make the key that starts with pk_PREFIX_ worthless."""
    with deployment.database.write() as session:
        service.revoke(session, prefix, now=deployment.now())
    say(f"pk_{prefix}_… is revoked.")
