"""What an invitation gives: shown without deciding anything, and given when it is accepted."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain import occasions
from app.domain.campaign import Presentation, Terms
from app.domain.values import Why
from app.services import (
    campaigns,
    decisions,
    issuance,
)
from app.services.decisions import Candidate, Tally
from app.services.invitations.links import Invitation, read
from app.services.issuance import (
    Issued,
    IssueFault,
    Person,
    VoucherRequest,
)
from app.store.keyring import Keyring
from app.store.models import Campaign, Decision, Recipient, Revision, Voucher


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What taking an offer gives: a voucher of which campaign, on which terms, in which words."""

    campaign: Campaign
    #: The campaign's latest revision, for its look.
    latest: Revision
    terms: Terms
    presentation: Presentation

    @property
    def mark(self) -> str:
        """The name of what is promised, by which a page says what it showed."""
        said = [
            self.campaign.key,
            campaigns.store_terms(self.terms),
            campaigns.store_presentation(self.presentation)["texts"],
        ]
        return hashlib.blake2b(orjson.dumps(said), digest_size=12).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What an invitation shows: what it gives as of now, and the voucher if it was taken."""

    campaign: Campaign
    latest: Revision
    invitation: Invitation
    #: (public id, key id) of the voucher that the recipient has of this occasion.
    taken: tuple[int, int] | None
    #: Whether it can be accepted at this moment.
    open: bool
    #: What an open one gives this recipient, or why nothing.
    promise: Promise | None = None
    why: Why | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The recipient has the voucher: its (public id, key id)."""

    voucher: tuple[int, int]


class InvitationReason(StrEnum):
    """Why an invitation gave no voucher."""

    ENDED = "ended"
    SOLD_OUT = "sold_out"
    #: It is not for this recipient now; why is nothing that the recipient is told.
    NOTHING = "nothing"
    #: It gives something else than its page showed.
    CHANGED = "changed"


#: What a recipient is told of why; nothing, of all others.
_REASONS = {Why.NO_CODE: InvitationReason.SOLD_OUT, Why.FORGOTTEN: InvitationReason.ENDED}


@dataclass(frozen=True, slots=True)
class InvitationRefused:
    """No voucher, and why."""

    reason: InvitationReason


def forgotten(
    session: Session, keyring: Keyring, campaign_key: str, names: Collection[str], occasion: str
) -> set[str]:
    """Those whom no invitation would serve: they were forgotten, or had this before they were."""
    found = issuance.forgotten.gone(session, keyring, names)
    campaign = campaigns.find(session, campaign_key)
    if campaign is not None:
        asked = {(name, occasion) for name in names}
        before = issuance.forgotten.given(session, keyring, campaign.id, asked)
        found |= {name for name, _ in before}
    return found


def offer(
    session: Session, keyring: Keyring, campaign_key: str, text: str, *, now: dt.datetime
) -> Offer | None:
    """What the link shows; None when it is not genuine.

    Reads only: nothing is issued, and what the campaign's rules would give is not decided by it.
    """
    invitation = read(keyring, campaign_key, text)
    campaign = campaigns.find(session, campaign_key) if invitation is not None else None
    if invitation is None or campaign is None:
        return None
    latest = campaigns.latest_revision(session, campaign)
    (occasion,) = issuance.occasions_of(
        session,
        campaign,
        [(_person(invitation), issuance.told_occasion(campaign, invitation.occasion))],
        now=now,
    )
    found = Offer(
        campaign=campaign,
        latest=latest,
        invitation=invitation,
        taken=_taken(session, campaign, invitation.external_id, occasion.text),
        open=now < invitation.expires_at
        and not _forgotten(session, keyring, campaign, invitation, occasion.text)
        and _issues(campaign, latest, now=now),
    )
    if found.taken is not None or not found.open:
        return found
    if campaign.rules is None:
        if occasion.why is not None:
            return replace(found, why=occasion.why)
        own = Promise(
            campaign=campaign,
            latest=latest,
            terms=campaigns.terms_of(latest),
            presentation=campaigns.presentation_of(latest),
        )
        return replace(found, promise=own)
    return _by_rules(session, keyring, found, now=now)


def _by_rules(session: Session, keyring: Keyring, found: Offer, *, now: dt.datetime) -> Offer:
    """What the rules would give at this moment, by a dry run."""
    try:
        (decided,) = decisions.decide_some(
            session,
            keyring,
            found.campaign.key,
            [_candidate(found)],
            Tally(most_codes=1),
            now=now,
            dry_run=True,
        )
    except IssueFault:
        return replace(found, open=False)
    if decided.why is Why.FORGOTTEN:
        return replace(found, open=False)
    value = decided.value
    if decided.why is not None or value is None:
        return replace(found, why=decided.why)
    if not _issues(value.campaign, value.revision, now=now):
        return replace(found, open=False)
    promise = Promise(
        campaign=value.campaign,
        latest=value.revision,
        terms=value.terms,
        presentation=value.presentation,
    )
    return replace(found, promise=promise)


