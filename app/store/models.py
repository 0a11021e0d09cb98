"""The tables.

Conventions: surrogate integer keys inside, unguessable public ids outside; money in integer minor
units beside its currency; times in UTC; `StrEnum` values as text. Guard counters stand on the row
whose limit they guard, so that one conditional UPDATE decides. Ledger entries and events hold
surrogate ids only, so that a person can be forgotten and the books stay whole.
"""

from __future__ import annotations

import datetime as dt
import secrets
import time
import uuid
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Date,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from app.domain.birthdays import day_number


class Instant(TypeDecorator[dt.datetime]):
    """An aware UTC moment. SQLite has no zones, so it stores UTC and gets the zone back here."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("A stored time needs a zone: pass an aware datetime.")
        value = value.astimezone(dt.UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(
        self, value: dt.datetime | None, dialect: Dialect
    ) -> dt.datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


def new_id() -> uuid.UUID:
    """A UUID of version 7 (RFC 9562): unguessable, yet in time's order, so that indexes stay
    compact.
    """
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds << 80) | secrets.randbits(80)
    value = value & ~(0xF << 76) | (0x7 << 76)
    return uuid.UUID(int=value & ~(0x3 << 62) | (0x2 << 62))


# SQLite only numbers rows by itself when the key is called INTEGER.
Id = BigInteger().with_variant(Integer(), "sqlite")
Json = JSON().with_variant(JSONB(), "postgresql")
# Python's None is SQL's NULL here, not JSON's null.
NullableJson = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


class Base(DeclarativeBase):
    """Names every constraint, so that migrations can find it on both databases."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's protocol
        dt.datetime: Instant,
        dict[str, Any]: Json,
        list[Any]: Json,
        bytes: LargeBinary,
        str: String,
    }


def _birth_day(context: Any) -> int | None:
    born = context.get_current_parameters().get("birth_date")
    return None if born is None else day_number(born)


class MasterKey(Base):
    """A master key that this database knows: its id and check value, never the key."""

    __tablename__ = "master_key"

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    check_value: Mapped[bytes]
    first_used_at: Mapped[dt.datetime]
    retired_at: Mapped[dt.datetime | None]


class WrappedKey(Base):
    """A random key of the deployment, sealed by a master key; `lookup` is one."""

    __tablename__ = "wrapped_key"

    name: Mapped[str] = mapped_column(primary_key=True)
    key_id: Mapped[int] = mapped_column(ForeignKey("master_key.id"))
    wrapped: Mapped[bytes]


class ApiKey(Base):
    """A client of the API: scopes, and what it is bound to. The secret is hashed (SHA-256: it is
    random, so nothing slower protects it better).
    """

    __tablename__ = "api_key"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    prefix: Mapped[str] = mapped_column(unique=True)
    secret_hash: Mapped[bytes]
    name: Mapped[str]
    scopes: Mapped[list[Any]]
    store_id: Mapped[int | None] = mapped_column(ForeignKey("store.id"))
    terminal_id: Mapped[int | None] = mapped_column(ForeignKey("terminal.id"))
    #: Campaign keys it may touch; None is every campaign.
    campaigns: Mapped[list[Any] | None]
    created_at: Mapped[dt.datetime]
    expires_at: Mapped[dt.datetime | None]
    revoked_at: Mapped[dt.datetime | None]
    last_used_at: Mapped[dt.datetime | None]


class Store(Base):
    """A shop, or the web shop."""

    __tablename__ = "store"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    channel: Mapped[str] = mapped_column(default="store")
    timezone: Mapped[str] = mapped_column(default="UTC")
    language: Mapped[str] = mapped_column(default="en")
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
    created_at: Mapped[dt.datetime]
    closed_at: Mapped[dt.datetime | None]


