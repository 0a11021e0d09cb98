"""A transaction tells the workers, once it committed, what phones should hear of.

A use case calls `voucher` or `campaign` in the transaction that grows the version. Nothing depends
on it: what is owed stands in the database, and a worker that never got the hint finds it by itself
within a minute. The hint makes it a matter of moments.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from app.store.session import NOTES


class Subject(StrEnum):
    """What changed: one voucher (the fast lane), or a campaign (the paced one)."""

    VOUCHER = "voucher"
    CAMPAIGN = "campaign"


class Change(NamedTuple):
    """A subject and its surrogate id."""

    subject: Subject
    id: int


def voucher(transaction: Session | Connection, voucher_id: int) -> None:
    """Say that what the voucher's pass shows changed."""
    transaction.info.setdefault(NOTES, set()).add(Change(Subject.VOUCHER, voucher_id))


def campaign(transaction: Session | Connection, campaign_id: int) -> None:
    """Say that what all passes of the campaign show changed."""
    transaction.info.setdefault(NOTES, set()).add(Change(Subject.CAMPAIGN, campaign_id))
