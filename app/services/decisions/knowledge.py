"""This module reads what is known of recipients: who they are, what they did, what they got."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from babel.numbers import get_currency_precision
from sqlalchemy import ColumnElement, and_, case, func, or_, select, true
from sqlalchemy.orm import Session, aliased

from app.domain import amounts, occasions, values
from app.domain.amounts import AmountFault
from app.domain.ledger import RETURNS, USES, EntryKind
from app.domain.values import OWN_EVENTS, POINTS, REDEEMED, Fact, Rules
from app.services.decisions.candidates import Candidate
from app.services.reports.replaced_cards import firsts
from app.store.models import Activity, Campaign, Decision, Entry, Event, Recipient, Voucher


@dataclass(frozen=True, slots=True)
class Known:
    """What the database says of recipients: who they are, and what they did."""

    ids: dict[str, int]
    #: Those of whom more may be stored than their row, by id.
    old: dict[int, str]
    rows: dict[str, Any]
    #: How often each did an event within the window of points: as other systems reported it, and
    #: as the service booked it.
    reported: dict[str, Counter[str]]
    booked: dict[str, Counter[str]]
    #: When each last did a reported event, and all that the service booked, whatever the window.
    latest: dict[str, dict[str, dt.datetime]]
    books: dict[str, list[Booked]]

    def times(self, name: str, event: str) -> int:
        """How often an event counts; one that is reported and booked counts once."""
        return max(self.reported[name][event], self.booked[name][event])


@dataclass(frozen=True, slots=True)
class Past:
    """What recipients were given before, by recipient and occasion under its canonical name."""

    decided: dict[tuple[str, str], Decision]
    #: Of those with a voucher, the key of the campaign that it was issued from.
    sources: dict[tuple[str, str], str]
    #: Of those, whose voucher was taken back.
    withdrawn: set[tuple[str, str]]
    #: Vouchers that the campaign issued without deciding, before it had rules, by their status.
    undecided: dict[tuple[str, str], str]
    #: How many vouchers of the campaign's frequency group each recipient was given lately.
    lately: Counter[str]
    #: Who was forgotten, or had it before they were, by recipient and occasion.
    forgotten: set[tuple[str, str]] = field(default_factory=set)


def known_of(
    session: Session,
    rules: Rules,
    ids: dict[str, int],
    *,
    campaigns: Collection[str],
    now: dt.datetime,
    new: Collection[int] = (),
    locked: bool = False,
) -> Known:
    """What is known of recipients.

    Args:
        campaigns: keys of those for which what somebody did has to count.
        now: from when the window of points is counted back.
        new: those that this transaction stored, of whom nothing else is known.
        locked: keep their rows until the end.
    """
    statement = (
        select(
            Recipient.id,
            Recipient.external_id,
            Recipient.segment,
            Recipient.previous_segment,
            Recipient.score,
            Recipient.language,
            Recipient.attributes,
        )
        .where(Recipient.id.in_(ids.values()))
        .order_by(Recipient.id)
    )
    if locked:
        statement = statement.with_for_update(key_share=True)
    rows = {row.external_id: row for row in session.execute(statement)}
    old = {id_: name for name, id_ in ids.items() if id_ not in new}
    since = rules.points_since(now)
    events = {*rules.points, *(stop.event for stop in rules.stops if stop.event is not None)}
    reported: dict[str, Counter[str]] = defaultdict(Counter)
    booked: dict[str, Counter[str]] = defaultdict(Counter)
    latest: dict[str, dict[str, dt.datetime]] = defaultdict(dict)
    books: dict[str, list[Booked]] = defaultdict(list)
    if old and events:
        counts = true() if since is None else Activity.at > since
        for row in session.execute(
            select(
                Activity.recipient_id,
                Activity.name,
                func.sum(case((counts, 1), else_=0)).label("times"),
                func.max(Activity.at).label("latest"),
            )
            .where(Activity.recipient_id.in_(old), *(counts_for(each) for each in campaigns))
            .group_by(Activity.recipient_id, Activity.name)
        ):
            reported[old[row.recipient_id]][row.name] = int(row.times)
            latest[old[row.recipient_id]][row.name] = row.latest
        for recipient_id, some in booked_of(session, old, events).items():
            books[old[recipient_id]] = some
            booked[old[recipient_id]].update(
                each.event for each in some if since is None or each.at > since
            )
    return Known(ids, old, rows, reported, booked, latest, books)


def counts_for(campaign_key: str) -> ColumnElement[bool]:
    """Whether what somebody did counts for a campaign; see `Activity.campaigns`."""
    named = Activity.campaigns.contains(f"|{campaign_key}|", autoescape=True)
    return or_(Activity.campaigns.is_(None), named)


def past_of(
    session: Session,
    campaign_id: int,
    rules: Rules,
    known: Known,
    asked: Collection[str],
    *,
    now: dt.datetime,
) -> Past:
    """What the recipients were given before for the occasions `asked`, and lately."""
    names = known.old
    if not names:
        return Past({}, {}, set(), {}, Counter())
    spellings = occasions.spellings(asked)

    def by_key(rows: Iterable[Any]) -> dict[tuple[str, str], Any]:
        # Of two that an earlier release decided for one mail, the one that is asked by its name.
        ordered = sorted(rows, key=lambda row: row.occasion in asked)
        return {
            (names[row.recipient_id], occasions.canonical(row.occasion)): row for row in ordered
        }

    found = by_key(
        session.execute(
            select(Decision, Decision.recipient_id, Decision.occasion, Voucher.status, Campaign.key)
            .outerjoin(Voucher, Voucher.id == Decision.voucher_id)
            .outerjoin(Campaign, Campaign.id == Voucher.campaign_id)
            .where(
                Decision.campaign_id == campaign_id,
                Decision.recipient_id.in_(names),
                Decision.occasion.in_(spellings),
            )
        )
    )
    decided = {key: row.Decision for key, row in found.items()}
    withdrawn = {key for key, row in found.items() if row.status == "revoked"}
    plain = by_key(
        session.execute(
            select(Voucher.recipient_id, Voucher.occasion, Voucher.status).where(
                Voucher.campaign_id == campaign_id,
                Voucher.recipient_id.in_(names),
                Voucher.occasion.in_(spellings),
            )
        )
    )
    undecided = {key: row.status for key, row in plain.items() if key not in decided}
    lately: Counter[str] = Counter()
    if (frequency := rules.frequency) is not None:
        since = now - dt.timedelta(days=frequency.days)
        for id_, count in session.execute(
            select(Decision.recipient_id, func.count())
            .where(
                Decision.recipient_id.in_(names),
                Decision.group == frequency.group,
                Decision.voucher_id.is_not(None),
                Decision.created_at > since,
            )
            .group_by(Decision.recipient_id)
        ):
            lately[names[id_]] = count
    sources = {key: row.key for key, row in found.items() if row.key is not None}
    return Past(decided, sources, withdrawn, undecided, lately)


def done_since(
    rules: Rules, known: Known, name: str, *, now: dt.datetime, besides: int | None = None
) -> list[str]:
    """Events of stop conditions that a recipient did within their days before `now`, or later.

    Args:
        besides: id of a voucher of which nothing that was booked counts.
    """
    latest = dict(known.latest[name])
    for each in known.books[name]:
        if each.voucher_id != besides:
            latest[each.event] = max(each.at, latest.get(each.event, each.at))
    return [
        stop.event
        for stop in rules.stops
        if stop.event is not None
        and (at := latest.get(stop.event)) is not None
        and (not stop.days or at > now - dt.timedelta(days=stop.days))
    ]


def segment_of(candidate: Candidate, known: Known) -> Fact:
    """The recipient's segment as `facts_of` has it; empty when it is not known."""
    if (told := candidate.facts.get("segment")) is not None:
        return told
    person = candidate.person
    row = known.rows.get(person.external_id)
    own = person.segment or (row.segment if row is not None else None)
    if own is not None:
        return own
    attributes = {**(row.attributes if row is not None else {}), **person.attributes}
    found = attributes.get("segment", "")
    return found if isinstance(found, (str, int)) else str(found)


