"""How fast campaign edits go out: as fast as the service can serve the phones that come back.

Each push makes a phone list and fetch, and those requests share the servers with the tills. The
servers say how busy the phones keep them (seconds of work per second) and how many lists they
answered. While they have room the rate grows, by no more than what already comes back suggests,
so that phones that answer late do not arrive as one wave; when they are busy it falls.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from app.services import heartbeats
from app.services.deployment import Deployment

#: Pushes per second: where it starts, and the bounds it keeps.
START = 100.0
LEAST = 10.0
MOST = 5_000.0
#: Requests of phones at work at the same time, on average and per server process, above which
#: the rate falls; half of it is room to grow. More than one, since tills go first anyway
#: (`app.services.priority`), and a server whose phones never queue stands still between them.
BUSY = 2.5
#: Seconds' worth of pushes that are taken at once: fewer would cost a transaction each.
WORTH = 0.1
#: Seconds between two looks at the servers.
LOOK = 1.0


class Flow:
    """A token bucket whose rate follows the servers' load. `clock` is monotonic seconds."""

    def __init__(
        self, deployment: Deployment, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.rate = START
        self._deployment = deployment
        self._clock = clock
        self._tokens = START * LOOK
        self._filled_at = clock()
        self._looked_at = float("-inf")
        self._last: dict[str, tuple[float, float, float]] = {}

    def allowance(self, wanted: int) -> int:
        """Take what may be sent at once now, at most `wanted`; nothing until it is worth a step."""
        self._follow()
        now = self._clock()
        burst = max(1.0, self.rate * 0.25)
        self._tokens = min(burst, self._tokens + (now - self._filled_at) * self.rate)
        self._filled_at = now
        allowed = min(wanted, int(self._tokens))
        if allowed < min(wanted, self.rate * WORTH):
            return 0
        self._tokens -= allowed
        return allowed

    def wait(self) -> float:
        """Seconds until some more may be sent."""
        return max(0.01, min(0.1, 20 / self.rate))

    def _follow(self) -> None:
        now = self._clock()
        if now - self._looked_at < LOOK:
            return
        self._looked_at = now
        with self._deployment.database.read() as session:
            said = heartbeats.heard(session, heartbeats.SERVER, now=self._deployment.now())
        busiest = 0.0
        returning = 0.0
        for each in said:
            at = float(each.data.get("at", 0.0))
            seconds, lists = float(each.data.get("seconds", 0)), float(each.data.get("lists", 0))
            before = self._last.get(each.process)
            if before is not None and at <= before[0]:
                # It has said nothing since: it is idle, or too busy for words.
                continue
            self._last[each.process] = (at, seconds, lists)
            if before is None:
                continue
            span = at - before[0]
            busiest = max(busiest, (seconds - before[1]) / span)
            returning += (lists - before[2]) / span
        if busiest > BUSY:
            self.rate *= 0.75
        elif busiest < BUSY / 2 or returning == 0.0:
            self.rate = min(self.rate * 1.5, max(START, self.rate, 2.0 * returning))
        else:
            self.rate *= 1.1
        self.rate = max(LEAST, min(MOST, self.rate))
