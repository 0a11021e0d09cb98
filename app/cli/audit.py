"""`passerelle audit`: proof that the books are right."""

from __future__ import annotations

import sys

import click

from app.cli.terminal import counted, pass_deployment, say
from app.services import audit as service
from app.services.deployment import Deployment

SHOWN = 20


@click.command()
@pass_deployment
def audit(deployment: Deployment) -> None:
    """Prove that counters, limits and kept answers agree with the ledger; ends with 1 if not."""
    wrong = 0
    for section in service.run(deployment.database):
        mark = click.style("ok   ", fg="green") if not section.findings else "WRONG"
        say(f"{mark}  {section.claim}")
        for finding in section.findings[:SHOWN]:
            say(f"         {finding.about} {finding.cause}")
        if len(section.findings) > SHOWN:
            say(f"         and {len(section.findings) - SHOWN} more")
        wrong += len(section.findings)
    if wrong:
        say(counted(wrong, "finding", "findings") + ". Nothing was changed.")
        sys.exit(1)
    say("The books are right.")
