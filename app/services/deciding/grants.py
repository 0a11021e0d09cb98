"""Values ready to be issued: their terms, their words, and the revision that keeps both."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass

import orjson
from pydantic import TypeAdapter
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.campaign import Terms
from app.domain.values import Grant
from app.services import campaigns
from app.services.campaigns.wording import worded
from app.services.deciding.candidates import Tally
from app.store.dialects import insert_for
from app.store.models import Campaign, Revision

_GRANT = TypeAdapter(Grant)


@dataclass(slots=True, kw_only=True)
class Value:
    """A value ready to be issued: from which campaign, on which terms, by which revision."""

    campaign: Campaign
    grant: Grant
    terms: Terms
    #: The campaign's latest revision.
    revision: Revision
    most_minor: int | None


def granted(
    session: Session, value: Value, tally: Tally, *, now: dt.datetime
) -> tuple[int, Terms] | None:
    """The revision that holds a value's terms and words; None when they are the campaign's."""
    grant = value.grant
    if not grant.changes_terms and not grant.texts:
        return None
    # Rules that did not change are the same objects, which the tally keeps alive.
    known = tally.revisions.get((value.revision.id, id(grant)))
    if known is not None:
        return known[1], value.terms
    return _revision(session, value, tally, now=now), value.terms


def _revision(session: Session, value: Value, tally: Tally, *, now: dt.datetime) -> int:
    """A value's own revision: made once for each of the campaign's and each content."""
    stored = orjson.dumps(_GRANT.dump_python(value.grant, mode="json"))
    digest = hashlib.blake2b(stored, digest_size=8).hexdigest()
    name = hashlib.blake2b(f"{value.revision.id}:{digest}".encode(), digest_size=8).digest()
    # Negative numbers never show; one that names the content needs no counter.
    number = -1 - (int.from_bytes(name, "big") >> 34)
    made = select(Revision.id).where(
        Revision.campaign_id == value.campaign.id,
        Revision.number == number,
        Revision.grant == digest,
    )
    if (known := session.scalar(made)) is not None:
        # One that this transaction made may yet be rolled back; this one was there before it.
        tally.revisions[value.revision.id, id(value.grant)] = value.grant, known
        return known
    session.execute(
        insert_for(session, Revision)
        .values(
            campaign_id=value.campaign.id,
            number=number,
            terms=campaigns.store_terms(value.terms),
            presentation=campaigns.store_presentation(
                worded(
                    campaigns.presentation_of(value.revision),
                    value.grant,
                    currency=value.campaign.currency,
                )
            ),
            of_id=value.revision.id,
            grant=digest,
            created_at=now,
        )
        .on_conflict_do_nothing()
    )
    return session.scalars(made).one()
