"""Tills write and read these tables, under short names; with what many statements ask of them."""

from __future__ import annotations

import typing
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Table,
    and_,
    bindparam,
    cast,
    exists,
    func,
    select,
    true,
)

from app.store.models import (
    Campaign,
    Code,
    Entry,
    Event,
    Hold,
    IdempotencyRecord,
    ImportJob,
    OperatorDay,
    Recipient,
    RecipientUse,
    Revision,
    Store,
    Terminal,
    Voucher,
)
from app.store.statements import POSTGRESQL

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
    OPERATOR_DAY,
    RECIPIENT,
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
        OperatorDay,
        Recipient,
    )
)
V, K, C, E, R, U = VOUCHER.c, CODE.c, CAMPAIGN.c, ENTRY.c, RECORD.c, RECIPIENT_USE.c
H, D, S = HOLD.c, OPERATOR_DAY.c, STORE.c


class RowId(NamedTuple):
    """A row of any table whose rows are numbered."""

    id: int


class LineId(NamedTuple):
    """A hold or an entry."""

    id: UUID


def mine(*names: str, dialect: str) -> ColumnElement[bool]:
    """Whether this transaction could lock every name whose hash is given."""
    if dialect != POSTGRESQL:
        return true().label("mine")
    hashes = [cast(bindparam(name), BigInteger) for name in names]
    return and_(
        *(
            func.coalesce(func.pg_try_advisory_xact_lock(hash_, type_=Boolean), true())
            for hash_ in hashes
        )
    ).label("mine")


_RETURN = ENTRY.alias("return_entry")


def not_returned() -> ColumnElement[bool]:
    """Whether no entry takes an entry back."""
    taken_back = select(1).select_from(_RETURN).where(_RETURN.c.refers_to_id == E.id)
    return ~exists(taken_back.correlate(ENTRY))
