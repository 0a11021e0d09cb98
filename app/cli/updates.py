"""`passerelle campaign update` and what belongs to it, and `passerelle sync`."""

from __future__ import annotations

import datetime as dt
import sys
import uuid
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click
import orjson

from app.cli.campaigns import campaign
from app.cli.terminal import counted, pass_deployment, say
from app.domain import inputs, overrides
from app.domain.overrides import Override
from app.services import updates, wallets
from app.services.deployment import Deployment
from app.services.issuance import REFUSED, Left
from app.services.updates import Action, UpdateProgress, UpdateRequest
from app.services.wallets.apple.complaints import newest_complaints
from app.services.wallets.health import assess

_LEFT = {
    Left.UNKNOWN: "is unknown.",
    Left.HELD: "is left: a till holds a part of it. Capture or void the hold, then ask again.",
    Left.REDEEMED: "is left: it was redeemed.",
    Left.EXPIRED: "is left: it expired.",
    Left.WITHDRAWN: "is left: it was withdrawn before.",
    Left.KEPT: "is left: it is so already.",
}


class Moment(click.ParamType[dt.datetime]):
    """An ISO 8601 moment with a zone."""

    name = "moment"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> dt.datetime:
        try:
            moment = dt.datetime.fromisoformat(value)
        except ValueError:
            self.fail("Write it as 2026-12-24T18:00:00+01:00.", param, ctx)
        if moment.tzinfo is None:
            self.fail("It needs a zone, such as +01:00 or Z.", param, ctx)
        if not inputs.is_reckonable(moment):
            self.fail(
                f"It is not between the years {inputs.EARLIEST} and {inputs.LATEST}.", param, ctx
            )
        return moment


class Number(click.ParamType[Decimal]):
    """A decimal number, such as 12.5."""

    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Decimal:
        try:
            number = Decimal(value)
        except InvalidOperation:
            number = Decimal("NaN")
        if not number.is_finite():
            self.fail("Write it as a number, such as 30 or 12.5.", param, ctx)
        return number


@campaign.command()
@click.argument("key")
@click.option(
    "--presentation",
    type=click.Path(dir_okay=False, path_type=Path, exists=True),
    help="JSON file with members to lay over the presentation.",
)
@click.option("--message", "messages", multiple=True, metavar="LANGUAGE=TEXT", help="Tell holders.")
@click.option("--ends-at", type=Moment(), help="Prolong all vouchers to this moment.")
@click.option("--uses", type=int, help="Let each voucher be used this often.")
@click.option("--percent", type=Number(), help="Raise a percentage to this.")
@click.option("--amount", "amount_minor", type=int, help="Raise an amount, in minor units.")
@click.option("--min-basket", "min_basket_minor", type=int, help="Ask for less, in minor units.")
@click.option("--forced", is_flag=True, help="Let these terms take away from holders, too.")
@click.option("--at", type=Moment(), help="When to publish; now when absent.")
@click.option("--yes", is_flag=True, help="Publish without asking.")
@pass_deployment
def update(
    deployment: Deployment,
    key: str,
    presentation: Path | None,
    messages: tuple[str, ...],
    ends_at: dt.datetime | None,
    uses: int | None,
    percent: Decimal | None,
    amount_minor: int | None,
    min_basket_minor: int | None,
    forced: bool,
    at: dt.datetime | None,
    yes: bool,
) -> None:
    """Change what all holders of campaign KEY see or get; says first how many it touches."""
    wanted = UpdateRequest(
        presentation=_json(presentation) if presentation else None,
        message=dict(_message(each) for each in messages) or None,
        override=Override(
            ends_at=ends_at,
            uses=uses,
            percent=percent,
            amount_minor=amount_minor,
            min_basket_minor=min_basket_minor,
            forced=frozenset(overrides.TERMS) if forced else frozenset(),
        ),
        at=at,
    )
    with deployment.database.read() as session:
        touches = updates.reach(session, key)
        warnings = updates.rehearse(
            session, key, wanted, settings=deployment.settings, keyring=deployment.keyring
        )
        costs = updates.forecast(session, key, wanted, settings=deployment.settings)
    when = f"at {at.isoformat()}" if at else "now"
    say(f"This touches {touches}; {when}.")
    for cost in costs.values():
        say(f"{cost}")
    for warning in warnings:
        say(f"! {warning}")
    if not yes:
        click.confirm("Publish?", abort=True)
    with deployment.database.write() as session:
        ordered = updates.order(
            session,
            key,
            wanted,
            settings=deployment.settings,
            keyring=deployment.keyring,
            now=deployment.now(),
        )
    say(f"Update {ordered}: see `passerelle campaign updates {key}`.")


