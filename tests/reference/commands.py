"""Every command with its arguments and options, and what its exit status means."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from app.cli import main
from tests.reference.markdown import code, fence, paragraph, table


def page() -> str:
    pieces = [
        "# Commands\n",
        paragraph("This page lists every command with its arguments and its options."),
        paragraph(
            "`passerelle --help` lists the commands, and each has its own `--help`. Commands read "
            "the [settings](settings.md) from the environment. Faults are told on standard error "
            "in a sentence or two: the cause and the remedy."
        ),
        "## Exit status\n",
        table(
            ("status", "meaning"),
            [
                ("`0`", "The command did what was asked, or found it done."),
                ("`1`", "It could do nothing of what was asked; it says the cause and the remedy."),
                ("`2`", "It was called wrongly: an unknown option, a missing argument."),
            ],
        ),
    ]
    for names, command in _commands(main, ()):
        pieces += _command(names, command)
    return "\n".join(pieces)


def _commands(
    group: click.Group, names: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            yield from _commands(command, (*names, name))
        else:
            yield (*names, name), command


def _command(names: tuple[str, ...], command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=" ".join(("passerelle", *names)))
    arguments = [each for each in command.params if isinstance(each, click.Argument)]
    yield f"## {code(context.info_name)}\n"
    rows = [_option(each, context) for each in command.params if isinstance(each, click.Option)]
    usage = [each.make_metavar(context) for each in arguments]
    line = " ".join([str(context.info_name), *usage, *(["[OPTIONS]"] if rows else [])])
    yield fence(line, "text")
    help_text = inspect.cleandoc(command.help or "").replace("\b\n", "")
    if not help_text:
        raise LookupError(f"{context.info_name} has no help.")
    yield from (paragraph(_escaped(part)) for part in help_text.split("\n\n"))
    if rows:
        yield table(("option", "meaning"), rows)


def _option(option: click.Option, context: click.Context) -> tuple[str, str]:
    record = option.get_help_record(context)
    if record is None or not record[1].strip():
        raise LookupError(f"{context.info_name}: {option.opts} has no help.")
    written, meaning = record
    return code(written), _escaped(" ".join(meaning.split()))


def _escaped(text: str) -> str:
    """Help as Markdown: what is in brackets there is no link, a star no emphasis."""
    for mark in "*_<":
        text = text.replace(mark, f"\\{mark}")
    return text
