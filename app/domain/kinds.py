"""The kinds of campaign. A new kind is one class here and its line in `KINDS`.

Services, wallets and tills ask a kind what it does; none of them compares its name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from app.domain.campaign import Terms


class Kind(Protocol):
    """What distinguishes a kind of campaign from the others."""

    @property
    def name(self) -> Literal["coupon", "gift_card"]: ...

    @property
    def holds_money(self) -> bool:
        """Whether a voucher has a balance, spent in amounts, rather than a number of uses."""
        ...

    def opening_balance(self, terms: Terms, *, code_amount: int | None) -> int:
        """Minor units on a fresh voucher; the code's own amount wins over the campaign's."""
        ...

    def uses(self, terms: Terms, *, code_uses: int | None = None) -> int | None:
        """Uses of a fresh voucher; None is unlimited. A code that has fewer left wins."""
        ...


@dataclass(frozen=True, slots=True)
class Coupon:
    """A discount or gift that is used a number of times, most often once."""

    name: Literal["coupon"] = "coupon"
    holds_money: bool = False

    def opening_balance(self, terms: Terms, *, code_amount: int | None) -> int:
        return 0

    def uses(self, terms: Terms, *, code_uses: int | None = None) -> int | None:
        if code_uses is None or terms.uses is None:
            return terms.uses if code_uses is None else code_uses
        return min(terms.uses, code_uses)


@dataclass(frozen=True, slots=True)
class GiftCard:
    """Money on a card, spent in parts until nothing is left."""

    name: Literal["gift_card"] = "gift_card"
    holds_money: bool = True

    def opening_balance(self, terms: Terms, *, code_amount: int | None) -> int:
        return code_amount if code_amount is not None else terms.amount_minor or 0

    def uses(self, terms: Terms, *, code_uses: int | None = None) -> int | None:
        return None


KINDS: dict[str, Kind] = {kind.name: kind for kind in (Coupon(), GiftCard())}
