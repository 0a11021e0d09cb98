"""PINs of gift cards: asked above an amount if the campaign says so, locked after three tries.

A try is counted before the PIN is looked at, in a transaction of its own, so that no number of
parallel calls looks at more PINs than the limit allows; a right PIN sets the count back. A locked
card is opened again by a supervisor's unblock.
"""

from __future__ import annotations

import hmac

from app.domain.refusals import Reason, Refused
from app.services import keys
from app.services.tills.attempt import Grant, No, PinAsked
from app.services.tills.requests import Item
from app.services.tills.sql import holds as sql
from app.store.keyring import Keyring
from app.store.session import Database

#: PINs that may be tried in a row.
TRIES = 3


def ask(grant: Grant, item: Item, *, verified: set[int]) -> None:
    """Let the item go on unless its PIN is wanted and was not verified in this call.

    Raises:
        No: no PIN came.
        PinAsked: one came, and has to be verified.
    """
    above = grant.found.terms.pin_above_minor
    wanted = grant.found.standing.holds_money and above is not None and grant.amount > above
    if not wanted or not grant.found.row.has_pin or grant.index in verified:
        return
    if item.pin is None:
        raise No(Refused(reason=Reason.PIN_REQUIRED, item=grant.index), grant.found)
    raise PinAsked(grant.found, index=grant.index, pin=item.pin)


def verify(database: Database, keyring: Keyring, asked: PinAsked) -> Refused | None:
    """Look at a PIN; the refusal when it is wrong or the card is locked."""
    bind = {"voucher_id": asked.found.voucher_id}
    with database.transaction() as connection:
        tried = connection.execute(sql.TRY_PIN, {**bind, "limit": TRIES}).scalar_one_or_none()
        if tried is None:
            return Refused(reason=Reason.PIN_LOCKED, item=asked.index)
        row = connection.execute(sql.READ_PIN, {"code_id": asked.found.row.code_id}).one()
    right = keyring.open(row.pin, row=keys.pin_row(row.lookup), key_id=row.key_id)
    if not hmac.compare_digest(right.encode(), asked.pin.encode()):
        left = TRIES - int(tried)
        return Refused(
            reason=Reason.PIN_WRONG if left else Reason.PIN_LOCKED,
            details={"tries_left": left},
            item=asked.index,
        )
    with database.transaction() as connection:
        connection.execute(sql.RESET_PIN, bind)
    return None
