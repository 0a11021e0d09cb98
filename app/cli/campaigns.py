"""`passerelle campaign`, `import` and `issue`: the marketer's commands."""

from __future__ import annotations

import csv
import uuid
from pathlib import Path

import click
from sqlalchemy import select

from app.cli.terminal import (
    counted,
    fail,
    pass_deployment,
    progress_bar,
    say,
    show_link,
    show_qr,
)
from app.domain import codes
from app.services import (
    birthday_cards,
    campaigns,
    issuance,
    links,
    wallets,
)
from app.services.codes import from_file, generated, jobs, moved, queue
from app.services.codes.formats.records import ColumnsUnclear, CouponUnclear
from app.services.codes.jobs import ImportFault, ImportProgress
from app.services.deployment import Deployment
from app.services.wallets.wallet import Edit
from app.store import private
from app.store.models import Campaign

FILE = click.Path(dir_okay=False, path_type=Path)


@click.group()
def campaign() -> None:
    """Campaigns: apply a file, list, update, pause and resume them, take codes."""


@campaign.command()
@click.argument("file", type=FILE)
@click.option("--yes", is_flag=True, help="Apply without asking.")
@click.option("--dry-run", is_flag=True, help="Show the difference only.")
@pass_deployment
def apply(deployment: Deployment, file: Path, yes: bool, dry_run: bool) -> None:
    """Create or revise the campaign that FILE describes; shows the difference first."""
    draft = campaigns.read_file(file)
    with deployment.database.read() as session:
        tried = campaigns.try_out(
            session,
            draft,
            organization=deployment.settings.organization,
            keyring=deployment.keyring,
        )
        plan = campaigns.plan(session, tried)
    if not plan.changes:
        say(f"Campaign {draft.key} is as the file says already.")
        return
    say(f"Campaign {draft.key} {'is new' if plan.creates else 'changes'}:")
    for change in plan.changes:
        say(f"  {change}")
    for warning in campaigns.warnings_of(draft.presentation, kind=draft.kind, rules=draft.rules):
        say(f"Warning: {warning}")
    if plan.shows and not plan.creates:
        say("Passes in wallets will be updated.")
        with deployment.database.read() as session:
            costs = wallets.forecast(
                session, draft.key, Edit.of(draft), settings=deployment.settings
            )
        for cost in costs.values():
            say(f"  {cost}")
    if dry_run:
        return
    if not (yes or plan.creates):
        click.confirm("Apply?", abort=True)
    keyring = deployment.keyring
    with deployment.database.write() as session:
        fresh = campaigns.plan(session, tried)
        stored = campaigns.apply(session, fresh, keyring, now=deployment.now())
        say(f"Campaign {stored.key} is at revision {stored.revision}, version {stored.version}.")


@campaign.command("list")
@pass_deployment
def show(deployment: Deployment) -> None:
    """List the campaigns."""
    with deployment.database.read() as session:
        for row in session.scalars(select(Campaign).order_by(Campaign.id)):
            stock = issuance.stock(session, row, exact=True)
            left = "" if stock is None else f"  {stock}"
            say(f"{row.key:30}  {row.kind:9}  {row.status:7}  {row.source:9}{left}")


@campaign.command("take-codes")
@click.argument("target", metavar="CAMPAIGN")
@click.option("--from", "source", required=True, help="The campaign that gives them.")
@click.option("--count", type=click.IntRange(1), help="At most so many [all that are unused].")
@click.option("--name", default="", help="Tells apart moves of the same number.")
@pass_deployment
def take_codes(
    deployment: Deployment, target: str, source: str, count: int | None, name: str
) -> None:
    """Take unused codes of another campaign, ended or not, into CAMPAIGN."""
    with progress_bar("Taking", "codes") as update:
        found = moved.take(
            deployment,
            target,
            source,
            count=count,
            name=name,
            on_progress=lambda now: update(now.accepted / count if count else 0, now.accepted),
        )
    if found.known:
        taken = counted(found.accepted, "code was", "codes were")
        say(f"{taken} taken before by this name: give more another --name.")
        return
    if not found.accepted:
        fail(f"{source} has no unused code that {target} can take.")
    codes = counted(found.accepted, f"code of {source} is", f"codes of {source} are")
    say(f"{codes} {target}'s now. ({found.id})")
    if found.rejected:
        stay = counted(found.rejected, "stays: it has", "stay: they have")
        say(f"  {stay} no amount, and {target} has none either.")
    if count is not None and found.accepted < count:
        say(f"  {source} had no more: {count - found.accepted} are missing.")


