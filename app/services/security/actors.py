"""Who acts: bound to the thread by a door before it calls a use case, as a log's request id is.

A use case records what it did without being told by whom: a door that forgot to pass the actor on
could not be told from one that has none. Each request, command and turn of the clock binds its own.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who did something, as far as the door knows; never a secret."""

    #: Of the API key, the part that `passerelle access list` shows.
    key_prefix: str | None = None
    #: `store/terminal`.
    terminal: str | None = None
    #: Who stood at the terminal, or the system's user at the command line.
    operator: str | None = None
    #: The command, `clock` for what happens because time passes.
    command: str | None = None
    address: str | None = None


_NOBODY = Actor()
_acting: ContextVar[Actor] = ContextVar("passerelle_actor", default=_NOBODY)


def act_as(actor: Actor) -> None:
    """Bind the actor of what this thread does from now on."""
    _acting.set(actor)


def acting() -> Actor:
    """The actor of what this thread does."""
    return _acting.get()
