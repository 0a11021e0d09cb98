"""A webhook that a worker has leased, with the events that it is told."""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass, field
from typing import Any

from app.services.eventlog import Position

#: Posts under way to one receiver.
THREADS = 8
#: Seconds after which a lease starts no further post, well within the engine's lease.
PATIENCE = 45.0
#: So many posts without any success, and the receiver is left alone for a while.
HOPELESS = 2 * THREADS
PAUSE = dt.timedelta(seconds=5)


@dataclass(slots=True)
class OutgoingEvent:
    """One event on its way; `delivery_id` when it waited."""

    row: Any
    delivery_id: int | None = None
    attempts: int = 0
    #: None: not tried. Otherwise how it failed, or "" for success.
    failure: str | None = None
    retry_after: int | None = None


@dataclass(slots=True)
class Job:
    """A leased webhook and what it is told."""

    id: int
    url: str
    secrets: tuple[bytes, ...]
    until: dt.datetime
    items: list[OutgoingEvent]
    #: Events that are to wait because an earlier one of their voucher does.
    behind: list[Any]
    position: Position
    #: Whether it failed last time.
    failing: bool = False
    gone: bool = False
    refusal: str | None = None
    posts: int = 0
    successes: int = 0
    stopped: bool = False
    _began: float = field(default_factory=time.monotonic)

    def hopeless(self) -> bool:
        """Whether to stop for now."""
        return (
            self.gone
            or self.stopped
            or time.monotonic() - self._began > PATIENCE
            or (self.posts >= HOPELESS and not self.successes)
        )