def amounts_of(cells: Mapping[str, Any], currency: str | None) -> dict[str, int]:
    """The facts that are amounts, in minor units, from texts as people write them.

    Raises:
        ValueError: one is no amount of the currency, or may be two; says which and why.
    """
    found: dict[str, int] = {}
    for name in sorted(values.AMOUNTS):
        text = cells.get(name)
        if not isinstance(text, str) or not text.strip():
            continue
        if currency is None:
            raise ValueError(f"{name} is an amount, and the campaign has no currency: give it one")
        digits = get_currency_precision(currency)
        try:
            found[name] = amounts.minor(text, digits=digits, currency=currency)
        except AmountFault as fault:
            raise ValueError(
                f"{name} is no amount of the campaign's currency: it {fault}"
            ) from None
    return found


def facts_of(
    rules: Rules, candidate: Candidate, known: Known, *, currency: str | None
) -> dict[str, Fact]:
    """The recipient's facts: those stored, then those told now, then the occasion's.

    An amount that is stored as a text is of the campaign's currency; one that cannot be read is
    not known, so that no condition holds by it.
    """
    person = candidate.person
    row = known.rows.get(person.external_id)
    facts: dict[str, Fact] = {"occasion": candidate.occasion}
    told = {**(row.attributes if row is not None else {}), **person.attributes}
    for name, value in told.items():
        if isinstance(value, float):
            facts[name] = Decimal(str(value))
        elif isinstance(value, str) and name in values.AMOUNTS:
            with suppress(ValueError):
                facts |= amounts_of({name: value}, currency)
        elif isinstance(value, (str, int)):
            facts[name] = value
    segment = person.segment or (row.segment if row is not None else None)
    previous = row.previous_segment if row is not None else None
    if row is not None and person.segment and row.segment and person.segment != row.segment:
        previous = row.segment
    score = person.score if person.score is not None else (row.score if row else None)
    language = person.language or (row.language if row else None)
    named = {
        "segment": segment,
        "previous_segment": previous,
        "score": score,
        "language": language,
        POINTS: values.points(
            rules, {event: known.times(person.external_id, event) for event in rules.points}
        )
        if rules.points
        else None,
    }
    facts |= {name: value for name, value in named.items() if value is not None}
    return {**facts, **candidate.facts}


