"""A candidate is who is decided about; a tally counts what a run decided."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.domain.campaign import Presentation, Terms
from app.domain.occasions import canonical
from app.domain.values import Fact, Grant, Why
from app.services import campaigns
from app.services.campaigns.value_texts import worded
from app.services.issuance import Issued, Person
from app.store.models import Campaign, Revision


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A recipient who may get something, for which occasion, and what is known of it.

    `occasion` is empty where the campaign says it itself. `facts` are of the occasion (`basket`, in
    minor units) or override the recipient's own.
    """

    person: Person
    occasion: str = ""
    facts: Mapping[str, Fact] = field(default_factory=dict)
    sent_at: dt.datetime | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Who it is and why, by which two candidates are one."""
        return self.person.external_id, canonical(self.occasion)


@dataclass(slots=True, kw_only=True)
class Value:
    """A value ready to be issued: from which campaign, on which terms, by which revision."""

    campaign: Campaign
    grant: Grant
    terms: Terms
    #: The campaign's latest revision.
    revision: Revision
    most_minor: int | None

    @property
    def is_the_campaigns(self) -> bool:
        """Whether it is worth and reads what the campaign's own value does."""
        return not self.grant.changes_terms and not self.grant.texts

    @property
    def presentation(self) -> Presentation:
        """How the campaign looks, in the words of this value."""
        own = campaigns.presentation_of(self.revision)
        if self.is_the_campaigns:
            return own
        return worded(own, self.grant, currency=self.campaign.currency)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What a candidate gets: a voucher (None in a dry run), or why none.

    `most_minor` is the most that it can cost; None when nothing bounds it.
    """

    candidate: Candidate
    why: Why | None = None
    #: With its remedy, where the campaign says the occasion and it is not now.
    cause: str = ""
    tier: str = ""
    variant: str = ""
    campaign: str = ""
    most_minor: int | None = None
    #: Whether this call decided it.
    fresh: bool = True
    issued: Issued | None = None
    #: What is given, where this call decided it.
    value: Value | None = field(default=None, repr=False)


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
    #: How many codes a dry run asks for at most; None is not known.
    most_codes: int | None = field(default=None, repr=False)
    #: Revisions of values that earlier transactions made, by the campaign's and the grant.
    revisions: dict[tuple[int, int], tuple[Grant, int]] = field(default_factory=dict, repr=False)
