"""Keys: the deployment's own, and those of its clients."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import ForeignKey, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from app.store.models.columns import Base, Id


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


class Disclosure(Base):
    """A disclosure as the release before noted it; the clock moves rows to the security events."""

    __tablename__ = "disclosure"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    at: Mapped[dt.datetime]
    api_key_id: Mapped[int | None] = mapped_column(ForeignKey("api_key.id"))
    campaign_id: Mapped[int | None] = mapped_column(ForeignKey("campaign.id"))
    what: Mapped[str]
