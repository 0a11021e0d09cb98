"""Vouchers are read in one row each: as a till means them, or locked before they change.

What a redemption needs to know comes with the first row: whose turn it is, what the idempotency key
was answered before, the voucher, its code, its campaign, and whether the receipt has coupons.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    String,
    and_,
    bindparam,
    literal,
    literal_column,
    or_,
    select,
)
from sqlalchemy import exists as sql_exists

from app.domain import overrides
from app.domain.campaign import Source, Terms
from app.domain.kinds import KINDS
from app.domain.ledger import DEAD, REPLACED, EntryKind
from app.domain.overrides import Override
from app.domain.rules import Standing
from app.services.tills.tables import (
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
    mine,
)
from app.store.statements import Query, by_dialect


class KeyClaim(NamedTuple):
    """Whether the call is the only one at work on its key and receipt, and what was kept."""

    mine: bool
    record_status: int | None
    record_fingerprint: bytes | None
    record_body: str | None


class FoundRow(NamedTuple):
    """A code, a voucher or both, with the campaign; money in minor units."""

    voucher_id: int | None
    public_id: int | None
    key_id: int | None
    revision_id: int | None
    recipient_id: int | None
    status: str | None
    starts_at: dt.datetime | None
    ends_at: dt.datetime | None
    uses: int | None
    used: int | None
    held: int | None
    balance_minor: int | None
    held_minor: int | None
    replaced_by_id: int | None
    link_withdrawn_at: dt.datetime | None
    code_id: int | None
    code_limit: int | None
    code_used: int | None
    code_held: int | None
    code_free: bool | None
    code_amount: int | None
    has_pin: bool
    campaign_id: int
    campaign_key: str
    campaign_name: str
    kind: str
    authority: str
    source: str
    campaign_status: str
    currency: str | None
    timezone: str
    revision: int
    override: Mapping[str, object] | None
    override_forced: bool | None
    budget_uses: int | None
    budget_minor: int | None
    receipt_seen: bool


class Counters(NamedTuple):
    """A voucher's counters after a statement changed them; money in minor units."""

    used: int
    uses: int | None
    held: int
    balance_minor: int
    held_minor: int
    events: int
    status: str
    #: Whether the receipt has coupons, of statements that take a use.
    receipt_seen: bool = False


#: The columns of `Counters`.
AFTER = (V.used, V.uses, V.held, V.balance_minor, V.held_minor, V.events, V.status)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A voucher, or a code without one, as read for a call."""

    row: FoundRow
    standing: Standing
    terms: Terms


class Overridden(Protocol):
    """A row that has its campaign's override."""

    @property
    def override(self) -> Mapping[str, object] | None: ...
    @property
    def override_forced(self) -> bool | None: ...


class OfCampaign(Overridden, Protocol):
    """A row that has the campaign of its voucher beside it."""

    @property
    def recipient_id(self) -> int | None: ...
    @property
    def campaign_kind(self) -> str: ...
    @property
    def campaign_source(self) -> str: ...
    @property
    def ends_at(self) -> dt.datetime | None: ...


def override_of(row: Overridden) -> Override | None:
    """The override of a row's campaign; most have none."""
    if not row.override:
        return None
    return overrides.read(row.override, forced=bool(row.override_forced))


def overridden(row: OfCampaign, uses: int | None) -> tuple[int | None, dt.datetime | None]:
    """How often a voucher may be used and when it ends, its campaign's override included; None is
    without limit.

    Args:
        uses: as often as the voucher itself says.
    """
    override = override_of(row)
    if override is None:
        return uses, row.ends_at
    bare = row.campaign_source == Source.SHARED and row.recipient_id is None
    if not bare and not KINDS[row.campaign_kind].holds_money:
        uses = overrides.uses_for(uses, override)
    return uses, overrides.end_for(row.ends_at, override)


