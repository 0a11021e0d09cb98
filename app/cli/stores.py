"""`passerelle stores import`: stores, terminals and keys in bulk."""

from __future__ import annotations

import csv
from pathlib import Path

import click

from app.cli.terminal import counted, fail, pass_deployment, say
from app.services import storefile
from app.services.deployment import Deployment
from app.store import private


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--keys",
    "keys_file",
    type=click.Path(exists=False, dir_okay=False, path_type=Path),
    help="Make a key for every terminal that has none, and write them to this new file.",
)
@pass_deployment
def import_stores(deployment: Deployment, file: Path, keys_file: Path | None) -> None:
    """Import stores and terminals from the CSV FILE: store, terminal, and as wanted name,
    timezone, language, channel, latitude, longitude.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        fail(f"{file.name} is no text in UTF-8: export it as CSV in UTF-8.")
    rows = storefile.read(text)
    if keys_file is not None and keys_file.exists():
        raise click.UsageError(f"{keys_file} exists: name a file that does not.")
    with deployment.database.write() as session:
        done = storefile.apply(session, rows, now=deployment.now(), with_keys=keys_file is not None)
        # Written before the commit: a key that nobody could read would be worth nothing.
        if keys_file is not None:
            _write(keys_file, done.keys)
    stores = counted(done.stores, "store", "stores")
    say(f"{stores} and {counted(done.terminals, 'terminal', 'terminals')} are new.")
    if keys_file is not None:
        say(f"{len(done.keys)} keys are in {keys_file}; they cannot be read again.")


def _write(path: Path, keys: tuple[tuple[str, str, str], ...]) -> None:
    with open(path, "x", newline="", encoding="utf-8", opener=private.owner_only) as out:
        writer = csv.writer(out)
        writer.writerow(("store", "terminal", "key"))
        writer.writerows(keys)
