"""The statements of the till's path, made once at import.

A redemption is few round trips: read what it needs, take from the voucher, take from the code
and the budget where they have a limit, write the books. Each guard is one conditional UPDATE that
reads only columns of its own row; on PostgreSQL the three inserts of the books are one statement.
"""

from __future__ import annotations

import typing
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    Table,
    and_,
    bindparam,
    cast,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    update,
)
from sqlalchemy import exists as sql_exists
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from app.store.models import (
    Campaign,
    Code,
    Entry,
    Event,
    IdempotencyRecord,
    ImportJob,
    Revision,
    Store,
    Terminal,
    Voucher,
)

VOUCHER, CODE, CAMPAIGN, ENTRY, EVENT, RECORD, REVISION, STORE, TERMINAL, IMPORT = (
    typing.cast(Table, model.__table__)
    for model in (
        Voucher,
        Code,
        Campaign,
        Entry,
        Event,
        IdempotencyRecord,
        Revision,
        Store,
        Terminal,
        ImportJob,
    )
)
V, K, C, E, R = VOUCHER.c, CODE.c, CAMPAIGN.c, ENTRY.c, RECORD.c

# A code on its way in is nobody's until its import is complete; one that was taken is past that.
_USABLE = or_(
    K.import_job_id.is_(None),
    ~K.free,
    sql_exists().where(IMPORT.c.id == K.import_job_id, IMPORT.c.status == "complete"),
)

_COLUMNS: tuple[ColumnElement[Any], ...] = (
    V.id.label("voucher_id"),
    V.public_id,
    V.revision_id,
    V.recipient_id,
    V.status,
    V.starts_at,
    V.ends_at,
    V.uses,
    V.used,
    V.held,
    V.balance_minor,
    V.held_minor,
    V.replaced_by_id,
    K.id.label("code_id"),
    K.limit.label("code_limit"),
    K.used.label("code_used"),
    K.held.label("code_held"),
    K.amount_minor.label("code_amount"),
    C.id.label("campaign_id"),
    C.key.label("campaign_key"),
    C.name.label("campaign_name"),
    C.kind,
    C.authority,
    C.source,
    C.status.label("campaign_status"),
    C.currency,
    C.timezone,
    C.revision,
    C.override,
    C.override_forced,
    C.budget_uses,
    C.budget_minor,
)

_RECORD: tuple[ColumnElement[Any], ...] = (
    R.status.label("record_status"),
    R.fingerprint.label("record_fingerprint"),
    R.body.label("record_body"),
)

_RECEIPT_SEEN = sql_exists(
    select(1)
    .where(
        E.receipt == bindparam("receipt"),
        E.store_id == bindparam("store_id"),
        E.kind == "redemption",
    )
    .correlate(None)
).label("receipt_seen")


def _one(*columns: ColumnElement[Any]) -> FromClause:
    return select(literal(1).label("one"), *columns).subquery("one")


def _resolve(*, by_code: bool, postgresql: bool) -> Select[tuple[Any, ...]]:
    """Everything a redemption reads, in one row, whether or not the voucher exists.

    On PostgreSQL it also tries to become the only one at work on this idempotency key.
    """
    mine = (
        func.pg_try_advisory_xact_lock(cast(bindparam("key_hash"), BigInteger))
        if postgresql
        else true()
    )
    one = _one(mine.label("mine"))
    found = one.outerjoin(
        RECORD, and_(R.api_key_id == bindparam("client_id"), R.key == bindparam("key"))
    )
    if by_code:
        found = (
            found.outerjoin(CODE, and_(K.lookup == bindparam("lookup"), _USABLE))
            .outerjoin(CAMPAIGN, C.id == K.campaign_id)
            .outerjoin(
                VOUCHER,
                and_(
                    V.code_id == K.id,
                    V.replaced_by_id.is_(None),
                    # Of a shared code only the voucher that belongs to nobody is meant.
                    or_(C.source != "shared", V.recipient_id.is_(None)),
                ),
            )
        )
    else:
        found = (
            found.outerjoin(VOUCHER, V.public_id == bindparam("public_id"))
            .outerjoin(CAMPAIGN, C.id == V.campaign_id)
            .outerjoin(CODE, K.id == V.code_id)
        )
    return (
        select(one.c.mine, *_RECORD, *_COLUMNS, _RECEIPT_SEEN)
        .select_from(found)
        # Two rows say that a code means several vouchers; more are not needed to say so.
        .limit(2)
    )


RESOLVE = {
    (by_code, postgresql): _resolve(by_code=by_code, postgresql=postgresql)
    for by_code in (False, True)
    for postgresql in (False, True)
}

#: Take one use; no row when the voucher cannot give it (any more).
TAKE_USE = (
    update(VOUCHER)
    .where(
        V.id == bindparam("voucher_id"),
        V.status == bindparam("expected_status"),
        or_(V.uses.is_(None), V.used + V.held < V.uses),
    )
    .values(used=V.used + 1, version=V.version + 1, events=V.events + 1)
    .returning(V.used, V.uses, V.held, V.balance_minor, V.held_minor, V.events)
)