#: A conflict is a redemption, too: somebody redeemed, though no limit had room for it.
_TAKING = [str(kind) for kind in (*USES, EntryKind.CONFLICT)]
_RETURNING = [str(kind) for kind in RETURNS]
_BACK = aliased(Entry)


@dataclass(frozen=True, slots=True)
class Booked:
    """One of `OWN_EVENTS`, when it was last, and the voucher that it happened to."""

    event: str
    voucher_id: int
    at: dt.datetime


def booked_of(
    session: Session, recipient_ids: Collection[int], events: Collection[str]
) -> dict[int, list[Booked]]:
    """What was booked of these recipients, by their ids.

    Args:
        events: names of which those of `OWN_EVENTS` are looked up; others are other systems'.
    """
    found: dict[int, list[Booked]] = defaultdict(list)
    wanted = OWN_EVENTS.intersection(events)
    if REDEEMED in wanted:
        _redemptions(session, recipient_ids, found)
    if seen := wanted - {REDEEMED}:
        _sights(session, recipient_ids, seen, found)
    return found


def _redemptions(
    session: Session, recipient_ids: Collection[int], found: dict[int, list[Booked]]
) -> None:
    """Redemptions of which a use or a minor unit was not given back."""
    uses = Entry.uses + func.coalesce(func.sum(_BACK.uses), 0)
    minor = -Entry.amount_minor - func.coalesce(func.sum(_BACK.amount_minor), 0)
    for row in session.execute(
        select(Voucher.recipient_id, Entry.voucher_id, Entry.created_at)
        .join(Entry, Entry.voucher_id == Voucher.id)
        .outerjoin(_BACK, and_(_BACK.refers_to_id == Entry.id, _BACK.kind.in_(_RETURNING)))
        .where(Voucher.recipient_id.in_(recipient_ids), Entry.kind.in_(_TAKING))
        .group_by(Voucher.recipient_id, Entry.id)
        .having(or_(uses > 0, minor > 0))
    ):
        found[row.recipient_id].append(Booked(REDEEMED, row.voucher_id, row.created_at))


def _sights(
    session: Session,
    recipient_ids: Collection[int],
    events: Collection[str],
    found: dict[int, list[Booked]],
) -> None:
    """Vouchers that were added or looked at, each once, under the first card of its chain."""
    rows = session.execute(
        select(Voucher.recipient_id, Voucher.id, Event.kind, func.max(Event.at).label("at"))
        .join(Event, Event.voucher_id == Voucher.id)
        .where(Voucher.recipient_id.in_(recipient_ids), Event.kind.in_(events))
        .group_by(Voucher.recipient_id, Voucher.id, Event.kind)
    ).all()
    first = firsts(session, {row.id for row in rows})
    latest: dict[tuple[int, str, int], dt.datetime] = {}
    for row in rows:
        key = (row.recipient_id, row.kind, first.get(row.id, row.id))
        latest[key] = max(row.at, latest.get(key, row.at))
    for (recipient_id, event, voucher_id), at in latest.items():
        found[recipient_id].append(Booked(event, voucher_id, at))
