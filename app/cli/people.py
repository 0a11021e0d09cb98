"""`passerelle decide` and `passerelle recipients`: values by rule, and the people they are for."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import click
import orjson
from babel.numbers import get_currency_precision

from app.cli.terminal import counted, fail, pass_deployment, say
from app.services import (
    campaigns,
    decisions,
    issuance,
    links,
    people,
    privacy,
    security,
)
from app.services.codes.formats.recipients import recipient_rows
from app.services.codes.formats.records import FileFault
from app.services.decisions import Candidate, Tally
from app.services.deployment import Deployment
from app.services.issuance import IssueFault, Person
from app.store import private
from app.store.models import Campaign

_NO_ROWS = "The file names no recipients: it needs a heading and a line for each."


@click.command()
@click.argument("campaign")
@click.argument("recipients", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for what each recipient gets, with their links.",
)
@click.option("--occasion", default="", help="For rows that state none.")
@click.option("--dry-run", is_flag=True, help="Say who would get what; nothing is written.")
@pass_deployment
def decide(
    deployment: Deployment,
    campaign: str,
    recipients: Path,
    out: Path | None,
    occasion: str,
    dry_run: bool,
) -> None:
    """Issue CAMPAIGN to a CSV of RECIPIENTS by its rules.

    Columns: external_id, and language, birth_date, segment, score, occasion; basket and lifetime
    are amounts of the campaign's currency; any other column is an attribute.
    """
    with deployment.database.read() as session:
        found = campaigns.required(session, campaign)
        issuance.refuse_occasion(found, occasion)
        currency = found.currency
        digits = get_currency_precision(currency) if currency else None
    if out is not None and out.exists() and out.samefile(recipients):
        raise IssueFault(f"{out} has the recipients: name another file for what they get.")
    tally, rejected = Tally(), list[str]()
    part = None if out is None else out.with_name(out.name + ".part")
    target = Path(os.devnull) if part is None else part
    try:
        opener = None if part is None else private.owner_only
        with (
            recipients.open("rb") as source,
            open(target, "w", encoding="utf-8", newline="", opener=opener) as to,
        ):
            writer = csv.writer(to)
            writer.writerow(
                ["external_id", "occasion", "outcome", "tier", "variant", "campaign", "wallet_link"]
            )
            rows = _candidates(recipient_rows(source), found, occasion, rejected)
            keyring = deployment.keyring
            for each in decisions.decide(deployment, campaign, rows, tally, dry_run=dry_run):
                link = ""
                if each.issued is not None:
                    link = links.page(
                        deployment.settings, keyring, [(each.issued.public_id, each.issued.key_id)]
                    )
                writer.writerow(
                    [
                        each.candidate.person.external_id,
                        each.candidate.occasion,
                        each.why.value if each.why else "given",
                        each.tier,
                        each.variant,
                        each.campaign,
                        link,
                    ]
                )
        if part is not None and out is not None:
            part.replace(out)
    except FileFault as fault:
        fail(f"{recipients.name}: {fault}")
    finally:
        if part is not None:
            part.unlink(missing_ok=True)
    say(
        f"{tally.given} {'would get' if dry_run else 'got'} something, {tally.known} had it before."
    )
    for value, count in sorted(tally.by_value.items()):
        say(f"  {count:>8}  {value or 'the value of the campaign'}")
    for why, count in sorted(tally.not_given.items()):
        say(f"  {count:>8}  nothing: {why}")
    if digits is not None:
        say(f"It costs at most {Decimal(tally.most_minor).scaleb(-digits)} {currency}.")
    if tally.unbounded:
        say(f"Nothing bounds the cost of {tally.unbounded}: give percentages a cap.")
    _tell_rejected(rejected)
    if not (tally.given or tally.known or tally.not_given):
        fail(_NO_ROWS)


@click.group()
def recipients() -> None:
    """Recipients: bring a list, show one or their points, and forget one."""


@recipients.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@pass_deployment
def bring(deployment: Deployment, file: Path) -> None:
    """Store the recipients of a CSV FILE as the marketer's system knows them."""
    rejected: list[str] = []
    try:
        with file.open("rb") as source:
            count = people.remember(
                deployment.database,
                (person for _, person, _ in _people(recipient_rows(source), rejected)),
                now=deployment.now(),
            )
    except FileFault as fault:
        fail(f"{file.name}: {fault}")
    say(counted(count, "recipient is", "recipients are") + " stored.")
    _tell_rejected(rejected)
    if not count:
        fail(_NO_ROWS)


