"""What a transaction changed that phones should hear of, told to the workers once it committed.

A use case calls `voucher` or `campaign` in the transaction that grows the version. Nothing depends
on it: what is owed stands in the database, and a worker that never got the hint finds it by itself
within a minute. The hint makes it a matter of moments.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from sqlalchemy.orm import Session

_KEY = "passerelle_changes"


class Subject(StrEnum):
    """What changed: one voucher (the fast lane), or a campaign (the paced one)."""

    VOUCHER = "voucher"
    CAMPAIGN = "campaign"


class Change(NamedTuple):
    """A subject and its surrogate id."""

    subject: Subject
    id: int


def voucher(session: Session, voucher_id: int) -> None:
    """Say that what the voucher's pass shows changed."""
    session.info.setdefault(_KEY, set()).add(Change(Subject.VOUCHER, voucher_id))


def campaign(session: Session, campaign_id: int) -> None:
    """Say that what all passes of the campaign show changed."""
    session.info.setdefault(_KEY, set()).add(Change(Subject.CAMPAIGN, campaign_id))


def of(session: Session) -> frozenset[Change]:
    """What was said in this session."""
    return frozenset(session.info.get(_KEY, ()))
