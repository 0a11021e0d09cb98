"""What is rolled up from the log, and who was given what and why."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import (
    BigInteger,
    Date,
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.store.models.columns import Base, Id


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
        Index(
            "ix_decision_stopping",
            "voucher_id",
            # As a query says it there, which SQLite asks for before it uses the index.
            sqlite_where=text("stopping = 1"),
            postgresql_where=text("stopping"),
        ),
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
    #: What `Stopping` says now; only a release before 0012_stopping still sets it.
    stopping: Mapped[bool] = mapped_column(default=False, server_default=false())
    created_at: Mapped[dt.datetime]


class Stopping(Base):
    """A voucher that a stop condition takes back, as long as that is still to be done.

    No foreign key: it would lock the voucher's row, for which a till may wait that has another.
    """

    __tablename__ = "stopping"

    voucher_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)


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
    #: Keys of the campaigns that it counts for, as `|sun|moon|`; None is every campaign.
    campaigns: Mapped[str | None]


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
