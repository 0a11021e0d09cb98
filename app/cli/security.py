"""`passerelle security-events`: who did what to keys, codes and people, or tried to."""

from __future__ import annotations

import datetime as dt

import click

from app.cli.terminal import pass_deployment, say
from app.services import security
from app.services.closing import to_csv
from app.services.deployment import Deployment
from app.services.security import EventFilter, SecurityEventKind


@click.command("security-events")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice([kind.value for kind in SecurityEventKind]),
    help="Of this kind; several may be named.",
)
@click.option("--actor", help="A key's prefix, store/terminal, operator, command or address.")
@click.option("--object", "object_", help="What it was done to, such as 'campaign spring'.")
@click.option("--since", type=click.DateTime(), help="From this moment on (UTC).")
@click.option("--until", type=click.DateTime(), help="Before this moment (UTC).")
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=100,
    show_default=True,
    help="At most so many.",
)
@click.option("--csv", "as_csv", is_flag=True, help="As CSV, with a heading.")
@pass_deployment
def security_events(
    deployment: Deployment,
    kinds: tuple[str, ...],
    actor: str | None,
    object_: str | None,
    since: dt.datetime | None,
    until: dt.datetime | None,
    limit: int,
    as_csv: bool,
) -> None:
    """List security events, newest first: keys, disclosures of codes, refusals, withdrawals."""
    wanted = EventFilter(
        kinds=[SecurityEventKind(kind) for kind in kinds],
        actor=actor,
        object=object_,
        since=since.replace(tzinfo=dt.UTC) if since else None,
        until=until.replace(tzinfo=dt.UTC) if until else None,
    )
    with deployment.database.read() as session:
        found = security.listed(session, wanted, limit=limit)
    if as_csv:
        click.echo(to_csv(found, security.ListedEvent), nl=False)
        return
    for each in found:
        who = [each.key_prefix and f"pk_{each.key_prefix}", each.terminal, each.operator]
        who += [each.command, each.address]
        say(
            f"{each.at:%Y-%m-%d %H:%M:%S}  {each.kind:22}  {each.count:>7} ×  "
            f"{' '.join(filter(None, who)) or 'unknown'}  "
            f"{': '.join(filter(None, (each.object, each.reason)))}".rstrip()
        )
    if not found:
        say("No such events.")
