"""Apple devices, what they registered for and what they complained of."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import BigInteger, ForeignKey, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.store.models.columns import Base, Id


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
