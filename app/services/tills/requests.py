"""What tills ask and what they are answered: values, without HTTP or database.

An answer's body is made once, as JSON text, and kept under the call's idempotency key, so that a
repeated call gets the same answer byte for byte. It holds no code and no PIN.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from app.domain.baskets import Basket
from app.domain.ledger import AdjustReason
from app.domain.refusals import Reason
from app.domain.rules import PlaceOfUse
from app.faults import Fault


class CallFault(Fault):
    """A call that cannot be worked on; `code` is stable, `remedy` says what to do."""

    def __init__(self, code: str, cause: str, *, remedy: str) -> None:
        super().__init__(cause, remedy, code=code)


class Reused(Exception):
    """The idempotency key was used for another request."""


class Running(Exception):
    """A call with the same idempotency key, or for the same receipt, is still at work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannedItem:
    """One voucher of a call: what was scanned or typed, and the money to take from a card."""

    barcode: str
    amount_minor: int | None = None
    currency: str | None = None
    #: Whether less than `amount_minor` may be taken when the card holds less.
    allow_partial: bool = False
    #: What the customer typed, where the campaign asks for it.
    pin: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where and by whom a call is made; keys of store and terminal when the API key is bound to
    none.
    """

    store: str | None = None
    terminal: str | None = None
    operator: str | None = None
    receipt: str | None = None
    occurred_at: dt.datetime | None = None
    #: The network address that asks; told with what bears on security, and counted by nobody.
    address: str = ""


#: Of what nobody asks from anywhere.
NOWHERE = Origin()


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisorOverride:
    """A supervisor's word that named refusals do not count this time, and why."""

    reasons: frozenset[Reason]
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Redemption:
    """One to ten vouchers of a receipt, redeemed all or not at all, in order."""

    items: tuple[ScannedItem, ...]
    origin: Origin = NOWHERE
    basket: Basket | None = None
    override: SupervisorOverride | None = None
    #: How long it is only set aside; None redeems at once.
    hold: dt.timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """Redeem what a hold set aside: all that is left of it, or `amount_minor` of a card's."""

    hold_id: UUID
    amount_minor: int | None = None
    currency: str | None = None
    #: Whether what is left afterwards is given back.
    final: bool = True
    origin: Origin = NOWHERE


class CardAction(StrEnum):
    """What may be done with a gift card beside spending."""

    ACTIVATE = "activate"
    LOAD = "load"
    ADJUST = "adjust"
    BLOCK = "block"
    UNBLOCK = "unblock"
    DEACTIVATE = "deactivate"


@dataclass(frozen=True, slots=True, kw_only=True)
class CardCall:
    """Something to be done with a card; `amount_minor` is what its balance changes by."""

    action: CardAction
    barcode: str
    amount_minor: int = 0
    currency: str | None = None
    reason: AdjustReason | None = None
    because: str | None = None
    origin: Origin = NOWHERE


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """Give money of a redemption back to its card: all that is left of it, or a part."""

    redemption_id: UUID
    amount_minor: int | None = None
    currency: str | None = None
    because: str | None = None
    origin: Origin = NOWHERE


@dataclass(frozen=True, slots=True, kw_only=True)
class Reversal:
    """Take back one redemption, or everything that a call under `key` took."""

    redemption_id: UUID | None = None
    key: str | None = None
    because: str | None = None
    origin: Origin = NOWHERE


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer as it is sent and kept: HTTP status, JSON text, and whether it is a repetition."""

    status: int
    body: str
    replayed: bool = False


#: Of a call that names no store.
UNPLACED = PlaceOfUse()


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Where a call comes from, as the books name it and as rules and texts need it."""

    store_id: int | None = None
    terminal_id: int | None = None
    #: The same as rules know it.
    place: PlaceOfUse = UNPLACED
    timezone: str = "UTC"
    language: str = "en"