@campaign.command("updates")
@click.argument("key")
@pass_deployment
def list_updates(deployment: Deployment, key: str) -> None:
    """List the updates of campaign KEY and how far each has come."""
    with deployment.database.read() as session:
        for each in updates.history(session, key):
            say(_line(each))


@campaign.command()
@click.argument("key")
@pass_deployment
def pause(deployment: Deployment, key: str) -> None:
    """Hold deliveries of KEY's edits back; redemptions still reach their phones."""
    with deployment.database.write() as session:
        updates.pause(session, key, paused=True)
    say(f"Deliveries of {key} are paused.")


@campaign.command()
@click.argument("key")
@pass_deployment
def resume(deployment: Deployment, key: str) -> None:
    """Let deliveries of KEY's edits go on."""
    with deployment.database.write() as session:
        updates.pause(session, key, paused=False)
    say(f"Deliveries of {key} go on.")


@campaign.command("cancel-update")
@click.argument("update_id", type=click.UUID)
@pass_deployment
def cancel_update(deployment: Deployment, update_id: uuid.UUID) -> None:
    """Take back an update that is not published yet."""
    with deployment.database.write() as session:
        updates.cancel(session, update_id)
    say("The update is cancelled.")


@click.command("vouchers")
@click.argument("action", type=click.Choice([each.value for each in Action]))
@click.argument("serials", nargs=-1, required=True)
@click.option("--ends-at", type=Moment(), help="The new end, to prolong.")
@click.option("--reason", help="Why, to withdraw; kept with the vouchers.")
@pass_deployment
def vouchers(
    deployment: Deployment,
    action: str,
    serials: tuple[str, ...],
    ends_at: dt.datetime | None,
    reason: str | None,
) -> None:
    """Update, prolong or withdraw single vouchers by their serial numbers, old or new.

    Ends with 1 when a serial is unknown, when a till holds what was to be withdrawn, or when none
    is as it was asked to be.
    """
    answers = updates.change_vouchers(
        deployment, serials, Action(action), ends_at=ends_at, reason=reason
    )
    changed = len({each.now for each in answers if each.left is None})
    say(f"{changed} vouchers are changed.")
    for each in answers:
        if each.left is not None:
            renamed = f", {each.now} now," if each.now != each.serial else ""
            say(f"  {each.serial}{renamed} {_LEFT[each.left]}")
        elif each.now != each.serial:
            say(f"  {each.serial} is {each.now} now.")
    as_asked = {None, Left.KEPT, *([Left.WITHDRAWN] if action == Action.WITHDRAW else [])}
    if any(each.left in REFUSED for each in answers):
        sys.exit(1)
    if not any(each.left in as_asked for each in answers):
        sys.exit(1)


@click.command("sync")
@click.option("--complaints", is_flag=True, help="Show what devices complained about, too.")
@pass_deployment
def sync_health(deployment: Deployment, complaints: bool) -> None:
    """Show what phones are owed, were told and hold, and what is in the way."""
    found = assess(deployment)
    for each in found.campaigns:
        counts = (wallet.counted(each.counts) for wallet in wallets.WALLETS)
        say("  ".join((f"{each.campaign:30}", *counts)))
    for wallet in wallets.WALLETS:
        for failure in found.failures:
            if failure.wallet == wallet.name:
                say(f"  {wallet.failed(failure)}")
    for name, since in found.oldest.items():
        say(f"  {name}: what waits longest has waited since {since:%Y-%m-%d %H:%M} UTC.")
    for line in found.lines:
        say(line)
    if complaints:
        with deployment.database.read() as session:
            for log in newest_complaints(session):
                say(f"  {log.at:%Y-%m-%d %H:%M:%S}  {log.kind}  {log.message}")
    say(counted(found.workers, "worker is", "workers are") + " at work.")
    for alarm in found.alarms:
        say(f"! {alarm.cause} {alarm.remedy}")


def _line(each: UpdateProgress) -> str:
    when = each.applied_at or each.apply_at
    counts = f"  {each.text}" if each.applied_at else ""
    failure = f"  {each.failure}" if each.failure else ""
    return f"{each.id}  {each.status:10}  {when:%Y-%m-%d %H:%M}{counts}{failure}"


def _json(path: Path) -> dict[str, Any]:
    try:
        found = orjson.loads(path.read_bytes())
    except ValueError as error:
        raise click.ClickException(f"{path} is not JSON: {error}.") from None
    if (fault := inputs.first_fault(found)) is not None:
        raise click.ClickException(f"{path}: {fault.at} {fault.cause}.")
    if not isinstance(found, dict):
        raise click.ClickException(f"{path} holds no JSON object.")
    return found


def _message(text: str) -> tuple[str, str]:
    language, equals, message = text.partition("=")
    if not (equals and language and message):
        raise click.ClickException("Write --message as LANGUAGE=TEXT, such as fr='Encore 2 jours'.")
    return language, message
