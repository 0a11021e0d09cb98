"""The clockwork does what is due because time passes, without an outside cron.

Each moment is handled once, however many workers run and however long none did; the row
that says until when the work is done moves in the same transaction as the work. Work is done in
batches, and the phones hear of it in the paced lane, since a campaign's vouchers end together.
It does not change what a voucher is worth; it only sees to it that passes show what is true now.

Another recurring job is a function in `JOBS`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.domain import overrides
from app.services import (
    access,
    birthday_cards,
    changes,
    decisions,
    expiry,
    privacy,
    security,
    updates,
    wallets,
)
from app.services.deployment import Deployment
from app.services.security import Actor
from app.services.tills import Tills, release_lapsed
from app.services.wallets import holdings
from app.store.dialects import insert_for
from app.store.models import Campaign, Clockwork, Voucher

BATCH = 5_000
#: The least that lies between two moments.
INSTANT = dt.timedelta(microseconds=1)

Job = Callable[[Deployment], None]


def run(deployment: Deployment) -> None:
    """Do all that has become due; any number of workers may call it at any time."""
    security.act_as(Actor(command="clock"))
    for job in JOBS:
        job(deployment)


def _show_moments(deployment: Deployment) -> None:
    """Grow the version of vouchers whose pass says something else since they started or ended."""
    for name, column in (("starts", Voucher.starts_at), ("ends", Voucher.ends_at)):
        while _show_some(deployment, name, column):
            pass


def _show_some(
    deployment: Deployment, name: str, column: InstrumentedAttribute[dt.datetime | None]
) -> bool:
    """Handle one batch of moments; returns whether there may be more."""
    now = deployment.now()
    with deployment.database.write() as session:
        mark = _mark(session, f"voucher_{name}", now=now)
        if mark.done_until >= now:
            return False
        due = select(Voucher, Campaign).join(Campaign, Campaign.id == Voucher.campaign_id)
        rows = session.execute(
            due.where(column > mark.done_until, column <= now).order_by(column).limit(BATCH + 1)
        ).all()
        more = len(rows) > BATCH
        until = now
        if more:
            # A batch ends between two moments, never within one.
            last = _moment(rows[BATCH][0], name)
            earlier = [row for row in rows if _moment(row[0], name) < last]
            until = _moment(earlier[-1][0], name) if earlier else last
            rows = earlier or session.execute(due.where(column == last)).all()
        # One that is used up, withdrawn or prolonged by its campaign says what it said before.
        changed = [
            (voucher.id, campaign.id)
            for voucher, campaign in rows
            if holdings.status(voucher, campaign, now)
            is not holdings.status(voucher, campaign, _moment(voucher, name) - INSTANT)
        ]
        ids = sorted(voucher_id for voucher_id, _ in changed)
        for at in range(0, len(ids), 500):
            session.execute(
                update(Voucher)
                .where(Voucher.id.in_(ids[at : at + 500]))
                .values(version=Voucher.version + 1)
                .execution_options(synchronize_session=False)
            )
        mark.done_until = until
        for campaign_id in sorted({campaign_id for _, campaign_id in changed}):
            changes.campaign(session, campaign_id)
    return more


def _moment(voucher: Voucher, name: str) -> dt.datetime:
    """When a voucher that was found by that moment starts or ends."""
    moment: dt.datetime = getattr(voucher, f"{name}_at")
    return moment


def _mark(session: Session, name: str, *, now: dt.datetime) -> Clockwork:
    """The row that says until when the job is done, locked; the first one says: until now."""
    session.execute(
        insert_for(session, Clockwork).values(name=name, done_until=now).on_conflict_do_nothing()
    )
    return session.scalars(select(Clockwork).where(Clockwork.name == name).with_for_update()).one()


def _do_of_wallets(deployment: Deployment) -> None:
    """Do what single wallets want done because time passes."""
    for wallet in wallets.WALLETS:
        for job in wallet.jobs:
            job(deployment)


def _celebrate(deployment: Deployment) -> None:
    """Issue the vouchers that birthdays are due, once a local day for each campaign."""
    for done in birthday_cards.celebrate(deployment, again=False):
        if done.fault or done.missing:
            structlog.get_logger().warning(
                "birthdays_held_up", campaign=done.campaign, cause=done.fault or "out of codes"
            )


def _show_override_ends(deployment: Deployment) -> None:
    """Grow the version of campaigns whose override ended since the last look."""
    now = deployment.now()
    with deployment.database.write() as session:
        mark = _mark(session, overrides.ENDS_COUNTED, now=now)
        for campaign in session.scalars(
            select(Campaign).where(Campaign.override.is_not(None)).with_for_update()
        ):
            override = overrides.read(campaign.override, forced=campaign.override_forced)
            end = override.ends_at if override else None
            if end is not None and mark.done_until < end <= now:
                campaign.version += 1
                changes.campaign(session, campaign.id)
        mark.done_until = max(mark.done_until, now)


def _release(deployment: Deployment) -> None:
    """Give lapsed holds back, and book what is on cards whose time is over."""
    release_lapsed(deployment, deployment.now())


def _withdraw_stopped(deployment: Deployment) -> None:
    """Take back what stop conditions marked, such as vouchers that a till held then."""
    decisions.withdraw(deployment.database, now=deployment.now())


def _forget_keys(deployment: Deployment) -> None:
    """Remove idempotency keys that no till may repeat any more, and guesses long past."""
    Tills(deployment).forget()
    deployment.guesses.forget(now=deployment.now())


def _forget_people(deployment: Deployment) -> None:
    """Forget people of whom nothing was heard for as long as the settings say."""
    days = deployment.settings.retention_days
    now, keyring = deployment.now(), deployment.keyring
    while days:
        with deployment.database.write() as session:
            before = now - dt.timedelta(days=days)
            if privacy.forget_inactive(session, keyring, before=before, now=now, limit=100) < 100:
                return


def _forget_security_events(deployment: Deployment) -> None:
    """Remove security events whose retention is over, and what is kept of tills' sessions."""
    now = deployment.now()
    with deployment.database.write() as session:
        security.retain(session, now=now, days=deployment.settings.security_days)
        access.forget_sign_outs(session, now=now)


JOBS: tuple[Job, ...] = (
    updates.apply_due,
    _show_moments,
    expiry.note_expired,
    _show_override_ends,
    _release,
    decisions.follow,
    _withdraw_stopped,
    _celebrate,
    _forget_people,
    _forget_keys,
    _forget_security_events,
    _do_of_wallets,
)
