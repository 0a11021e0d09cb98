"""`passerelle backup`, `passerelle restore` and `passerelle inventory`."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import click
import orjson

from app.cli.terminal import pass_deployment, say
from app.services import audit
from app.services import backup as service
from app.services.backup import BackupFault, Inventory
from app.services.deployment import Deployment
from app.store import private

_EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@pass_deployment
def backup(deployment: Deployment, file: Path) -> None:
    """Write the whole database to FILE, while the service goes on."""
    master_keys = deployment.settings.master_keys
    _ = deployment.keyring  # Keys that do not fit the database prove nothing of it.
    made = service.backup(deployment.database, file, master_keys=master_keys, now=deployment.now())
    say(f"{file} holds {made.entries} ledger entries as of {made.made_at:%Y-%m-%d %H:%M:%S} UTC.")
    say(
        "It opens only with the master keys "
        f"{', '.join(map(str, made.master_keys)) or 'of the deployment'}, which are not in it."
    )


@click.command()
@click.argument("file", type=_EXISTING, required=False)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it to this file, for `restore --expect`; keep that apart from the backups.",
)
@pass_deployment
def inventory(deployment: Deployment, file: Path | None, out: Path | None) -> None:
    """List who may act: API keys, stores, webhooks, of the database or of the backup FILE."""
    if file is not None:
        made = service.inspect(file, master_keys=deployment.settings.master_keys)
        found = made.inventory or {}
    else:
        with deployment.database.read() as session:
            found = service.taken(session)
    if out is None:
        _show(found)
        return
    with open(out, "wb", opener=private.owner_only) as target:
        target.write(orjson.dumps({"inventory": found}, option=orjson.OPT_INDENT_2))
    say(f"{out} names {len(found)} keys, stores and webhooks.")


@click.command()
@click.argument("file", type=_EXISTING)
@click.option(
    "--expect",
    type=_EXISTING,
    help="What should be there: a file of `passerelle inventory --out`, or an earlier backup.",
)
@click.option("--yes", is_flag=True, help="Restore without asking.")
@click.option(
    "--unauthenticated",
    is_flag=True,
    help="Take a backup of an older release, of which nothing proves who made it.",
)
@pass_deployment
def restore(
    deployment: Deployment, file: Path, expect: Path | None, yes: bool, unauthenticated: bool
) -> None:
    """Fill an empty database from the backup FILE, audit it, and say who may act on it and what
    tills send again.
    """
    master_keys = deployment.settings.master_keys
    expected = None if expect is None else _expected(expect, master_keys)
    made = service.inspect(file, master_keys=master_keys, unauthenticated=unauthenticated)
    if made.inventory is None:
        say(
            "NOT PROVEN: who made this backup, and whether its keys, stores, webhooks, vouchers "
            "and balances are those of then. Its digests only say that it is whole."
        )
    else:
        say("Authenticated by this deployment's master keys. Who may act on it:")
        _tell(made.inventory, expected)
    if not yes:
        click.confirm("Restore it?", abort=True)
    service.restore(
        deployment.database,
        file,
        master_keys=master_keys,
        now=deployment.now(),
        unauthenticated=unauthenticated,
    )
    say(f"Restored {made.entries} ledger entries as of {made.made_at:%Y-%m-%d %H:%M:%S} UTC.")
    _ = deployment.keyring  # A master key that is missing is found now.
    if made.inventory is None:
        say("Who may act on it, as it says itself:")
        with deployment.database.read() as session:
            _tell(service.taken(session), expected)
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


def _expected(file: Path, master_keys: Mapping[int, bytes]) -> Inventory:
    """The inventory of a file that the operator kept, or of an earlier backup."""
    if zipfile.is_zipfile(file):
        return service.inspect(file, master_keys=master_keys).inventory or {}
    try:
        kept: Inventory = orjson.loads(file.read_bytes())["inventory"]
        return {str(name): str(told) for name, told in kept.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BackupFault(
            f"{file} is no inventory: name one that `passerelle inventory --out` wrote, or a "
            "backup."
        ) from None


def _tell(found: Inventory, expected: Inventory | None) -> None:
    """Show an inventory, and how it differs from the one that was expected."""
    _show(found)
    if expected is None:
        say("Compare it with what you know: nothing was named with --expect.")
        return
    differences = service.compared(found, expected)
    for mark, lines in (
        ("NOT EXPECTED", differences.unexpected),
        ("MISSING", differences.missing),
        ("CHANGED", differences.changed),
    ):
        for line in lines:
            say(f"{mark}  {line}")
    if not differences:
        say("Nothing differs from what was expected.")


def _show(found: Inventory) -> None:
    for name, told in found.items():
        say(f"  {name}  {told}")
