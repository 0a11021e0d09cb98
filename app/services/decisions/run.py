"""A run decides by rules who gets which voucher of a campaign, and why.

A recipient has one decision for an occasion, for ever: a voucher, or a place in the
holdout; asked again, it is the same. No frequency cap and no limit of the rules is passed, however
many decide at once. A dry run decides by the same code and writes nothing.
It does not decide from what it was not told; a fact that is missing matches no condition.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.services import security
from app.services.decisions.candidates import (
    Candidate,
    Decided,
    Tally,
)
from app.services.decisions.chunk import Chunk
from app.services.deployment import Deployment
from app.services.issuance import Person
from app.services.issuance.recipients import store
from app.store.keyring import Keyring
from app.store.models import Recipient

#: Candidates of one transaction: few enough that a till beside it does not wait long.
CHUNK = 400


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
        with database.read() if dry_run else database.write() as session:
            decided = decide_some(
                session, keyring, campaign_key, chunk, tally, now=now, dry_run=dry_run
            )
            if not dry_run:
                security.record(
                    session,
                    security.SecurityEventKind.LINKS_DISCLOSED,
                    now=now,
                    object=f"campaign {campaign_key}",
                    reason="asked for again",
                    count=sum(each.issued is not None and not each.fresh for each in decided),
                )
        yield from decided


def decide_some(
    session: Session,
    keyring: Keyring,
    campaign_key: str,
    chunk: Sequence[Candidate],
    tally: Tally,
    *,
    now: dt.datetime,
    dry_run: bool = False,
) -> list[Decided]:
    """Decide for at most `CHUNK` candidates in the caller's transaction, counting into `tally`.

    Args:
        keyring: what codes are made with, and people recognised by who were forgotten.
        dry_run: write nothing.

    Raises:
        IssueFault: as `decide`; what was written until then has to be rolled back.
    """
    work = Chunk(session, keyring, campaign_key, tally, now=now, dry=dry_run)
    decided = work.plan(chunk) if dry_run else work.issue(chunk)
    for each in decided:
        _count(tally, each)
    return decided


def lock(session: Session, keyring: Keyring, people: Iterable[Person], *, now: dt.datetime) -> None:
    """Store and lock recipients in the order that deciding keeps, for a transaction that decides
    more than once.
    """
    ids = store(session, people, now=now, keyring=keyring).ids
    session.execute(
        select(Recipient.id)
        .where(Recipient.id.in_(ids.values()))
        .order_by(Recipient.id)
        .with_for_update(key_share=True)
    ).all()


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
