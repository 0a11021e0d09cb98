"""Campaigns: what they say, what they limit, and edits on their way to the phones."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Date, ForeignKey, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.store.models.columns import Base, Id, NullableJson, new_id


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


class PreparedArtwork(Base):
    """A look's pictures in every size that the wallets want, as `passes.artwork` packs them.

    Nothing is lost with a row: it is made again of the pictures.
    """

    __tablename__ = "prepared_artwork"

    #: Digest of everything it is made of.
    key: Mapped[bytes] = mapped_column(primary_key=True)
    data: Mapped[bytes]
    created_at: Mapped[dt.datetime]


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