@click.command("import")
@click.argument("campaign_key", metavar="CAMPAIGN")
@click.argument("file", type=FILE)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="MEANING=PLACE",
    help="Which column (number from 1, or heading) holds what: code=3, amount=5. Again for each.",
)
@click.option("--coupon", help="The coupon-id whose codes are taken, in coupon XML.")
@click.option("--rejects", type=FILE, help="Where to write refused rows [FILE.rejects.csv].")
@pass_deployment
def import_codes(
    deployment: Deployment,
    campaign_key: str,
    file: Path,
    columns: tuple[str, ...],
    coupon: str | None,
    rejects: Path | None,
) -> None:
    """Import the codes of FILE into CAMPAIGN: one a line, CSV, or coupon XML, plain or gzipped.

    Where it cannot be told which columns hold codes and money, nothing is stored and the first
    rows are shown: name the columns then.
    """
    try:
        with progress_bar("Importing", "rows") as update:
            found = from_file.import_file(
                deployment,
                campaign_key,
                file,
                columns=from_file.columns_from(columns),
                coupon=coupon,
                on_progress=lambda now: update(now.share, now.read),
            )
    except ImportFault as fault:
        _ask(fault)
        raise
    _tell(found)
    if found.rejected and not found.known:
        target = rejects or file.with_name(file.name + ".rejects.csv")
        with open(target, "w", encoding="utf-8", newline="", opener=private.owner_only) as out:
            writer = csv.writer(out)
            writer.writerow(["line", "reason", "text"])
            writer.writerows(jobs.rejects(deployment, found.id))
        say(f"The refused rows are in {target}.")
    if found.status == "failed":
        fail(found.error or "The import failed.")
    if found.status == "cancelled":
        fail("The import was cancelled meanwhile.")
    if not found.accepted and not found.known:
        had = found.repeated == found.rejected
        fail(
            "Nothing was added: "
            + ("the campaign has every code of the file." if had else "every row was refused.")
        )


def _ask(fault: ImportFault) -> None:
    """Show what there is to choose from."""
    if isinstance(fault.asked, ColumnsUnclear):
        say("The columns and their first rows:")
        for column in fault.asked.columns:
            likely = f" [{column.meaning}?]" if column.meaning else ""
            cells = " | ".join(column.cells)
            say(f"  {column.number:>3}  {column.heading or '(no heading)'}{likely}:  {cells}")
        # Of several that may hold the same, the first is the example.
        named = {each.meaning: each.number for each in reversed(fault.asked.columns)}
        shown = " ".join(
            f"--column {meaning}={number}" for meaning, number in named.items() if meaning
        )
        say(f"Name them, as in: {shown or '--column code=1 --column amount=2'}")
    elif isinstance(fault.asked, CouponUnclear):
        say(f"Choose one, as in: --coupon {fault.asked.ids[0]}")


@click.group()
def imports() -> None:
    """Imports: see, resume and cancel them."""


@imports.command("list")
@pass_deployment
def show_imports(deployment: Deployment) -> None:
    """List imports, newest first."""
    total, found = jobs.listed(deployment)
    for item in found:
        say(
            f"{item.id}  {item.status:10}  {item.campaign:20}  read {item.read}  "
            f"accepted {item.accepted}  refused {item.rejected}  {item.filename}"
        )
        if item.waiting:
            say(f"  {item.waiting}")
    if total > len(found):
        say(f"… and {total - len(found)} older ones.")


@imports.command()
@pass_deployment
def resume(deployment: Deployment) -> None:
    """Run imports that are queued, or that a crash interrupted on this machine."""
    done = queue.resume(deployment)
    for item in done:
        _tell(item)
    if broken := [item for item in done if item.status == "failed"]:
        fail(" ".join(item.error or "The import failed." for item in broken))


@imports.command()
@click.argument("import_id", type=click.UUID)
@pass_deployment
def cancel(deployment: Deployment, import_id: uuid.UUID) -> None:
    """Stop an import that is not complete and take its codes away again."""
    _tell(jobs.cancel(deployment, import_id))


@click.command()
@click.argument("campaign_key", metavar="CAMPAIGN")
@click.argument("count", type=click.IntRange(1, 100_000_000))
@pass_deployment
def generate(deployment: Deployment, campaign_key: str, count: int) -> None:
    """Generate COUNT codes for CAMPAIGN, by its pattern."""
    with progress_bar("Generating", "codes") as update:
        found = generated.generate(
            deployment,
            campaign_key,
            count,
            on_progress=lambda now: update(now.accepted / count, now.accepted),
        )
    _tell(found)


