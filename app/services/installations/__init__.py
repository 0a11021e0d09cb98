"""Which passes are in which wallets, and what each device was told: the facts behind Apple's
web service and behind every push.

Promises: a device is told of a change until it has fetched it; what it is told never depends on a
clock or on the order in which transactions commit, only on whether the pair (voucher version,
campaign version) differs from the one it was told. A device row is locked before its
registrations are touched, so lists, registrations and removals of one device follow one another.
Refuses: to know passes. Callers authenticate, build and answer.

Rules: developer.apple.com/documentation/walletpasses/adding-a-web-service-to-update-passes.
"""

from app.services.installations.listing import (
    LISTED_AGAIN,
    Listing,
    has_news,
    list_changed,
    record_fetch,
)
from app.services.installations.logs import (
    COMPLAINT_KINDS,
    KEPT_LOGS,
    Complaint,
    complaints,
    keep_complaints,
    understand,
)
from app.services.installations.registering import (
    GRACE,
    MOST_DEVICES,
    record_added,
    register,
    unregister,
)
from app.services.installations.states import (
    EPOCH,
    FETCHED,
    LISTED,
    PUSHED,
    Pair,
    Told,
    behind,
    last_modified,
)

__all__ = [
    "COMPLAINT_KINDS",
    "EPOCH",
    "FETCHED",
    "GRACE",
    "KEPT_LOGS",
    "LISTED",
    "LISTED_AGAIN",
    "MOST_DEVICES",
    "PUSHED",
    "Complaint",
    "Listing",
    "Pair",
    "Told",
    "behind",
    "complaints",
    "has_news",
    "keep_complaints",
    "last_modified",
    "list_changed",
    "record_added",
    "record_fetch",
    "register",
    "understand",
    "unregister",
]
