"""What a call begins with: whose turn it is, and everything that a redemption reads, in one row."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    FromClause,
    Select,
    String,
    and_,
    bindparam,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
)
from sqlalchemy import exists as sql_exists

from app.domain.ledger import REPLACED, EntryKind
from app.services.tills.sql.tables import (
    CAMPAIGN,
    CODE,
    ENTRY,
    HOLD,
    IMPORT,
    RECORD,
    VOUCHER,
    C,
    E,
    H,
    K,
    R,
    V,
)

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
    V.link_withdrawn_at,
    K.id.label("code_id"),
    K.limit.label("code_limit"),
    K.used.label("code_used"),
    K.held.label("code_held"),
    K.free.label("code_free"),
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
                    or_(V.replaced_by_id.is_(None), V.status == REPLACED),
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


#: Try to become the only one at work on two keys: a reversal's own, and the one it reverses.
CLAIM = {
    postgresql: select(_mine("key_hash", "other_hash", postgresql=postgresql))
    for postgresql in (False, True)
}
