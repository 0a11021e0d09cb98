"""What issuing is asked for and what it answers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.domain.campaign import Terms
from app.domain.occasions import canonical
from app.domain.values import Why
from app.faults import Fault

#: What is said of a recipient who was forgotten, and what can be done about it.
FORGOTTEN = (
    "The person was forgotten, or had this before they were: what was given once is not given "
    "again."
)
COME_BACK = (
    "Send them as a recipient (POST /api/v1/recipients, `passerelle recipients import`) if they "
    "are a customer again, and name another occasion."
)


class IssueFault(Fault):
    """The campaign issues nothing now; says why and the remedy."""

    code = "not_issued"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A recipient as the marketer knows them. Absent values leave what is stored."""

    external_id: str
    language: str | None = None
    birth_date: dt.date | None = None
    segment: str | None = None
    score: int | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    #: Whether what is said is stored for all campaigns. Else it counts for what is asked with it,
    #: and only somebody who was not known yet is stored, with what a pass shows.
    shared: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A voucher that should exist: for whom (None is nobody yet), why, and when it is sent.

    `occasion` is empty where the campaign says it itself.
    """

    person: Person | None
    occasion: str = ""
    variant: str | None = None
    sent_at: dt.datetime | None = None
    #: Revision and terms that a rule decided; None are the campaign's own.
    granted: tuple[int, Terms] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A voucher of one recipient and occasion, issued now or before."""

    voucher_id: int
    public_id: int
    key_id: int
    code_id: int | None
    external_id: str | None
    occasion: str
    #: Whether this call issued it.
    fresh: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NotDue:
    """A recipient whose occasion is not now: why, and the cause with its remedy."""

    external_id: str | None
    why: Why
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What became of the vouchers that were wanted, in their order."""

    issued: tuple[Issued, ...]
    #: The last so many got none, because there are no codes left.
    missing: int = 0
    #: Those who got none because they were forgotten, or had it before they were.
    forgotten: tuple[Wanted, ...] = ()
    #: Those whom the campaign gives none now.
    not_due: tuple[NotDue, ...] = ()


@dataclass(slots=True)
class Slot:
    """One voucher on its way."""

    wanted: Wanted
    recipient_id: int | None
    row: dict[str, Any] | None = None

    @property
    def key(self) -> tuple[int, str]:
        """Whose it is and why, by which two asks are one; nobody's is 0."""
        return self.recipient_id or 0, canonical(self.wanted.occasion)
