"""`passerelle access`: API keys."""

from __future__ import annotations

import datetime as dt
import re

import click
from sqlalchemy import select

from app.cli.terminal import pass_deployment, say
from app.services import access as service
from app.services.access import Scope
from app.services.deployment import Deployment
from app.store.models import ApiKey, Store, Terminal


class End(click.ParamType[dt.datetime | dt.timedelta]):
    """When a key ends: in so many days, or at a moment."""

    name = "DAYS|DATE"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> dt.datetime | dt.timedelta:
        text = str(value)
        if re.fullmatch(r"[1-9][0-9]{0,3}", text):
            return dt.timedelta(days=int(text))
        try:
            moment = dt.datetime.fromisoformat(text)
        except ValueError:
            self.fail(
                "Write days such as 90, or a date such as 2027-03-31, on which it ends.", param, ctx
            )
        # A date without a zone is UTC's, as every moment that is shown here.
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)


def _moment(end: dt.datetime | dt.timedelta | None, *, now: dt.datetime) -> dt.datetime | None:
    return now + end if isinstance(end, dt.timedelta) else end


@click.group()
def access() -> None:
    """API keys: make, list, change and revoke them."""


@access.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice([scope.value for scope in Scope]),
    help="What it may do; several may be named.",
)
@click.option("--store", help="Key of the store it is bound to.")
@click.option("--terminal", help="Key of the terminal, within that store.")
@click.option("--campaign", "campaigns", multiple=True, help="Campaign it is bound to.")
@click.option("--expires", type=End(), help="When it ends: in so many days, or at a date (UTC).")
@pass_deployment
def create(
    deployment: Deployment,
    name: str,
    scopes: tuple[str, ...],
    store: str | None,
    terminal: str | None,
    campaigns: tuple[str, ...],
    expires: dt.datetime | dt.timedelta | None,
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
            expires_at=_moment(expires, now=deployment.now()),
        )
    say(key)


@access.command("list")
@pass_deployment
def show(deployment: Deployment) -> None:
    """List the keys, without their secrets: state, made, ends, last used, scopes, bound to, name.

    When a key was last used is right to ten minutes.
    """
    now = deployment.now()
    with deployment.database.read() as session:
        rows = session.execute(
            select(ApiKey, Store.key, Terminal.key)
            .outerjoin(Store, Store.id == ApiKey.store_id)
            .outerjoin(Terminal, Terminal.id == ApiKey.terminal_id)
            .order_by(ApiKey.id)
        )
        for key, store, terminal in rows:
            ended = key.expires_at is not None and key.expires_at <= now
            state = "revoked" if key.revoked_at else "expired" if ended else "good"
            bound = [f"{store}/{terminal or '*'}"] if store else []
            bound += key.campaigns or []
            say(
                f"pk_{key.prefix}_…  {state:7}  made {_day(key.created_at)}  "
                f"ends {_day(key.expires_at):10}  last used {_minute(key.last_used_at):16}  "
                f"{','.join(key.scopes):24}  {','.join(bound) or 'everywhere':16}  {key.name}"
            )


@access.command()
@click.argument("prefix")
@click.option("--name", help="What it is called from now on.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([scope.value for scope in Scope]),
    help="What it may do from now on, and nothing else.",
)
@click.option("--expires", type=End(), help="When it ends: in so many days, or at a date (UTC).")
@click.option("--never-expires", is_flag=True, help="It has no end any more.")
@pass_deployment
def change(
    deployment: Deployment,
    prefix: str,
    name: str | None,
    scopes: tuple[str, ...],
    expires: dt.datetime | dt.timedelta | None,
    never_expires: bool,
) -> None:
    """Change the key that starts with pk_PREFIX_; servers notice within five seconds."""
    if expires is not None and never_expires:
        raise click.UsageError("Give --expires or --never-expires, not both.")
    prefix = _prefix(prefix)
    with deployment.database.write() as session:
        service.change(
            session,
            prefix,
            now=deployment.now(),
            name=name,
            scopes=[Scope(scope) for scope in scopes],
            expires_at=_moment(expires, now=deployment.now()),
            endless=never_expires,
        )
    say(f"pk_{prefix}_… is changed.")


@access.command()
@click.argument("prefix")
@pass_deployment
def revoke(deployment: Deployment, prefix: str) -> None:
    """Make the key that starts with pk_PREFIX_ worthless."""
    prefix = _prefix(prefix)
    with deployment.database.write() as session:
        service.revoke(session, prefix, now=deployment.now())
    say(f"pk_{prefix}_… is revoked.")


def _prefix(text: str) -> str:
    """The prefix, also as the list and a whole key show it."""
    return text.removeprefix("pk_")[:8] if text.startswith("pk_") else text


def _day(moment: dt.datetime | None) -> str:
    return f"{moment:%Y-%m-%d}" if moment else "never"


def _minute(moment: dt.datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "never"
