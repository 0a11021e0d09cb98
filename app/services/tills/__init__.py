"""Tills: one scan at the till, exactly once, whatever goes wrong.

`Tills` is what doors talk to. A redemption takes from its vouchers, writes the ledger, the events
and the answer under the call's idempotency key in one transaction, or nothing at all; a refusal
is a value, kept under its key like a success, and changes no counter. Rows are taken in the order
voucher (by id), code, recipient, campaign: the hottest last, and no two calls in crossing order.
Nothing here talks to the network: what a pass shows follows from the voucher's grown version.
"""

from __future__ import annotations

from app.services.tills.desk import Tills, release_lapsed
from app.services.tills.requests import (
    Answer,
    CallFault,
    Capture,
    CardAction,
    CardCall,
    Origin,
    Redemption,
    Refund,
    Reused,
    Reversal,
    Running,
    ScannedItem,
    SupervisorOverride,
)

__all__ = [
    "Answer",
    "CallFault",
    "Capture",
    "CardAction",
    "CardCall",
    "Origin",
    "Redemption",
    "Refund",
    "Reused",
    "Reversal",
    "Running",
    "ScannedItem",
    "SupervisorOverride",
    "Tills",
    "release_lapsed",
]
