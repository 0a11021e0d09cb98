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
    Boolean,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    String,
    Table,
    and_,
    bindparam,
    case,
    cast,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    true,
    union_all,
    update,
)
from sqlalchemy import exists as sql_exists
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from app.domain.ledger import EntryKind
from app.store.models import (
    Campaign,
    Code,
    Entry,
    Event,
    Hold,
    IdempotencyRecord,
    ImportJob,
    RecipientUse,
    Revision,
    Store,
    Terminal,
    Voucher,
)

(
    VOUCHER,
    CODE,
    CAMPAIGN,
    ENTRY,
    EVENT,
    RECORD,
    REVISION,
    STORE,
    TERMINAL,
    RECIPIENT_USE,
    IMPORT,
    HOLD,
) = (
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
        RecipientUse,
        ImportJob,
        Hold,
    )
)
V, K, C, E, R, U = VOUCHER.c, CODE.c, CAMPAIGN.c, ENTRY.c, RECORD.c, RECIPIENT_USE.c
H = HOLD.c

# A code on its way in is nobody's until its import is complete; one that was taken is past that.
_USABLE = or_(
    K.import_job_id.is_(None),
    ~K.free,
    sql_exists().where(IMPORT.c.id == K.import_job_id, IMPORT.c.status == "complete"),
)

_COLUMNS: tuple[ColumnElement[Any], ...] = (
    V.id.label("voucher_id"),
    V.public_id,
    V.key_id,
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
    K.pin.is_not(None).label("has_pin"),
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


def receipt_seen() -> ColumnElement[Any]:
    """Whether the receipt has coupons already, redeemed or set aside.

    A receipt's number counts within its store.
    """
    receipt = bindparam("receipt", type_=String)
    store_id = bindparam("store_id", type_=BigInteger)
    redeemed = sql_exists(
        select(1)
        .select_from(ENTRY)
        .where(
            E.receipt == receipt,
            E.store_id == store_id,
            E.kind == EntryKind.REDEMPTION,
            E.uses > 0,
        )
        .correlate(None)
    )
    held = sql_exists(
        select(1)
        .select_from(HOLD)
        .where(
            H.receipt == receipt,
            H.store_id == store_id,
            # Written out, so that the index of open holds with a receipt is used.
            H.status == literal_column("'open'"),
            H.uses > 0,
        )
        .correlate(None)
    )
    return or_(redeemed, held).label("receipt_seen")


def _one(*columns: ColumnElement[Any]) -> FromClause:
    return select(literal(1).label("one"), *columns).subquery("one")


def _mine(*names: str, postgresql: bool) -> ColumnElement[Any]:
    """Whether this transaction could lock every name whose hash is given."""
    if not postgresql:
        return true().label("mine")
    hashes = [cast(bindparam(name), BigInteger) for name in names]
    return and_(
        *(
            func.coalesce(func.pg_try_advisory_xact_lock(hash_, type_=Boolean), true())
            for hash_ in hashes
        )
    ).label("mine")


def _resolve(*, by_code: bool, postgresql: bool) -> Select[tuple[Any, ...]]:
    """Everything a redemption reads, in one row, whether or not the voucher exists.

    On PostgreSQL it also tries to become the only one at work on this idempotency key and on
    this receipt; SQLite has one writer at a time anyway.
    """
    one = _one(_mine("key_hash", "receipt_hash", postgresql=postgresql))
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
                    # A card that was replaced gave its number on; a code that was given up for
                    # another when its voucher was issued anew is found, and refused.
                    or_(V.replaced_by_id.is_(None), V.status == "replaced"),
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
        select(one.c.mine, *_RECORD, *_COLUMNS, receipt_seen())
        .select_from(found)
        # Two rows say that a code means several vouchers; more are not needed to say so.
        .limit(2)
    )


RESOLVE = {
    (by_code, postgresql): _resolve(by_code=by_code, postgresql=postgresql)
    for by_code in (False, True)
    for postgresql in (False, True)
}

_AFTER = (V.used, V.uses, V.held, V.balance_minor, V.held_minor, V.events)

#: How many uses the voucher has, its campaign's override included; NULL is without limit. The
#: caller read it in the same transaction; what is counted against it is the row's own.
_ALLOWED = cast(bindparam("allowed"), Integer)
USE_LEFT = or_(_ALLOWED.is_(None), V.used + V.held < _ALLOWED)
#: Uses that an override added become the voucher's own when one is taken, so that the row's
#: counters never exceed its limit. Fewer do not: an override may be taken back.
USES = case((V.uses < _ALLOWED, _ALLOWED), else_=V.uses)

