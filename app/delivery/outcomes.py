"""What became of one delivery, as values: every wallet's client answers with one of these.

A client never raises for anything the other side said or failed to say; the engine
that called it decides by the type of the value alone. Refuses: no outcome carries a token, a
serial or a code, so each may be logged and shown as it is.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Done:
    """The other side accepted it."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Nothing was wrong with the request: ask again, no sooner than `after` from now.

    `asked` marks a wait that the other side named: it is neither shortened nor lengthened.
    """

    after: timedelta
    reason: str
    asked: bool = False


@dataclass(frozen=True, slots=True)
class Drop:
    """The target is gone for good and nothing is owed to it any more.

    `since` says from when on, if the other side told: what was registered later is kept.
    `doubtful` marks an answer that our own fault can cause as well (a token of another topic):
    the engine asks twice, and drops nothing while many targets are doubtful at once.
    """

    reason: str
    since: datetime | None = None
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class RequestFault:
    """Our request is wrong: repeating it cannot help, somebody has to look."""

    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class StopSender:
    """The whole sender is refused (its certificate or key): it sends nothing until that changes."""

    reason: str
    remedy: str


Outcome = Done | Retry | Drop | RequestFault | StopSender

DONE = Done()
