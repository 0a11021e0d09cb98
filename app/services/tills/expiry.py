"""Money on a card whose time is over is booked as expired, as soon as it is available."""

from __future__ import annotations

from sqlalchemy import bindparam, update

from app.domain.ledger import DEAD, EntryKind
from app.services.tills.attempt import Attempt
from app.services.tills.endings import WAIT, Undone
from app.services.tills.tables import VOUCHER, V
from app.services.tills.voucher_rows import AFTER, LOCK_VOUCHER, Counters
from app.store.statements import Query

#: Take whatever is available, and leave the card in a status of no return.
_EMPTY_CARD = Query(
    Counters,
    update(VOUCHER)
    .where(V.id == bindparam("voucher_id"), V.balance_minor == bindparam("balance"))
    .values(
        balance_minor=V.held_minor,
        status=bindparam("new_status"),
        version=V.version + 1,
        events=V.events + 1,
    )
    .returning(*AFTER),
)


def expire(attempt: Attempt, voucher_id: int) -> int:
    """Book what is available on a card whose time is over; returns the minor units.

    Money that holds set aside stays until they are settled.

    Raises:
        Undone: another call changed the balance meanwhile.
    """
    card = LOCK_VOUCHER.one(attempt.connection, voucher_id=voucher_id)
    available = card.balance_minor - card.held_minor
    if not card.holds_money or not card.is_dead(attempt.call.now) or available == 0:
        return 0
    after = _EMPTY_CARD.first(
        attempt.connection,
        voucher_id=voucher_id,
        balance=card.balance_minor,
        new_status=card.status if card.status in DEAD else "expired",
    )
    if after is None:
        raise Undone(WAIT)
    entry = attempt.entry(
        EntryKind.EXPIRE,
        voucher_id=voucher_id,
        campaign_id=card.campaign_id,
        code_id=card.code_id,
        after=after,
        amount_minor=-available,
        currency=card.campaign_currency,
    )
    # Whoever's call found it, it was nobody's doing.
    nobody = entry._replace(
        store_id=None, terminal_id=None, api_key_id=None, operator=None, receipt=None
    )
    event = attempt.event(
        "expired",
        voucher_id=voucher_id,
        campaign_id=card.campaign_id,
        number=after.events,
        entry_id=entry.id,
        data={"amount_minor": available},
    )
    attempt.book(nobody, event)
    return available
