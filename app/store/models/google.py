"""Google classes, objects, messages and callbacks."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, SmallInteger, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.store.models.columns import Base, Id


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
    #: SHA-256 of what objects take from the campaign now; those that took something else lag.
    objects_digest: Mapped[bytes | None]
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
    #: SHA-256 of what it took from the campaign when it was last sent.
    campaign_digest: Mapped[bytes | None]
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


class GoogleCallback(Base):
    """A genuine callback that nothing was done for, kept to be seen; the newest stay."""

    __tablename__ = "google_callback"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    nonce: Mapped[str] = mapped_column(unique=True)
    received_at: Mapped[dt.datetime]
    event: Mapped[str]
    #: event (nothing is done for such) or object (none of ours).
    reason: Mapped[str]
    #: What Google signed, as text.
    message: Mapped[str] = mapped_column(Text)


class GoogleRootKeys(Base):
    """Google's list of callback keys as it was last fetched; one row."""

    __tablename__ = "google_root_keys"

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    document: Mapped[str] = mapped_column(Text)
    fetched_at: Mapped[dt.datetime]
