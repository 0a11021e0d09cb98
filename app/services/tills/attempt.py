"""A call while it is worked on: who asks, what was found, what was decided, and how it can end.

The exceptions here end an attempt, so that its transaction leaves nothing behind; none of them
leaves the package.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass, field
from typing import Any

from app.domain import codes
from app.domain.campaign import Terms
from app.domain.refusals import Reason, Refused
from app.domain.rules import Standing
from app.services.access import Client
from app.services.tills.requests import Origin, Where


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call in progress: who, under which idempotency key (a scan has none), from where, when."""

    client: Client
    key: str
    where: Where
    origin: Origin
    now: dt.datetime
    #: Vouchers whose passes show something else once the transaction has committed.
    changed: list[int] = field(default_factory=list)

    @property
    def key_hash(self) -> int | None:
        """What a twin on another connection locks too."""
        return lock_name("key", str(self.client.id), self.key) if self.key else None

    @property
    def receipt_hash(self) -> int | None:
        """What another call for the same receipt locks too."""
        if not self.key or self.origin.receipt is None or self.where.store_id is None:
            return None
        return lock_name("receipt", str(self.where.store_id), self.origin.receipt)


def lock_name(*parts: str) -> int:
    """A 64-bit name for an advisory lock."""
    digest = hashlib.blake2b("\0".join(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A voucher as read for a call; `row` is of the RESOLVE statements."""

    row: Any
    standing: Standing
    terms: Terms

    @property
    def voucher_id(self) -> int | None:
        """The voucher's row; None for a code that nobody has taken from yet."""
        found: int | None = self.row.voucher_id
        return found

    @property
    def serial(self) -> str | None:
        return codes.serial(self.row.public_id) if self.voucher_id is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a call takes from one voucher, decided before anything is written."""

    index: int
    found: Found
    amount: int = 0
    #: Discount of each line of the basket, in minor units.
    lines: tuple[int, ...] = ()
    overridden: tuple[Reason, ...] = ()
    #: The day of the campaign's zone that a limit per day counts by.
    day: str | None = None

    @property
    def discount(self) -> int:
        return sum(self.lines)

    @property
    def uses(self) -> int:
        """Uses taken: money is taken from a card without counting how often."""
        return 0 if self.found.standing.holds_money else 1

    @property
    def on_code(self) -> bool:
        """Whether the code's own counter guards this use."""
        return self.uses > 0 and self.found.row.code_limit is not None

    @property
    def on_recipient(self) -> bool:
        return (
            self.uses > 0
            and self.found.row.recipient_id is not None
            and self.found.terms.uses_per_recipient is not None
        )

    @property
    def on_day(self) -> str | None:
        limited = (
            self.uses > 0
            and self.found.row.recipient_id is not None
            and self.found.terms.uses_per_day is not None
        )
        return self.day if limited else None

    def recipient_order(self) -> tuple[int, int]:
        """Where the recipient's counter stands in the order in which counters are locked."""
        row = self.found.row
        return row.recipient_id or 0, row.campaign_id

    @property
    def on_budget(self) -> bool:
        row = self.found.row
        return row.budget_uses is not None or row.budget_minor is not None


class No(Exception):
    """A refusal; nothing of the attempt is kept but that it was refused."""

    def __init__(self, refused: Refused, found: Found | None = None, prefix: str = "") -> None:
        self.refused = refused
        self.found = found
        #: First characters of a code that does not exist: guesses are counted by them.
        self.prefix = prefix
        super().__init__(refused.reason)


class Known(Exception):
    """The idempotency key has an answer already; status 0 is a tombstone's."""

    def __init__(self, status: int, fingerprint: bytes, body: str) -> None:
        self.status = status
        self.fingerprint = fingerprint
        self.body = body
        super().__init__()


class Busy(Exception):
    """Another call is at work on the idempotency key or the receipt, or was just before."""


class Overtaken(Busy):
    """A voucher's guard had nothing left, though the rules had no objection: another was first."""


class Lapsed(Exception):
    """A voucher has holds whose time is over: they have to be released first."""

    def __init__(self, voucher_id: int) -> None:
        self.voucher_id = voucher_id
        super().__init__()


class PinAsked(Exception):
    """The PIN that came with an item has to be looked at before it may go on."""

    def __init__(self, found: Found, *, index: int, pin: str) -> None:
        self.found = found
        self.index = index
        self.pin = pin
        super().__init__()


class Bare(Exception):
    """A code without a voucher is to be taken from: its bearer's voucher has to be made first."""

    def __init__(self, code_id: int) -> None:
        self.code_id = code_id
        super().__init__()
