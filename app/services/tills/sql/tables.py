"""The tables that the till's path writes and reads, under short names."""

from __future__ import annotations

import typing

from sqlalchemy import Table

from app.store.models import (
    Campaign,
    Code,
    Entry,
    Event,
    Hold,
    IdempotencyRecord,
    ImportJob,
    Recipient,
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
    RECIPIENT,
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
        Recipient,
        RecipientUse,
        ImportJob,
        Hold,
    )
)
V, K, C, E, R, U = VOUCHER.c, CODE.c, CAMPAIGN.c, ENTRY.c, RECORD.c, RECIPIENT_USE.c
H = HOLD.c
