"""The command line: `passerelle`. Each module holds the commands of one subject.

Commands print what they did in words and end with 0. They end with 1, the cause and the remedy
where nothing of what was asked could be done, and with 2 where they were called wrongly.
"""

from __future__ import annotations

import os

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
from app.cli.mending import mendable
from app.cli.terminal import asks_for_help, fail, open_deployment
from app.environment import unknown
from app.services.deployment import Deployment
from app.settings import SettingsError


class Passerelle(click.Group):
    """Shows what a person can mend as a sentence or two; anything else is a fault of ours."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            deployment = ctx.obj if isinstance(ctx.obj, Deployment) else None
            if (fault := mendable(error, deployment)) is None:
                raise
            fail(str(fault), status=fault.status)


@click.group(cls=Passerelle, context_settings={"help_option_names": ["-h", "--help"]})
@click.pass_context
def main(ctx: click.Context) -> None:
    """Coupon codes and gift cards as wallet passes, redeemed with one scan."""
    if asks_for_help():
        return
    if ctx.invoked_subcommand in STANDALONE:
        if misspelt := unknown(os.environ):
            raise SettingsError(misspelt)
    else:
        open_deployment(ctx)


#: Commands that need no deployment, or make their own.
STANDALONE = frozenset({"demo", "certs", "keys"})

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
    stores.stores_group,
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
