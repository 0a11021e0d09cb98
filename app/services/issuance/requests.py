"""A request says for whom and why a voucher is issued; the answer says what was."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain import birthdays
from app.domain.birthdays import Birthdays
from app.domain.campaign import Terms
from app.domain.occasions import canonical
from app.domain.values import Why
from app.faults import Fault
from app.services import campaigns
from app.services.deployment import Deployment
from app.store.models import Campaign, Recipient

#: What is said of a recipient who was forgotten, and what can be done about it.
FORGOTTEN = (
    "The person was forgotten, or had this before they were: what was given once is not given "
    "again."
)
COME_BACK = (
    "Send them as a recipient (POST /api/v1/recipients, `passerelle recipients import`) if they "
    "are a customer again, and name another occasion."
)


class IssueFault(Fault):
    """The campaign issues nothing now; says why and the remedy."""

    code = "not_issued"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A recipient as the marketer knows them. Absent values leave what is stored."""

    external_id: str
    language: str | None = None
    birth_date: dt.date | None = None
    segment: str | None = None
    score: int | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    #: Whether what is said is stored for all campaigns. Else it counts for what is asked with it,
    #: and only somebody who was not known yet is stored, with what a pass shows.
    shared: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class VoucherRequest:
    """A voucher that should exist: for whom (None is nobody yet), why, and when it is sent.

    `occasion` is empty where the campaign says it itself.
    """

    person: Person | None
    occasion: str = ""
    variant: str | None = None
    sent_at: dt.datetime | None = None
    #: Revision and terms that a rule decided; None are the campaign's own.
    granted: tuple[int, Terms] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A voucher of one recipient and occasion, issued now or before."""

    voucher_id: int
    public_id: int
    key_id: int
    code_id: int | None
    external_id: str | None
    occasion: str
    #: Whether this call issued it.
    fresh: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NotDue:
    """A recipient whose occasion is not now: why, and the cause with its remedy."""

    external_id: str | None
    why: Why
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What became of the vouchers that were wanted, in their order."""

    issued: tuple[Issued, ...]
    #: The last so many got none, because there are no codes left.
    missing: int = 0
    #: Those who got none because they were forgotten, or had it before they were.
    forgotten: tuple[VoucherRequest, ...] = ()
    #: Those whom the campaign gives none now.
    not_due: tuple[NotDue, ...] = ()


@dataclass(slots=True)
class Slot:
    """One voucher on its way."""

    wanted: VoucherRequest
    recipient_id: int | None
    row: dict[str, Any] | None = None

    @property
    def key(self) -> tuple[int, str]:
        """Whose it is and why, by which two asks are one; nobody's is 0."""
        return self.recipient_id or 0, canonical(self.wanted.occasion)


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """Why a recipient gets a voucher, and whether a new one is given now.

    With `why` no new one is: the one that exists for `text` is answered, and `cause` says why and
    the remedy.
    """

    text: str
    why: Why | None = None
    cause: str = ""


def occasions_of(
    session: Session,
    campaign: Campaign,
    asked: Sequence[tuple[Person | None, str]],
    *,
    now: dt.datetime,
) -> list[Occasion]:
    """The occasion of each ask, a person and the caller's own name for why, in the order asked.

    Raises:
        IssueFault: the campaign says the occasion itself, and the caller named another one.
    """
    if campaign.birthday is None:
        return [Occasion(text=text) for _, text in asked]
    settings = Birthdays.read(campaign.birthday)
    today = now.astimezone(ZoneInfo(campaign.timezone)).date()
    born = _born(session, [person for person, _ in asked if person is not None])
    found = []
    for person, text in asked:
        date = None if person is None else born.get(person.external_id)
        own = _of_birthday(campaign, settings, date, today)
        if text not in ("", own.text):
            raise _not_the_callers(campaign)
        found.append(own)
    return found


def told_occasion(campaign: Campaign, occasion: str) -> str:
    """What a mailing's occasion is to a campaign: nothing where the campaign says it itself."""
    return "" if campaign.birthday is not None else occasion


def refuse_occasion(campaign: Campaign, occasion: str) -> None:
    """Refuse a caller's own occasion before anything is done for anybody.

    Raises:
        IssueFault: the campaign says the occasion itself.
    """
    if campaign.birthday is not None and occasion and not birthdays.is_occasion(occasion):
        raise _not_the_callers(campaign)


def refuse_occasions(deployment: Deployment, campaign_key: str, asked: Collection[str]) -> None:
    """Refuse callers' own occasions as `refuse_occasion` does.

    Raises:
        CampaignUnknown: there is none.
        IssueFault: the campaign says the occasion itself.
    """
    with deployment.database.read() as session:
        campaign = campaigns.required(session, campaign_key)
    for each in sorted(asked):
        refuse_occasion(campaign, each)


def _not_the_callers(campaign: Campaign) -> IssueFault:
    return IssueFault(
        f"The campaign {campaign.key} gives one voucher for each birthday and says "
        "itself for which.",
        "Leave `occasion` out.",
    )


def _born(session: Session, people: Sequence[Person]) -> dict[str, dt.date]:
    """Birth dates by external id: those told now, else those stored; see `Person.shared`."""
    told = {each.external_id: each.birth_date for each in people if each.birth_date is not None}
    rows = session.execute(
        select(Recipient.external_id, Recipient.birth_date).where(
            Recipient.external_id.in_({each.external_id for each in people}),
            Recipient.birth_date.is_not(None),
        )
    )
    stored = {str(row.external_id): row.birth_date for row in rows}
    # Of somebody who is known, one who may not say it for all campaigns cannot say another day.
    bound = {each.external_id for each in people if not each.shared}
    kept = {name: date for name, date in stored.items() if name in bound or name not in told}
    return told | kept


def _of_birthday(
    campaign: Campaign, settings: Birthdays, birth_date: dt.date | None, today: dt.date
) -> Occasion:
    if birth_date is None:
        return Occasion(
            text="",
            why=Why.NO_BIRTHDAY,
            cause=f"The campaign {campaign.key} needs the recipient's birthday, which is not "
            "known: send `birth_date` with the recipient.",
        )
    turn = settings.turn(birth_date, today)
    text = "" if turn.day is None else birthdays.occasion(turn.day)
    if turn.open:
        return Occasion(text=text)
    again = f" Ask again from {turn.opens} on." if turn.opens else ""
    return Occasion(
        text=text,
        why=Why.NOT_DUE,
        cause=f"The campaign {campaign.key} gives its vouchers from {settings.days_ahead} days "
        f"before a birthday to {settings.catch_up_days} days after it, and no birthday of the "
        f"recipient is due.{again}",
    )
