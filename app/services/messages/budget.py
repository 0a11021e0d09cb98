"""Budgets bound what a rendering costs: steps, bytes and time, counted while it works.

A step is one node of the template or 64 characters of a text that is looked through. A budget is
charged before the work is done, so that none is done without it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

#: Of one recipient's text.
MOST_STEPS = 200_000
LONGEST_TEXT = 1_000_000
MOST_SECONDS = 1.0
#: Of all texts of a message together.
MOST_SECONDS_TOGETHER = 300.0
#: Characters that one value may have, so that no single step is long.
LONGEST_VALUE = 100_000
#: Characters that cost a step.
_CHARACTERS = 64
#: Steps between two looks at the clock.
_STEPS = 1_000


class Exhausted(Exception):
    """A rendering needs more than its budget; says of what, and the remedy."""


@dataclass(slots=True)
class Allowance:
    """The processor time that all texts of a message may still take, in seconds."""

    seconds: float = MOST_SECONDS_TOGETHER


class Budget:
    """What one rendering may still cost.

    Time is the thread's own, so that a busy machine refuses nobody. Use it as a context manager:
    its end takes the time from the message's allowance. Whoever takes one of `steps` by hand, for
    speed, calls `settle` when they are below zero, as `charge` does.
    """

    __slots__ = ("_allowance", "_began", "_rest", "_room", "_until", "steps")

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self._rest = MOST_STEPS
        self.steps = 0
        self._room = LONGEST_TEXT

    def __enter__(self) -> Budget:
        if self._allowance.seconds <= 0:
            raise Exhausted(
                f"The message took {MOST_SECONDS_TOGETHER:.0f} seconds of work already: send it to "
                "the other recipients in a request of their own, or make the template simpler."
            )
        self._began = time.thread_time()
        self._until = self._began + min(MOST_SECONDS, self._allowance.seconds)
        return self

    def __exit__(self, *_: object) -> None:
        self._allowance.seconds -= time.thread_time() - self._began

    def charge(self, characters: int = 0) -> None:
        """Pay one step, and those of so many characters.

        Raises:
            Exhausted: no steps are left, or no time.
        """
        self.steps -= 1 + characters // _CHARACTERS
        if self.steps < 0:
            self.settle()

    def grow(self, piece: str) -> None:
        """Pay for a piece of the text before it is kept.

        Raises:
            Exhausted: the text would become too long.
            UnicodeEncodeError: the piece is no text that can be sent.
        """
        self._room -= len(piece) if piece.isascii() else len(piece.encode())
        if self._room < 0:
            raise Exhausted(
                f"The text grows beyond {LONGEST_TEXT:,} bytes: shorten it, or what it repeats."
            )

    def settle(self) -> None:
        """Take the next steps from what is left of them, while there is time."""
        self._rest += self.steps
        if self._rest < 0:
            raise Exhausted(
                f"The text takes more than {MOST_STEPS:,} steps: loop over fewer items, or make "
                "the template simpler."
            )
        if time.thread_time() > self._until:
            raise Exhausted(
                f"The text takes more than {MOST_SECONDS:.0f} second of work: make the template "
                "simpler."
            )
        self.steps = min(_STEPS, self._rest)
        self._rest -= self.steps
