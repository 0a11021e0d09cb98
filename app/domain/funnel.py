"""The stages that a voucher passes, from issue to its end, as reports count them.

A stage's bit and name are stored, so they never change. `VIEWED` is an estimate: known bots are
left out by whoever records views, yet some look like people, and people who block pictures are not
seen. The stages of single wallets are the wallets' own (`Wallet.added`); bits 8 and 16 are taken by
theirs, and a new one takes the next above all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage; a voucher may reach it many times and is counted for the first."""

    name: str
    bit: int


ISSUED = Stage("issued", 1)
VIEWED = Stage("viewed", 2)
ADDED = Stage("added", 4)
SCANNED = Stage("scanned", 32)
REFUSED = Stage("refused", 64)
REDEEMED = Stage("redeemed", 128)
REVERSED = Stage("reversed", 256)
REMOVED = Stage("removed", 512)
EXPIRED = Stage("expired", 1024)

#: What comes before a wallet's own stage in a report, and what after it.
BEFORE_WALLETS = (ISSUED, VIEWED, ADDED)
AFTER_WALLETS = (SCANNED, REFUSED, REDEEMED, REVERSED, REMOVED, EXPIRED)

#: Names of stages that are estimates and are called so wherever they are shown.
ESTIMATES = frozenset({VIEWED.name})

_OF_KIND = {
    "issued": ISSUED,
    "viewed": VIEWED,
    "scanned": SCANNED,
    "refused": REFUSED,
    "redeemed": REDEEMED,
    "captured": REDEEMED,
    "reversed": REVERSED,
    "refunded": REVERSED,
    "removed": REMOVED,
    "expired": EXPIRED,
}


def stages(
    kind: str, data: Mapping[str, object] | None, *, added: Mapping[str, Stage]
) -> tuple[Stage, ...]:
    """Return the stages that an event of `kind` means; none when reports do not count it.

    Args:
        added: the stage of each wallet, by its name.
    """
    if kind == "added":
        wallet = added.get(str((data or {}).get("wallet")))
        return (ADDED,) if wallet is None else (ADDED, wallet)
    found = _OF_KIND.get(kind)
    return () if found is None else (found,)