#: Take money; no row when what is available does not suffice.
TAKE_MONEY = (
    update(VOUCHER)
    .where(
        V.id == bindparam("voucher_id"),
        V.status == bindparam("expected_status"),
        V.balance_minor - V.held_minor >= bindparam("amount"),
    )
    .values(
        balance_minor=V.balance_minor - bindparam("amount"),
        version=V.version + 1,
        events=V.events + 1,
    )
    .returning(V.used, V.uses, V.held, V.balance_minor, V.held_minor, V.events)
)

TAKE_CODE = (
    update(CODE)
    .where(K.id == bindparam("code_id"), or_(K.limit.is_(None), K.used + K.held < K.limit))
    .values(used=K.used + 1)
)

TAKE_BUDGET = (
    update(CAMPAIGN)
    .where(
        C.id == bindparam("campaign_id"),
        or_(C.budget_uses.is_(None), C.used + C.held + 1 <= C.budget_uses),
        or_(
            C.budget_minor.is_(None),
            C.used_minor + C.held_minor + bindparam("amount") <= C.budget_minor,
        ),
    )
    .values(used=C.used + 1, used_minor=C.used_minor + bindparam("amount"))
)

#: Number the next event of a voucher, under its row lock.
NUMBER_EVENT = (
    update(VOUCHER)
    .where(V.id == bindparam("voucher_id"))
    .values(events=V.events + 1)
    .returning(V.events)
)

_ENTRY_NAMES = tuple(column.name for column in ENTRY.columns)
_EVENT_NAMES = tuple(
    column.name for column in EVENT.columns if column.name not in ("id", "transaction")
)
_RECORD_NAMES = tuple(column.name for column in RECORD.columns)

INSERT_ENTRY = insert(ENTRY).values({name: bindparam(f"entry_{name}") for name in _ENTRY_NAMES})

_TRANSACTION = cast(cast(func.pg_current_xact_id(), E.kind.type), BigInteger)


def _event_values(*, postgresql: bool) -> dict[str, ColumnElement[Any]]:
    values: dict[str, ColumnElement[Any]] = {
        name: bindparam(f"event_{name}") for name in _EVENT_NAMES
    }
    if postgresql:
        values["transaction"] = _TRANSACTION
    return values


INSERT_EVENT = {
    postgresql: insert(EVENT).values(_event_values(postgresql=postgresql))
    for postgresql in (False, True)
}

_RECORD_VALUES: dict[str, ColumnElement[Any]] = {
    name: bindparam(f"record_{name}") for name in _RECORD_NAMES
}

#: Keep an answer under its key; no row when the key was used meanwhile.
INSERT_RECORD = {
    False: sqlite_insert(RECORD).values(_RECORD_VALUES).on_conflict_do_nothing().returning(R.key),
    True: postgresql_insert(RECORD)
    .values(_RECORD_VALUES)
    .on_conflict_do_nothing()
    .returning(R.key),
}

#: PostgreSQL: an entry, its event and the kept answer in one round trip.
BOOK = (
    postgresql_insert(RECORD)
    .values(_RECORD_VALUES)
    .on_conflict_do_nothing()
    .add_cte(
        postgresql_insert(ENTRY)
        .values({name: bindparam(f"entry_{name}") for name in _ENTRY_NAMES})
        .cte("booked"),
        postgresql_insert(EVENT).values(_event_values(postgresql=True)).cte("noted"),
    )
    .returning(R.key)
)

READ_RECORD = select(R.status, R.fingerprint, R.body).where(
    R.api_key_id == bindparam("client_id"), R.key == bindparam("key")
)

READ_REVISION = select(REVISION.c.terms).where(REVISION.c.id == bindparam("revision_id"))

READ_STORE = select(
    STORE.c.id,
    STORE.c.key,
    STORE.c.name,
    STORE.c.channel,
    STORE.c.timezone,
    STORE.c.language,
).where(
    or_(
        STORE.c.id == bindparam("id", type_=BigInteger),
        STORE.c.key == bindparam("key"),
    ),
    STORE.c.closed_at.is_(None),
)

READ_TERMINAL = select(TERMINAL.c.id, TERMINAL.c.key).where(
    TERMINAL.c.store_id == bindparam("store_id"),
    or_(
        TERMINAL.c.id == bindparam("id", type_=BigInteger),
        TERMINAL.c.key == bindparam("key"),
    ),
    TERMINAL.c.closed_at.is_(None),
)

#: The latest redemption of a voucher that was not taken back: when, where, on which receipt.
_REVERSAL = ENTRY.alias("reversal")
READ_LAST_USE = (
    select(E.created_at, E.receipt, E.store_id, E.terminal_id, STORE.c.name)
    .select_from(ENTRY.outerjoin(STORE, STORE.c.id == E.store_id))
    .where(
        E.voucher_id == bindparam("voucher_id"),
        E.kind == "redemption",
        ~sql_exists(select(1).where(_REVERSAL.c.refers_to_id == E.id)),
    )
    .order_by(E.created_at.desc())
    .limit(1)
)
