"""Birthdays: whose card is due, and its issue; once a year for each person, whatever happens.

A run may be repeated, missed or overtaken by another one: the occasion is the birthday's year, so
that nobody is given two, and the last day whose turn came is remembered, so that days missed in an
outage are caught up. Each transaction holds a few hundred recipients.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from app.domain import birthdays
from app.domain.birthdays import LeapDay
from app.services import campaigns
from app.services.deployment import Deployment
from app.services.issuing.vouchers import CHUNK, issue
from app.services.issuing.wanted import IssueFault, Person, Wanted
from app.store.models import Campaign, Recipient, Voucher


@dataclass(frozen=True, slots=True, kw_only=True)
class Celebrated:
    """What a run did for one campaign."""

    campaign: str
    issued: int
    missing: int = 0
    #: Why nothing could be issued.
    fault: str | None = None


def celebrate(
    deployment: Deployment, campaign_key: str | None = None, *, again: bool = True
) -> list[Celebrated]:
    """Issue what is due today in every campaign for birthdays, or in one.

    Args:
        again: look once more where today's turn has come already, for recipients who were added
            since; the worker's clock, which comes by every minute, does not.

    Raises:
        IssueFault: `campaign_key` is no live campaign for birthdays.
    """
    statement = select(Campaign).where(Campaign.birthday.is_not(None), Campaign.status == "live")
    if campaign_key is not None:
        statement = statement.where(Campaign.key == campaign_key)
    with deployment.database.read() as session:
        found = session.scalars(statement.order_by(Campaign.id)).all()
    if campaign_key is not None and not found:
        raise IssueFault(
            f"{campaign_key!r} is no live campaign for birthdays: add a section [birthday] to "
            "its file and apply it."
        )
    return [
        _campaign(deployment, campaign)
        for campaign in found
        if again or not _done_today(campaign, deployment.now())
    ]


def _done_today(campaign: Campaign, now: dt.datetime) -> bool:
    settings, through = campaign.birthday or {}, campaign.birthdays_through
    today = now.astimezone(ZoneInfo(campaign.timezone)).date()
    return through is not None and through >= today + dt.timedelta(days=settings["days_ahead"])


def _campaign(deployment: Deployment, campaign: Campaign) -> Celebrated:
    settings = campaign.birthday or {}
    leap_day = LeapDay(settings["leap_day"])
    today = deployment.now().astimezone(ZoneInfo(campaign.timezone)).date()
    days = birthdays.due_days(
        today,
        days_ahead=settings["days_ahead"],
        done_through=campaign.birthdays_through,
        catch_up_days=settings["catch_up_days"],
    )
    if campaign.birthdays_through is None:
        # From here on no day is forgotten, not even one whose codes run out at once.
        _note(deployment, campaign, today - dt.timedelta(days=1))
    issued = 0
    for day in days:
        try:
            count, missing = _day(deployment, campaign.key, day, leap_day)
        except IssueFault as fault:
            return Celebrated(campaign=campaign.key, issued=issued, fault=str(fault))
        issued += count
        if missing:
            # The day is not done: the next run goes on here, once there are codes again.
            return Celebrated(campaign=campaign.key, issued=issued, missing=missing)
        if campaign.birthdays_through is None or campaign.birthdays_through < day:
            _note(deployment, campaign, day)
    return Celebrated(campaign=campaign.key, issued=issued)


def _note(deployment: Deployment, campaign: Campaign, day: dt.date) -> None:
    """Remember that the turn of `day` has come."""
    through = Campaign.birthdays_through
    with deployment.database.write() as session:
        session.execute(
            update(Campaign)
            .where(Campaign.id == campaign.id, through.is_(None) | (through < day))
            .values(birthdays_through=day)
        )


def _day(
    deployment: Deployment, campaign_key: str, day: dt.date, leap_day: LeapDay
) -> tuple[int, int]:
    """Issue the cards of one day's birthdays; how many, and how many are missing a code."""
    occasion = birthdays.occasion(day)
    keyring = deployment.keyring
    issued = 0
    while True:
        with deployment.database.read() as session:
            found = campaigns.find(session, campaign_key)
            if found is None or not any(_due(session, found, day, occasion, leap_day)):
                return issued, 0
        with deployment.database.write() as session:
            campaign = campaigns.find(session, campaign_key)
            if campaign is None:
                raise IssueFault(f"No campaign {campaign_key!r} exists.")
            wanted = [
                Wanted(person=Person(external_id=external_id), occasion=occasion)
                for external_id in _due(session, campaign, day, occasion, leap_day)
            ]
            if not wanted:
                continue
            batch = issue(session, keyring, campaign, wanted, now=deployment.now())
        issued += sum(item.fresh for item in batch.issued)
        if batch.missing or len(wanted) < CHUNK:
            return issued, batch.missing


def _due(
    session: Session, campaign: Campaign, day: dt.date, occasion: str, leap_day: LeapDay
) -> Iterator[str]:
    """Recipients who celebrate on `day` and have no card of this occasion yet."""
    has_one = exists().where(
        Voucher.campaign_id == campaign.id,
        Voucher.recipient_id == Recipient.id,
        Voucher.occasion == occasion,
    )
    for external_id, born in session.execute(
        select(Recipient.external_id, Recipient.birth_date)
        .where(
            Recipient.birth_day.in_(birthdays.day_numbers(day, leap_day=leap_day)),
            Recipient.forgotten_at.is_(None),
            Recipient.external_id.is_not(None),
            # Nobody celebrates the day on which they are born, or one before it.
            Recipient.birth_date < day,
            ~has_one,
        )
        .order_by(Recipient.id)
        .limit(CHUNK)
    ):
        if external_id is not None and born is not None:
            yield external_id
