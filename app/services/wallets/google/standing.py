"""What Google is owed: said before an edit, and while it goes out.

An edit is told apart by where it shows: on the class, which is one call for all holders,
or on every object, which takes as long as Google's rate makes it. What is owed, failing and why is
counted from the same columns that the delivery reads. It does not hide a queue; above the rate the
delay is backlog ÷ rate, and that is what is shown.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, case, func, or_, select
from sqlalchemy.orm import Session

from app.services.wallets.google import digests
from app.services.wallets.wallet import Edit, Forecast
from app.store.models import Campaign, GoogleClass, GoogleObject, Voucher


@dataclass(frozen=True, slots=True)
class GoogleStanding:
    """Where delivery to Google stands, of a campaign or of all.

    ``held`` objects are in a wallet or may be; ``owed`` of them lag; ``takes`` is the backlog
    divided by the rate; ``failing`` counts by reason, the most frequent first.
    """

    held: int
    owed: int
    classes_owed: int
    takes: dt.timedelta
    oldest_failure: dt.datetime | None
    failing: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        calls = self.owed + self.classes_owed
        rest = f"{calls} calls are owed, {self.takes.total_seconds():.0f} s in all"
        held = "1 pass" if self.held == 1 else f"{self.held} passes"
        return f"Google: {held} held; {rest if calls else 'nothing is owed'}."


def forecast(session: Session, campaign_key: str, edit: Edit, *, rate: float) -> Forecast:
    """Say what an edit of a campaign will cost at Google."""
    campaign = session.scalar(select(Campaign).where(Campaign.key == campaign_key))
    passes = 0
    if campaign is not None and digests.touches_objects(session, campaign, edit):
        passes = (
            session.scalar(
                select(func.count())
                .select_from(GoogleObject)
                .join(Voucher, Voucher.id == GoogleObject.voucher_id)
                .where(Voucher.campaign_id == campaign.id, _held())
            )
            or 0
        )
    return Forecast(passes, dt.timedelta(seconds=passes / rate), "Google Wallet")


def standing(session: Session, *, rate: float, campaign_key: str | None = None) -> GoogleStanding:
    """Count what is held, owed and failing at Google."""
    objects = (
        select(func.count())
        .select_from(GoogleObject)
        .join(Voucher, Voucher.id == GoogleObject.voucher_id)
        .join(Campaign, Campaign.id == Voucher.campaign_id)
    )
    classes = (
        select(func.count())
        .select_from(GoogleClass)
        .join(Campaign, Campaign.id == GoogleClass.campaign_id)
        .where(GoogleClass.sent_campaign.is_distinct_from(Campaign.version))
    )
    failures = (
        select(GoogleObject.failure, func.count(), func.min(GoogleObject.sent_at))
        .join(Voucher, Voucher.id == GoogleObject.voucher_id)
        .join(Campaign, Campaign.id == Voucher.campaign_id)
        .where(GoogleObject.failure.is_not(None))
        .group_by(GoogleObject.failure)
        .order_by(func.count().desc())
        .limit(10)
    )
    if campaign_key is not None:
        objects = objects.where(Campaign.key == campaign_key)
        classes = classes.where(Campaign.key == campaign_key)
        failures = failures.where(Campaign.key == campaign_key)
    lags = or_(GoogleObject.sent_voucher.is_distinct_from(Voucher.version), digests.lags())
    held = session.scalar(objects.where(_held())) or 0
    owed = session.scalar(objects.where(or_(GoogleObject.status == "wanted", and_(_held(), lags))))
    classes_owed = session.scalar(classes) or 0
    rows = session.execute(failures).all()
    calls = (owed or 0) + classes_owed
    return GoogleStanding(
        held=held,
        owed=owed or 0,
        classes_owed=classes_owed,
        takes=dt.timedelta(seconds=calls / rate),
        oldest_failure=min((row[2] for row in rows if row[2] is not None), default=None),
        failing=tuple((reason or "", count) for reason, count, _ in rows),
    )


def by_campaign(session: Session) -> dict[str, tuple[int, int]]:
    """Objects that are held, and of what is held or wanted how many are owed, by campaign."""
    lags = or_(GoogleObject.sent_voucher.is_distinct_from(Voucher.version), digests.lags())
    owed = or_(GoogleObject.status == "wanted", and_(_held(), lags))

    def count(condition: ColumnElement[bool]) -> ColumnElement[int]:
        return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)

    rows = session.execute(
        select(Campaign.key, count(_held()), count(owed))
        .select_from(GoogleObject)
        .join(Voucher, Voucher.id == GoogleObject.voucher_id)
        .join(Campaign, Campaign.id == Voucher.campaign_id)
        .group_by(Campaign.key)
    )
    return {key: (int(held), int(late)) for key, held, late in rows}


def _held() -> ColumnElement[bool]:
    return and_(GoogleObject.status == "inserted", GoogleObject.has_users.is_not(False))
