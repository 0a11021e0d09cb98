"""PINs of gift cards are looked at, and locked after three wrong ones.

A try is counted before the PIN is looked at, in a transaction of its own, so that no number of
parallel calls looks at more PINs than the limit allows; a right PIN sets the count back. A locked
card is opened again by a supervisor's unblock.
"""

from __future__ import annotations

import hmac
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, select, update

from app.domain.refusals import Reason
from app.services import keys
from app.services.tills.endings import Again, RefusedCall, refuse
from app.services.tills.tables import VOUCHER, K, V
from app.store.keyring import Keyring
from app.store.session import Database
from app.store.statements import Command, Query

#: PINs that may be tried in a row.
TRIES = 3


class _Tries(NamedTuple):
    pin_tries: int


class _PinRow(NamedTuple):
    pin: bytes
    lookup: bytes
    key_id: int


_TRY = Query(
    _Tries,
    update(VOUCHER)
    .where(V.id == bindparam("voucher_id"), V.pin_tries < bindparam("limit"))
    .values(pin_tries=V.pin_tries + 1)
    .returning(V.pin_tries),
)
_RESET = Command(
    update(VOUCHER).where(V.id == bindparam("voucher_id"), V.pin_tries > 0).values(pin_tries=0)
)
_READ = Query(_PinRow, select(K.pin, K.lookup, K.key_id).where(K.id == bindparam("code_id")))


def reset(connection: Connection, voucher_id: int) -> None:
    """Forget the tries at a card's PIN."""
    _RESET.run(connection, voucher_id=voucher_id)


def verify(database: Database, keyring: Keyring, asked: Again) -> RefusedCall | None:
    """Look at the PIN of an item; the refusal when it is wrong or the card is locked."""
    found = asked.found
    if found is None or found.row.voucher_id is None:
        raise ValueError("A PIN is verified of a card: say which.")
    with database.transaction() as connection:
        tried = _TRY.first(connection, voucher_id=found.row.voucher_id, limit=TRIES)
        if tried is None:
            return refuse(Reason.PIN_LOCKED, found, item=asked.item)
        row = _READ.one(connection, code_id=found.row.code_id)
    right = keyring.open(row.pin, row=keys.pin_row(row.lookup), key_id=row.key_id)
    if not hmac.compare_digest(right.encode(), asked.pin.encode()):
        left = TRIES - tried.pin_tries
        reason = Reason.PIN_WRONG if left else Reason.PIN_LOCKED
        return refuse(reason, found, item=asked.item, tries_left=left)
    with database.transaction() as connection:
        reset(connection, found.row.voucher_id)
    return None
