"""`passerelle backup` and `passerelle restore`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from app.cli.terminal import pass_deployment, say
from app.services import audit
from app.services import backup as service
from app.services.deployment import Deployment


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@pass_deployment
def backup(deployment: Deployment, file: Path) -> None:
    """Write the whole database to FILE, while the service goes on."""
    made = service.backup(deployment.database, file, now=deployment.now())
    say(f"{file} holds {made.entries} ledger entries as of {made.made_at:%Y-%m-%d %H:%M:%S} UTC.")
    say(
        "It opens only with the master keys "
        f"{', '.join(map(str, made.master_keys)) or 'of the deployment'}, which are not in it."
    )


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@pass_deployment
def restore(deployment: Deployment, file: Path) -> None:
    """Fill an empty database from the backup FILE, audit it, and say what tills send again."""
    made = service.restore(deployment.database, file)
    say(f"Restored {made.entries} ledger entries as of {made.made_at:%Y-%m-%d %H:%M:%S} UTC.")
    _ = deployment.keyring  # A master key that is missing is found now.
    wrong = 0
    for section in audit.run(deployment.database):
        wrong += len(section.findings)
        for finding in section.findings:
            say(f"WRONG  {section.claim}: {finding.about} {finding.cause}")
    if wrong:
        say(f"The audit has {wrong} findings: do not open the tills on this database.")
        sys.exit(1)
    say("The audit finds nothing.")
    say(
        f"Every till sends again, under the same Idempotency-Key, whatever it sent after "
        f"{made.made_at:%Y-%m-%d %H:%M:%S} UTC; what the backup knows is answered as before."
    )
    with deployment.database.read() as session:
        for each in service.replays(session):
            where = f"{each.store or '–'}/{each.terminal or '–'}"
            last = f"{each.last_at:%Y-%m-%d %H:%M:%S} UTC" if each.last_at else "never"
            say(f"  {where:24} {each.key:24} last known call: {last}")