class Terminal(Base):
    """A till in a store."""

    __tablename__ = "terminal"
    __table_args__ = (UniqueConstraint("store_id", "key"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    store_id: Mapped[int] = mapped_column(ForeignKey("store.id"))
    key: Mapped[str]
    name: Mapped[str] = mapped_column(default="")
    created_at: Mapped[dt.datetime]
    closed_at: Mapped[dt.datetime | None]


class Asset(Base):
    """A picture, named by the SHA-256 of its bytes; never changed, so it is cached for ever."""

    __tablename__ = "asset"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    media_type: Mapped[str]
    data: Mapped[bytes]
    created_at: Mapped[dt.datetime]


class Campaign(Base):
    """An offer and its rules; the latest revision shows, `version` grows when it does."""

    __tablename__ = "campaign"
    __table_args__ = (
        CheckConstraint("budget_uses IS NULL OR used + held <= budget_uses", name="budget_uses"),
        CheckConstraint(
            "budget_minor IS NULL OR used_minor + held_minor <= budget_minor", name="budget_minor"
        ),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    kind: Mapped[str]
    authority: Mapped[str]
    source: Mapped[str]
    #: How codes are made: pattern, alphabet, shared code's settings; by source.
    source_options: Mapped[dict[str, Any]]
    status: Mapped[str] = mapped_column(default="live")
    currency: Mapped[str | None] = mapped_column(String(3))
    timezone: Mapped[str]
    version: Mapped[int] = mapped_column(default=1)
    #: Number of the latest revision.
    revision: Mapped[int] = mapped_column(default=1)
    #: Terms that override every holder's own, as one row's change (design decision 9).
    override: Mapped[dict[str, Any] | None]
    override_forced: Mapped[bool] = mapped_column(default=False)
    #: Its edits are not pushed at present; redemptions still are.
    delivery_paused: Mapped[bool] = mapped_column(default=False)
    #: How early, and by which rule, birthdays get a voucher; None when they get none.
    birthday: Mapped[dict[str, Any] | None] = mapped_column(NullableJson)
    #: The last birthday whose turn has come.
    birthdays_through: Mapped[dt.date | None] = mapped_column(Date)
    budget_uses: Mapped[int | None] = mapped_column(BigInteger)
    budget_minor: Mapped[int | None] = mapped_column(BigInteger)
    used: Mapped[int] = mapped_column(BigInteger, default=0)
    held: Mapped[int] = mapped_column(BigInteger, default=0)
    used_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    held_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    #: Who gets which value, as `app.domain.values` reads it; None is everybody the campaign's own.
    rules: Mapped[dict[str, Any] | None] = mapped_column(NullableJson)
    #: What places in tests and holdouts are drawn with; given with the first rules, never changed.
    seed: Mapped[bytes | None]
    #: Vouchers that the rules gave, and the most that they can cost.
    given: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    given_minor: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    created_at: Mapped[dt.datetime]
    updated_at: Mapped[dt.datetime]


class Revision(Base):
    """What a campaign said at one time: terms and presentation as `app.domain.campaign` reads
    them.

    A value by rule has a revision of its own, with a negative number: the terms of revision
    `of_id` with the value that `grant` names. It never shows; it is what vouchers keep.
    """

    __tablename__ = "revision"
    __table_args__ = (UniqueConstraint("campaign_id", "number"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id"))
    number: Mapped[int]
    terms: Mapped[dict[str, Any]]
    presentation: Mapped[dict[str, Any]]
    of_id: Mapped[int | None] = mapped_column(BigInteger)
    grant: Mapped[str | None]
    created_at: Mapped[dt.datetime]
    api_key_id: Mapped[int | None] = mapped_column(ForeignKey("api_key.id"))


class Recipient(Base):
    """The person a voucher is for, known by the marketer's own id."""

    __tablename__ = "recipient"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    external_id: Mapped[str | None] = mapped_column(unique=True)
    language: Mapped[str | None]
    birth_date: Mapped[dt.date | None] = mapped_column(Date)
    #: Month and day of `birth_date` as one number, by which birthdays are found.
    birth_day: Mapped[int | None] = mapped_column(SmallInteger, index=True, default=_birth_day)
    segment: Mapped[str | None]
    #: The segment before the present one.
    previous_segment: Mapped[str | None]
    score: Mapped[int | None] = mapped_column(BigInteger)
    attributes: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[dt.datetime]
    updated_at: Mapped[dt.datetime]
    forgotten_at: Mapped[dt.datetime | None]


class ImportJob(Base):
    """One file of codes on its way in; its codes become usable when it is `complete`."""

    __tablename__ = "import_job"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id"), index=True)
    status: Mapped[str]
    filename: Mapped[str]
    sha256: Mapped[str]
    options: Mapped[dict[str, Any]]
    #: Records read so far, of which `accepted` became codes and `rejected` went to the reject file.
    read: Mapped[int] = mapped_column(BigInteger, default=0)
    accepted: Mapped[int] = mapped_column(BigInteger, default=0)
    rejected: Mapped[int] = mapped_column(BigInteger, default=0)
    reasons: Mapped[dict[str, Any]] = mapped_column(default=dict)
    error: Mapped[str | None]
    created_at: Mapped[dt.datetime]
    updated_at: Mapped[dt.datetime]
    finished_at: Mapped[dt.datetime | None]


class ImportReject(Base):
    """A record that an import refused: its line and why; never the record, which is a secret."""

    __tablename__ = "import_reject"

    import_job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("import_job.id"), primary_key=True)
    line: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    reason: Mapped[str]
    #: The line that it repeats, say.
    detail: Mapped[str | None]


class Code(Base):
    """What a person types; found by keyed hash, readable only with a master key."""

    __tablename__ = "code"
    __table_args__ = (
        CheckConstraint('"limit" IS NULL OR used + held <= "limit"', name="limit"),
        CheckConstraint("used >= 0 AND held >= 0", name="counters"),
        # Issuing takes free codes of an import that is complete; the index holds only those.
        Index(
            "ix_code_free",
            "import_job_id",
            "id",
            sqlite_where=text("free"),
            postgresql_where=text("free"),
        ),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    lookup: Mapped[bytes] = mapped_column(unique=True)
    sealed: Mapped[bytes]
    key_id: Mapped[int] = mapped_column(SmallInteger)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id"))
    import_job_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("import_job.id"))
    #: Whether it waits for a voucher.
    free: Mapped[bool]
    #: Last four characters, only where 40 bits of the code remain unknown.
    hint: Mapped[str | None]
    pin: Mapped[bytes | None]
    amount_minor: Mapped[int | None] = mapped_column(BigInteger)
    limit: Mapped[int | None] = mapped_column(BigInteger)
    used: Mapped[int] = mapped_column(BigInteger, default=0)
    held: Mapped[int] = mapped_column(BigInteger, default=0)


class Voucher(Base):
    """One entitlement, and the counters that guard it."""

    __tablename__ = "voucher"
    __table_args__ = (
        UniqueConstraint("campaign_id", "recipient_id", "occasion"),
        CheckConstraint("used >= 0 AND held >= 0", name="counters"),
        CheckConstraint("uses IS NULL OR used + held <= uses", name="uses"),
        CheckConstraint("held_minor >= 0 AND held_minor <= balance_minor", name="money"),
        # The clock asks for the cards whose time is over and that still hold money.
        Index(
            "ix_voucher_ending",
            "ends_at",
            sqlite_where=text("balance_minor > 0"),
            postgresql_where=text("balance_minor > 0"),
        ),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    public_id: Mapped[int] = mapped_column(BigInteger, unique=True)
    #: The master key that its barcode, link and Apple token are derived from.
    key_id: Mapped[int] = mapped_column(SmallInteger)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id"))
    #: The revision whose terms it keeps.
    revision_id: Mapped[int] = mapped_column(ForeignKey("revision.id"))
    code_id: Mapped[int | None] = mapped_column(ForeignKey("code.id"), index=True)
    recipient_id: Mapped[int | None] = mapped_column(ForeignKey("recipient.id"), index=True)
    occasion: Mapped[str] = mapped_column(default="")
    #: pending, active, blocked, revoked, deactivated or expired.
    status: Mapped[str] = mapped_column(default="active")
    starts_at: Mapped[dt.datetime | None] = mapped_column(index=True)
    ends_at: Mapped[dt.datetime | None] = mapped_column(index=True)
    #: Number of uses; None is unlimited.
    uses: Mapped[int | None]
    used: Mapped[int] = mapped_column(default=0)
    held: Mapped[int] = mapped_column(default=0)
    balance_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    held_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    variant: Mapped[str | None]
    #: Grows by one whenever what its pass shows changes.
    version: Mapped[int] = mapped_column(default=1)
    #: Events so far; the next one's number is one more.
    events: Mapped[int] = mapped_column(default=0)
    #: Uses that were reported although none was left; never part of `used`.
    conflicts: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    #: PINs tried since the last right one; at the limit no PIN is looked at any more.
    pin_tries: Mapped[int] = mapped_column(SmallInteger, default=0, server_default=text("0"))
    #: Its link answers "withdrawn" from then on.
    link_withdrawn_at: Mapped[dt.datetime | None]
    #: When a view of its page was last counted.
    viewed_at: Mapped[dt.datetime | None]
    replaced_by_id: Mapped[int | None] = mapped_column(ForeignKey("voucher.id"))
    issued_at: Mapped[dt.datetime]


class RecipientUse(Base):
    """Uses of a campaign by one recipient: over all time, or on one day of the campaign's zone.

    Only campaigns whose terms limit recipients have such rows.
    """

    __tablename__ = "recipient_use"
    __table_args__ = (
        UniqueConstraint("campaign_id", "recipient_id", "day"),
        CheckConstraint("used >= 0 AND held >= 0", name="counters"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id"))
    recipient_id: Mapped[int] = mapped_column(ForeignKey("recipient.id"), index=True)
    #: An ISO date, or empty for all time.
    day: Mapped[str] = mapped_column(String(10))
    used: Mapped[int] = mapped_column(default=0)
    held: Mapped[int] = mapped_column(default=0)


class GuessCount(Base):
    """Failed look-ups by one subject (a key, a terminal, an address, a prefix) in a window.

    Subjects are keyed digests: the table tells nobody's address and no part of a code.
    """

    __tablename__ = "guess_count"

    subject: Mapped[bytes] = mapped_column(primary_key=True)
    since: Mapped[dt.datetime] = mapped_column(index=True)
    failures: Mapped[int]


class OperatorDay(Base):
    """Money that one operator put on cards of a campaign on one day; only campaigns with a cap
    have such rows.
    """

    __tablename__ = "operator_day"
    __table_args__ = (UniqueConstraint("campaign_id", "operator", "day"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id"))
    operator: Mapped[str]
    #: An ISO date of the campaign's time zone.
    day: Mapped[str] = mapped_column(String(10))
    given_minor: Mapped[int] = mapped_column(BigInteger, default=0)


class Hold(Base):
    """Uses or money set aside for a till until captured, voided or lapsed."""

    __tablename__ = "hold"
    __table_args__ = (
        Index(
            "ix_hold_open",
            "voucher_id",
            "expires_at",
            sqlite_where=text("status = 'open'"),
            postgresql_where=text("status = 'open'"),
        ),
        # The clock asks for the holds that are due, whosever they are.
        Index(
            "ix_hold_due",
            "expires_at",
            sqlite_where=text("status = 'open'"),
            postgresql_where=text("status = 'open'"),
        ),
        # Coupons that are set aside count among those of their receipt.
        Index(
            "ix_hold_receipt",
            "receipt",
            sqlite_where=text("status = 'open' AND receipt IS NOT NULL"),
            postgresql_where=text("status = 'open' AND receipt IS NOT NULL"),
        ),
        CheckConstraint("captured_minor >= 0 AND captured_minor <= amount_minor", name="money"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    voucher_id: Mapped[int] = mapped_column(ForeignKey("voucher.id"))
    status: Mapped[str] = mapped_column(default="open")
    uses: Mapped[int] = mapped_column(default=0)
    amount_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    captured_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    #: What the redemption will grant: the coupon's discount, and what it applies to.
    discount_minor: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    currency: Mapped[str | None] = mapped_column(String(3))
    #: Which counters beside the voucher's it holds, as on an entry.
    on_code: Mapped[bool] = mapped_column(default=False, server_default=false())
    on_budget: Mapped[bool] = mapped_column(default=False, server_default=false())
    on_recipient: Mapped[bool] = mapped_column(default=False, server_default=false())
    on_day: Mapped[str | None] = mapped_column(String(10))
    api_key_id: Mapped[int | None] = mapped_column(ForeignKey("api_key.id"))
    operator: Mapped[str | None]
    receipt: Mapped[str | None]
    store_id: Mapped[int | None] = mapped_column(ForeignKey("store.id"))
    terminal_id: Mapped[int | None] = mapped_column(ForeignKey("terminal.id"))
    created_at: Mapped[dt.datetime]
    expires_at: Mapped[dt.datetime]
    closed_at: Mapped[dt.datetime | None]


class Entry(Base):
    """A line of the ledger: append-only, with the state after it."""

    __tablename__ = "entry"
    __table_args__ = (
        Index("ix_entry_voucher_id_created_at", "voucher_id", "created_at"),
        Index("ix_entry_store_id_created_at", "store_id", "created_at"),
        # Found when a redemption is reversed or refunded; most entries refer to none.
        Index(
            "ix_entry_refers_to_id",
            "refers_to_id",
            sqlite_where=text("refers_to_id IS NOT NULL"),
            postgresql_where=text("refers_to_id IS NOT NULL"),
        ),
        Index(
            "ix_entry_receipt",
            "receipt",
            sqlite_where=text("receipt IS NOT NULL"),
            postgresql_where=text("receipt IS NOT NULL"),
        ),
        # A use that another system reports is booked once, however often it is reported.
        Index(
            "ix_entry_reported",
            "campaign_id",
            "reported_id",
            unique=True,
            sqlite_where=text("reported_id IS NOT NULL"),
            postgresql_where=text("reported_id IS NOT NULL"),
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    voucher_id: Mapped[int] = mapped_column(ForeignKey("voucher.id"))
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id"))
    code_id: Mapped[int | None] = mapped_column(ForeignKey("code.id"))
    kind: Mapped[str]
    #: Change of the uses taken: 1 for a redemption, -1 for its reversal.
    uses: Mapped[int] = mapped_column(default=0)
    #: Change of the balance in minor units: negative when money is spent.
    amount_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    currency: Mapped[str | None] = mapped_column(String(3))
    #: Discount granted on the basket, in minor units; negative when taken back.
    discount_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    used_after: Mapped[int] = mapped_column(default=0)
    balance_after_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    #: Which counters beside the voucher's it changed, so that a reversal gives back just those:
    #: the code's, the campaign's budget, the recipient's, and the recipient's of that day.
    on_code: Mapped[bool] = mapped_column(default=False, server_default=false())
    on_budget: Mapped[bool] = mapped_column(default=False, server_default=false())
    on_recipient: Mapped[bool] = mapped_column(default=False, server_default=false())
    on_day: Mapped[str | None] = mapped_column(String(10))
    #: The reporting system's own id of a use that it decided.
    reported_id: Mapped[str | None]
    refers_to_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("entry.id"))
    hold_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("hold.id"))
    store_id: Mapped[int | None] = mapped_column(ForeignKey("store.id"))
    terminal_id: Mapped[int | None] = mapped_column(ForeignKey("terminal.id"))
    api_key_id: Mapped[int | None] = mapped_column(ForeignKey("api_key.id"))
    operator: Mapped[str | None]
    receipt: Mapped[str | None]
    reason: Mapped[str | None]
    details: Mapped[dict[str, Any] | None] = mapped_column(NullableJson)
    #: When the till says it happened; the server's clock decides, this is only recorded.
    occurred_at: Mapped[dt.datetime | None]
    created_at: Mapped[dt.datetime]


class IdempotencyRecord(Base):
    """What a key was used for, and the answer it got, byte for byte."""

    __tablename__ = "idempotency_record"

    api_key_id: Mapped[int] = mapped_column(ForeignKey("api_key.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    #: Keyed digest of method, path and body; empty for a tombstone.
    fingerprint: Mapped[bytes]
    #: HTTP status of the stored answer; 0 marks a tombstone (reversed before it was seen).
    status: Mapped[int] = mapped_column(SmallInteger)
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[dt.datetime] = mapped_column(index=True)


class AppleDevice(Base):
    """A device library identifier, the token that reaches it, and when to push it by itself."""

    __tablename__ = "apple_device"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    library_id: Mapped[str] = mapped_column(unique=True)
    push_token: Mapped[str] = mapped_column(index=True)
    #: The update tag last given to it (design decision 3).
    generation: Mapped[int] = mapped_column(BigInteger, default=0)
    pushed_at: Mapped[dt.datetime | None]
    listed_at: Mapped[dt.datetime | None]
    #: Nobody else takes it before: the lease of a worker, or the pause after a failure.
    claimed_until: Mapped[dt.datetime | None]
    #: When a worker looks at it although nobody hinted: end of a lease or pause, or a reminder.
    due_at: Mapped[dt.datetime | None] = mapped_column(index=True)
    #: Failures in a row, and the last one's reason.
    attempts: Mapped[int] = mapped_column(default=0)
    failure: Mapped[str | None]
    #: Pushes repeated because it did not ask, or did not fetch what it was told of.
    reminders: Mapped[int] = mapped_column(default=0)
    #: Since when Apple calls its token bad, which our own fault can cause as well.
    doubtful_at: Mapped[dt.datetime | None]
    created_at: Mapped[dt.datetime]
    #: When it last registered something or changed its token.
    updated_at: Mapped[dt.datetime]


class AppleRegistration(Base):
    """A pass in an iPhone's or watch's wallet, and what that device was told of it."""

    __tablename__ = "apple_registration"
    __table_args__ = (UniqueConstraint("device_id", "voucher_id"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    device_id: Mapped[int] = mapped_column(ForeignKey("apple_device.id"))
    voucher_id: Mapped[int] = mapped_column(ForeignKey("voucher.id"), index=True)
    #: The generation of its device at which it was last listed.
    generation: Mapped[int] = mapped_column(BigInteger, default=0)
    #: The (voucher version, campaign version) that the device was pushed, listed and fetched.
    pushed_voucher: Mapped[int | None]
    pushed_campaign: Mapped[int | None]
    listed_voucher: Mapped[int | None]
    listed_campaign: Mapped[int | None]
    fetched_voucher: Mapped[int | None]
    fetched_campaign: Mapped[int | None]
    pushed_at: Mapped[dt.datetime | None]
    listed_at: Mapped[dt.datetime | None]
    fetched_at: Mapped[dt.datetime | None]
    registered_at: Mapped[dt.datetime]


class AppleLog(Base):
    """A complaint that a device sent to /v1/log; the newest are kept."""

    __tablename__ = "apple_log"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    at: Mapped[dt.datetime]
    kind: Mapped[str]
    serial: Mapped[str | None]
    message: Mapped[str] = mapped_column(Text)


class Pulse(Base):
    """What a process last said of itself: a server its load, a worker the state of its senders."""

    __tablename__ = "pulse"

    process: Mapped[str] = mapped_column(primary_key=True)
    role: Mapped[str]
    at: Mapped[dt.datetime]
    data: Mapped[dict[str, Any]]


class Clockwork(Base):
    """Until when a recurring job has done its work, so that no moment is skipped or done twice."""

    __tablename__ = "clockwork"

    name: Mapped[str] = mapped_column(primary_key=True)
    done_until: Mapped[dt.datetime]


class CampaignUpdate(Base):
    """A marketer's change of a campaign for all holders: one row, now or at a time."""

    __tablename__ = "campaign_update"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id"), index=True)
    #: scheduled, applied or cancelled.
    status: Mapped[str]
    #: What changes: `presentation`, `override` and `forced`, `message`.
    change: Mapped[dict[str, Any]]
    apply_at: Mapped[dt.datetime] = mapped_column(index=True)
    applied_at: Mapped[dt.datetime | None]
    #: The campaign's version that it made.
    version: Mapped[int | None]
    #: Phones that held a pass when it was applied.
    installed: Mapped[int] = mapped_column(default=0)
    failure: Mapped[str | None]
    created_at: Mapped[dt.datetime]
    api_key_id: Mapped[int | None] = mapped_column(ForeignKey("api_key.id"))


class GoogleClass(Base):
    """The template at Google of a campaign and variant, and the state it was last given there."""

    __tablename__ = "google_class"
    __table_args__ = (UniqueConstraint("campaign_id", "variant"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id"))
    #: Empty for a campaign without variants.
    variant: Mapped[str] = mapped_column(default="")
    class_id: Mapped[str] = mapped_column(unique=True)
    #: wanted or inserted.
    status: Mapped[str] = mapped_column(default="wanted")
    sent_campaign: Mapped[int | None]
    #: SHA-256 of the members last sent, so that a change which shows nowhere costs no call.
    sent_digest: Mapped[bytes | None]
    sent_at: Mapped[dt.datetime | None]
    #: The campaign's version whose content Google refused.
    refused_campaign: Mapped[int | None]
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[dt.datetime | None]
    claimed_until: Mapped[dt.datetime | None]
    failure: Mapped[str | None]
    created_at: Mapped[dt.datetime]


class GoogleObject(Base):
    """A voucher's object at Google, and the state it was last given there."""

    __tablename__ = "google_object"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    voucher_id: Mapped[int] = mapped_column(ForeignKey("voucher.id"), unique=True)
    object_id: Mapped[str] = mapped_column(unique=True)
    #: wanted, inserted or gone.
    status: Mapped[str] = mapped_column(default="wanted")
    has_users: Mapped[bool | None]
    sent_voucher: Mapped[int | None]
    sent_campaign: Mapped[int | None]
    #: SHA-256 of the members last sent, so that a change which shows nowhere costs no call.
    sent_digest: Mapped[bytes | None]
    sent_at: Mapped[dt.datetime | None]
    #: The balance last shown there, so that a change of it can be told.
    sent_balance_minor: Mapped[int | None] = mapped_column(BigInteger)
    #: The pair whose content Google refused: nothing is repeated before it changes.
    refused_voucher: Mapped[int | None]
    refused_campaign: Mapped[int | None]
    #: When to ask Google whether anybody holds it: after a callback, or when none came for long.
    ask_users_at: Mapped[dt.datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[dt.datetime | None] = mapped_column(index=True)
    claimed_until: Mapped[dt.datetime | None]
    failure: Mapped[str | None]
    created_at: Mapped[dt.datetime]


class GoogleMessage(Base):
    """A message for the holders of an object: wanted once, sent once."""

    __tablename__ = "google_message"
    __table_args__ = (
        Index(
            "ix_google_message_open",
            "object_id",
            "id",
            sqlite_where=text("status IN ('wanted', 'unclear')"),
            postgresql_where=text("status IN ('wanted', 'unclear')"),
        ),
        Index("ix_google_message_object_id_notified_at", "object_id", "notified_at"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    object_id: Mapped[int] = mapped_column(ForeignKey("google_object.id"))
    #: The id that Google keeps with it, by which it is found after an unclear answer.
    message_id: Mapped[str] = mapped_column(unique=True)
    #: Header and body by language, the default language first.
    texts: Mapped[list[Any]]
    #: wanted, unclear (perhaps sent), sent or dropped.
    status: Mapped[str] = mapped_column(default="wanted")
    #: When a phone was made to ring; None when it was sent silently, or not yet.
    notified_at: Mapped[dt.datetime | None]
    #: Not sent any more from then on.
    expires_at: Mapped[dt.datetime]
    sent_at: Mapped[dt.datetime | None]
    created_at: Mapped[dt.datetime]


class GoogleNonce(Base):
    """A callback that was taken; kept until Google's signature on it has lapsed."""

    __tablename__ = "google_nonce"

    nonce: Mapped[str] = mapped_column(primary_key=True)
    expires_at: Mapped[dt.datetime] = mapped_column(index=True)


class GoogleRootKeys(Base):
    """Google's list of callback keys as it was last fetched; one row."""

    __tablename__ = "google_root_keys"

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    document: Mapped[str] = mapped_column(Text)
    fetched_at: Mapped[dt.datetime]


class Pace(Base):
    """When a limited service may be called next, for all workers on all machines."""

    __tablename__ = "pace"

    name: Mapped[str] = mapped_column(primary_key=True)
    #: Seconds since 1970, UTC.
    next_at: Mapped[float] = mapped_column(Double)


class Event(Base):
    """An append-only fact. Those of one voucher are numbered without gaps under its row lock."""

    __tablename__ = "event"
    __table_args__ = (
        UniqueConstraint("voucher_id", "number"),
        Index("ix_event_campaign_id_at", "campaign_id", "at"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    #: The transaction that wrote it (PostgreSQL's pg_current_xact_id), so that a reader takes only
    #: rows below every running transaction and never skips a late commit; 0 on SQLite.
    transaction: Mapped[int] = mapped_column(BigInteger, server_default=text("0"), index=True)
    kind: Mapped[str]
    at: Mapped[dt.datetime]
    campaign_id: Mapped[int | None] = mapped_column(ForeignKey("campaign.id"))
    voucher_id: Mapped[int | None] = mapped_column(ForeignKey("voucher.id"))
    number: Mapped[int | None]
    entry_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("entry.id"))
    store_id: Mapped[int | None] = mapped_column(ForeignKey("store.id"))
    terminal_id: Mapped[int | None] = mapped_column(ForeignKey("terminal.id"))
    reason: Mapped[str | None]
    data: Mapped[dict[str, Any] | None] = mapped_column(NullableJson)


class Webhook(Base):
    """An address that is told every event it wants, in the order of each voucher's numbers."""

    __tablename__ = "webhook"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    public_id: Mapped[uuid.UUID] = mapped_column(unique=True, default=new_id)
    url: Mapped[str] = mapped_column(Text)
    #: Kinds of event, and keys of campaigns, that it wants; empty is every one.
    kinds: Mapped[list[Any]]
    campaigns: Mapped[list[Any]]
    #: Both sealed, bound to `public_id`; the previous one signs too until its end.
    key_id: Mapped[int] = mapped_column(SmallInteger)
    secret: Mapped[bytes]
    previous_secret: Mapped[bytes | None]
    previous_until: Mapped[dt.datetime | None]
    #: active or disabled.
    status: Mapped[str] = mapped_column(default="active")
    #: How far it has read the log of events, as `app.services.eventlog` writes it.
    position: Mapped[str] = mapped_column(Text)
    failure: Mapped[str | None]
    due_at: Mapped[dt.datetime | None] = mapped_column(index=True)
    claimed_until: Mapped[dt.datetime | None]
    created_at: Mapped[dt.datetime]
    updated_at: Mapped[dt.datetime]


class WebhookDelivery(Base):
    """An event that a webhook did not take at once: waiting for its next attempt, or dead."""

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        UniqueConstraint("webhook_id", "event_id"),
        Index("ix_webhook_delivery_due", "webhook_id", "status", "due_at"),
        Index("ix_webhook_delivery_voucher", "webhook_id", "voucher_id"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    webhook_id: Mapped[int] = mapped_column(ForeignKey("webhook.id"))
    event_id: Mapped[int] = mapped_column(ForeignKey("event.id"))
    voucher_id: Mapped[int | None] = mapped_column(ForeignKey("voucher.id"))
    #: waiting or dead.
    status: Mapped[str] = mapped_column(default="waiting")
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[dt.datetime]
    failure: Mapped[str | None]
    created_at: Mapped[dt.datetime]


class LogReader(Base):
    """How far a reader of the log of events has come, and until when it had read everything."""

    __tablename__ = "log_reader"

    name: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[str] = mapped_column(Text)
    current_at: Mapped[dt.datetime]


class Slice(Base):
    """Vouchers of a campaign that reports count together."""

    __tablename__ = "slice"
    __table_args__ = (UniqueConstraint("campaign_id", "variant", "tier", "segment"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id"))
    #: Empty where there is none.
    variant: Mapped[str]
    tier: Mapped[str]
    segment: Mapped[str]


class Milestone(Base):
    """The stages that a voucher has reached, one bit each, so that only first times are counted."""

    __tablename__ = "milestone"

    voucher_id: Mapped[int] = mapped_column(
        ForeignKey("voucher.id"), primary_key=True, autoincrement=False
    )
    slice_id: Mapped[int] = mapped_column(ForeignKey("slice.id"), index=True)
    stages: Mapped[int] = mapped_column(BigInteger)


class FunnelCount(Base):
    """How many vouchers of a slice reached a stage on a day, where and why, and what it moved."""

    __tablename__ = "funnel_count"

    slice_id: Mapped[int] = mapped_column(ForeignKey("slice.id"), primary_key=True)
    stage: Mapped[str] = mapped_column(String(20), primary_key=True)
    #: Of the campaign's time zone.
    day: Mapped[dt.date] = mapped_column(Date, primary_key=True)
    #: 0 where there is none.
    store_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    #: Why it was refused; empty otherwise.
    reason: Mapped[str] = mapped_column(primary_key=True)
    #: Vouchers that reached the stage for the first time, and how often it was reached at all.
    vouchers: Mapped[int] = mapped_column(BigInteger)
    times: Mapped[int] = mapped_column(BigInteger)
    discount_minor: Mapped[int] = mapped_column(BigInteger)
    spent_minor: Mapped[int] = mapped_column(BigInteger)
    revenue_minor: Mapped[int] = mapped_column(BigInteger)


class Decision(Base):
    """What a campaign's rules decided for a recipient and an occasion: a voucher or the holdout."""

    __tablename__ = "decision"
    __table_args__ = (
        UniqueConstraint("campaign_id", "recipient_id", "occasion"),
        # How much a recipient got lately, across campaigns.
        Index("ix_decision_recipient_id_created_at", "recipient_id", "created_at"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id"))
    recipient_id: Mapped[int] = mapped_column(ForeignKey("recipient.id"))
    occasion: Mapped[str]
    held_out: Mapped[bool]
    tier: Mapped[str]
    variant: Mapped[str]
    #: The recipient's segment then.
    segment: Mapped[str]
    voucher_id: Mapped[int | None] = mapped_column(ForeignKey("voucher.id"), index=True)
    #: The frequency's group, when the rules have one.
    group: Mapped[str | None]
    #: The most that it can cost, where that is known.
    most_minor: Mapped[int | None] = mapped_column(BigInteger)
    #: When the recipient first bought afterwards, and for how much in all.
    acted_at: Mapped[dt.datetime | None]
    spent_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    created_at: Mapped[dt.datetime]


class Activity(Base):
    """Something that a recipient did, as another system reports it: a purchase, a visit."""

    __tablename__ = "activity"
    __table_args__ = (
        UniqueConstraint("recipient_id", "name", "key"),
        Index("ix_activity_recipient_id_at", "recipient_id", "at"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    recipient_id: Mapped[int] = mapped_column(ForeignKey("recipient.id"))
    name: Mapped[str]
    #: The reporting system's own id, so that what is reported twice counts once.
    key: Mapped[str]
    value_minor: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[dt.datetime]
    created_at: Mapped[dt.datetime]


class ArmCount(Base):
    """What the people of one arm of a campaign did, for the lift; the holdout is the arm ''."""

    __tablename__ = "arm_count"

    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id"), primary_key=True)
    held_out: Mapped[bool] = mapped_column(primary_key=True)
    variant: Mapped[str] = mapped_column(primary_key=True)
    people: Mapped[int] = mapped_column(BigInteger)
    acted: Mapped[int] = mapped_column(BigInteger)
    spent_minor: Mapped[int] = mapped_column(BigInteger)
    spent_squared: Mapped[float]


class Disclosure(Base):
    """Somebody read codes in clear, or what is held about a person: who, what, when."""

    __tablename__ = "disclosure"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    at: Mapped[dt.datetime]
    api_key_id: Mapped[int | None] = mapped_column(ForeignKey("api_key.id"))
    campaign_id: Mapped[int | None] = mapped_column(ForeignKey("campaign.id"))
    what: Mapped[str]
