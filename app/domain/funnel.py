"""The stages that a voucher passes, from issue to its end, as reports count them.

A stage's bit is stored, so it never changes. `VIEWED` is an estimate: known bots are left out by
whoever records views, yet some look like people, and people who block pictures are not seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Stage(StrEnum):
    """One stage; a voucher may reach it many times and is counted for the first."""

    ISSUED = "issued"
    VIEWED = "viewed"
    ADDED = "added"
    ADDED_APPLE = "added_apple"
    ADDED_GOOGLE = "added_google"
    SCANNED = "scanned"
    REFUSED = "refused"
    REDEEMED = "redeemed"
    REVERSED = "reversed"
    REMOVED = "removed"
    EXPIRED = "expired"

    @property
    def bit(self) -> int:
        return _BITS[self]


_BITS = {
    Stage.ISSUED: 1,
    Stage.VIEWED: 2,
    Stage.ADDED: 4,
    Stage.ADDED_APPLE: 8,
    Stage.ADDED_GOOGLE: 16,
    Stage.SCANNED: 32,
    Stage.REFUSED: 64,
    Stage.REDEEMED: 128,
    Stage.REVERSED: 256,
    Stage.REMOVED: 512,
    Stage.EXPIRED: 1024,
}

#: What is an estimate and is called so wherever it is shown.
ESTIMATES = frozenset({Stage.VIEWED})

_OF_KIND = {
    "issued": Stage.ISSUED,
    "viewed": Stage.VIEWED,
    "scanned": Stage.SCANNED,
    "refused": Stage.REFUSED,
    "redeemed": Stage.REDEEMED,
    "captured": Stage.REDEEMED,
    "reversed": Stage.REVERSED,
    "refunded": Stage.REVERSED,
    "removed": Stage.REMOVED,
    "expired": Stage.EXPIRED,
}
_OF_WALLET = {"apple": Stage.ADDED_APPLE, "google": Stage.ADDED_GOOGLE}


def stages(kind: str, data: Mapping[str, object] | None) -> tuple[Stage, ...]:
    """The stages that an event of `kind` means; none when reports do not count it."""
    if kind == "added":
        wallet = _OF_WALLET.get(str((data or {}).get("wallet")))
        return (Stage.ADDED,) if wallet is None else (Stage.ADDED, wallet)
    found = _OF_KIND.get(kind)
    return () if found is None else (found,)
