"""The lines that a call writes to the books: entries of the ledger, and events."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import NamedTuple
from uuid import UUID

from app.domain.ledger import EntryKind
from app.domain.refusals import Reason


class NewEntry(NamedTuple):
    """An entry of the ledger that is to be written; names are the columns'."""

    id: UUID
    voucher_id: int
    campaign_id: int
    code_id: int | None
    kind: EntryKind
    uses: int
    amount_minor: int
    currency: str | None
    basket_id: UUID | None
    basket_minor: int | None
    discount_minor: int
    used_after: int
    balance_after_minor: int
    on_code: bool
    on_budget: bool
    on_recipient: bool
    on_day: str | None
    reported_id: str | None
    refers_to_id: UUID | None
    hold_id: UUID | None
    store_id: int | None
    terminal_id: int | None
    api_key_id: int | None
    operator: str | None
    receipt: str | None
    reason: str | None
    details: Mapping[str, object] | None
    occurred_at: dt.datetime | None
    created_at: dt.datetime


class NewEvent(NamedTuple):
    """An event that is to be written; names are the columns'."""

    kind: str
    at: dt.datetime
    campaign_id: int
    voucher_id: int
    #: Given under the voucher's row lock.
    number: int
    entry_id: UUID | None
    store_id: int | None
    terminal_id: int | None
    reason: Reason | None
    data: Mapping[str, object] | None


#: A line of the books.
Booking = NewEntry | NewEvent