@click.command()
@click.argument("campaign_key", metavar="CAMPAIGN")
@click.argument("recipients", type=FILE)
@click.option("--out", type=FILE, required=True, help="Where to write the links.")
@click.option("--occasion", default="", help="Why, for rows that state no occasion.")
@click.option("--with-codes", is_flag=True, help="Write the codes in clear too.")
@pass_deployment
def issue(
    deployment: Deployment,
    campaign_key: str,
    recipients: Path,
    out: Path,
    occasion: str,
    with_codes: bool,
) -> None:
    """Issue vouchers of CAMPAIGN to the RECIPIENTS of a CSV file and write their links."""
    with progress_bar("Issuing", "vouchers") as update:
        outcome = issuance.issue_file(
            deployment,
            campaign_key,
            recipients,
            out,
            occasion=occasion,
            clear_codes=with_codes,
            progress=lambda so_far: update(so_far.share, so_far.issued),
        )
    if outcome.issued:
        have = counted(outcome.issued, "recipient has", "recipients have")
        say(f"{have} a voucher, {outcome.known} of them from before: {out}")
    for each in outcome.not_due[:20]:
        say(f"  {each.external_id} has none: {each.cause}")
    if len(outcome.not_due) > 20:
        more = counted(len(outcome.not_due) - 20, "recipient has", "recipients have")
        say(f"  … and {more} none.")
    for line, reason in outcome.rejected[:20]:
        say(f"  line {line} is left out: {reason}.")
    if len(outcome.rejected) > 20:
        say(f"  … and {len(outcome.rejected) - 20} more lines.")
    if outcome.issued == 1:
        with out.open(encoding="utf-8", newline="") as file:
            show_link(next(csv.DictReader(file))["wallet_link"])
    if outcome.forgotten:
        say(f"  {len(outcome.forgotten)} are left out. {issuance.FORGOTTEN} {issuance.COME_BACK}")
    if outcome.stock is not None and outcome.stock.low:
        left = counted(outcome.stock.left, "code is", "codes are")
        say(f"Only {left} left: import or generate more.")
    if outcome.missing:
        raise click.ClickException(
            f"Codes ran out: {counted(outcome.missing, 'recipient has', 'recipients have')} none. "
            "Import or generate as many, and issue the same file again."
        )
    if not outcome.issued:
        told = outcome.rejected or outcome.forgotten or outcome.not_due
        why = "" if told else " The file names no recipients."
        fail(f"Nobody got a voucher, and no links were written.{why}")


@click.command()
@click.argument("serial")
@click.option("--keep-code", is_flag=True, help="Nobody else has read the voucher's code.")
@click.option("--reason", help="Why, kept with the voucher.")
@pass_deployment
def reissue(deployment: Deployment, serial: str, keep_code: bool, reason: str | None) -> None:
    """Give the voucher SERIAL another link, barcode and code, because the old ones leaked."""
    public_id = codes.from_serial(serial)
    if public_id is None:
        raise click.ClickException(f"{serial} is no serial: copy it from the pass or the links.")
    keyring = deployment.keyring
    with deployment.database.write() as session:
        made = issuance.reissue(
            session,
            keyring,
            public_id,
            now=deployment.now(),
            keep_code=keep_code,
            reason=reason,
        )
    new = codes.serial(made.public_id)
    if made.fresh:
        say(f"{serial} is {new} now{', with a new code' if made.new_code else ''}.")
        say("Its old barcode, link and passes are no good any more. The new link:")
    else:
        say(f"{serial} was issued anew before and is {new} now. Its link:")
    link = links.page(deployment.settings, keyring, [(made.public_id, made.key_id)])
    say(link)
    show_qr(link)


@click.command()
@click.argument("campaign_key", metavar="[CAMPAIGN]", required=False)
@click.option("--dry-run", is_flag=True, help="Say how many would get one; nothing is written.")
@pass_deployment
def birthdays(deployment: Deployment, campaign_key: str | None, dry_run: bool) -> None:
    """Issue the vouchers that birthdays are due today; run it daily, again at any time."""
    done = birthday_cards.celebrate(deployment, campaign_key, dry_run=dry_run)
    for item in done:
        say(f"{item.campaign}: {item.issued} {'would be ' if dry_run else ''}issued.")
        for why, count in sorted(item.not_given.items()):
            say(f"  {count:>8}  nothing: {why}")
        if item.fault:
            say(f"  {item.fault}")
    if not done:
        say("No live campaign has a section [birthday].")
    if missing := sum(item.missing for item in done):
        raise click.ClickException(
            f"Codes ran out: {missing} or more have none yet. Import or generate codes and run "
            "this again."
        )
    if any(item.fault for item in done) and not any(item.issued for item in done):
        fail("Nothing was issued.")


def _tell(found: ImportProgress) -> None:
    if found.known:
        say(f"This file was imported before: nothing is added. ({found.id})")
        return
    repeated = f" ({found.repeated} of them repeated)" if found.repeated else ""
    say(
        f"Import {found.id} is {found.status}: "
        f"{counted(found.accepted, 'code', 'codes')} of "
        f"{counted(found.read, 'record', 'records')}, {found.rejected} refused{repeated}."
    )
    for reason, count in sorted(found.reasons.items()):
        say(f"  {count} × {reason}")
    if found.error and found.status != "failed":
        say(f"  {found.error}")
