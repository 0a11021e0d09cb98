"""`passerelle google`: where delivery to Google Wallet stands."""

from __future__ import annotations

import click

from app.cli.terminal import pass_deployment, say
from app.services import campaigns
from app.services.deployment import Deployment
from app.services.wallets.google import standing
from app.services.wallets.google.callbacks import kept


@click.group()
def google() -> None:
    """Google Wallet: what is owed to it, and what fails."""


@google.command()
@click.option("--campaign", "key", help="Of one campaign only.")
@pass_deployment
def status(deployment: Deployment, key: str | None) -> None:
    """Say how many passes are held, how many lag and for how long, and what fails."""
    rate = deployment.settings.google_rate
    with deployment.database.read() as session:
        if key is not None:
            campaigns.required(session, key)
        found = standing.standing(session, rate=rate, campaign_key=key)
    say(f"{found}")
    for reason, count in found.failing:
        say(f"{count} failing: {reason}")


@google.command()
@click.option(
    "--limit",
    default=100,
    show_default=True,
    type=click.IntRange(1, 1_000),
    help="At most so many.",
)
@pass_deployment
def callbacks(deployment: Deployment, limit: int) -> None:
    """List genuine callbacks that nothing was done for, the newest first."""
    with deployment.database.read() as session:
        for each in kept(session, limit=limit):
            why = {"event": "nothing is done for this event", "object": "none of our passes"}
            say(
                f"{each.received_at:%Y-%m-%d %H:%M:%S}  {each.event:10}  {why[each.reason]}  "
                f"{each.message}"
            )
