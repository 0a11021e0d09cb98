"""What tills did: holds, entries, kept answers, and counters that guard them."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.store.models.columns import Base, Id, NullableJson, new_id


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
    #: What its basket came to, and what the holds of its campaign in that basket have in common:
    #: the id of the first of them.
    basket_id: Mapped[uuid.UUID | None]
    basket_minor: Mapped[int | None] = mapped_column(BigInteger)
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
        # The redemptions of a basket are asked for when one of them is captured or taken back.
        Index(
            "ix_entry_basket_id",
            "basket_id",
            sqlite_where=text("basket_id IS NOT NULL"),
            postgresql_where=text("basket_id IS NOT NULL"),
        ),
        # A use that another system reports is booked once, however often it is reported; the codes
        # of one order may have its id in common.
        Index(
            "ix_entry_reported_use",
            "campaign_id",
            "reported_id",
            "voucher_id",
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
    #: As on a hold, of a redemption; without an id it is the campaign's only one in its basket.
    basket_id: Mapped[uuid.UUID | None]
    basket_minor: Mapped[int | None] = mapped_column(BigInteger)
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
