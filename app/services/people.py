"""This module keeps what marketers tell of recipients, and what the recipients did.

What is reported twice counts once.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import and_, select, update
from sqlalchemy.orm import Session

from app.domain.lift import Arm, Difference, share, spending
from app.domain.values import PURCHASE
from app.faults import RecipientUnknown
from app.services import decisions
from app.services.issuance import Person
from app.services.issuance.recipients import store
from app.store.dialects import insert_for
from app.store.keyring import Keyring
from app.store.models import (
    Activity,
    ArmCount,
    Campaign,
    Decision,
    Recipient,
)
from app.store.session import Database

CHUNK = 500
#: The reported event by which campaigns are measured, and how long after a decision it counts.
OUTCOME = PURCHASE
ATTRIBUTION = dt.timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Did:
    """Something that a recipient did; `key` is the reporting system's own id of it."""

    external_id: str
    name: str
    key: str
    value_minor: int = 0
    at: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Lift:
    """One arm of a campaign against the holdout."""

    variant: str
    treated: Arm
    held_out: Arm
    share: Difference | None
    spending: Difference | None


def remember(database: Database, people: Iterable[Person], *, now: dt.datetime) -> int:
    """Store recipients as the marketer's system knows them; returns how many.

    What is absent stays as it was stored. Vouchers that a stop condition takes back are taken.
    This is how people who were forgotten come back, if their marketer says so: as somebody new,
    to whom what they had before is not given again.
    """
    rest, count = iter(people), 0
    while chunk := list(islice(rest, CHUNK)):
        with database.write() as session:
            ids = store(session, chunk, now=now, keyring=None).ids
            decisions.note(session, ids.values(), now=now)
        count += len(chunk)
    decisions.withdraw(database, now=now)
    return count


def report(
    session: Session,
    keyring: Keyring,
    done: Sequence[Did],
    *,
    now: dt.datetime,
    only: Collection[str] | None = None,
) -> int:
    """Record what recipients did; returns how many of the reports were new.

    `only` are keys of the campaigns that it counts for; None is every campaign. What was reported
    for some counts as new where it is reported for more, and for those.

    A person who is not known yet becomes a recipient, unless they were forgotten. Vouchers that a
    stop condition takes back are marked: `decisions.withdraw` takes them once this is committed.
    """
    people = [Person(external_id=each.external_id) for each in done]
    ids = store(session, people, now=now, keyring=keyring).ids
    kept = set(
        session.scalars(
            select(Recipient.id)
            .where(Recipient.id.in_(ids.values()), Recipient.forgotten_at.is_(None))
            .order_by(Recipient.id)
            .with_for_update()
        )
    )
    ids = {name: id_ for name, id_ in ids.items() if id_ in kept}
    fresh = 0
    for each in done:
        if each.external_id not in ids:
            continue
        known = _recorded(session, ids[each.external_id], each, now=now, only=only)
        if known is not None and (None in known or (only is not None and known >= set(only))):
            continue
        fresh += 1
        if each.name == OUTCOME:
            _attribute(session, ids[each.external_id], each, only=only, but=known or ())
    if fresh:
        decisions.note(session, ids.values(), now=now)
    return fresh


def _recorded(
    session: Session,
    recipient_id: int,
    done: Did,
    *,
    now: dt.datetime,
    only: Collection[str] | None,
) -> set[str | None] | None:
    """Record what a recipient did, or that it counts for more campaigns.

    Returns for which it did before, None among them for every campaign; None: it is new.
    """
    added = session.scalar(
        insert_for(session, Activity)
        .values(
            recipient_id=recipient_id,
            name=done.name,
            key=done.key,
            value_minor=done.value_minor,
            at=done.at,
            created_at=now,
            campaigns=_named(only),
        )
        .on_conflict_do_nothing()
        .returning(Activity.id)
    )
    if added is not None:
        return None
    # The recipient's row is locked: nobody else reports the same.
    row = session.scalars(
        select(Activity).where(
            Activity.recipient_id == recipient_id,
            Activity.name == done.name,
            Activity.key == done.key,
        )
    ).one()
    if row.campaigns is None:
        return {None}
    before: set[str | None] = set(filter(None, row.campaigns.split("|")))
    if only is None:
        # Whoever speaks for all campaigns knows best what it was.
        row.campaigns, row.value_minor, row.at = None, done.value_minor, done.at
    else:
        row.campaigns = _named({*only, *filter(None, before)})
    session.flush()
    return before


