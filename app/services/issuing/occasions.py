"""A campaign that gives a voucher for each birthday says itself which occasion an ask is for.

Whoever asks, by clock, message, invitation, decision or hand, is answered with the birthday whose
turn it is, so that all of them get the year's one voucher. Refuses an occasion of the caller's own.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain import birthdays
from app.domain.birthdays import Birthdays
from app.domain.values import Why
from app.services import campaigns
from app.services.deployment import Deployment
from app.services.issuing.wanted import IssueFault, Person
from app.store.models import Campaign, Recipient


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
    """Refuse callers' own occasions as `refuse_occasion` does; an unknown campaign is not seen."""
    with deployment.database.read() as session:
        campaign = campaigns.find(session, campaign_key)
    if campaign is not None:
        for each in sorted(asked):
            refuse_occasion(campaign, each)


def _not_the_callers(campaign: Campaign) -> IssueFault:
    return IssueFault(
        f"The campaign {campaign.key} gives one voucher for each birthday and says itself for "
        "which: leave `occasion` out."
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
