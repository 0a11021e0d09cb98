"""What bears on security: an append-only log of its own, and tills' sessions that were ended."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from app.store.models.columns import Base, Id


class SecurityEvent(Base):
    """Who did what to keys, codes and people, or tried to; never a code, a PIN or a secret.

    Rows are only added; the clock removes those whose retention is over. It refers to nothing by a
    foreign key, so that no row has to stay, or to be there, for its sake.
    """

    __tablename__ = "security_event"
    __table_args__ = (Index("ix_security_event_kind_at", "kind", "at"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    at: Mapped[dt.datetime] = mapped_column(index=True)
    kind: Mapped[str]
    #: Of the API key that asked.
    key_prefix: Mapped[str | None]
    #: `store/terminal`, where the call names them.
    terminal: Mapped[str | None]
    #: Who stood at the terminal, or at the command line.
    operator: Mapped[str | None]
    #: The command that did it; `clock` for what happens because time passes.
    command: Mapped[str | None]
    #: The network address that asked; an IPv6 network of failed keys.
    address: Mapped[str | None]
    #: What it was done to: `campaign spring`, `voucher 0123…`, `recipient 17`.
    object: Mapped[str | None]
    reason: Mapped[str | None]
    #: How many: codes of one list, failures of one minute.
    count: Mapped[int]


class TillSignOut(Base):
    """A till page's session that was ended before its time; kept until then."""

    __tablename__ = "till_sign_out"

    #: SHA-256 of the session's sealed value.
    digest: Mapped[bytes] = mapped_column(primary_key=True)
    ends_at: Mapped[dt.datetime] = mapped_column(index=True)