def _named(campaigns: Collection[str] | None) -> str | None:
    """Campaigns as `Activity.campaigns` has them."""
    return None if campaigns is None else f"|{'|'.join(sorted(campaigns))}|"


def rehearse(
    database: Database,
    keyring: Keyring,
    done: Sequence[Did],
    *,
    now: dt.datetime,
    only: Collection[str] | None = None,
) -> tuple[int, list[str]]:
    """What `report` would do, which stays undone: how many reports are new, and the serials of the
    vouchers that stop conditions would take back at once.
    """
    with database.write() as session:
        recorded = report(session, keyring, done, now=now, only=only)
        names = {each.external_id for each in done}
        ids = session.scalars(select(Recipient.id).where(Recipient.external_id.in_(names))).all()
        taken = decisions.takeable(session, ids, only=only)
        session.rollback()
    return recorded, taken


def _attribute(
    session: Session,
    recipient_id: int,
    done: Did,
    *,
    only: Collection[str] | None,
    but: Collection[str | None],
) -> None:
    """Count a purchase for every decision that it may come of, of the campaigns `only` and not of
    those for which it was counted before.
    """
    counted = Campaign.key.not_in([each for each in but if each is not None])
    kept = session.scalars(
        select(Decision)
        .join(Campaign, Campaign.id == Decision.campaign_id)
        .where(
            counted if only is None else and_(counted, Campaign.key.in_(only)),
            Decision.recipient_id == recipient_id,
            Decision.created_at <= done.at,
            Decision.created_at > done.at - ATTRIBUTION,
        )
        .order_by(Decision.id)
    ).all()
    for decision in kept:
        first = decision.acted_at is None
        before = decision.spent_minor
        decision.acted_at = decision.acted_at or done.at
        decision.spent_minor = before + done.value_minor
        session.execute(
            update(ArmCount)
            .where(
                ArmCount.campaign_id == decision.campaign_id,
                ArmCount.held_out == decision.held_out,
                ArmCount.variant == decision.variant,
            )
            .values(
                acted=ArmCount.acted + (1 if first else 0),
                spent_minor=ArmCount.spent_minor + done.value_minor,
                spent_squared=ArmCount.spent_squared + float(decision.spent_minor**2 - before**2),
            )
        )
    session.flush()


def lift(session: Session, campaign_id: int, *, confidence: float = 0.95) -> list[Lift]:
    """Every arm of a campaign against its holdout, and all of them together (variant '*')."""
    rows = session.scalars(
        select(ArmCount).where(ArmCount.campaign_id == campaign_id).order_by(ArmCount.variant)
    ).all()

    def arm(some: Iterable[ArmCount]) -> Arm:
        found = list(some)
        return Arm(
            people=sum(row.people for row in found),
            acted=sum(row.acted for row in found),
            spent_minor=sum(row.spent_minor for row in found),
            spent_squared=sum(row.spent_squared for row in found),
        )

    held_out = arm(row for row in rows if row.held_out)
    treated = [row for row in rows if not row.held_out]
    arms = {"*": arm(treated), **{row.variant: arm([row]) for row in treated if row.variant}}
    return [
        Lift(
            variant=variant,
            treated=each,
            held_out=held_out,
            share=share(each, held_out, confidence=confidence),
            spending=spending(each, held_out, confidence=confidence),
        )
        for variant, each in arms.items()
    ]


def find(session: Session, external_id: str) -> Recipient | None:
    """The recipient of that id."""
    return session.scalar(select(Recipient).where(Recipient.external_id == external_id))


def required(session: Session, external_id: str) -> Recipient:
    """The recipient of that id.

    Raises:
        RecipientUnknown: there is none.
    """
    recipient = find(session, external_id)
    if recipient is None:
        raise RecipientUnknown
    return recipient
