"""How commands speak: plain lines on standard output, errors on standard error, progress bars
only on a terminal.
"""

from __future__ import annotations

import datetime as dt
import getpass
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import update_wrapper
from typing import Any, Concatenate, NoReturn, ParamSpec, TypeVar

import click

from app import logs
from app.domain import inputs
from app.environment import from_environment
from app.services import phone_qr, security
from app.services.certificates import settings_with_certificates
from app.services.deployment import Deployment
from app.services.security import Actor

P = ParamSpec("P")
R = TypeVar("R")


def asks_for_help() -> bool:
    """Say whether the command line asks what a command does, which needs no settings."""
    return "--help" in sys.argv or "-h" in sys.argv


def open_deployment(ctx: click.Context) -> None:
    """Open the deployment that the environment describes, for the command and its fault.

    Raises:
        SettingsError: names every fault found, with its remedy.
    """
    signs = ctx.invoked_subcommand in ("serve", "worker")
    settings = (settings_with_certificates if signs else from_environment)(os.environ)
    logs.configure_for_people(settings.log_level)
    ctx.obj = ctx.find_root().obj = Deployment(settings)
    ctx.call_on_close(ctx.obj.close)


def pass_deployment(
    command: Callable[Concatenate[Deployment, P], R],
) -> Callable[P, R]:
    """Hand a command its deployment; what it does is the command's and its user's doing."""

    def called(*args: P.args, **kwargs: P.kwargs) -> Any:
        context = click.get_current_context()
        for parameter in context.command.params:
            _check(parameter, kwargs.get(parameter.name or ""), context)
        security.act_as(Actor(command=_command(context), operator=_user()))
        return context.invoke(command, context.ensure_object(Deployment), *args, **kwargs)

    return update_wrapper(called, command)


def _check(parameter: click.Parameter, value: object, context: click.Context) -> None:
    """Refuse what no store, database or wallet could take, by the rule for every door.

    Raises:
        BadParameter: says what is wrong with the argument or option.
    """
    cause: str | None = None
    match value:
        case tuple():
            for each in value:
                _check(parameter, each, context)
        case str():
            cause = inputs.text_fault(value)
            if isinstance(parameter, click.Argument) and not re.fullmatch(inputs.ONE_LINE, value):
                cause = cause or "is empty or has more than one line"
        case int() | float():
            cause = inputs.number_fault(value)
        case dt.date() if not inputs.is_reckonable(value):
            cause = f"is not between the years {inputs.EARLIEST} and {inputs.LATEST}"
    if cause is not None:
        raise click.BadParameter(f"It {cause}.", context, parameter)


def _command(context: click.Context) -> str:
    """The command's words, whatever the program itself was called by."""
    words: list[str] = []
    while context.parent is not None:
        words.insert(0, context.info_name or "")
        context = context.parent
    return " ".join(("passerelle", *words))


def _user() -> str | None:
    """The system's user; a container may run as one without a name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return None


def say(text: str = "") -> None:
    """Print a line."""
    click.echo(text)


def warn(text: str) -> None:
    """Print what somebody should look at, beside the answer."""
    click.echo(f"Warning: {text}", err=True)


def show_link(link: str) -> None:
    """Show one link with the QR that leads a phone to it, where a person looks; nothing else does.

    A pipe or a file gets neither.
    """
    out = sys.stdout
    if not out.isatty():
        return
    say(link)
    show_qr(link)


def show_qr(link: str) -> None:
    """Draw the QR that leads a phone to `link`, on a terminal that can."""
    out = sys.stdout
    if not out.isatty() or os.environ.get("TERM") == "dumb":
        return
    out.flush()
    phone_qr.write(
        link,
        out,
        columns=shutil.get_terminal_size().columns,
        colours=not os.environ.get("NO_COLOR"),
    )


def counted(count: int, one: str, many: str) -> str:
    """A number with what it counts: "1 recipient is", "2 recipients are"."""
    return f"{count} {one if count == 1 else many}"


def fail(text: str, *, status: int = 1) -> NoReturn:
    """Print what is wrong and end with `status`."""
    click.echo(click.style(text, fg="red"), err=True)
    sys.exit(status)


@contextmanager
def progress_bar(label: str, unit: str) -> Iterator[Callable[[float, int], None]]:
    """Show how much of a work is done, and how fast; a work that ends well ends at 100 %.

    What it gives is called with the share that is done, from 0 to 1, and the number of `unit`.
    """
    steps = 1_000
    began = time.monotonic()

    def rate(count: int | None) -> str | None:
        if not count:
            return None
        return f"{count:,} {unit}, {count / max(time.monotonic() - began, 0.001):,.0f}/s"

    with click.progressbar(length=steps, label=label, item_show_func=rate) as bar:
        latest = 0

        def update(share: float, count: int) -> None:
            nonlocal latest
            latest = count
            step = min(steps, int(share * steps)) - bar.pos
            bar.update(max(0, step), count)

        yield update
        bar.update(steps - bar.pos, latest)
