"""The command line: `passerelle`. Each module holds the commands of one subject.

Commands print what they did in words, end with 0, and end with 1 and a remedy on an error that
the person at the terminal can mend.
"""

from __future__ import annotations

import os
import sys

import click

from app.cli import (
    access,
    audit,
    backups,
    campaigns,
    certs,
    closing,
    demo,
    google,
    invite,
    keys,
    people,
    security,
    serve,
    stores,
    updates,
    webhooks,
    worker,
)
from app.cli.terminal import fail
from app.services.access import AccessFault
from app.services.backup import BackupFault
from app.services.campaigns import CampaignFault
from app.services.deployment import Deployment
from app.services.hints import QueueFault
from app.services.importing import ImportFault
from app.services.inviting import InvitationFault
from app.services.issuing import IssueFault
from app.services.keys import KeyFault
from app.services.stores import StoreFault
from app.services.updating import UpdateFault
from app.services.webhooks import WebhookFault
from app.settings import SettingsError, from_environment
from app.store.session import Unavailable

#: What a person can mend: shown as a sentence, not as a traceback.
MENDABLE = (
    BackupFault,
    SettingsError,
    KeyFault,
    AccessFault,
    CampaignFault,
    ImportFault,
    InvitationFault,
    IssueFault,
    QueueFault,
    StoreFault,
    Unavailable,
    UpdateFault,
    WebhookFault,
)


class Passerelle(click.Group):
    """Shows mendable errors as sentences."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except MENDABLE as error:
            fail(str(error))


@click.group(cls=Passerelle, context_settings={"help_option_names": ["-h", "--help"]})
@click.pass_context
def main(ctx: click.Context) -> None:
    """Coupon codes and gift cards as wallet passes, redeemed with one scan."""
    if "--help" in sys.argv or "-h" in sys.argv:
        return
    if ctx.invoked_subcommand not in STANDALONE:
        ctx.obj = Deployment(from_environment(os.environ))
        ctx.call_on_close(ctx.obj.close)


#: Commands that need no deployment, or make their own.
STANDALONE = frozenset({"demo", "certs"})

for command in (
    demo.demo,
    serve.serve,
    serve.migrate,
    worker.worker,
    google.google,
    certs.certs,
    keys.keys,
    access.access,
    security.security_events,
    audit.audit,
    campaigns.campaign,
    campaigns.import_codes,
    campaigns.imports,
    campaigns.generate,
    campaigns.issue,
    campaigns.reissue,
    invite.invite,
    campaigns.birthdays,
    campaigns.stores_group,
    updates.vouchers,
    updates.sync_health,
    webhooks.webhooks,
    people.decide,
    people.recipients,
    closing.report,
    backups.backup,
    backups.restore,
    backups.inventory,
):
    main.add_command(command)
campaigns.stores_group.add_command(stores.import_stores)
