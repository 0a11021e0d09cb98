"""The ledger's rules: what an entry may be, and until when one can be taken back.

The ledger is append-only. A voucher's uses are the sum of its entries' uses, its balance the sum
of their amounts; conflicts (uses that another system decided although none was left) are booked
beside them and count for neither. Taking back is an entry of its own that refers to the one it
takes back: an undo on the same business day by the same till, a refund afterwards.
"""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from zoneinfo import ZoneInfo


class EntryKind(StrEnum):
    """What an entry says happened."""

    ACTIVATE = "activate"
    REDEMPTION = "redemption"
    #: A use that another system decided and reported.
    REPORT = "report"
    #: A reported use that no limit had room for.
    CONFLICT = "conflict"
    #: A redemption undone the same day by the till that made it.
    REVERSAL = "reversal"
    #: A redemption taken back later, or elsewhere, or in part.
    REFUND = "refund"
    LOAD = "load"
    #: A correction by a supervisor, with one of `AdjustReason`.
    ADJUST = "adjust"
    BLOCK = "block"
    UNBLOCK = "unblock"
    #: What was available when a card ended by order.
    DEACTIVATE = "deactivate"
    #: What was available when a card's time ended, or became so afterwards.
    EXPIRE = "expire"
    #: Money that left for the card that replaces this one, or came from the one it replaces.
    TRANSFER = "transfer"


class AdjustReason(StrEnum):
    """Why a supervisor may change a balance; there is no other reason."""

    CORRECTION = "correction"
    GOODWILL = "goodwill"
    COMPLAINT = "complaint"
    FRAUD = "fraud"
    MIGRATION = "migration"


class HoldStatus(StrEnum):
    """What became of a hold."""

    OPEN = "open"
    CAPTURED = "captured"
    VOIDED = "voided"
    LAPSED = "lapsed"


#: The status of the row that keeps what a voucher was called before it was issued anew; such a row
#: is no voucher, was never issued and has no books.
REPLACED = "replaced"

#: Statuses of a card that can take no money any more.
DEAD = frozenset({"expired", "deactivated", "revoked"})


#: Entries that took something and can be taken back.
USES = (EntryKind.REDEMPTION, EntryKind.REPORT)
#: Entries that take another one back.
RETURNS = (EntryKind.REVERSAL, EntryKind.REFUND)


def taking_back(
    redeemed_at: dt.datetime,
    *,
    same_till: bool,
    zone: ZoneInfo,
    refund_days: int,
    now: dt.datetime,
) -> EntryKind | None:
    """How a redemption can be taken back now, or None when the time for it has passed.

    Args:
        redeemed_at: when it was made, by the server's clock.
        same_till: whether the till that asks is the one that made it.
        zone: of the store where it was made; a business day ends at its midnight.
        refund_days: the campaign's window, counted to the end of its last day.
    """
    made, today = redeemed_at.astimezone(zone).date(), now.astimezone(zone).date()
    if same_till and made == today:
        return EntryKind.REVERSAL
    if (today - made).days <= refund_days:
        return EntryKind.REFUND
    return None
