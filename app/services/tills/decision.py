"""Deciding what each item of a call may take: rules, overrides, discounts. Nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from zoneinfo import ZoneInfo

from app.domain import baskets, rules
from app.domain.baskets import Basket
from app.domain.campaign import Terms
from app.domain.refusals import OVERRIDABLE, Reason, Refused
from app.domain.rules import Place
from app.services.tills.attempt import Call, Found, Grant, No
from app.services.tills.requests import Item, Override


class Till:
    """The items of one call as they are decided in order; later ones see what earlier ones took.

    Args:
        on_receipt: terms of the coupons that the receipt has already.
        probing: whether only a question is asked, so that a card needs no amount.
    """

    def __init__(
        self,
        call: Call,
        basket: Basket | None,
        *,
        override: Override | None = None,
        on_receipt: Sequence[Terms] = (),
        probing: bool = False,
    ) -> None:
        self._call = call
        self._basket = basket
        self._left = [line.amount_minor for line in basket.lines] if basket else []
        self._waived = override.reasons & OVERRIDABLE if override else frozenset()
        self._coupons = list(on_receipt)
        self._seen: set[int] = set()
        self._probing = probing

    def decide(self, found: Found, item: Item, *, index: int) -> Grant:
        """What the item may take.

        Raises:
            No: something stands against it that no supervisor has set aside.
        """
        if found.voucher_id is not None:
            if found.voucher_id in self._seen:
                raise No(Refused(reason=Reason.ALREADY_IN_BASKET, item=index), found)
            self._seen.add(found.voucher_id)
        standing, terms, where = found.standing, found.terms, self._call.where
        against = rules.objections(
            standing,
            terms,
            place=Place(store=where.store, terminal=where.terminal, channel=where.channel),
            basket=self._basket,
            now=self._call.now,
        )
        if standing.holds_money:
            if not (self._probing and item.amount_minor is None):
                against += rules.money_objections(standing, item.amount_minor, item.currency)
        elif not rules.combinable(terms, self._coupons):
            against.append(Refused(reason=Reason.NOT_COMBINABLE))
        if still := [refused for refused in against if refused.reason not in self._waived]:
            raise No(replace(still[0], item=index), found)
        overridden = tuple(dict.fromkeys(refused.reason for refused in against))
        if standing.holds_money:
            return Grant(
                index=index,
                found=found,
                amount=self._amount(found, item, index),
                overridden=overridden,
            )
        lines = self._discount(terms, everything=Reason.PRODUCTS_NOT_ELIGIBLE in overridden)
        for number, part in enumerate(lines):
            self._left[number] -= part
        self._coupons.append(terms)
        today = self._call.now.astimezone(ZoneInfo(standing.timezone)).date()
        return Grant(
            index=index,
            found=found,
            lines=lines,
            overridden=overridden,
            day=today.isoformat(),
        )

    def _amount(self, found: Found, item: Item, index: int) -> int:
        if item.amount_minor is None:
            return 0
        standing = found.standing
        short = rules.shortfall(standing, item.amount_minor, allow_partial=item.allow_partial)
        if short is not None:
            raise No(replace(short, item=index), found)
        return min(item.amount_minor, rules.available(standing))

    def _discount(self, terms: Terms, *, everything: bool) -> tuple[int, ...]:
        """The discount of every line, 0 for those that take no part."""
        if self._basket is None:
            return ()
        chosen = [
            number
            for number, line in enumerate(self._basket.lines)
            if everything or baskets.eligible(terms.products, line)
        ]
        parts = baskets.discount(terms.benefit, [self._left[number] for number in chosen])
        result = [0] * len(self._left)
        for number, part in zip(chosen, parts, strict=True):
            result[number] = part
        return tuple(result)
