"""`passerelle webhooks`: who is told every event."""

from __future__ import annotations

import datetime as dt

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.cli.terminal import counted, pass_deployment, say
from app.services import webhooks as service
from app.services.deployment import Deployment
from app.services.webhooks import WebhookEventKind, WebhookFault
from app.store.models import Webhook


@click.group()
def webhooks() -> None:
    """Webhooks: make, list, rotate, replay and remove them."""


@webhooks.command()
@click.argument("url")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice([kind.value for kind in WebhookEventKind]),
    help="A kind of event that it wants; every kind where none is named.",
)
@click.option("--campaign", "campaigns", multiple=True, help="Key of a campaign that it wants.")
@pass_deployment
def add(
    deployment: Deployment, url: str, kinds: tuple[str, ...], campaigns: tuple[str, ...]
) -> None:
    """Tell URL what happens from now on; prints its secret, which cannot be read again."""
    keyring = deployment.keyring
    with deployment.database.write() as session:
        webhook, secret = service.register(
            session,
            keyring,
            url,
            kinds=kinds,
            campaigns=campaigns,
            now=deployment.now(),
            https_only=deployment.settings.production,
        )
        say(f"{webhook.public_id}  {secret}")


@webhooks.command("list")
@pass_deployment
def show(deployment: Deployment) -> None:
    """List the webhooks, how they do, and how much waits for them."""
    with deployment.database.read() as session:
        for webhook in session.scalars(select(Webhook).order_by(Webhook.id)):
            counted = service.counts(session, webhook)
            since = service.oldest_untold(session, webhook)
            waits = f"oldest untold {_age(deployment.now() - since)}  " if since else ""
            line = (
                f"{webhook.public_id}  {webhook.status:8}  {counted['waiting']:>7} waiting  "
                f"{counted['dead']:>7} dead  {waits}{webhook.url}  {webhook.failure or ''}"
            )
            say(line.rstrip())


@webhooks.command()
@click.argument("webhook_id")
@pass_deployment
def rotate(deployment: Deployment, webhook_id: str) -> None:
    """Give a webhook a new secret and print it; the present one signs beside it for a day."""
    keyring = deployment.keyring
    with deployment.database.write() as session:
        say(
            service.rotate(
                session,
                keyring,
                _found(session, webhook_id),
                now=deployment.now(),
            )
        )


@webhooks.command()
@click.argument("webhook_id")
@pass_deployment
def replay(deployment: Deployment, webhook_id: str) -> None:
    """Try again the events that were given up, and make the webhook active."""
    with deployment.database.write() as session:
        webhook = _found(session, webhook_id)
        service.change(
            session,
            webhook,
            active=True,
            now=deployment.now(),
            https_only=deployment.settings.production,
        )
        count = service.replay(session, webhook, now=deployment.now())
    say(counted(count, "event is", "events are") + " tried again.")


@webhooks.command()
@click.argument("webhook_id")
@pass_deployment
def remove(deployment: Deployment, webhook_id: str) -> None:
    """Remove a webhook and all that waits for it."""
    with deployment.database.write() as session:
        service.remove(session, _found(session, webhook_id), now=deployment.now())
    say("The webhook is removed.")


def _found(session: Session, webhook_id: str) -> Webhook:
    webhook = service.find(session, webhook_id, locked=True)
    if webhook is None:
        raise WebhookFault(f"No webhook {webhook_id}: `passerelle webhooks list` shows them.")
    return webhook


def _age(age: dt.timedelta) -> str:
    """An age in its largest unit."""
    seconds = max(0, int(age.total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
