"""The kinds of campaign. A new kind is one class here and its line in `KINDS`.

Services, wallets and tills ask a kind what it does; none of them compares its name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from app.domain.campaign import Terms

#: The sorts of pass that wallets know: one that says what it gives, one that has a balance.
PassKind = Literal["coupon", "gift_card"]


class Kind(Protocol):
    """What distinguishes a kind of campaign from the others."""

    @property
    def name(self) -> str:
        """How campaign files, the API and the database call it; never changed."""

    @property
    def title(self) -> str:
        """How sentences for marketers call it."""

    @property
    def holds_money(self) -> bool:
        """Whether a voucher has a balance, spent in amounts, rather than a number of uses."""

    @property
    def shown_as(self) -> PassKind:
        """Which sort of pass shows its vouchers; one with a balance where it holds money."""

    @property
    def code_pattern(self) -> str:
        """The pattern of codes that are made here, for a campaign that names none."""

    @property
    def code_tail(self) -> int:
        """Random characters at the end of a pattern that has none."""

    @property
    def least_code_bits(self) -> int:
        """Bits of a code that must be left to chance, so that nobody guesses one."""

    def opening_balance(self, terms: Terms, *, code_amount: int | None) -> int:
        """Minor units on a fresh voucher; the code's own amount wins over the campaign's."""

    def uses(self, terms: Terms, *, code_uses: int | None = None) -> int | None:
        """Uses of a fresh voucher; None is unlimited. A code that has fewer left wins."""


@dataclass(frozen=True, slots=True)
class Coupon:
    """A discount or gift that is used a number of times, most often once."""

    name: str = "coupon"
    title: str = "coupon"
    holds_money: bool = False
    shown_as: PassKind = "coupon"
    code_pattern: str = "{random:10}"
    code_tail: int = 10
    least_code_bits: int = 50

    def opening_balance(self, terms: Terms, *, code_amount: int | None) -> int:
        return 0

    def uses(self, terms: Terms, *, code_uses: int | None = None) -> int | None:
        if code_uses is None or terms.uses is None:
            return terms.uses if code_uses is None else code_uses
        return min(terms.uses, code_uses)


@dataclass(frozen=True, slots=True)
class GiftCard:
    """Money on a card, spent in parts until nothing is left."""

    name: str = "gift_card"
    title: str = "gift card"
    holds_money: bool = True
    shown_as: PassKind = "gift_card"
    code_pattern: str = "{random:16}"
    code_tail: int = 16
    least_code_bits: int = 80

    def opening_balance(self, terms: Terms, *, code_amount: int | None) -> int:
        return code_amount if code_amount is not None else terms.amount_minor or 0

    def uses(self, terms: Terms, *, code_uses: int | None = None) -> int | None:
        return None


KINDS: dict[str, Kind] = {kind.name: kind for kind in (Coupon(), GiftCard())}
