"""`passerelle invite`: links to an offer, each for one recipient; nothing is issued yet."""

from __future__ import annotations

import csv
import sys

import click

from app.cli.terminal import fail, pass_deployment, show_qr
from app.services import invitations
from app.services.deployment import Deployment
from app.services.invitations import Invitation
from app.services.issuance import COME_BACK, FORGOTTEN


@click.command()
@click.argument("campaign")
@click.argument("recipients", nargs=-1, required=True)
@click.option("--occasion", default="", help="Why they are invited; one voucher for each.")
@click.option("--language", help="Language of the pages, such as fr.")
@click.option(
    "--days",
    default=30,
    show_default=True,
    type=click.IntRange(1, 3660),
    help="Days after today through which the offer can be accepted.",
)
@pass_deployment
def invite(
    deployment: Deployment,
    campaign: str,
    recipients: tuple[str, ...],
    occasion: str,
    language: str | None,
    days: int,
) -> None:
    """Print a CSV of links to CAMPAIGN's offer, one for each of the RECIPIENTS' external ids."""
    now, keyring = deployment.now(), deployment.keyring
    with deployment.database.read() as session:
        expires_at = invitations.expiry(session, campaign, days=days, now=now, occasion=occasion)
        left_out = invitations.forgotten(session, keyring, campaign, recipients, occasion)
    out = csv.writer(sys.stdout)
    out.writerow(["external_id", "invitation_link"])
    for recipient in recipients:
        if recipient in left_out:
            continue
        invitation = Invitation(
            external_id=recipient,
            occasion=occasion,
            language=language,
            expires_at=expires_at,
            made_at=now,
        )
        link = invitations.link(deployment.settings, keyring, campaign, invitation)
        out.writerow([recipient, link])
    if len(recipients) == 1 and not left_out:
        show_qr(link)
    if left_out:
        fail(f"{len(left_out)} are not invited. {FORGOTTEN} {COME_BACK}")
