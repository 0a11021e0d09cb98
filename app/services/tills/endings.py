"""An attempt at a call ends with an answer, with a refusal, or with word to try again: all values.

What is refused after the first write raises `Undone` with the same value, and nothing else does.
The desk undoes every attempt that ends without an answer, so that a refusal leaves nothing behind
but that it was refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from app.domain.refusals import Reason, Refused
from app.services.tills.requests import Answer
from app.services.tills.voucher_rows import Found


@dataclass(frozen=True, slots=True)
class RefusedCall:
    """A call that is refused: why, and of which voucher."""

    refused: Refused
    found: Found | None = None
    #: First characters of a code that does not exist: guesses are counted by them.
    prefix: str = ""


class First(StrEnum):
    """What has to be done before the next attempt."""

    #: Another call is at work on the key, the receipt or the voucher, or was just before.
    WAIT = "wait"
    #: A code without a voucher is to be taken from.
    MAKE_BEARER = "make_bearer"
    #: A voucher has holds whose time is over.
    RELEASE = "release"
    #: The PIN that came with an item has to be looked at.
    VERIFY_PIN = "verify_pin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """The attempt has to be repeated, after something else was done."""

    first: First
    #: The code to make a voucher of, or the voucher to release holds of.
    row_id: int = 0
    #: The PIN to be verified, of which item, of which card.
    pin: str = ""
    item: int = 0
    found: Found | None = None


#: Another was first: what became of the voucher is known when it is read again.
WAIT = Again(first=First.WAIT)


class Undone(Exception):
    """The attempt ends after it wrote something: its transaction leaves nothing behind."""

    def __init__(self, ending: Answer | RefusedCall | Again) -> None:
        self.ending = ending
        super().__init__()


def refuse(
    reason: Reason, found: Found | None = None, /, *, item: int | None = None, **details: object
) -> RefusedCall:
    """The refusal of a call; `details` are what its text and a program need."""
    return RefusedCall(Refused(reason=reason, details=details, item=item), found)
