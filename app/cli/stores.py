"""`passerelle stores`: stores and terminals by hand, and with their keys in bulk."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from app.cli.terminal import counted, fail, pass_deployment, say, warn
from app.services import stores
from app.services.deployment import Deployment
from app.store import private

#: Stores that a warning names; of more it gives the number.
NAMED = 20


@click.group("stores")
def stores_group() -> None:
    """Stores and their terminals."""


@stores_group.command()
@click.argument("key")
@click.option("--name", help="What people call it.")
@click.option("--terminal", "terminals", multiple=True, help="Key of a till in it.")
@click.option(
    "--timezone",
    help="Such as Europe/Paris: its days, and the times in its texts. Also of one that exists.",
)
@click.option("--language", default="en", show_default=True, help="In which its tills are told.")
@click.option("--online", is_flag=True, help="It is the web shop.")
@click.option("--latitude", type=click.FloatRange(-90, 90), help="Degrees, north is positive.")
@click.option("--longitude", type=click.FloatRange(-180, 180), help="Degrees, east is positive.")
@pass_deployment
def add(
    deployment: Deployment,
    key: str,
    name: str | None,
    terminals: tuple[str, ...],
    timezone: str | None,
    language: str,
    online: bool,
    latitude: float | None,
    longitude: float | None,
) -> None:
    """Add the store KEY, or terminals to it."""
    with deployment.database.read() as session:
        unsaid = timezone is None and not stores.exists(session, key)
    if unsaid and sys.stdin.isatty():
        timezone, unsaid = click.prompt("Time zone of the store", default=stores.UTC), False
    with deployment.database.write() as session:
        stores.add(
            session,
            key,
            name=name,
            terminals=terminals,
            timezone=timezone,
            language=language,
            online=online,
            position=None if latitude is None or longitude is None else (latitude, longitude),
            now=deployment.now(),
        )
    say(f"Store {key} has the terminals {', '.join(terminals) or 'it had'}.")
    _warn_of_utc([key] if unsaid else [])


@stores_group.command("import")
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
    rows = stores.read(text)
    if keys_file is not None and keys_file.exists():
        raise click.UsageError(f"{keys_file} exists: name a file that does not.")
    with deployment.database.write() as session:
        done = stores.apply(session, rows, now=deployment.now(), with_keys=keys_file is not None)
        # Written before the commit: a key that nobody could read would be worth nothing.
        if keys_file is not None:
            _write(keys_file, done.keys)
    added = counted(done.stores, "store", "stores")
    say(f"{added} and {counted(done.terminals, 'terminal', 'terminals')} are new.")
    if keys_file is not None:
        say(f"{len(done.keys)} keys are in {keys_file}; they cannot be read again.")
    _warn_of_utc(done.unsaid)


def _warn_of_utc(keys: Sequence[str]) -> None:
    """Say of which new stores nobody gave the time zone, and how it is given."""
    if not keys:
        return
    named = ", ".join(keys[:NAMED]) + (f" and {len(keys) - NAMED} more" if keys[NAMED:] else "")
    warn(
        f"No time zone was given for {named}: UTC is taken, so a day there ends at midnight UTC. "
        f"Set its own with `passerelle stores add {keys[0]} --timezone Europe/Paris`."
    )


def _write(path: Path, keys: tuple[tuple[str, str, str], ...]) -> None:
    with open(path, "x", newline="", encoding="utf-8", opener=private.owner_only) as out:
        writer = csv.writer(out)
        writer.writerow(("store", "terminal", "key"))
        writer.writerows(keys)