class LockedRow(NamedTuple):
    """A voucher that nobody else changes before the transaction ends."""

    id: int
    public_id: int
    campaign_id: int
    revision_id: int
    code_id: int | None
    recipient_id: int | None
    status: str
    ends_at: dt.datetime | None
    balance_minor: int
    held_minor: int
    replaced_by_id: int | None
    campaign_kind: str
    campaign_currency: str | None
    campaign_timezone: str
    override: Mapping[str, object] | None
    override_forced: bool | None

    @property
    def holds_money(self) -> bool:
        return KINDS[self.campaign_kind].holds_money

    def is_over(self, now: dt.datetime) -> bool:
        """Whether the voucher's time is over, its campaign's override counted."""
        override = override_of(self)
        ends_at = overrides.end_for(self.ends_at, override)
        return ends_at is not None and ends_at <= now

    def is_dead(self, now: dt.datetime) -> bool:
        """Whether it can take no money any more."""
        return self.status in DEAD or self.is_over(now)


#: Lock a voucher's row and read it; SQLite has one writer anyway.
LOCK_VOUCHER = Query(
    LockedRow,
    select(
        V.id,
        V.public_id,
        V.campaign_id,
        V.revision_id,
        V.code_id,
        V.recipient_id,
        V.status,
        V.ends_at,
        V.balance_minor,
        V.held_minor,
        V.replaced_by_id,
        C.kind.label("campaign_kind"),
        C.currency.label("campaign_currency"),
        C.timezone.label("campaign_timezone"),
        C.override,
        C.override_forced,
    )
    .select_from(VOUCHER.join(CAMPAIGN, C.id == V.campaign_id))
    .where(V.id == bindparam("voucher_id"))
    .with_for_update(of=VOUCHER),
)

# A code on its way in is nobody's until its import is complete; one that was taken is past that.
_USABLE = or_(
    K.import_job_id.is_(None),
    ~K.free,
    sql_exists().where(IMPORT.c.id == K.import_job_id, IMPORT.c.status == "complete"),
)

_FOUND: tuple[ColumnElement[Any], ...] = (
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

_KEPT: tuple[ColumnElement[Any], ...] = (
    R.status.label("record_status"),
    R.fingerprint.label("record_fingerprint"),
    R.body.label("record_body"),
)


def receipt_seen() -> ColumnElement[bool]:
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


def _read(*, by_code: bool, dialect: str) -> Select[tuple[Any, ...]]:
    """Everything a redemption reads, in one row, whether or not the voucher exists.

    On PostgreSQL it also tries to become the only one at work on this idempotency key and on
    this receipt; SQLite has one writer at a time anyway.
    """
    one = select(
        literal(1).label("one"), mine("key_hash", "receipt_hash", dialect=dialect)
    ).subquery("one")
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
        select(one.c.mine, *_KEPT, *_FOUND, receipt_seen())
        .select_from(found)
        # Two rows say that a code means several vouchers; more are not needed to say so.
        .limit(2)
    )


_BY_CODE = by_dialect(lambda dialect: _read(by_code=True, dialect=dialect))
_BY_TOKEN = by_dialect(lambda dialect: _read(by_code=False, dialect=dialect))
_CLAIMED = len(KeyClaim._fields)


def read(
    connection: Connection,
    bind: Mapping[str, object],
    *,
    public_id: int | None = None,
    lookup: bytes | None = None,
) -> tuple[KeyClaim, list[FoundRow]]:
    """Read what a token's public id or a code's lookup hash means: none, one, or two of several.

    Args:
        bind: of the call: `client_id`, `key`, `receipt`, `store_id`, and on PostgreSQL the hashes
            `key_hash` and `receipt_hash`.
    """
    dialect = connection.dialect.name
    if lookup is None:
        rows = connection.execute(_BY_TOKEN[dialect], {**bind, "public_id": public_id}).all()
    else:
        rows = connection.execute(_BY_CODE[dialect], {**bind, "lookup": lookup}).all()
    found = [FoundRow(*row[_CLAIMED:]) for row in rows if row.campaign_id is not None]
    return KeyClaim(*rows[0][:_CLAIMED]), found
