"""Stores and their tills."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.store.models.columns import Base, Id


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
