"""How commands speak: plain lines on standard output, errors on standard error, progress bars
only on a terminal.
"""

from __future__ import annotations

import sys
from typing import NoReturn

import click

from app.services.deployment import Deployment

pass_deployment = click.make_pass_decorator(Deployment)


def say(text: str = "") -> None:
    """Print a line."""
    click.echo(text)


def fail(text: str) -> NoReturn:
    """Print what is wrong and end with 1."""
    click.echo(click.style(text, fg="red"), err=True)
    sys.exit(1)
