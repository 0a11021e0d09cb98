"""Holds: uses or money set aside for a till until captured, voided or lapsed.

A hold counts on every counter that the redemption would, so that what is held and what is used
never pass a limit together. It may be captured until its own end, even though the voucher's time
ended meanwhile; what is not captured is given back. Money that becomes available on a card whose
time is over is booked as expired in the same transaction.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import bindparam, select, update

from app.domain import rules
from app.domain.kinds import KINDS
from app.domain.ledger import EntryKind, HoldStatus
from app.domain.refusals import Reason
from app.services.tills import answers, baskets, decision
from app.services.tills.attempt import Attempt
from app.services.tills.endings import WAIT, Again, RefusedCall, Undone, refuse
from app.services.tills.expiry import expire
from app.services.tills.requests import Answer, Capture
from app.services.tills.tables import CAMPAIGN, CODE, HOLD, RECIPIENT_USE, VOUCHER, C, H, K, U, V
from app.services.tills.voucher_rows import AFTER, Counters, overridden
from app.store.statements import Command, Query


class HoldRow(NamedTuple):
    """A hold with its voucher and campaign; money in minor units."""

    id: UUID
    voucher_id: int
    status: str
    uses: int
    amount_minor: int
    captured_minor: int
    discount_minor: int
    currency: str | None
    basket_id: UUID | None
    basket_minor: int | None
    on_code: bool
    on_budget: bool
    on_recipient: bool
    on_day: str | None
    receipt: str | None
    store_id: int | None
    terminal_id: int | None
    expires_at: dt.datetime
    public_id: int
    revision_id: int
    recipient_id: int | None
    code_id: int | None
    campaign_id: int
    voucher_uses: int | None
    ends_at: dt.datetime | None
    campaign_key: str
    campaign_name: str
    campaign_kind: str
    campaign_currency: str | None
    campaign_source: str
    override: Mapping[str, object] | None
    override_forced: bool | None

    @property
    def left_minor(self) -> int:
        """Minor units that are not captured yet."""
        return self.amount_minor - self.captured_minor

    @property
    def holds_money(self) -> bool:
        return KINDS[self.campaign_kind].holds_money


READ_HOLD = Query(
    HoldRow,
    select(
        *(H[name] for name in HoldRow._fields[: HoldRow._fields.index("public_id")]),
        V.public_id,
        V.revision_id,
        V.recipient_id,
        V.code_id,
        V.campaign_id,
        V.uses.label("voucher_uses"),
        V.ends_at,
        C.key.label("campaign_key"),
        C.name.label("campaign_name"),
        C.kind.label("campaign_kind"),
        C.currency.label("campaign_currency"),
        C.source.label("campaign_source"),
        C.override,
        C.override_forced,
    )
    .select_from(HOLD.join(VOUCHER, V.id == H.voucher_id).join(CAMPAIGN, C.id == V.campaign_id))
    .where(H.id == bindparam("hold_id")),
)
#: Close a hold, wholly or in part; no row when it changed since it was read.
_CLOSE = (
    update(HOLD)
    .where(
        H.id == bindparam("hold_id"),
        H.status == HoldStatus.OPEN,
        H.captured_minor == bindparam("seen"),
    )
    .values(
        status=bindparam("new_status"),
        captured_minor=bindparam("captured"),
        closed_at=bindparam("closed", type_=H.closed_at.type),
    )
)
_CLOSE_HOLD = Command(_CLOSE)
_CAPTURE_HOLD = Command(_CLOSE.where(H.expires_at > bindparam("now", type_=H.expires_at.type)))

# `kept` goes to the used, `freed` leaves the held.
_SETTLE_VOUCHER = Query(
    Counters,
    update(VOUCHER)
    .where(
        V.id == bindparam("voucher_id"),
        V.held >= bindparam("freed"),
        V.held_minor >= bindparam("freed_minor"),
    )
    .values(
        used=V.used + bindparam("kept"),
        held=V.held - bindparam("freed"),
        balance_minor=V.balance_minor - bindparam("kept_minor"),
        held_minor=V.held_minor - bindparam("freed_minor"),
        version=V.version + bindparam("changes"),
        events=V.events + 1,
    )
    .returning(*AFTER),
)
_SETTLE_CODE = Command(
    update(CODE)
    .where(K.id == bindparam("code_id"), K.held >= bindparam("freed"))
    .values(used=K.used + bindparam("kept"), held=K.held - bindparam("freed"))
)
_SETTLE_RECIPIENT = Command(
    update(RECIPIENT_USE)
    .where(
        U.campaign_id == bindparam("of_campaign"),
        U.recipient_id == bindparam("of_recipient"),
        U.day == bindparam("on_day"),
        U.held >= bindparam("freed"),
    )
    .values(used=U.used + bindparam("kept"), held=U.held - bindparam("freed"))
)
_SETTLE_BUDGET = Command(
    update(CAMPAIGN)
    .where(C.id == bindparam("campaign_id"))
    .values(
        used=C.used + bindparam("kept"),
        held=C.held - bindparam("freed"),
        used_minor=C.used_minor + bindparam("kept_minor"),
        held_minor=C.held_minor - bindparam("freed_minor"),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settlement:
    """What becomes of a hold, or of a part of it."""

    #: Uses and minor units that are kept as used, and that leave the held.
    kept: int = 0
    freed: int = 0
    kept_minor: int = 0
    freed_minor: int = 0


def capture(attempt: Attempt, asked: Capture) -> Answer | RefusedCall | Again:
    """Turn a hold, or a part of it, into a redemption.

    Raises:
        Undone: the card was blocked meanwhile, or another call settled the hold.
    """
    hold = _find(attempt, asked.hold_id)
    if not isinstance(hold, HoldRow):
        return hold
    amount = hold.left_minor if asked.amount_minor is None else asked.amount_minor
    if (against := _against(attempt, hold, asked, amount)) is not None:
        return against
    closing = asked.final or amount == hold.left_minor
    done = _Settlement(
        kept=hold.uses,
        freed=hold.uses,
        kept_minor=amount,
        freed_minor=hold.left_minor if closing else amount,
    )
    counted = not hold.uses or overridden(hold, hold.voucher_uses)[0] is not None
    after = _settle_voucher(attempt, hold, done, changes=int(counted))
    attempt.changed.append(hold.voucher_id)
    # A card that was blocked keeps what is on it; a use that was withdrawn is not taken.
    if after.status in ("blocked", "revoked", "deactivated"):
        raise Undone(refuse(Reason.BLOCKED if after.status == "blocked" else Reason.REVOKED))
    captured = _CAPTURE_HOLD.run(
        attempt.connection,
        hold_id=hold.id,
        seen=hold.captured_minor,
        captured=hold.captured_minor + amount,
        new_status=HoldStatus.CAPTURED if closing else HoldStatus.OPEN,
        closed=attempt.call.now if closing else None,
        now=attempt.call.now,
    )
    if captured != 1:
        raise Undone(WAIT)
    told = baskets.captured(
        attempt.connection,
        basket_id=hold.basket_id,
        basket_minor=hold.basket_minor,
        captured_minor=hold.captured_minor,
    )
    _settle_others(attempt, hold, done)
    entry = attempt.entry(
        EntryKind.REDEMPTION,
        voucher_id=hold.voucher_id,
        campaign_id=hold.campaign_id,
        code_id=hold.code_id,
        after=after,
        uses=hold.uses,
        amount_minor=-amount,
        currency=hold.currency,
        discount_minor=hold.discount_minor,
        on_code=hold.on_code,
        on_budget=hold.on_budget,
        on_recipient=hold.on_recipient,
        on_day=hold.on_day,
        hold_id=hold.id,
        basket_id=hold.basket_id,
        basket_minor=hold.basket_minor if hold.basket_id is not None else told,
    )
    if entry.receipt is None:
        entry = entry._replace(receipt=hold.receipt)
    data: dict[str, object] = {"hold_id": str(hold.id), "amount_minor": amount}
    if told is not None:
        data["basket_minor"] = told
    event = attempt.event(
        "captured",
        voucher_id=hold.voucher_id,
        campaign_id=hold.campaign_id,
        number=after.events,
        entry_id=entry.id,
        data=data,
    )
    attempt.book(entry, event)
    expire(attempt, hold.voucher_id)
    money = hold.holds_money
    part = {
        "redemption_id": str(entry.id),
        "hold_id": str(hold.id),
        "released_minor": done.freed_minor - amount if money else None,
        "applied_minor": amount if money else None,
        "voucher": answers.settled(hold, after),
        "discount": None,
    }
    return attempt.answer(
        {"outcome": "accepted", "redemptions": [part], "discount_minor": hold.discount_minor}
    )


def void(attempt: Attempt, hold_id: UUID) -> Answer | RefusedCall | Again:
    """Give back what a hold set aside.

    Raises:
        Undone: another call settled it meanwhile.
    """
    hold = _find(attempt, hold_id)
    if not isinstance(hold, HoldRow):
        return hold
    part = release(attempt, hold, status=HoldStatus.VOIDED)
    return attempt.answer({"outcome": "accepted", "holds": [part]})


def release(attempt: Attempt, hold: HoldRow, *, status: HoldStatus) -> dict[str, object]:
    """Free what is left of an open hold; returns it as tills are told.

    Raises:
        Undone: another call settled it meanwhile.
    """
    left = hold.left_minor
    done = _Settlement(freed=hold.uses, freed_minor=left)
    after = _settle_voucher(attempt, hold, done, changes=0)
    closed = _CLOSE_HOLD.run(
        attempt.connection,
        hold_id=hold.id,
        seen=hold.captured_minor,
        captured=hold.captured_minor,
        new_status=status,
        closed=attempt.call.now,
    )
    if closed != 1:
        raise Undone(WAIT)
    _settle_others(attempt, hold, done)
    event = attempt.event(
        "voided",
        voucher_id=hold.voucher_id,
        campaign_id=hold.campaign_id,
        number=after.events,
        data={"hold_id": str(hold.id), "amount_minor": left, "because": status.value},
    )
    attempt.book(event)
    expire(attempt, hold.voucher_id)
    return {
        "hold_id": str(hold.id),
        "expires_at": hold.expires_at.isoformat(),
        "held_minor": left if hold.holds_money else None,
        "voucher": answers.settled(hold, after),
        "discount": None,
    }


def _find(attempt: Attempt, hold_id: UUID) -> HoldRow | RefusedCall | Answer | Again:
    if (ending := attempt.claim(attempt.receipt_hash)) is not None:
        return ending
    hold = READ_HOLD.first(attempt.connection, hold_id=hold_id)
    if hold is None or not attempt.call.client.may_touch(hold.campaign_key):
        return refuse(Reason.UNKNOWN_HOLD)
    if hold.status == HoldStatus.LAPSED:
        return refuse(Reason.HOLD_EXPIRED)
    if hold.status != HoldStatus.OPEN:
        return refuse(Reason.HOLD_CLOSED)
    return hold


def _against(attempt: Attempt, hold: HoldRow, asked: Capture, amount: int) -> RefusedCall | None:
    """What stands against a capture before anything is written."""
    if hold.expires_at <= attempt.call.now:
        return refuse(Reason.HOLD_EXPIRED)
    if asked.currency is not None and asked.currency != hold.currency:
        return refuse(Reason.CURRENCY_MISMATCH, currency=hold.currency)
    if amount > hold.left_minor or (hold.uses and asked.amount_minor is not None):
        return refuse(Reason.CAPTURE_OVER_HOLD, left_minor=hold.left_minor, currency=hold.currency)
    receipt, store_id = attempt.call.origin.receipt, attempt.where.store_id
    if not hold.uses or receipt is None or (receipt, store_id) == (hold.receipt, hold.store_id):
        # On the receipt that it was held for it was decided already.
        return None
    terms = attempt.memory.terms_of(attempt.connection, hold.revision_id)
    if not rules.combinable(terms, decision.coupons_of(attempt)):
        return refuse(Reason.NOT_COMBINABLE)
    return None


def _settle_voucher(
    attempt: Attempt, hold: HoldRow, done: _Settlement, *, changes: int
) -> Counters:
    after = _SETTLE_VOUCHER.first(
        attempt.connection,
        voucher_id=hold.voucher_id,
        kept=done.kept,
        freed=done.freed,
        kept_minor=done.kept_minor,
        freed_minor=done.freed_minor,
        changes=changes,
    )
    if after is None:
        # The counters no longer hold it: it was settled since it was read.
        raise Undone(WAIT)
    return after


def _settle_others(attempt: Attempt, hold: HoldRow, done: _Settlement) -> None:
    connection, kept, freed = attempt.connection, done.kept, done.freed
    if hold.on_code:
        _SETTLE_CODE.run(connection, code_id=hold.code_id, kept=kept, freed=freed)
    days = ([""] if hold.on_recipient else []) + ([hold.on_day] if hold.on_day else [])
    for day in days:
        _SETTLE_RECIPIENT.run(
            connection,
            of_campaign=hold.campaign_id,
            of_recipient=hold.recipient_id,
            on_day=day,
            kept=kept,
            freed=freed,
        )
    if hold.on_budget:
        # A coupon's hold has its discount in the budget, a card's its money.
        _SETTLE_BUDGET.run(
            connection,
            campaign_id=hold.campaign_id,
            kept=kept,
            freed=freed,
            kept_minor=done.kept_minor + hold.discount_minor * kept,
            freed_minor=done.freed_minor + hold.discount_minor * freed,
        )
