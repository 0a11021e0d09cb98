"""`passerelle keys`: master keys, their rotation and retirement."""

from __future__ import annotations

import base64
import os

import click

from app.cli.terminal import (
    asks_for_help,
    counted,
    open_deployment,
    pass_deployment,
    progress_bar,
    say,
)
from app.environment import named_master_keys
from app.services import keys as service
from app.services.deployment import Deployment


@click.group()
@click.pass_context
def keys(ctx: click.Context) -> None:
    """Master keys: see, make, rotate and retire them."""
    # Production wants a key before anything else works: making one asks for no other setting.
    if ctx.invoked_subcommand != "generate" and not asks_for_help():
        open_deployment(ctx)


@keys.command()
def generate() -> None:
    """Print a new key, to be put before the others in PASSERELLE_MASTER_KEYS."""
    key_id, secret = service.generate(named_master_keys(os.environ))
    say(f"{key_id}:{base64.b64encode(secret).decode()}")


@keys.command("list")
@pass_deployment
def show(deployment: Deployment) -> None:
    """List the keys that the database knows, and how many rows need each."""
    _ = deployment.keyring  # Notes keys that are new, and names those that are missing.
    with deployment.database.read() as session:
        found = service.uses(session, deployment.settings.master_keys)
    say(f"{'id':>3}  {'since':10}  {'codes':>9}  {'vouchers':>9}  state")
    for use in found:
        state = (
            "retired"
            if use.retired_at
            else "newest: seals and derives"
            if use.newest
            else "verifies"
            if use.referenced
            else "not needed: may be retired"
        )
        say(
            f"{use.key_id:>3}  {use.first_used_at:%Y-%m-%d}  {use.codes:>9}  "
            f"{use.vouchers:>9}  {state}"
        )


@keys.command()
@pass_deployment
def reseal(deployment: Deployment) -> None:
    """Seal every code and PIN with the newest key; safe beside a running service."""
    with deployment.database.read() as session:
        found = service.uses(session, deployment.settings.master_keys)
    older = max(1, sum(use.codes for use in found if not use.newest))
    with progress_bar("Sealing", "codes") as update:
        count = service.reseal(
            deployment.database,
            deployment.keyring,
            progress=lambda done: update(done / older, done),
        )
    codes = counted(count, "code is", "codes are")
    say(f"{codes} sealed with key {deployment.keyring.newest} now.")


@keys.command()
@click.argument("key_id", type=int)
@pass_deployment
def retire(deployment: Deployment, key_id: int) -> None:
    """Note that KEY_ID is no longer needed; refused while a row needs it."""
    settings = deployment.settings
    service.retire(deployment.database, settings.master_keys, key_id, now=deployment.now())
    say(f"Key {key_id} is retired: it may leave PASSERELLE_MASTER_KEYS.")


@keys.command()
@click.confirmation_option(prompt="Is every server and worker stopped?")
@pass_deployment
def reindex(deployment: Deployment) -> None:
    """Make a new lookup key and every code's lookup hash anew."""
    _ = deployment.keyring  # Keys that do not fit the database must not write to it.
    count = service.reindex(
        deployment.database, deployment.settings.master_keys, now=deployment.now()
    )
    say(counted(count, "code is", "codes are") + " found by a new lookup key now.")