@recipients.command()
@click.argument("external_id")
@pass_deployment
def show(deployment: Deployment, external_id: str) -> None:
    """Print everything that is held about a person, as JSON; that it was read is recorded."""
    with deployment.database.write() as session:
        recipient = people.required(session, external_id)
        security.record(
            session,
            security.SecurityEventKind.PERSON_DISCLOSED,
            now=deployment.now(),
            object=f"recipient {recipient.id}",
        )
        say(orjson.dumps(privacy.held(session, recipient), option=orjson.OPT_INDENT_2).decode())


@recipients.command()
@click.argument("external_id")
@click.option("--campaign", help="Only by the rules of this campaign.")
@pass_deployment
def points(deployment: Deployment, external_id: str, campaign: str | None) -> None:
    """Say what a recipient's points are now, by campaign, and what they come from."""
    with deployment.database.read() as session:
        recipient = people.required(session, external_id)
        if campaign is not None:
            campaigns.required(session, campaign)
        found = decisions.points_of(
            session, recipient.id, external_id, now=deployment.now(), campaign=campaign
        )
    if not any(each.events for each in found):
        say("No rules give points: write points = { purchase = 10 } in [rules] of a campaign.")
    for each in found:
        if not each.events:
            continue
        window = f" of the last {each.within_days} days" if each.within_days else ""
        say(f"{each.campaign}: {each.points} points{window}.")
        for scored in each.events:
            say(
                f"  {scored.points:>8}  {scored.event}: {scored.times} × {scored.worth} "
                f"({scored.reported} reported, {scored.booked} booked here)"
            )


@recipients.command()
@click.argument("external_id")
@click.confirmation_option(prompt="Forget this person for ever?")
@pass_deployment
def forget(deployment: Deployment, external_id: str) -> None:
    """Forget a person; the books stay whole and gift money can still be spent.

    What was given stays given; `passerelle recipients import` lets them come back.
    """
    keyring = deployment.keyring
    with deployment.database.write() as session:
        recipient = people.required(session, external_id)
        count = privacy.forget(session, keyring, recipient, now=deployment.now())
    stay = counted(count, "voucher stays", "vouchers stay")
    say(f"The person is forgotten; {stay}, belonging to nobody known.")


def _tell_rejected(rejected: Sequence[str]) -> None:
    for line in rejected[:10]:
        say(line)
    if rejected:
        fail(counted(len(rejected), "row was", "rows were") + " not understood.")


def _people(
    rows: Iterator[tuple[int, dict[str, str]]], rejected: list[str]
) -> Iterator[tuple[int, Person, dict[str, str]]]:
    for line, cells in rows:
        try:
            yield line, issuance.person_from(cells), cells
        except ValueError as error:
            rejected.append(f"line {line}: {error}")


def _candidates(
    rows: Iterator[tuple[int, dict[str, str]]],
    campaign: Campaign,
    occasion: str,
    rejected: list[str],
) -> Iterator[Candidate]:
    for line, person, cells in _people(rows, rejected):
        try:
            issuance.refuse_occasion(campaign, cells.get("occasion", ""))
            facts = decisions.amounts_of(cells, campaign.currency)
        except (ValueError, IssueFault) as error:
            rejected.append(f"line {line}: {error}")
            continue
        yield Candidate(person=person, occasion=cells.get("occasion") or occasion, facts=facts)
