"""Gift cards beside spending: activate, load, adjust, block, unblock, deactivate.

Each is one entry of the ledger under the voucher's row lock. Money comes onto a card only by
opening, load, adjustment, refund or transfer, each with the operator who did it; a campaign may
cap what one operator gives in a day.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.domain import rules
from app.domain.ledger import DEAD, EntryKind
from app.domain.refusals import Reason
from app.services.resolving import ScannedPayload
from app.services.tills import answers, decision, lookup, operator_caps, pins
from app.services.tills.attempt import Attempt
from app.services.tills.counters import MOVE_MONEY
from app.services.tills.endings import WAIT, Again, RefusedCall, Undone, refuse
from app.services.tills.requests import Answer, CardAction, CardCall
from app.services.tills.voucher_rows import LOCK_VOUCHER, Found

_ENTRY = {
    CardAction.ACTIVATE: EntryKind.ACTIVATE,
    CardAction.LOAD: EntryKind.LOAD,
    CardAction.ADJUST: EntryKind.ADJUST,
    CardAction.BLOCK: EntryKind.BLOCK,
    CardAction.UNBLOCK: EntryKind.UNBLOCK,
    CardAction.DEACTIVATE: EntryKind.DEACTIVATE,
}
_EVENT = {
    CardAction.ACTIVATE: "activated",
    CardAction.LOAD: "loaded",
    CardAction.ADJUST: "adjusted",
    CardAction.BLOCK: "blocked",
    CardAction.UNBLOCK: "unblocked",
    CardAction.DEACTIVATE: "deactivated",
}
#: What puts money onto a card by somebody.
_GIVING = (CardAction.LOAD, CardAction.ADJUST, CardAction.ACTIVATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadCard:
    """What is to be done with a card, with its payload as it was understood."""

    card: CardCall
    reading: ScannedPayload


def act(attempt: Attempt, asked: ReadCard) -> Answer | RefusedCall | Again:
    """Do what is asked with the card that is meant.

    Raises:
        Undone: the operator's cap is against it, or the card changed meanwhile.
    """
    found = lookup.find(attempt, asked.reading)
    if isinstance(found, Found) and asked.card.action is CardAction.BLOCK:
        # Who blocks what was stolen may have its old number alone; that takes from nobody.
        found = lookup.living(attempt, found)
    if not isinstance(found, Found):
        return found
    return decision.without_voucher(found) or change(attempt, asked.card, found)


def change(attempt: Attempt, asked: CardCall, found: Found) -> Answer | RefusedCall:
    """Change the card that was found; raises as `act` does."""
    row, standing = found.row, found.standing
    status = _status_after(attempt, asked, found)
    if isinstance(status, RefusedCall):
        return status
    amount = asked.amount_minor
    if asked.action is CardAction.DEACTIVATE:
        # From the locked row: what was read before may have been spent or loaded since.
        card = LOCK_VOUCHER.one(attempt.connection, voucher_id=row.voucher_id)
        amount = card.held_minor - card.balance_minor
    if (against := _against(attempt, asked, found, amount)) is not None:
        return against
    after = MOVE_MONEY.first(
        attempt.connection,
        voucher_id=row.voucher_id,
        expected_status=row.status,
        new_status=status,
        amount=amount,
    )
    if after is None or row.voucher_id is None:
        raise Undone(WAIT)
    attempt.changed.append(row.voucher_id)
    details: dict[str, object] = {}
    if asked.action in _GIVING:
        details = operator_caps.count(
            attempt,
            found.terms.operator_cap_minor,
            campaign_id=row.campaign_id,
            currency=row.currency,
            amount=amount,
        )
    if asked.action is CardAction.UNBLOCK:
        pins.reset(attempt.connection, row.voucher_id)
    if asked.reason and asked.because:
        details["because"] = asked.because
    entry = attempt.entry(
        _ENTRY[asked.action],
        voucher_id=row.voucher_id,
        campaign_id=row.campaign_id,
        code_id=row.code_id,
        after=after,
        amount_minor=amount,
        currency=standing.currency,
        reason=asked.reason.value if asked.reason is not None else asked.because,
        details=details or None,
    )
    event = attempt.event(
        _EVENT[asked.action],
        voucher_id=row.voucher_id,
        campaign_id=row.campaign_id,
        number=after.events,
        entry_id=entry.id,
        data={"amount_minor": amount},
    )
    attempt.book(entry, event)
    return attempt.answer(
        {
            "outcome": "accepted",
            "action": asked.action.value,
            "entry_id": str(entry.id),
            "status": status,
            "applied_minor": amount if standing.holds_money else None,
            "voucher": answers.voucher(found, after),
        }
    )


def _against(attempt: Attempt, asked: CardCall, found: Found, amount: int) -> RefusedCall | None:
    """What stands against changing the card's balance by an amount."""
    standing, cap = found.standing, found.terms.load_cap_minor
    if amount and asked.currency is not None and asked.currency != standing.currency:
        return refuse(Reason.CURRENCY_MISMATCH, found, currency=standing.currency)
    from_page = attempt.call.client.from_page
    # Whatever the page's session calls it: it puts money on cards where their campaign says so.
    if amount > 0 and (asked.action is CardAction.LOAD or from_page):
        if cap is None and from_page:
            return refuse(Reason.NOT_LOADABLE, found)
        if cap is not None and amount > cap:
            return refuse(Reason.LOAD_CAP, found, cap_minor=cap, currency=standing.currency)
    available = rules.available(standing)
    if asked.action is not CardAction.DEACTIVATE and available + amount < 0:
        return refuse(
            Reason.INSUFFICIENT_BALANCE,
            found,
            available_minor=available,
            currency=standing.currency,
        )
    return None


def _status_after(attempt: Attempt, asked: CardCall, found: Found) -> str | RefusedCall:
    """The card's status afterwards, or the refusal of what its status does not allow."""
    standing, action = found.standing, asked.action
    money_only = action not in (CardAction.BLOCK, CardAction.UNBLOCK)
    if money_only and not standing.holds_money:
        return refuse(Reason.NOT_A_GIFT_CARD, found)
    if standing.replaced:
        return refuse(Reason.STALE_BARCODE, found)
    status = standing.status
    if action is CardAction.UNBLOCK:
        allowed = status in ("blocked", "active")
        return "active" if allowed else refuse(Reason.NOT_BLOCKED, found)
    if status in DEAD:
        return refuse(Reason.EXPIRED if status == "expired" else Reason.REVOKED, found)
    if action is CardAction.BLOCK:
        return "blocked"
    if action is CardAction.DEACTIVATE:
        return "deactivated"
    if action is CardAction.ADJUST:
        return status
    if action is CardAction.ACTIVATE:
        reason = Reason.ALREADY_ACTIVE if status == "active" else Reason.BLOCKED
        return "active" if status == "pending" else refuse(reason, found)
    against = rules.objections(
        standing, found.terms, place=attempt.where.place, basket=None, now=attempt.call.now
    )
    return RefusedCall(against[0], found) if against else status
