"""The event log, those who read it, and webhooks."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, SmallInteger, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.store.models.columns import Base, Id, NullableJson, new_id


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
