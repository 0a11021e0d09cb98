"""Taking and giving back: each guard is one conditional UPDATE over columns of its own row."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Integer, and_, bindparam, case, cast, or_, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from app.services.tills.sql.lookups import receipt_seen
from app.services.tills.sql.tables import (
    CAMPAIGN,
    CODE,
    RECIPIENT_USE,
    VOUCHER,
    C,
    K,
    U,
    V,
)

_AFTER = (V.used, V.uses, V.held, V.balance_minor, V.held_minor, V.events)

#: How many uses the voucher has, its campaign's override included; NULL is without limit. The
#: caller read it in the same transaction; what is counted against it is the row's own.
_ALLOWED = cast(bindparam("allowed"), Integer)
USE_LEFT = or_(_ALLOWED.is_(None), V.used + V.held < _ALLOWED)
MONEY_LEFT = V.balance_minor - V.held_minor >= bindparam("amount")
CODE_LEFT = or_(K.limit.is_(None), K.used + K.held < K.limit)
BUDGET_LEFT = and_(
    or_(C.budget_uses.is_(None), C.used + C.held + bindparam("taken") <= C.budget_uses),
    or_(
        C.budget_minor.is_(None),
        C.used_minor + C.held_minor + bindparam("amount") <= C.budget_minor,
    ),
)
#: Uses that an override added become the voucher's own when one is taken, so that the row's
#: counters never exceed its limit. Fewer do not: an override may be taken back.
USES = case((V.uses < _ALLOWED, _ALLOWED), else_=V.uses)

#: By how much a use grows the version: a pass that does not count its uses shows nothing of one.
COUNTED = case((_ALLOWED.is_(None), 0), else_=1)

#: Take one use; no row when the voucher cannot give it (any more).
TAKE_USE = (
    update(VOUCHER)
    .where(
        V.id == bindparam("voucher_id"),
        V.status == bindparam("expected_status"),
        USE_LEFT,
    )
    .values(used=V.used + 1, uses=USES, version=V.version + COUNTED, events=V.events + 1)
    .returning(*_AFTER, receipt_seen())
)

#: Take money; no row when what is available does not suffice.
TAKE_MONEY = (
    update(VOUCHER)
    .where(
        V.id == bindparam("voucher_id"),
        V.status == bindparam("expected_status"),
        MONEY_LEFT,
    )
    .values(
        balance_minor=V.balance_minor - bindparam("amount"),
        version=V.version + 1,
        events=V.events + 1,
    )
    .returning(*_AFTER)
)

TAKE_CODE = update(CODE).where(K.id == bindparam("code_id"), CODE_LEFT).values(used=K.used + 1)

TAKE_BUDGET = (
    update(CAMPAIGN)
    .where(
        C.id == bindparam("campaign_id"),
        BUDGET_LEFT,
    )
    .values(
        used=C.used + bindparam("taken"),
        used_minor=C.used_minor + bindparam("amount"),
    )
)


def count_recipient(counter: str, *, postgresql: bool) -> Any:
    """Count a use of a recipient as `used` or `held`, up to `limit`; no row when it is reached."""
    build = postgresql_insert if postgresql else sqlite_insert
    return (
        build(RECIPIENT_USE)
        .values(
            campaign_id=bindparam("campaign_id"),
            recipient_id=bindparam("recipient_id"),
            day=bindparam("day"),
            **{"used": 0, "held": 0, counter: 1},
        )
        .on_conflict_do_update(
            index_elements=[U.campaign_id, U.recipient_id, U.day],
            set_={counter: U[counter] + 1},
            where=U.used + U.held < bindparam("limit"),
        )
        .returning(U.id)
    )


TAKE_RECIPIENT = {
    postgresql: count_recipient("used", postgresql=postgresql) for postgresql in (False, True)
}

#: Give back: the counterparts of TAKE_…, for reversals.
GIVE_USE = (
    update(VOUCHER)
    .where(V.id == bindparam("voucher_id"), V.used >= 1)
    .values(used=V.used - 1, version=V.version + COUNTED, events=V.events + 1)
    .returning(*_AFTER)
)
GIVE_MONEY = (
    update(VOUCHER)
    .where(
        V.id == bindparam("voucher_id"),
        # Taking a load back gives less than nothing.
        V.balance_minor + bindparam("amount") >= V.held_minor,
    )
    .values(
        balance_minor=V.balance_minor + bindparam("amount"),
        version=V.version + 1,
        events=V.events + 1,
    )
    .returning(*_AFTER)
)
GIVE_CODE = update(CODE).where(K.id == bindparam("code_id"), K.used >= 1).values(used=K.used - 1)
GIVE_BUDGET = (
    update(CAMPAIGN)
    .where(C.id == bindparam("campaign_id"))
    .values(used=C.used - bindparam("taken"), used_minor=C.used_minor - bindparam("amount"))
)
GIVE_RECIPIENT = (
    update(RECIPIENT_USE)
    .where(
        U.campaign_id == bindparam("in_campaign"),
        U.recipient_id == bindparam("by_recipient"),
        U.day == bindparam("on_day"),
        U.used >= 1,
    )
    .values(used=U.used - 1)
)

#: Count a use that was reported although none was left.
COUNT_CONFLICT = (
    update(VOUCHER)
    .where(V.id == bindparam("voucher_id"))
    .values(conflicts=V.conflicts + 1, events=V.events + 1)
    .returning(*_AFTER)
)

#: Number the next event of a voucher, under its row lock.
NUMBER_EVENT = (
    update(VOUCHER)
    .where(V.id == bindparam("voucher_id"))
    .values(events=V.events + 1)
    .returning(V.events)
)
