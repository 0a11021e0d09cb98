"""Work that can wait gives way while the same process answers a till.

Giving way takes a moment at most, so that nothing starves however busy the tills are; it
costs nothing while no till asks. It is no lock. Work that has begun is not held up, and
none is kept from the database or the network by it.
"""

from __future__ import annotations

import threading

#: The longest that anything gives way at once (seconds): about what a till takes to be answered.
#: In a busy shop some till always is, and phones are to be told all the same.
LONGEST = 0.02


class Precedence:
    """Who is being answered now; one for each process, for any thread."""

    def __init__(self) -> None:
        self._nobody = threading.Condition()
        self._first = 0

    def enter(self) -> None:
        """Begin something that goes first; `leave` must follow."""
        with self._nobody:
            self._first += 1

    def leave(self) -> None:
        """End something that goes first."""
        with self._nobody:
            self._first -= 1
            if not self._first:
                self._nobody.notify_all()

    def give_way(self, *, longest: float = LONGEST) -> None:
        """Wait while something goes first, `longest` seconds at most."""
        # Read without the lock: who comes a moment too late waits at its next step.
        if self._first:
            with self._nobody:
                self._nobody.wait_for(lambda: not self._first, timeout=longest)
