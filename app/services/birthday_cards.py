"""This module issues the voucher of each birthday, once a year for each person.

A run may be repeated, missed or overtaken by another one, or by somebody who asks for the same
card: the campaign says the occasion, the birthday's year, so that nobody is given two. The last day
whose turn came is remembered, so that days missed in an outage are caught up. Each transaction
holds a few hundred recipients. A campaign with rules gives each the value that they decide, and
those in the holdout nothing. A dry run writes nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from app.domain import birthdays
from app.domain.birthdays import Birthdays
from app.domain.values import Why
from app.services import campaigns, decisions
from app.services.decisions import Candidate, Tally
from app.services.deployment import Deployment
from app.services.issuance import (
    CHUNK,
    IssueFault,
    Person,
    VoucherRequest,
    forgotten,
    issue,
    stock,
)
from app.services.issuance.vouchers import refuse
from app.store.models import Campaign, Decision, Recipient, Voucher


@dataclass(frozen=True, slots=True, kw_only=True)
class Celebrated:
    """What a run did for one campaign."""

    campaign: str
    issued: int
    missing: int = 0
    #: Why nothing could be issued.
    fault: str | None = None
    #: Recipients who got nothing by the campaign's rules, by why; codes that are missing aside.
    not_given: Mapping[str, int] = field(default_factory=dict)


def celebrate(
    deployment: Deployment,
    campaign_key: str | None = None,
    *,
    again: bool = True,
    dry_run: bool = False,
) -> list[Celebrated]:
    """Issue what is due today in every campaign for birthdays, or in one.

    Args:
        again: look once more where today's turn has come already, for recipients who were added
            since; the worker's clock, which comes by every minute, does not.
        dry_run: count what would be issued and why not; write nothing.

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
            f"{campaign_key!r} is no live campaign for birthdays.",
            "Add a section [birthday] to its file and apply it.",
        )
    return [
        _Run(deployment, campaign, dry_run=dry_run).celebrated()
        for campaign in found
        if again or not _done_today(campaign, deployment.now())
    ]


def _done_today(campaign: Campaign, now: dt.datetime) -> bool:
    settings, through = Birthdays.read(campaign.birthday or {}), campaign.birthdays_through
    today = now.astimezone(ZoneInfo(campaign.timezone)).date()
    return through is not None and through >= today + dt.timedelta(days=settings.days_ahead)


