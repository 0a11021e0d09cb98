"""`passerelle report`: closing the day, liability, odd days."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import click
import orjson

from app.cli.terminal import pass_deployment, say
from app.services import closing, stores
from app.services.closing import Liability, Oddity, OperatorLine
from app.services.deployment import Deployment

_DATE = click.DateTime(formats=["%Y-%m-%d"])
_MOMENT = click.DateTime(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"])
_form = click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "json"]),
    default="csv",
    show_default=True,
    help="How it is written.",
)


@click.group()
def report() -> None:
    """Close the day, state what gift cards owe, find odd days."""


@report.command()
@click.argument("date", metavar="DATE", type=_DATE)
@click.option("--store", help="Only this store's; every store's otherwise.")
@_form
@pass_deployment
def day(deployment: Deployment, date: dt.datetime, store: str | None, form: str) -> None:
    """Print the day DATE by store, terminal, operator and currency."""
    with deployment.database.read() as session:
        if store is not None:
            stores.required(session, store)
        _print(closing.day(session, date.date(), store=store), OperatorLine, form)


@report.command()
@click.option("--until", type=_MOMENT, help="Moment in UTC; now when left out.")
@click.option("--since", type=_MOMENT, help="Moment in UTC from which movements are shown.")
@_form
@pass_deployment
def liability(
    deployment: Deployment, until: dt.datetime | None, since: dt.datetime | None, form: str
) -> None:
    """Print what gift cards owe at a moment, with movements, breakage and adjustments."""
    utc: Callable[[dt.datetime], dt.datetime] = lambda moment: moment.replace(tzinfo=dt.UTC)  # noqa: E731
    with deployment.database.read() as session:
        found = closing.liability(
            session,
            until=utc(until) if until else deployment.now(),
            since=utc(since) if since else None,
        )
    _print(found, Liability, form)


@report.command("odd-days")
@click.argument("date", metavar="DATE", type=_DATE)
@_form
@pass_deployment
def odd_days(deployment: Deployment, date: dt.datetime, form: str) -> None:
    """Print what about the day DATE is worth a look."""
    with deployment.database.read() as session:
        _print(closing.odd(session, date.date()), Oddity, form)


def _print(rows: Sequence[Any], kind: type[Any], form: str) -> None:
    if form == "csv":
        say(closing.to_csv(rows, kind).rstrip())
    else:
        say(orjson.dumps([asdict(row) for row in rows], option=orjson.OPT_INDENT_2).decode())
