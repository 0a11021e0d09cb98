"""A call's items are looked up and decided in order: rules, overrides, discounts, PINs.

Nothing is written.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, String, bindparam, literal_column, select, union_all

from app.domain import baskets, rules
from app.domain.baskets import Basket
from app.domain.campaign import Terms
from app.domain.ledger import EntryKind
from app.domain.refusals import OVERRIDABLE, Reason, Refused
from app.services.resolving import ScannedPayload
from app.services.tills import lookup
from app.services.tills.attempt import Attempt
from app.services.tills.endings import Again, First, RefusedCall, refuse
from app.services.tills.lookup import Missed
from app.services.tills.requests import ScannedItem, SupervisorOverride
from app.services.tills.tables import ENTRY, HOLD, VOUCHER, E, H, V, not_returned
from app.services.tills.voucher_rows import Found
from app.store.models import new_id
from app.store.statements import Query


@dataclass(frozen=True, slots=True, kw_only=True)
class VoucherGrant:
    """What a call takes from one voucher, decided before anything is written.

    Its marks say which counters guard it beside the voucher's own: money is taken from a card
    without counting how often.
    """

    item: int
    found: Found
    #: Of the entry or the hold that it becomes.
    id: UUID
    #: The voucher's row; 0 of a code without one, of which a scan may ask.
    voucher_id: int
    #: Uses, and minor units of a card.
    uses: int
    amount: int = 0
    #: Discount of each line of the basket, in minor units, and their sum.
    lines: tuple[int, ...] = ()
    discount: int = 0
    overridden: tuple[Reason, ...] = ()
    on_code: bool = False
    on_recipient: bool = False
    #: The day of the campaign's zone that a limit per day counts by.
    on_day: str | None = None
    on_budget: bool = False
    #: What it has in common with others of its campaign in the basket; None when it has the basket
    #: to itself.
    basket_id: UUID | None = None
    basket_minor: int | None = None
    #: Whether it is the one that tells the basket's amount, if it stands from the start.
    tells: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Undecided:
    """The items of a call that are to be decided, with their payloads as they were understood."""

    items: Sequence[ScannedItem]
    readings: Sequence[ScannedPayload]
    basket: Basket | None
    override: SupervisorOverride | None = None
    #: How long it is only set aside, so that each may become several redemptions.
    hold: dt.timedelta | None = None
    #: Whether only a question is asked: a card needs no amount, no PIN and no voucher.
    probing: bool = False


class _RevisionRow(NamedTuple):
    revision_id: int


#: The coupons of a receipt, set aside or redeemed and not taken back, by the revision whose
#: terms they keep.
_READ_RECEIPT = Query(
    _RevisionRow,
    union_all(
        select(V.revision_id)
        .select_from(ENTRY.join(VOUCHER, V.id == E.voucher_id))
        .where(
            E.receipt == bindparam("receipt", type_=String),
            E.store_id == bindparam("store_id", type_=BigInteger),
            E.kind == EntryKind.REDEMPTION,
            E.uses > 0,
            not_returned(),
        ),
        select(V.revision_id)
        .select_from(HOLD.join(VOUCHER, V.id == H.voucher_id))
        .where(
            H.receipt == bindparam("receipt", type_=String),
            H.store_id == bindparam("store_id", type_=BigInteger),
            H.status == literal_column("'open'"),
            H.expires_at > bindparam("now", type_=H.expires_at.type),
            H.uses > 0,
        ),
    ),
)


def grant(
    found: Found,
    *,
    item: int,
    amount: int = 0,
    lines: tuple[int, ...] = (),
    overridden: tuple[Reason, ...] = (),
    today: str | None = None,
) -> VoucherGrant:
    """What is taken from a voucher that nothing stands against, with the counters it is on."""
    row, terms = found.row, found.terms
    counts = not found.standing.holds_money
    of_person = counts and row.recipient_id is not None
    return VoucherGrant(
        item=item,
        found=found,
        id=new_id(),
        voucher_id=row.voucher_id or 0,
        uses=1 if counts else 0,
        amount=amount,
        lines=lines,
        discount=sum(lines),
        overridden=overridden,
        on_code=counts and row.code_limit is not None,
        on_recipient=of_person and terms.uses_per_recipient is not None,
        on_day=today if of_person and terms.uses_per_day is not None else None,
        on_budget=row.budget_uses is not None or row.budget_minor is not None,
    )


def decide(attempt: Attempt, asked: Undecided) -> list[VoucherGrant] | Missed:
    """Look every item up, in order, and decide what it may take; or what ends the attempt."""
    deciding: _Decision | None = None
    grants: list[VoucherGrant] = []
    for index, (item, reading) in enumerate(zip(asked.items, asked.readings, strict=True)):
        found = lookup.find(attempt, reading, item=index)
        if not isinstance(found, Found):
            return found
        if deciding is None:
            on_receipt = coupons_of(attempt) if found.row.receipt_seen else []
            deciding = _Decision(attempt, asked, on_receipt=on_receipt)
        granted = deciding.of(found, item, index=index)
        if not isinstance(granted, VoucherGrant):
            return granted
        first = without_voucher(found) or _pin(attempt, granted, item)
        if first is not None and not asked.probing:
            return first
        grants.append(granted)
    return _in_basket(grants, asked.basket, in_parts=asked.hold is not None)


class _Decision:
    """What the items of one call may take; later ones see what earlier ones took."""

    def __init__(self, attempt: Attempt, asked: Undecided, *, on_receipt: Sequence[Terms]) -> None:
        self._attempt = attempt
        self._asked = asked
        self._left = [line.amount_minor for line in asked.basket.lines] if asked.basket else []
        self._coupons = list(on_receipt)
        self._seen: set[int] = set()

    def of(self, found: Found, item: ScannedItem, *, index: int) -> VoucherGrant | RefusedCall:
        """What an item may take, or what stands against it that no supervisor has set aside."""
        if found.row.voucher_id is not None:
            if found.row.voucher_id in self._seen:
                return refuse(Reason.ALREADY_IN_BASKET, found, item=index)
            self._seen.add(found.row.voucher_id)
        override = self._asked.override
        waived = override.reasons & OVERRIDABLE if override else frozenset[Reason]()
        against = self._objections(found, item)
        if still := [refused for refused in against if refused.reason not in waived]:
            return RefusedCall(replace(still[0], item=index), found)
        overridden = tuple(dict.fromkeys(refused.reason for refused in against))
        standing, terms = found.standing, found.terms
        if standing.holds_money:
            wanted = item.amount_minor or 0
            short = rules.shortfall(standing, wanted, allow_partial=item.allow_partial)
            if item.amount_minor is not None and short is not None:
                return RefusedCall(replace(short, item=index), found)
            amount = min(wanted, rules.available(standing))
            return grant(found, item=index, amount=amount, overridden=overridden)
        lines = self._discount(terms, everything=Reason.PRODUCTS_NOT_ELIGIBLE in overridden)
        self._left = [left - part for left, part in zip(self._left, lines, strict=True)]
        self._coupons.append(terms)
        today = self._attempt.call.now.astimezone(ZoneInfo(standing.timezone)).date().isoformat()
        return grant(found, item=index, lines=lines, overridden=overridden, today=today)

    def _objections(self, found: Found, item: ScannedItem) -> list[Refused]:
        standing, terms = found.standing, found.terms
        against = rules.objections(
            standing,
            terms,
            place=self._attempt.where.place,
            basket=self._asked.basket,
            now=self._attempt.call.now,
        )
        if standing.holds_money:
            if not (self._asked.probing and item.amount_minor is None):
                against += rules.money_objections(standing, item.amount_minor, item.currency)
        elif not rules.combinable(terms, self._coupons):
            against.append(Refused(reason=Reason.NOT_COMBINABLE))
        return against

    def _discount(self, terms: Terms, *, everything: bool) -> tuple[int, ...]:
        """The discount of every line, 0 for those that take no part."""
        basket = self._asked.basket
        if basket is None:
            return ()
        chosen = [
            number
            for number, line in enumerate(basket.lines)
            if everything or baskets.eligible(terms.products, line)
        ]
        parts = baskets.discount(terms.benefit, [self._left[number] for number in chosen])
        result = [0] * len(self._left)
        for number, part in zip(chosen, parts, strict=True):
            result[number] = part
        return tuple(result)


def without_voucher(found: Found) -> Again | None:
    """Again, when a code without a voucher is to be taken from: its bearer gets one first."""
    if found.row.voucher_id is not None or found.row.code_id is None:
        return None
    return Again(first=First.MAKE_BEARER, row_id=found.row.code_id)


def _pin(attempt: Attempt, granted: VoucherGrant, item: ScannedItem) -> RefusedCall | Again | None:
    """What stands against taking an amount whose PIN was not looked at; None: nothing.

    Above an amount that the campaign says, a card that has a PIN asks for it.
    """
    above = granted.found.terms.pin_above_minor
    wanted = granted.found.standing.holds_money and above is not None and granted.amount > above
    if not wanted or not granted.found.row.has_pin or granted.item in attempt.verified:
        return None
    if item.pin is None:
        return refuse(Reason.PIN_REQUIRED, granted.found, item=granted.item)
    return Again(first=First.VERIFY_PIN, pin=item.pin, item=granted.item, found=granted.found)


def coupons_of(attempt: Attempt) -> list[Terms]:
    """Terms of the coupons that the call's receipt has already."""
    rows = _READ_RECEIPT.all(
        attempt.connection,
        receipt=attempt.call.origin.receipt,
        store_id=attempt.where.store_id,
        now=attempt.call.now,
    )
    return [attempt.memory.terms_of(attempt.connection, row.revision_id) for row in rows]


def _in_basket(
    grants: Sequence[VoucherGrant], basket: Basket | None, *, in_parts: bool
) -> list[VoucherGrant]:
    """The grants of a call, each with its part in what the basket came to."""
    if basket is None:
        return list(grants)
    campaigns = [granted.found.row.campaign_id for granted in grants]
    count = Counter(campaigns)
    first: dict[int, UUID] = {}
    for campaign_id, granted in zip(campaigns, grants, strict=True):
        first.setdefault(campaign_id, granted.id)
    return [
        replace(
            granted,
            basket_id=first[campaign_id] if in_parts or count[campaign_id] > 1 else None,
            basket_minor=basket.total_minor,
            tells=first[campaign_id] == granted.id,
        )
        for campaign_id, granted in zip(campaigns, grants, strict=True)
    ]