#: Take one use; no row when the voucher cannot give it (any more).
TAKE_USE = (
    update(VOUCHER)
    .where(
        V.id == bindparam("voucher_id"),
        V.status == bindparam("expected_status"),
        USE_LEFT,
    )
    .values(used=V.used + 1, uses=USES, version=V.version + 1, events=V.events + 1)
    .returning(*_AFTER, receipt_seen())
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
    .returning(*_AFTER)
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
        or_(C.budget_uses.is_(None), C.used + C.held + bindparam("taken") <= C.budget_uses),
        or_(
            C.budget_minor.is_(None),
            C.used_minor + C.held_minor + bindparam("amount") <= C.budget_minor,
        ),
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
    .values(used=V.used - 1, version=V.version + 1, events=V.events + 1)
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

ENTRY_NAMES = tuple(column.name for column in ENTRY.columns)
EVENT_NAMES = tuple(
    column.name for column in EVENT.columns if column.name not in ("id", "transaction")
)
_RECORD_NAMES = tuple(column.name for column in RECORD.columns)

INSERT_ENTRY = insert(ENTRY).values({name: bindparam(f"entry_{name}") for name in ENTRY_NAMES})

_TRANSACTION = cast(cast(func.pg_current_xact_id(), E.kind.type), BigInteger)


def _event_values(*, postgresql: bool) -> dict[str, ColumnElement[Any]]:
    values: dict[str, ColumnElement[Any]] = {
        name: bindparam(f"event_{name}") for name in EVENT_NAMES
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
        .values({name: bindparam(f"entry_{name}") for name in ENTRY_NAMES})
        .cte("booked"),
        postgresql_insert(EVENT).values(_event_values(postgresql=True)).cte("noted"),
    )
    .returning(R.key)
)

#: Try to become the only one at work on two keys: a reversal's own, and the one it reverses.
CLAIM = {
    postgresql: select(_mine("key_hash", "other_hash", postgresql=postgresql))
    for postgresql in (False, True)
}

READ_RECORD = select(R.status, R.fingerprint, R.body).where(
    R.api_key_id == bindparam("client_id"), R.key == bindparam("key")
)

READ_REVISION = select(REVISION.c.terms).where(REVISION.c.id == bindparam("revision_id"))

#: A store, by id or key, with one of its terminals.
READ_PLACE = (
    select(
        STORE.c.id,
        STORE.c.key,
        STORE.c.channel,
        STORE.c.timezone,
        STORE.c.language,
        TERMINAL.c.id.label("terminal_id"),
        TERMINAL.c.key.label("terminal_key"),
    )
    .select_from(
        STORE.outerjoin(
            TERMINAL,
            and_(
                TERMINAL.c.store_id == STORE.c.id,
                or_(
                    TERMINAL.c.id == bindparam("terminal_id", type_=BigInteger),
                    TERMINAL.c.key == bindparam("terminal", type_=String),
                ),
                TERMINAL.c.closed_at.is_(None),
            ),
        )
    )
    .where(
        or_(
            STORE.c.id == bindparam("store_id", type_=BigInteger),
            STORE.c.key == bindparam("store", type_=String),
        ),
        STORE.c.closed_at.is_(None),
    )
)

_RETURN = ENTRY.alias("return_entry")


def _not_returned() -> ColumnElement[bool]:
    return ~sql_exists(
        select(1).select_from(_RETURN).where(_RETURN.c.refers_to_id == E.id).correlate(ENTRY)
    )


#: The latest use of a voucher that was not taken back: when, where, on which receipt.
READ_LAST_USE = (
    select(E.created_at, E.receipt, E.store_id, STORE.c.name.label("store_name"))
    .select_from(ENTRY.outerjoin(STORE, STORE.c.id == E.store_id))
    .where(
        E.voucher_id == bindparam("voucher_id"),
        E.kind.in_([EntryKind.REDEMPTION, EntryKind.REPORT]),
        _not_returned(),
    )
    .order_by(E.created_at.desc())
    .limit(1)
)

#: The coupons of a receipt, set aside or redeemed and not taken back, by the revision whose
#: terms they keep.
READ_RECEIPT = union_all(
    select(V.revision_id)
    .select_from(ENTRY.join(VOUCHER, V.id == E.voucher_id))
    .where(
        E.receipt == bindparam("receipt", type_=String),
        E.store_id == bindparam("store_id", type_=BigInteger),
        E.kind == EntryKind.REDEMPTION,
        E.uses > 0,
        _not_returned(),
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
)

#: Entries to be taken back, with what that needs to know.
READ_ENTRIES = (
    select(
        ENTRY,
        V.public_id,
        V.revision_id,
        V.recipient_id,
        V.status,
        V.ends_at,
        C.key.label("campaign_key"),
        C.name.label("campaign_name"),
        C.kind.label("campaign_kind"),
        C.currency.label("campaign_currency"),
        STORE.c.timezone.label("store_timezone"),
    )
    .select_from(
        ENTRY.join(VOUCHER, V.id == E.voucher_id)
        .join(CAMPAIGN, C.id == E.campaign_id)
        .outerjoin(STORE, STORE.c.id == E.store_id)
    )
    .where(
        E.id.in_(bindparam("ids", expanding=True)),
        E.kind.in_([EntryKind.REDEMPTION, EntryKind.LOAD, EntryKind.ACTIVATE]),
    )
)

#: Whether an entry was taken back, and when last.
READ_RETURN = (
    select(E.created_at)
    .where(
        E.refers_to_id == bindparam("entry_id"),
        E.kind.in_([EntryKind.REVERSAL, EntryKind.REFUND]),
    )
    .order_by(E.created_at.desc())
    .limit(1)
)