class _Run:
    """One campaign's turn."""

    def __init__(self, deployment: Deployment, campaign: Campaign, *, dry_run: bool) -> None:
        self.deployment = deployment
        self.campaign = campaign
        self.dry_run = dry_run
        self.settings = Birthdays.read(campaign.birthday or {})
        #: Counts over all days, so that a dry run's limits do, too.
        self.tally = Tally()
        self.issued = 0
        #: In a dry run without rules: codes that are left; None cannot run out.
        self.left: int | None = None

    def celebrated(self) -> Celebrated:
        """Do what is due."""
        campaign, settings = self.campaign, self.settings
        today = self.deployment.now().astimezone(ZoneInfo(campaign.timezone)).date()
        days = birthdays.due_days(
            today,
            days_ahead=settings.days_ahead,
            done_through=campaign.birthdays_through,
            catch_up_days=settings.catch_up_days,
        )
        if campaign.birthdays_through is None:
            # From here on no day is forgotten, not even one whose codes run out at once.
            self._note(today - dt.timedelta(days=1))
        if self.dry_run:
            with self.deployment.database.read() as session:
                found = stock(session, campaign, exact=True)
                self.left = None if found is None else found.left
        for day in days:
            try:
                missing = self._day(day)
            except IssueFault as fault:
                return self._said(fault=str(fault))
            if missing:
                # The day is not done: the next run goes on here, once there are codes again.
                return self._said(missing=missing)
            if campaign.birthdays_through is None or campaign.birthdays_through < day:
                self._note(day)
        return self._said()

    def _said(self, *, missing: int = 0, fault: str | None = None) -> Celebrated:
        not_given = {
            why: count for why, count in self.tally.not_given.items() if why != Why.NO_CODE
        }
        return Celebrated(
            campaign=self.campaign.key,
            issued=self.issued,
            missing=missing,
            fault=fault,
            not_given=not_given,
        )

    def _note(self, day: dt.date) -> None:
        """Remember that the turn of `day` has come."""
        if self.dry_run:
            return
        through = Campaign.birthdays_through
        with self.deployment.database.write() as session:
            session.execute(
                update(Campaign)
                .where(Campaign.id == self.campaign.id, through.is_(None) | (through < day))
                .values(birthdays_through=day)
            )

    def _day(self, day: dt.date) -> int:
        """Issue the cards of one day's birthdays; returns how many are missing a code."""
        if self.campaign.rules is not None:
            return self._by_rules(day)
        return self._planned(day) if self.dry_run else self._plainly(day)

    def _by_rules(self, day: dt.date) -> int:
        """As the campaign's rules decide. Who gets nothing is asked about again by a later run of
        the day; who is in the holdout is not.
        """
        tally = self.tally
        before, given = tally.not_given[Why.NO_CODE], tally.given
        candidates = (
            Candidate(person=Person(external_id=external_id)) for external_id in self._pages(day)
        )
        try:
            for _ in decisions.decide(
                self.deployment, self.campaign.key, candidates, tally, dry_run=self.dry_run
            ):
                pass
        finally:
            self.issued += tally.given - given
        return tally.not_given[Why.NO_CODE] - before

    def _planned(self, day: dt.date) -> int:
        """What `_plainly` would issue."""
        with self.deployment.database.read() as session:
            campaign = session.get_one(Campaign, self.campaign.id)
            refuse(
                campaign,
                campaigns.terms_of(campaigns.latest_revision(session, campaign)),
                now=self.deployment.now(),
            )
        names = list(self._pages(day))
        with self.deployment.database.read() as session:
            asked = {(name, birthdays.occasion(day)) for name in names}
            keyring = self.deployment.keyring
            due = len(asked - forgotten.given(session, keyring, self.campaign.id, asked))
        served = due if self.left is None else min(due, self.left)
        if self.left is not None:
            self.left -= served
        self.issued += served
        return due - served

    def _plainly(self, day: dt.date) -> int:
        """The campaign's own value for everybody."""
        database = self.deployment.database
        after = 0
        while True:
            with database.read() as session:
                if not self._due(session, day, after=after):
                    return 0
            with database.write() as session:
                campaign = session.get_one(Campaign, self.campaign.id)
                due = self._due(session, day, after=after)
                wanted = [
                    VoucherRequest(person=Person(external_id=external_id)) for _, external_id in due
                ]
                if not wanted:
                    continue
                batch = issue(
                    session, self.deployment.keyring, campaign, wanted, now=self.deployment.now()
                )
            self.issued += sum(item.fresh for item in batch.issued)
            # Whose time has passed since midnight would be found here again, and again.
            if batch.missing or batch.not_due or len(wanted) < CHUNK:
                return batch.missing
            # Who had this year's before they were forgotten stays due, and is passed over.
            after = due[-1][0]

    def _pages(self, day: dt.date) -> Iterator[str]:
        """Those who are due, whatever becomes of them meanwhile; no transaction stays open."""
        after = 0
        while True:
            with self.deployment.database.read() as session:
                page = self._due(session, day, after=after)
            if not page:
                return
            yield from (external_id for _, external_id in page)
            after = page[-1][0]

    def _due(self, session: Session, day: dt.date, *, after: int = 0) -> list[tuple[int, str]]:
        """Recipients who celebrate on `day` and have neither card nor decision of this occasion."""
        occasion = birthdays.occasion(day)
        has_one = (
            exists().where(
                table.campaign_id == self.campaign.id,
                table.recipient_id == Recipient.id,
                table.occasion == occasion,
            )
            for table in (Voucher, Decision)
        )
        rows = session.execute(
            select(Recipient.id, Recipient.external_id)
            .where(
                Recipient.id > after,
                Recipient.birth_day.in_(
                    birthdays.day_numbers(day, leap_day=self.settings.leap_day)
                ),
                Recipient.forgotten_at.is_(None),
                Recipient.external_id.is_not(None),
                # Nobody celebrates the day on which they are born, or one before it.
                Recipient.birth_date < day,
                *(~each for each in has_one),
            )
            .order_by(Recipient.id)
            .limit(CHUNK)
        )
        return [(row.id, row.external_id) for row in rows if row.external_id is not None]
