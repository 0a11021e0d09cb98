"""A chunk is the decisions of one transaction: planned, or issued and written down.

How: recipients are locked in the order of their ids, so that two requests for one person follow
one another; the campaign's sums change last, by one conditional UPDATE.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain import values
from app.domain.campaign import Terms
from app.domain.occasions import canonical
from app.domain.values import Given, NotGiven, Rules, Why
from app.services import campaigns
from app.services.decisions.candidates import (
    Candidate,
    Decided,
    Tally,
    Value,
)
from app.services.decisions.grants import (
    granted,
    value_of,
)
from app.services.decisions.knowledge import (
    Known,
    Past,
    done_since,
    facts_of,
    known_of,
    past_of,
)
from app.services.decisions.records import record
from app.services.issuance import (
    Issued,
    Occasion,
    VoucherRequest,
    forgotten,
    issue,
    occasions_of,
    stock,
)
from app.services.issuance.recipients import store
from app.services.issuance.vouchers import refuse
from app.store.keyring import Keyring
from app.store.models import Campaign, Decision, Recipient, Revision, Voucher


class Chunk:
    """The decisions of one transaction."""

    def __init__(
        self,
        session: Session,
        keyring: Keyring,
        campaign_key: str,
        tally: Tally,
        *,
        now: dt.datetime,
        dry: bool,
    ) -> None:
        self.session = session
        self.keyring = keyring
        self.now = now
        self.tally = tally
        self.dry = dry
        self.campaign = campaigns.required(session, campaign_key)
        self.rules: Rules = campaigns.rules_of(self.campaign)
        self.seed = self.campaign.seed or self.campaign.key.encode()
        #: Of candidates whose occasion is not now.
        self._not_due: dict[tuple[str, str], Occasion] = {}
        self._values: dict[tuple[str, str], Value] = {}
        self._revisions: dict[int, Revision] = {}

    # -- deciding -------------------------------------------------------------------------------

    def plan(self, chunk: Sequence[Candidate]) -> list[Decided]:
        """What a real run would decide now, after what this run planned already."""
        chunk = self._of_campaign(chunk)
        latest = campaigns.latest_revision(self.session, self.campaign)
        refuse(self.campaign, campaigns.terms_of(latest), now=self.now)
        planned = self.tally.planned
        names = [each.person.external_id for each in chunk]
        found = self.session.execute(
            select(Recipient.external_id, Recipient.id).where(Recipient.external_id.in_(names))
        )
        ids = {str(row.external_id): row.id for row in found}
        known = known_of(
            self.session, self.rules, ids, campaigns=(self.campaign.key,), now=self.now
        )
        decided = []
        gone = forgotten.gone(self.session, self.keyring, names)
        for each in self._decide(chunk, known, self._past_of(known, chunk, gone)):
            key = each.candidate.key
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

    def issue(self, chunk: Sequence[Candidate]) -> list[Decided]:
        """Decide, issue and record."""
        chunk = self._of_campaign(chunk)
        people = [each.person for each in chunk]
        stored = store(self.session, people, now=self.now, keyring=self.keyring)
        known = known_of(
            self.session,
            self.rules,
            stored.ids,
            campaigns=(self.campaign.key,),
            now=self.now,
            new=stored.new,
            locked=True,
        )
        # Who was forgotten while the lock was awaited has no name any more.
        gone = stored.gone | (stored.ids.keys() - known.rows.keys())
        past = self._past_of(known, chunk, gone)
        if self.rules.most_vouchers is not None or self.rules.most_minor is not None:
            self.session.refresh(self.campaign, with_for_update=True)
        decided = self._issue(self._decide(chunk, known, past), known, past)
        record(self.session, self.campaign, self.rules, decided, known, past, now=self.now)
        return decided

    def _of_campaign(self, chunk: Sequence[Candidate]) -> list[Candidate]:
        """The candidates with the occasion that the campaign says, where it does."""
        found = occasions_of(
            self.session,
            self.campaign,
            [(each.person, each.occasion) for each in chunk],
            now=self.now,
        )
        told = [
            each if each.occasion == occasion.text else replace(each, occasion=occasion.text)
            for each, occasion in zip(chunk, found, strict=True)
        ]
        self._not_due = {
            each.key: occasion
            for each, occasion in zip(told, found, strict=True)
            if occasion.why is not None
        }
        return told

    def _decide(self, chunk: Sequence[Candidate], known: Known, past: Past) -> list[Decided]:
        vouchers, minor = self._left()
        lately: Counter[str] = Counter()
        # In a dry run an earlier line of the file has decided for the whole run.
        earlier_lines = self.tally.planned if self.dry else {}
        decided_now: dict[tuple[str, str], Decided] = {}
        decided = []
        for candidate in chunk:
            name, key = candidate.person.external_id, candidate.key
            if (first := decided_now.get(key) or earlier_lines.get(key)) is not None:
                decided.append(replace(first, candidate=candidate, fresh=first.why is not None))
                continue
            if earlier := past.decided.get(key):
                each = self._again(
                    candidate,
                    earlier,
                    source=past.sources.get(key, ""),
                    withdrawn=key in past.withdrawn,
                )
            elif key in past.forgotten:
                each = Decided(
                    candidate=candidate,
                    why=Why.FORGOTTEN,
                    campaign=self.campaign.key,
                    fresh=False,
                )
            elif past.undecided.get(key) == "revoked":
                # As if it had been decided: what was taken back is not given again.
                each = Decided(
                    candidate=candidate, why=Why.STOPPED, campaign=self.campaign.key, fresh=False
                )
            elif (own := self._not_due.get(key)) is not None and key not in past.undecided:
                each = Decided(candidate=candidate, why=own.why, cause=own.cause)
            else:
                each = self._one(
                    candidate, known, past.lately[name] + self.tally.lately[name] + lately[name]
                )
                if each.why is None:
                    if vouchers is not None and vouchers < 1:
                        each = replace(each, why=Why.BUDGET)
                    elif minor is not None and each.most_minor is None:
                        each = replace(each, why=Why.UNBOUNDED)
                    elif minor is not None and minor < (each.most_minor or 0):
                        each = replace(each, why=Why.BUDGET)
                if self.dry and each.campaign == self.campaign.key and key in past.undecided:
                    # Issuing would find the voucher that was there before the rules.
                    each = replace(each, fresh=False)
                if each.why is None:
                    lately[name] += 1
                    vouchers = None if vouchers is None else vouchers - 1
                    minor = None if minor is None else minor - (each.most_minor or 0)
            decided_now[key] = each
            decided.append(each)
        return decided

    def _one(self, candidate: Candidate, known: Known, lately: int) -> Decided:
        name = candidate.person.external_id
        decision = values.decide(
            self.rules,
            facts_of(self.rules, candidate, known, currency=self.campaign.currency),
            seed=self.seed,
            recipient=name,
            lately=lately,
            done=done_since(self.rules, known, name, now=self.now),
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
            value=value,
        )

    def _again(
        self, candidate: Candidate, decision: Decision, *, source: str, withdrawn: bool
    ) -> Decided:
        why = Why.HOLDOUT if decision.held_out else Why.STOPPED if withdrawn else None
        return Decided(
            candidate=candidate,
            why=why,
            tier=decision.tier,
            variant=decision.variant,
            campaign=source,
            most_minor=decision.most_minor,
            fresh=False,
        )

    def _past_of(self, known: Known, chunk: Sequence[Candidate], gone: Collection[str]) -> Past:
        occasions = {each.occasion for each in chunk}
        past = past_of(self.session, self.campaign.id, self.rules, known, occasions, now=self.now)
        asked = {(each.person.external_id, each.occasion) for each in chunk}
        before = forgotten.given(self.session, self.keyring, self.campaign.id, asked)
        told = [each for each in asked if each in before or each[0] in gone]
        return replace(past, forgotten={(name, canonical(occasion)) for name, occasion in told})

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
            campaign = campaigns.required(self.session, campaign_key)
            found = stock(self.session, campaign, exact=True, most=self.tally.most_codes)
            left[campaign_key] = 1 << 62 if found is None else found.left
        left[campaign_key] -= 1
        return left[campaign_key] >= 0

    # -- values ---------------------------------------------------------------------------------

    def _value(self, given: Given) -> Value:
        key = (given.tier, given.variant)
        if key not in self._values:
            self._values[key] = value_of(
                self.session, self.campaign, given.grant, latest=self._revisions
            )
        return self._values[key]

    # -- issuing --------------------------------------------------------------------------------

    def _issue(self, decided: list[Decided], known: Known, past: Past) -> list[Decided]:
        """Give every decision for a voucher its voucher; those without a code say so."""
        issued: dict[tuple[str, str], Issued] = self._issued_before(past)
        wanted: dict[tuple[str, str], list[VoucherRequest]] = {}
        terms: dict[tuple[str, str], tuple[int, Terms] | None] = {}
        for each in decided:
            if each.why is None and each.fresh:
                key = (each.tier, each.variant)
                if key not in wanted:
                    wanted[key] = []
                    terms[key] = granted(self.session, self._values[key], self.tally, now=self.now)
                wanted[key].append(
                    VoucherRequest(
                        person=each.candidate.person,
                        occasion=each.candidate.occasion,
                        variant=".".join(filter(None, key)) or None,
                        sent_at=each.candidate.sent_at,
                        granted=terms[key],
                    )
                )
        by_campaign: dict[int, list[VoucherRequest]] = defaultdict(list)
        campaign_of: dict[int, Campaign] = {}
        for key, some in wanted.items():
            campaign = self._values[key].campaign
            campaign_of[campaign.id] = campaign
            by_campaign[campaign.id] += some
        before: set[tuple[str, str]] = set()
        for campaign_id in sorted(by_campaign):
            batch = issue(
                self.session,
                self.keyring,
                campaign_of[campaign_id],
                by_campaign[campaign_id],
                now=self.now,
                people=known.ids,
            )
            issued |= {
                (str(each.external_id), canonical(each.occasion)): each for each in batch.issued
            }
            before |= {
                (each.person.external_id, canonical(each.occasion))
                for each in batch.forgotten
                if each.person
            }
        answered = []
        for each in decided:
            name = each.candidate.key
            found = issued.get(name)
            if each.why is not None:
                answered.append(each)
            elif name in before:
                answered.append(replace(each, why=Why.FORGOTTEN))
            elif found is None:
                answered.append(replace(each, why=Why.NO_CODE))
            else:
                answered.append(replace(each, issued=found, fresh=each.fresh and found.fresh))
        return answered

    def _issued_before(self, past: Past) -> dict[tuple[str, str], Issued]:
        """The vouchers of earlier decisions."""
        keys = {row.voucher_id: key for key, row in past.decided.items() if row.voucher_id}
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
