"""People, codes on their way in, and vouchers."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    SmallInteger,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.birthdays import day_number
from app.store.models.columns import Base, Id, new_id


def _birth_day(context: Any) -> int | None:
    born = context.get_current_parameters().get("birth_date")
    return None if born is None else day_number(born)


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


class Forgotten(Base):
    """What stays of people who were forgotten: that they were, and what had been given to them.

    Each is a keyed digest, from which nothing can be read: of the person's external id; of a
    campaign, the external id and an occasion.
    """

    __tablename__ = "forgotten"

    digest: Mapped[bytes] = mapped_column(primary_key=True)
    at: Mapped[dt.datetime]


class ImportJob(Base):
    """Codes on their way into a campaign; they become usable when it is `complete`."""

    __tablename__ = "import_job"
    __table_args__ = (
        # Workers look for what is due; the index holds only what is not finished.
        Index(
            "ix_import_job_unfinished",
            "created_at",
            sqlite_where=text("finished_at IS NULL"),
            postgresql_where=text("finished_at IS NULL"),
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id"), index=True)
    status: Mapped[str]
    #: Where the codes come from, as `app.services.codes.sources` tells; `options` says the rest.
    #: None in rows that the release before wrote.
    kind: Mapped[str | None]
    #: From when on a worker may take it up: at once, or when the claim of who works on it ends.
    #: None when it is finished, and in rows that the release before wrote.
    due_at: Mapped[dt.datetime | None]
    #: How lists call it.
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
            # As a query says it there, which SQLite asks for before it uses the index.
            sqlite_where=text("free = 1"),
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
        # Reports ask what a card replaces; most replace none.
        Index(
            "ix_voucher_replaced_by_id",
            "replaced_by_id",
            sqlite_where=text("replaced_by_id IS NOT NULL"),
            postgresql_where=text("replaced_by_id IS NOT NULL"),
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
    #: pending, active, blocked, revoked, deactivated, expired; or replaced, which is no voucher but
    #: what one was called before it was issued anew.
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
