"""This module makes values ready to be issued: terms, texts and the revision that keeps both."""

from __future__ import annotations

import datetime as dt
import hashlib

import orjson
from pydantic import TypeAdapter
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.campaign import Terms
from app.domain.kinds import KINDS
from app.domain.values import Grant, most_minor
from app.services import campaigns
from app.services.decisions.candidates import Tally, Value
from app.services.issuance import IssueFault
from app.store.dialects import insert_for
from app.store.models import Campaign, Revision

_GRANT = TypeAdapter(Grant)


def value_of(
    session: Session, campaign: Campaign, grant: Grant, *, latest: dict[int, Revision]
) -> Value:
    """What a grant in the rules of `campaign` gives now.

    Args:
        latest: latest revisions that were read already, by their campaigns' ids; added to.

    Raises:
        IssueFault: the campaign that the grant names is unknown, or gives its vouchers itself.
    """
    source = campaign if grant.campaign is None else campaigns.required(session, grant.campaign)
    if source.birthday is not None and source is not campaign:
        raise IssueFault(
            f"The rules of {campaign.key} give vouchers of {source.key}, which gives one for each "
            f"birthday itself.",
            f"Name a campaign without [birthday], or write [rules] for {source.key}.",
        )
    if source.id not in latest:
        latest[source.id] = campaigns.latest_revision(session, source)
    terms = grant.terms(campaigns.terms_of(latest[source.id]))
    return Value(
        campaign=source,
        grant=grant,
        terms=terms,
        revision=latest[source.id],
        most_minor=most_minor(terms, holds_money=KINDS[source.kind].holds_money),
    )


def granted(
    session: Session, value: Value, tally: Tally, *, now: dt.datetime
) -> tuple[int, Terms] | None:
    """The revision that holds a value's terms and words; None when they are the campaign's."""
    if value.is_the_campaigns:
        return None
    grant = value.grant
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
            presentation=campaigns.store_presentation(value.presentation),
            of_id=value.revision.id,
            grant=digest,
            created_at=now,
        )
        .on_conflict_do_nothing()
    )
    return session.scalars(made).one()
