"""The statements of holds and gift cards, made once at import like those of redemptions.

A hold counts in `held` beside `used`, on every counter that a redemption would count on; settling
moves it to `used`, or frees it, or both in parts. Each guard reads only columns of its own row.
"""

from __future__ import annotations

import typing
from typing import Any

from sqlalchemy import (
    BigInteger,
    Table,
    and_,
    bindparam,
    case,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from app.domain.ledger import RETURNS, EntryKind, HoldStatus
from app.services.tills.sql import (
    BUDGET_LEFT,
    CAMPAIGN,
    CODE,
    CODE_LEFT,
    HOLD,
    MONEY_LEFT,
    RECIPIENT_USE,
    USE_LEFT,
    USES,
    VOUCHER,
    C,
    E,
    H,
    K,
    U,
    V,
    count_recipient,
    receipt_seen,
)
from app.store.models import OperatorDay

OPERATOR_DAY = typing.cast(Table, OperatorDay.__table__)
D = OPERATOR_DAY.c

_AFTER = (V.used, V.uses, V.held, V.balance_minor, V.held_minor, V.events, V.status)

# -- setting aside: the counterparts of TAKE_… ------------------------------------------------

HOLD_USE = (
    update(VOUCHER)
    .where(
        V.id == bindparam("voucher_id"),
        V.status == bindparam("expected_status"),
        USE_LEFT,
    )
    .values(held=V.held + 1, uses=USES, events=V.events + 1)
    .returning(*_AFTER, receipt_seen())
)
HOLD_MONEY = (
    update(VOUCHER)
    .where(
        V.id == bindparam("voucher_id"),
        V.status == bindparam("expected_status"),
        MONEY_LEFT,
    )
    .values(held_minor=V.held_minor + bindparam("amount"), events=V.events + 1)
    .returning(*_AFTER)
)
HOLD_CODE = update(CODE).where(K.id == bindparam("code_id"), CODE_LEFT).values(held=K.held + 1)
HOLD_BUDGET = (
    update(CAMPAIGN)
    .where(
        C.id == bindparam("campaign_id"),
        BUDGET_LEFT,
    )
    .values(held=C.held + bindparam("taken"), held_minor=C.held_minor + bindparam("amount"))
)


HOLD_RECIPIENT = {
    postgresql: count_recipient("held", postgresql=postgresql) for postgresql in (False, True)
}

INSERT_HOLD = insert(HOLD)

# -- settling: `kept` goes to the used, `freed` leaves the held --

SETTLE_VOUCHER = (
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
    .returning(*_AFTER)
)
SETTLE_CODE = (
    update(CODE)
    .where(K.id == bindparam("code_id"), K.held >= bindparam("freed"))
    .values(used=K.used + bindparam("kept"), held=K.held - bindparam("freed"))
)
SETTLE_RECIPIENT = (
    update(RECIPIENT_USE)
    .where(
        U.campaign_id == bindparam("of_campaign"),
        U.recipient_id == bindparam("of_recipient"),
        U.day == bindparam("on_day"),
        U.held >= bindparam("freed"),
    )
    .values(used=U.used + bindparam("kept"), held=U.held - bindparam("freed"))
)
SETTLE_BUDGET = (
    update(CAMPAIGN)
    .where(C.id == bindparam("campaign_id"))
    .values(
        used=C.used + bindparam("kept"),
        held=C.held - bindparam("freed"),
        used_minor=C.used_minor + bindparam("kept_minor"),
        held_minor=C.held_minor - bindparam("freed_minor"),
    )
)

#: Capture a part or the rest; no row when the hold changed since it was read, or has ended.
CAPTURE_HOLD = update(HOLD).where(
    H.id == bindparam("hold_id"),
    H.status == HoldStatus.OPEN,
    H.captured_minor == bindparam("seen"),
    H.expires_at > bindparam("now", type_=H.expires_at.type),
)
CLOSE_HOLD = update(HOLD).where(
    H.id == bindparam("hold_id"),
    H.status == HoldStatus.OPEN,
    H.captured_minor == bindparam("seen"),
)

READ_HOLD = (
    select(
        HOLD,
        V.public_id,
        V.revision_id,
        V.recipient_id,
        V.code_id,
        V.campaign_id,
        V.status.label("voucher_status"),
        V.uses.label("voucher_uses"),
        V.starts_at,
        V.ends_at,
        C.key.label("campaign_key"),
        C.name.label("campaign_name"),
        C.kind.label("campaign_kind"),
        C.currency.label("campaign_currency"),
        C.source.label("campaign_source"),
        C.override,
        C.override_forced,
        C.timezone.label("campaign_timezone"),
    )
    .select_from(HOLD.join(VOUCHER, V.id == H.voucher_id).join(CAMPAIGN, C.id == V.campaign_id))
    .where(H.id == bindparam("hold_id"))
)
READ_LAPSED = (
    select(H.id)
    .where(
        H.voucher_id == bindparam("voucher_id"),
        H.status == HoldStatus.OPEN,
        H.expires_at <= bindparam("now", type_=H.expires_at.type),
    )
    .order_by(H.id)
)
LOCK_LAPSED = READ_LAPSED.with_for_update()
READ_DUE_HOLDS = (
    select(H.voucher_id)
    .where(H.status == HoldStatus.OPEN, H.expires_at <= bindparam("now", type_=H.expires_at.type))
    .distinct()
    .limit(bindparam("count", type_=BigInteger))
)
#: Campaigns whose override moves the end of their cards.
READ_OVERRIDES = select(C.id, C.override, C.override_forced).where(C.override.is_not(None))
#: Cards whose own end is over; `protected` are campaigns whose override ends later than now.
READ_DUE_CARDS = (
    select(V.id)
    .where(
        V.balance_minor > 0,
        V.ends_at <= bindparam("now", type_=V.ends_at.type),
        V.balance_minor > V.held_minor,
        V.campaign_id.not_in(bindparam("protected", expanding=True)),
    )
    .order_by(V.ends_at)
    .limit(bindparam("count", type_=BigInteger))
)

#: Cards of campaigns whose forced end is over, whatever their own end is.
READ_RECALLED_CARDS = (
    select(V.id)
    .where(
        V.balance_minor > 0,
        V.balance_minor > V.held_minor,
        V.campaign_id.in_(bindparam("recalled", expanding=True)),
    )
    .order_by(V.id)
    .limit(bindparam("count", type_=BigInteger))
)

#: Lock a voucher's row and read it whole; SQLite has one writer anyway.
LOCK_VOUCHER = (
    select(
        VOUCHER,
        C.kind.label("campaign_kind"),
        C.currency.label("campaign_currency"),
        C.timezone.label("campaign_timezone"),
        C.override,
        C.override_forced,
    )
    .select_from(VOUCHER.join(CAMPAIGN, C.id == V.campaign_id))
    .where(V.id == bindparam("voucher_id"))
    .with_for_update(of=VOUCHER)
)

# -- cards --

_MOVED = V.balance_minor + bindparam("amount")
#: Change balance and status; no row when the card changed status, or holds would not be covered.
MOVE_MONEY = (
    update(VOUCHER)
    .where(
        V.id == bindparam("voucher_id"),
        V.status == bindparam("expected_status"),
        V.held_minor <= _MOVED,
    )
    .values(
        balance_minor=_MOVED,
        status=bindparam("new_status"),
        # Blocking what is blocked shows nothing new.
        version=V.version
        + case(
            (and_(V.status == bindparam("new_status"), V.balance_minor == _MOVED), 0),
            else_=1,
        ),
        events=V.events + 1,
    )
    .returning(*_AFTER)
)
#: Take whatever is available, and leave the card in a status of no return.
EMPTY_CARD = (
    update(VOUCHER)
    .where(V.id == bindparam("voucher_id"), V.balance_minor == bindparam("balance"))
    .values(
        balance_minor=V.held_minor,
        status=bindparam("new_status"),
        version=V.version + 1,
        events=V.events + 1,
    )
    .returning(*_AFTER)
)
REPLACE = (
    update(VOUCHER)
    .where(V.id == bindparam("voucher_id"))
    .values(replaced_by_id=bindparam("successor_id"), version=V.version + 1)
)

#: What was captured of holds; the vouchers are named because the ledger is searched by them.
READ_CAPTURED = select(E.id).where(
    E.voucher_id.in_(bindparam("vouchers", expanding=True)),
    E.hold_id.in_(bindparam("holds", expanding=True)),
    E.kind == EntryKind.REDEMPTION,
)
#: What of a redemption was given back already, in minor units.
READ_RETURNED = select(func.coalesce(func.sum(E.amount_minor), 0)).where(
    E.refers_to_id == bindparam("entry_id"), E.kind.in_(list(RETURNS))
)

#: Refunds of a redemption that were undone: which, and when.
READ_UNDONE = select(E.details, E.created_at).where(
    E.refers_to_id == bindparam("entry_id"),
    E.kind == EntryKind.REFUND,
    E.amount_minor < 0,
)
#: The card that a refund's money was moved to, if its own was no more.
READ_MOVED = select(E.voucher_id).where(
    E.refers_to_id == bindparam("entry_id"),
    E.kind == EntryKind.TRANSFER,
    E.amount_minor > 0,
)

TRY_PIN = (
    update(VOUCHER)
    .where(V.id == bindparam("voucher_id"), V.pin_tries < bindparam("limit"))
    .values(pin_tries=V.pin_tries + 1)
    .returning(V.pin_tries)
)
RESET_PIN = (
    update(VOUCHER).where(V.id == bindparam("voucher_id"), V.pin_tries > 0).values(pin_tries=0)
)
READ_PIN = select(K.pin, K.lookup, K.key_id).where(K.id == bindparam("code_id"))


def _give_by_operator(postgresql: bool) -> Any:
    build = postgresql_insert if postgresql else sqlite_insert
    return (
        build(OPERATOR_DAY)
        .values(
            campaign_id=bindparam("campaign_id"),
            operator=bindparam("operator"),
            day=bindparam("day"),
            given_minor=bindparam("amount"),
        )
        .on_conflict_do_update(
            index_elements=[D.campaign_id, D.operator, D.day],
            set_={"given_minor": D.given_minor + bindparam("amount")},
            where=D.given_minor + bindparam("amount") <= bindparam("cap"),
        )
        .returning(D.id)
    )


GIVE_BY_OPERATOR = {postgresql: _give_by_operator(postgresql) for postgresql in (False, True)}

#: What an operator gave that day and took back does not count against the cap any more.
UNGIVE_BY_OPERATOR = (
    update(OPERATOR_DAY)
    .where(
        D.campaign_id == bindparam("of_campaign"),
        D.operator == bindparam("by_operator"),
        D.day == bindparam("on_day"),
    )
    .values(given_minor=D.given_minor - bindparam("amount"))
)
