"""What is read beside the first row: places, terms, the receipt, and entries to be taken back."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    String,
    and_,
    bindparam,
    literal_column,
    or_,
    select,
    union_all,
)
from sqlalchemy import exists as sql_exists

from app.domain.ledger import EntryKind
from app.services.tills.sql.tables import (
    CAMPAIGN,
    ENTRY,
    HOLD,
    RECIPIENT,
    REVISION,
    STORE,
    TERMINAL,
    VOUCHER,
    C,
    E,
    H,
    V,
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

#: The language of a recipient, for what a till says to them.
READ_LANGUAGE = select(RECIPIENT.c.language).where(RECIPIENT.c.id == bindparam("recipient_id"))

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
        V.uses.label("voucher_uses"),
        V.ends_at,
        C.key.label("campaign_key"),
        C.name.label("campaign_name"),
        C.kind.label("campaign_kind"),
        C.currency.label("campaign_currency"),
        C.source.label("campaign_source"),
        C.override,
        C.override_forced,
        STORE.c.timezone.label("store_timezone"),
    )
    .select_from(
        ENTRY.join(VOUCHER, V.id == E.voucher_id)
        .join(CAMPAIGN, C.id == E.campaign_id)
        .outerjoin(STORE, STORE.c.id == E.store_id)
    )
    .where(
        E.id.in_(bindparam("ids", expanding=True)),
        E.kind.in_([EntryKind.REDEMPTION, EntryKind.LOAD, EntryKind.ACTIVATE, EntryKind.REFUND]),
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
