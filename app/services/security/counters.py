"""Refused calls are counted in memory and written in the background.

A wrong key or a missing scope costs a request no write. Its occurrences are counted by who, from
where and why, and a thread writes the counts a moment after the first one and then once a minute:
at most MOST rows of a kind at a time, what is beyond in one row, and beyond DAILY rows of a day one
row a minute and process. When a key was last used is written by the same thread, at most once in
FRESH for each key.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address, ip_network

import structlog
from sqlalchemy import func, or_, select, update

from app.services.security.events import Actor, SecurityEventKind, record
from app.store.models import ApiKey, SecurityEvent
from app.store.session import Database, Unavailable

#: From the first occurrence after a quiet minute until it is written (seconds), and between writes.
SOON, EVERY = 2.0, 60.0
#: Rows of one kind that are written at a time, and the rows of a day after which there is one.
MOST, DAILY = 20, 2_000
#: How old `last_used_at` may become before it is written again.
FRESH = dt.timedelta(minutes=10)
#: Keys whose use waits to be written.
_MOST_USED = 1_000
_OTHERS = "others beyond the limit of rows"


@dataclass(frozen=True, slots=True)
class _Seen:
    kind: SecurityEventKind
    by: Actor
    object: str | None
    reason: str | None


@dataclass(slots=True)
class _Count:
    at: dt.datetime
    count: int = 0


@dataclass(slots=True)
class _Waiting:
    """What was counted since it was last written."""

    counts: dict[_Seen, _Count] = field(default_factory=dict)
    used: dict[int, dt.datetime] = field(default_factory=dict)


class Counting:
    """Counts for one process of a deployment; safe to share between threads."""

    def __init__(self, database: Database, clock: Callable[[], dt.datetime]) -> None:
        self._database = database
        self._clock = clock
        self._guard = threading.Lock()
        #: Held while something is written, so that closing waits for it and the database with it.
        self._writing = threading.Lock()
        self._waiting = _Waiting()
        self._timer: threading.Timer | None = None
        self._written = float("-inf")
        self._closed = False

    def count(
        self,
        kind: SecurityEventKind,
        *,
        by: Actor,
        object: str | None = None,
        reason: str | None = None,
    ) -> None:
        """Count an occurrence; it is written soon."""
        seen = _Seen(kind, by, object, reason)
        now = self._clock()
        with self._guard:
            counts = self._waiting.counts
            if seen not in counts and sum(each.kind is kind for each in counts) >= MOST:
                seen = _Seen(kind, Actor(), None, _OTHERS)
            counts.setdefault(seen, _Count(now)).count += 1
            self._start()

    def used(self, key_id: int, last: dt.datetime | None) -> None:
        """Note that a key is used now, whose use was last written at `last`."""
        now = self._clock()
        if last is not None and now - last < FRESH:
            return
        with self._guard:
            if len(self._waiting.used) < _MOST_USED:
                self._waiting.used[key_id] = now
                self._start()

    def write(self) -> None:
        """Write what was counted; what the database cannot take now is written later."""
        with self._writing:
            with self._guard:
                waiting, self._waiting = self._waiting, _Waiting()
                self._written = time.monotonic()
                if self._timer is not None:
                    self._timer.cancel()
                    self._timer = None
            if not (waiting.counts or waiting.used):
                return
            try:
                self._write(waiting)
            except Unavailable:
                self._put_back(waiting)

    def close(self) -> None:
        """Write what is left; nothing is written by itself after that."""
        self._closed = True
        try:
            self.write()
        except Exception as error:  # The database may be gone before the process is.
            structlog.get_logger().warning("security_events_lost", reason=type(error).__name__)

    def _start(self) -> None:
        """Let a thread write soon, under the guard."""
        if self._timer is not None or self._closed:
            return
        quiet = time.monotonic() - self._written > EVERY
        self._timer = threading.Timer(SOON if quiet else EVERY, self._write_by_itself)
        self._timer.daemon = True
        self._timer.start()

    def _write_by_itself(self) -> None:
        try:
            self.write()
        except Exception as error:  # A thread of its own has nobody else to tell.
            structlog.get_logger().error("security_events_lost", exc_info=error)

    def _write(self, waiting: _Waiting) -> None:
        with self._database.write() as session:
            for kind in dict.fromkeys(seen.kind for seen in waiting.counts):
                mine = {seen: n for seen, n in waiting.counts.items() if seen.kind is kind}
                first = min(each.at for each in mine.values())
                day = session.scalar(
                    select(func.count()).where(
                        SecurityEvent.kind == kind.value,
                        SecurityEvent.at > first - dt.timedelta(days=1),
                    )
                )
                if (day or 0) + len(mine) > DAILY:
                    total = sum(each.count for each in mine.values())
                    mine = {_Seen(kind, Actor(), None, _OTHERS): _Count(first, total)}
                for seen, counted in mine.items():
                    record(
                        session,
                        kind,
                        now=counted.at,
                        object=seen.object,
                        reason=seen.reason,
                        count=counted.count,
                        by=seen.by,
                    )
            # In one order, so that two processes never wait for each other.
            for key_id, at in sorted(waiting.used.items()):
                session.execute(
                    update(ApiKey)
                    .where(
                        ApiKey.id == key_id,
                        or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < at),
                    )
                    .values(last_used_at=at)
                )

    def _put_back(self, waiting: _Waiting) -> None:
        with self._guard:
            for seen, counted in waiting.counts.items():
                mine = self._waiting.counts.setdefault(seen, _Count(counted.at))
                mine.at, mine.count = min(mine.at, counted.at), mine.count + counted.count
            self._waiting.used = waiting.used | self._waiting.used
            self._start()


def network_of(address: str | None) -> str | None:
    """The address that failures are counted by: an IPv6 caller has a network of 2^64 of them."""
    try:
        parsed = ip_address(address or "")
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return str(ip_network((parsed, 64), strict=False))
    return str(parsed)
