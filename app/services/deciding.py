"""Issuing by rules: who gets which voucher of a campaign, why, and what it costs at most.

Promises: a recipient has one decision for an occasion, for ever: a voucher, or a place in the
holdout; asked again, it is the same. No frequency cap and no limit of the rules is passed, however
many decide at once. A dry run decides by the same code and writes nothing.
Refuses: to decide from what it was not told; a fact that is missing matches no condition.

How: recipients are locked in the order of their ids, so that two requests for one person follow
one another; the campaign's sums change last, by one conditional UPDATE.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import islice
from typing import Any

import orjson
from babel.numbers import format_currency, get_currency_precision
from pydantic import TypeAdapter
from sqlalchemy import func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.domain import values
from app.domain.campaign import BenefitType, Presentation, Terms, Texts
from app.domain.kinds import KINDS
from app.domain.values import Fact, Given, Grant, NotGiven, Rules, Why
from app.services import campaigns
from app.services.deployment import Deployment
from app.services.issuing import Issued, IssueFault, Person, Wanted, issue, stock
from app.services.issuing.recipients import recipients
from app.services.issuing.vouchers import refuse
from app.store.keyring import Keyring
from app.store.models import (
    Activity,
    ArmCount,
    Campaign,
    Decision,
    Recipient,
    Revision,
    Voucher,
)

_GRANT = TypeAdapter(Grant)
#: Candidates of one transaction: few enough that a till beside it does not wait long.
CHUNK = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A recipient who may get something, for which occasion, and what is known of it.

    `facts` are of the occasion (`basket`, in minor units) or override the recipient's own.
    """

    person: Person
    occasion: str = ""
    facts: Mapping[str, Fact] = field(default_factory=dict)
    sent_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What a candidate gets: a voucher (None in a dry run), or why none.

    `most_minor` is the most that it can cost; None when nothing bounds it.
    """

    candidate: Candidate
    why: Why | None = None
    tier: str = ""
    variant: str = ""
    campaign: str = ""
    most_minor: int | None = None
    #: Whether this call decided it.
    fresh: bool = True
    issued: Issued | None = None


@dataclass(slots=True)
class Tally:
    """What a run decided, counted; in a dry run also what it would have used up."""

    given: int = 0
    known: int = 0
    #: The most that what was given now can cost together, and how many have no bound.
    most_minor: int = 0
    unbounded: int = 0
    not_given: Counter[str] = field(default_factory=Counter)
    by_value: Counter[str] = field(default_factory=Counter)
    #: Of a dry run: vouchers planned by recipient, decisions, and codes left by campaign.
    lately: Counter[str] = field(default_factory=Counter, repr=False)
    planned: dict[tuple[str, str], Decided] = field(default_factory=dict, repr=False)
    codes: dict[str, int] = field(default_factory=dict, repr=False)


@dataclass(slots=True, kw_only=True)
class _Value:
    """A value ready to be issued: from which campaign, on which terms, by which revision."""

    campaign: Campaign
    grant: Grant
    terms: Terms
    #: The campaign's latest revision, and the value's own once it is made.
    revision: Revision
    revision_id: int | None = None
    most_minor: int | None


@dataclass(slots=True)
class _Known:
    """What the database says of the recipients of a chunk."""

    ids: dict[str, int]
    rows: dict[str, Any]
    decided: dict[tuple[str, str], Decision]
    lately: Counter[str]
    counts: dict[str, Counter[str]]
    latest: dict[str, dict[str, dt.datetime]]


def decide(
    deployment: Deployment,
    campaign_key: str,
    candidates: Iterable[Candidate],
    tally: Tally,
    *,
    dry_run: bool = False,
) -> Iterator[Decided]:
    """Decide for each candidate, in order, in short transactions, counting into `tally`.

    Raises:
        IssueFault: the campaign, or one that a value names, is unknown or issues nothing now.
    """
    rest = iter(candidates)
    keyring = deployment.keyring
    database = deployment.database
    while chunk := list(islice(rest, CHUNK)):
        now = deployment.now()
        if dry_run:
            with database.read() as session:
                decided = _Chunk(session, campaign_key, tally, now=now, dry=True).plan(chunk)
        else:
            with database.write() as session:
                work = _Chunk(session, campaign_key, tally, now=now, dry=False)
                decided = work.issue(chunk, keyring)
        for each in decided:
            _count(tally, each)
        yield from decided


def _count(tally: Tally, decided: Decided) -> None:
    if decided.why is not None:
        tally.not_given[decided.why.value] += 1
        return
    if not decided.fresh:
        tally.known += 1
        return
    tally.given += 1
    tally.by_value[".".join(filter(None, (decided.tier, decided.variant)))] += 1
    if decided.most_minor is None:
        tally.unbounded += 1
    else:
        tally.most_minor += decided.most_minor


class _Chunk:
    """The decisions of one transaction."""

    def __init__(
        self,
        session: Session,
        campaign_key: str,
        tally: Tally,
        *,
        now: dt.datetime,
        dry: bool,
    ) -> None:
        self.session = session
        self.now = now
        self.tally = tally
        self.dry = dry
        self.campaign = self._campaign(campaign_key)
        self.rules: Rules = campaigns.rules_of(self.campaign)
        self.seed = self.campaign.seed or self.campaign.key.encode()
        self._values: dict[tuple[str, str], _Value] = {}

    def _campaign(self, key: str) -> Campaign:
        found = campaigns.find(self.session, key)
        if found is None:
            raise IssueFault(f"No campaign {key!r} exists.")
        return found

    # -- deciding -------------------------------------------------------------------------------

    def plan(self, chunk: Sequence[Candidate]) -> list[Decided]:
        """What a real run would decide now, after what this run planned already."""
        latest = campaigns.latest_revision(self.session, self.campaign)
        refuse(self.campaign, campaigns.terms_of(latest), now=self.now)
        planned = self.tally.planned
        names = [each.person.external_id for each in chunk]
        found = self.session.execute(
            select(Recipient.external_id, Recipient.id).where(Recipient.external_id.in_(names))
        )
        known = self._known({str(row.external_id): row.id for row in found}, chunk, locked=False)
        decided = []
        for each in self._decide(chunk, known):
            key = (each.candidate.person.external_id, each.candidate.occasion)
            coded = each
            if key not in planned:
                if each.why is None and each.fresh:
                    if self._has_code(each.campaign):
                        self.tally.lately[key[0]] += 1
                    else:
                        coded = replace(each, why=Why.NO_CODE)
                planned[key] = coded
            decided.append(coded)
        return decided

    def issue(self, chunk: Sequence[Candidate], keyring: Keyring) -> list[Decided]:
        """Decide, issue and record."""
        ids = recipients(self.session, [each.person for each in chunk], now=self.now)
        known = self._known(ids, chunk, locked=True)
        if self.rules.most_vouchers is not None or self.rules.most_minor is not None:
            self.session.refresh(self.campaign, with_for_update=True)
        decided = self._issue(self._decide(chunk, known), known, keyring)
        self._record(decided, known)
        return decided

    def _decide(self, chunk: Sequence[Candidate], known: _Known) -> list[Decided]:
        vouchers, minor = self._left()
        lately: Counter[str] = Counter()
        # In a dry run an earlier line of the file has decided for the whole run.
        earlier_lines = self.tally.planned if self.dry else {}
        decided_now: dict[tuple[str, str], Decided] = {}
        decided = []
        for candidate in chunk:
            name = candidate.person.external_id
            key = (name, candidate.occasion)
            if (first := decided_now.get(key) or earlier_lines.get(key)) is not None:
                decided.append(replace(first, candidate=candidate, fresh=first.why is not None))
                continue
            if earlier := known.decided.get(key):
                each = self._again(candidate, earlier)
            else:
                each = self._one(
                    candidate, known, known.lately[name] + self.tally.lately[name] + lately[name]
                )
                if each.why is None:
                    if vouchers is not None and vouchers < 1:
                        each = replace(each, why=Why.BUDGET)
                    elif minor is not None and each.most_minor is None:
                        each = replace(each, why=Why.UNBOUNDED)
                    elif minor is not None and minor < (each.most_minor or 0):
                        each = replace(each, why=Why.BUDGET)
                if each.why is None:
                    lately[name] += 1
                    vouchers = None if vouchers is None else vouchers - 1
                    minor = None if minor is None else minor - (each.most_minor or 0)
            decided_now[key] = each
            decided.append(each)
        return decided

    def _one(self, candidate: Candidate, known: _Known, lately: int) -> Decided:
        name = candidate.person.external_id
        decision = values.decide(
            self.rules,
            self._facts(candidate, known),
            seed=self.seed,
            recipient=name,
            lately=lately,
            done=[
                stop.event
                for stop in self.rules.stops
                if stop.event is not None
                and (at := known.latest[name].get(stop.event)) is not None
                and (not stop.days or at > self.now - dt.timedelta(days=stop.days))
            ],
        )
        if isinstance(decision, NotGiven):
            return Decided(candidate=candidate, why=decision.why, tier=decision.tier)
        value = self._value(decision)
        return Decided(
            candidate=candidate,
            tier=decision.tier,
            variant=decision.variant,
            campaign=value.campaign.key,
            most_minor=value.most_minor,
        )

    def _again(self, candidate: Candidate, decision: Decision) -> Decided:
        return Decided(
            candidate=candidate,
            why=Why.HOLDOUT if decision.held_out else None,
            tier=decision.tier,
            variant=decision.variant,
            campaign=self.campaign.key,
            most_minor=decision.most_minor,
            fresh=False,
        )

    def _facts(self, candidate: Candidate, known: _Known) -> dict[str, Fact]:
        """The recipient's facts: those stored, then those told now, then the occasion's."""
        person = candidate.person
        row = known.rows.get(person.external_id)
        facts: dict[str, Fact] = {"occasion": candidate.occasion}
        told = {**(row.attributes if row is not None else {}), **person.attributes}
        for name, value in told.items():
            if isinstance(value, float):
                facts[name] = Decimal(str(value))
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
            "points": values.points(self.rules, known.counts[person.external_id])
            if self.rules.points
            else None,
        }
        facts |= {name: value for name, value in named.items() if value is not None}
        return {**facts, **candidate.facts}

    def _known(self, ids: dict[str, int], chunk: Sequence[Candidate], *, locked: bool) -> _Known:
        names = {id_: name for name, id_ in ids.items()}
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
            .where(Recipient.id.in_(names))
            .order_by(Recipient.id)
        )
        if locked:
            statement = statement.with_for_update()
        rows = {row.external_id: row for row in self.session.execute(statement)}
        decided = {
            (names[row.recipient_id], row.occasion): row
            for row in self.session.scalars(
                select(Decision).where(
                    Decision.campaign_id == self.campaign.id,
                    Decision.recipient_id.in_(names),
                    Decision.occasion.in_({each.occasion for each in chunk}),
                )
            )
        }
        lately: Counter[str] = Counter()
        if (frequency := self.rules.frequency) is not None:
            since = self.now - dt.timedelta(days=frequency.days)
            for id_, count in self.session.execute(
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
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        latest: dict[str, dict[str, dt.datetime]] = defaultdict(dict)
        if self.rules.points or any(stop.event for stop in self.rules.stops):
            for row in self.session.execute(
                select(
                    Activity.recipient_id,
                    Activity.name,
                    func.count().label("times"),
                    func.max(Activity.at).label("latest"),
                )
                .where(Activity.recipient_id.in_(names))
                .group_by(Activity.recipient_id, Activity.name)
            ):
                counts[names[row.recipient_id]][row.name] = int(row.times)
                latest[names[row.recipient_id]][row.name] = row.latest
        return _Known(ids, rows, decided, lately, counts, latest)

    def _left(self) -> tuple[int | None, int | None]:
        """Vouchers and money that the rules' limits leave, less what a dry run planned."""
        rules, campaign = self.rules, self.campaign
        planned = (self.tally.given, self.tally.most_minor) if self.dry else (0, 0)
        return (
            None
            if rules.most_vouchers is None
            else rules.most_vouchers - campaign.given - planned[0],
            None
            if rules.most_minor is None
            else rules.most_minor - campaign.given_minor - planned[1],
        )

    def _has_code(self, campaign_key: str) -> bool:
        """In a dry run: whether a code is left after those that were planned."""
        left = self.tally.codes
        if campaign_key not in left:
            found = stock(self.session, self._campaign(campaign_key), exact=True)
            left[campaign_key] = 1 << 62 if found is None else found.left
        left[campaign_key] -= 1
        return left[campaign_key] >= 0

    # -- values ---------------------------------------------------------------------------------

    def _value(self, given: Given) -> _Value:
        key = (given.tier, given.variant)
        found = self._values.get(key)
        if found is None:
            grant = given.grant
            campaign = self.campaign if grant.campaign is None else self._campaign(grant.campaign)
            revision = campaigns.latest_revision(self.session, campaign)
            terms = grant.terms(campaigns.terms_of(revision))
            found = self._values[key] = _Value(
                campaign=campaign,
                grant=grant,
                terms=terms,
                revision=revision,
                most_minor=values.most_minor(terms, holds_money=KINDS[campaign.kind].holds_money),
            )
        return found

    # -- issuing --------------------------------------------------------------------------------

    def _issue(self, decided: list[Decided], known: _Known, keyring: Keyring) -> list[Decided]:
        """Give every decision for a voucher its voucher; those without a code say so."""
        issued: dict[tuple[str, str], Issued] = self._issued_before(known)
        wanted: dict[tuple[str, str], list[Wanted]] = defaultdict(list)
        for each in decided:
            if each.why is None and each.fresh:
                wanted[each.tier, each.variant].append(
                    Wanted(
                        person=each.candidate.person,
                        occasion=each.candidate.occasion,
                        variant=".".join(filter(None, (each.tier, each.variant))) or None,
                        sent_at=each.candidate.sent_at,
                        granted=self._granted(self._values[each.tier, each.variant]),
                    )
                )
        by_campaign: dict[int, list[Wanted]] = defaultdict(list)
        campaign_of: dict[int, Campaign] = {}
        for key, some in wanted.items():
            campaign = self._values[key].campaign
            campaign_of[campaign.id] = campaign
            by_campaign[campaign.id] += some
        for campaign_id in sorted(by_campaign):
            batch = issue(
                self.session,
                keyring,
                campaign_of[campaign_id],
                by_campaign[campaign_id],
                now=self.now,
                people=known.ids,
            )
            issued |= {(str(each.external_id), each.occasion): each for each in batch.issued}
        answered = []
        for each in decided:
            found = issued.get((each.candidate.person.external_id, each.candidate.occasion))
            if each.why is not None:
                answered.append(each)
            elif found is None:
                answered.append(replace(each, why=Why.NO_CODE))
            else:
                answered.append(replace(each, issued=found, fresh=each.fresh and found.fresh))
        return answered

    def _issued_before(self, known: _Known) -> dict[tuple[str, str], Issued]:
        """The vouchers of earlier decisions."""
        keys = {row.voucher_id: key for key, row in known.decided.items() if row.voucher_id}
        if not keys:
            return {}
        return {
            keys[voucher.id]: Issued(
                voucher_id=voucher.id,
                public_id=voucher.public_id,
                key_id=voucher.key_id,
                code_id=voucher.code_id,
                external_id=keys[voucher.id][0],
                occasion=voucher.occasion,
                fresh=False,
            )
            for voucher in self.session.scalars(select(Voucher).where(Voucher.id.in_(keys)))
        }

    def _granted(self, value: _Value) -> tuple[int, Terms] | None:
        """The revision that holds a value's terms and words; None when they are the campaign's."""
        grant = value.grant
        if not grant.changes_terms and not grant.texts:
            return None
        if value.revision_id is None:
            value.revision_id = self._revision(value)
        return value.revision_id, value.terms

    def _revision(self, value: _Value) -> int:
        """A value's own revision: made once for each of the campaign's and each content."""
        stored = orjson.dumps(_GRANT.dump_python(value.grant, mode="json"))
        digest = hashlib.blake2b(stored, digest_size=8).hexdigest()
        name = hashlib.blake2b(f"{value.revision.id}:{digest}".encode(), digest_size=8).digest()
        # Negative numbers never show; one that names the content needs no counter.
        number = -1 - (int.from_bytes(name, "big") >> 34)
        self.session.execute(
            self._insert(Revision)
            .values(
                campaign_id=value.campaign.id,
                number=number,
                terms=campaigns.store_terms(value.terms),
                presentation=campaigns.store_presentation(
                    _worded(campaigns.presentation_of(value.revision), value.grant, value.campaign)
                ),
                of_id=value.revision.id,
                grant=digest,
                created_at=self.now,
            )
            .on_conflict_do_nothing()
        )
        return self.session.scalars(
            select(Revision.id).where(
                Revision.campaign_id == value.campaign.id,
                Revision.number == number,
                Revision.grant == digest,
            )
        ).one()

    def _record(self, decided: list[Decided], known: _Known) -> None:
        """Write the decisions that are new, and add them to the campaign's sums."""
        frequency = self.rules.frequency
        rows: dict[tuple[str, str], dict[str, Any]] = {}
        arms: Counter[tuple[bool, str]] = Counter()
        for each in decided:
            key = (each.candidate.person.external_id, each.candidate.occasion)
            held_out = each.why is Why.HOLDOUT
            if (each.why is not None and not held_out) or key in known.decided or key in rows:
                continue
            segment = self._facts(each.candidate, known).get("segment", "")
            rows[key] = {
                "campaign_id": self.campaign.id,
                "recipient_id": known.ids[key[0]],
                "occasion": key[1],
                "held_out": held_out,
                "tier": each.tier,
                "variant": each.variant,
                "segment": str(segment),
                "voucher_id": each.issued.voucher_id if each.issued else None,
                "group": frequency.group if frequency else None,
                "most_minor": each.most_minor,
                "spent_minor": 0,
                "created_at": self.now,
            }
            arms[held_out, each.variant] += 1
        if not rows:
            return
        # The table rather than the class: the ORM's bookkeeping would cost as much as the row.
        self.session.connection().execute(
            self._insert(Decision.__table__).on_conflict_do_nothing(), list(rows.values())
        )
        given = [row for row in rows.values() if not row["held_out"]]
        insert = self._insert(ArmCount)
        self.session.execute(
            insert.on_conflict_do_update(
                index_elements=["campaign_id", "held_out", "variant"],
                set_={"people": ArmCount.people + insert.excluded.people},
            ),
            [
                {
                    "campaign_id": self.campaign.id,
                    "held_out": held_out,
                    "variant": variant,
                    "people": people,
                    "acted": 0,
                    "spent_minor": 0,
                    "spent_squared": 0.0,
                }
                for (held_out, variant), people in sorted(arms.items())
            ],
        )
        if given:
            self._add(len(given), sum(row["most_minor"] or 0 for row in given))

    def _add(self, vouchers: int, minor: int) -> None:
        rules = self.rules
        statement = (
            update(Campaign)
            .where(Campaign.id == self.campaign.id)
            .values(given=Campaign.given + vouchers, given_minor=Campaign.given_minor + minor)
            .execution_options(synchronize_session=False)
        )
        if rules.most_vouchers is not None:
            statement = statement.where(Campaign.given + vouchers <= rules.most_vouchers)
        if rules.most_minor is not None:
            statement = statement.where(Campaign.given_minor + minor <= rules.most_minor)
        if self.session.execute(statement).rowcount != 1:  # type: ignore[attr-defined]
            raise IssueFault("The limits of the rules changed meanwhile: ask again.")

    def _insert(self, model: Any) -> Any:
        on_sqlite = self.session.get_bind().dialect.name == "sqlite"
        return (sqlite.insert if on_sqlite else postgresql.insert)(model)