def accept(
    session: Session,
    keyring: Keyring,
    campaign_key: str,
    text: str,
    *,
    now: dt.datetime,
    shown: str | None = None,
) -> Accepted | InvitationRefused | None:
    """Let the recipient have the voucher; again, the one that exists. None: not genuine.

    Args:
        shown: mark of the promise that the recipient saw; nothing else is given then.
    """
    found = offer(session, keyring, campaign_key, text, now=now)
    if found is None:
        return None
    if found.taken is not None:
        return Accepted(found.taken)
    if not found.open:
        return InvitationRefused(InvitationReason.ENDED)
    try:
        with session.begin_nested() as savepoint:
            issued, why = _issue(session, keyring, found, now=now)
            if issued is None:
                # Who is in the holdout is counted there; of the others nothing is kept.
                if why is not Why.HOLDOUT:
                    savepoint.rollback()
                return InvitationRefused(_REASONS.get(why, InvitationReason.NOTHING))
            if shown is not None and shown != _given(session, issued).mark:
                savepoint.rollback()
                return InvitationRefused(InvitationReason.CHANGED)
    except IssueFault:
        return InvitationRefused(InvitationReason.ENDED)
    return Accepted((issued.public_id, issued.key_id))


def _issue(
    session: Session, keyring: Keyring, found: Offer, *, now: dt.datetime
) -> tuple[Issued | None, Why]:
    """The voucher of the invitation, by the campaign's rules where it has some; or why none."""
    candidate = _candidate(found)
    if found.campaign.rules is not None:
        (decided,) = decisions.decide_some(
            session, keyring, found.campaign.key, [candidate], Tally(), now=now
        )
        return decided.issued, decided.why or Why.NO_CODE
    wanted = VoucherRequest(person=candidate.person, occasion=candidate.occasion)
    batch = issuance.issue(session, keyring, found.campaign, [wanted], now=now)
    if batch.forgotten:
        return None, Why.FORGOTTEN
    if batch.not_due:
        return None, batch.not_due[0].why
    return (batch.issued[0] if batch.issued else None), Why.NO_CODE


def _given(session: Session, issued: Issued) -> Promise:
    """What a voucher holds by the revision under which it was issued."""
    voucher = session.get_one(Voucher, issued.voucher_id)
    campaign = session.get_one(Campaign, voucher.campaign_id)
    revision = session.get_one(Revision, voucher.revision_id)
    return Promise(
        campaign=campaign,
        latest=revision,
        terms=campaigns.terms_of(revision),
        presentation=campaigns.presentation_of(revision),
    )


def _taken(
    session: Session, campaign: Campaign, external_id: str, occasion: str
) -> tuple[int, int] | None:
    """The recipient's voucher of the occasion: what the rules gave, from whichever campaign, or
    what the campaign issued without them.
    """
    names = occasions.spellings([occasion])
    own = (
        select(Voucher.public_id, Voucher.key_id)
        .join(Recipient, Recipient.id == Voucher.recipient_id)
        .where(Recipient.external_id == external_id)
        # One that an earlier release issued for the same mail comes first.
        .order_by(Voucher.id)
        .limit(1)
    )
    decided = own.join(Decision, Decision.voucher_id == Voucher.id).where(
        Decision.campaign_id == campaign.id, Decision.occasion.in_(names)
    )
    plain = own.where(Voucher.campaign_id == campaign.id, Voucher.occasion.in_(names))
    for statement in (decided, plain):
        if (row := session.execute(statement).one_or_none()) is not None:
            return row.public_id, row.key_id
    return None


def _issues(campaign: Campaign, latest: Revision, *, now: dt.datetime) -> bool:
    ends = campaigns.issues_until(campaign, campaigns.terms_of(latest))
    return campaign.status == "live" and (ends is None or now < ends)


def _person(invitation: Invitation) -> Person:
    return Person(
        external_id=invitation.external_id,
        language=invitation.language,
        attributes=invitation.attributes,
        shared=invitation.shared,
    )


def _candidate(found: Offer) -> Candidate:
    invitation = found.invitation
    return Candidate(
        person=_person(invitation),
        occasion=issuance.told_occasion(found.campaign, invitation.occasion),
    )


def _forgotten(
    session: Session, keyring: Keyring, campaign: Campaign, invitation: Invitation, occasion: str
) -> bool:
    """Whether it names somebody as they were before they were forgotten."""
    name = invitation.external_id
    since = issuance.forgotten.since(session, keyring, [name]).get(name)
    if since is None:
        return False
    if invitation.made_at is None or invitation.made_at <= since:
        return True
    asked = {(name, occasion)}
    return bool(
        issuance.forgotten.gone(session, keyring, [name])
        or issuance.forgotten.given(session, keyring, campaign.id, asked)
    )
