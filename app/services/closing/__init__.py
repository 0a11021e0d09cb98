"""Reports of a day and of what cards are worth are sums over the ledger.

A day is a store's own, midnight to midnight in its time zone. Nothing here is counted beside the
books: each figure is the sum of entries, so that `passerelle audit` proves it, and what a till
counted itself can be laid beside it line by line. Liability at a moment is the sum of all entries
before it; the movements of a period lead from its opening balance to its closing one exactly.
"""

from __future__ import annotations

from app.services.closing.anomalies import (
    MANY_CARDS,
    MANY_REFUNDS,
    Oddity,
    odd,
)
from app.services.closing.liability import Liability, liability
from app.services.closing.scope import bounds
from app.services.closing.totals import (
    Listed,
    OperatorLine,
    TillSums,
    day,
    listed,
    till_sums,
    to_csv,
)

__all__ = [
    "MANY_CARDS",
    "MANY_REFUNDS",
    "Liability",
    "Listed",
    "Oddity",
    "OperatorLine",
    "TillSums",
    "bounds",
    "day",
    "liability",
    "listed",
    "odd",
    "till_sums",
    "to_csv",
]