def _worded(presentation: Presentation, grant: Grant, campaign: Campaign) -> Presentation:
    """The campaign's words with the value's own; an offer that was not written is written."""
    texts = {}
    for language in {*presentation.texts, *grant.texts} or {presentation.default_language}:
        base = presentation.in_language(language)
        own = grant.texts.get(language) or Texts()
        offer = own.offer or _offer(grant, campaign, language) or base.offer
        texts[language] = Texts(
            title=own.title or base.title,
            offer=offer,
            description=own.description or base.description,
            terms=own.terms or base.terms,
        )
    return replace(presentation, texts=texts)


def _offer(grant: Grant, campaign: Campaign, language: str) -> str:
    """A benefit in a few characters, such as −20 % or −5,00 €."""
    benefit = grant.benefit
    if benefit is None:
        return ""
    if benefit.type is BenefitType.PERCENT and benefit.percent is not None:
        return f"−{benefit.percent.normalize():f} %"
    if benefit.type is BenefitType.AMOUNT and benefit.minor is not None and campaign.currency:
        digits = get_currency_precision(campaign.currency)
        amount = Decimal(benefit.minor).scaleb(-digits)
        locale = language.replace("-", "_")
        return "−" + format_currency(amount, campaign.currency, locale=locale)
    return ""
