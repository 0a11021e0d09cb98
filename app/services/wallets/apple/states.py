"""The state of a pass, and what a device was told of it: the comparison everything rests on.

What a device is owed depends only on whether pairs differ, never on a clock.
"""

from __future__ import annotations

import datetime as dt

from sqlalchemy import ColumnElement, or_
from sqlalchemy.orm import InstrumentedAttribute

from app.store.models import (
    AppleRegistration,
    Campaign,
    Voucher,
)

Pair = tuple[int, int]
"""The state of a pass: (voucher version, campaign version)."""


#: The moment that Last-Modified counts from: long past, so that it never lies in the future.
EPOCH = dt.datetime(2001, 1, 1, tzinfo=dt.UTC)


def last_modified(pair: Pair) -> dt.datetime:
    """A moment that differs whenever the pair does: versions only grow, so their sum does too.

    Seconds are all that HTTP dates carry; two changes within one second still differ.
    """
    return EPOCH + dt.timedelta(seconds=sum(pair))


Told = tuple[InstrumentedAttribute[int | None], InstrumentedAttribute[int | None]]


PUSHED: Told = (AppleRegistration.pushed_voucher, AppleRegistration.pushed_campaign)


LISTED: Told = (AppleRegistration.listed_voucher, AppleRegistration.listed_campaign)


FETCHED: Told = (AppleRegistration.fetched_voucher, AppleRegistration.fetched_campaign)


def behind(told: Told) -> ColumnElement[bool]:
    """Whether what was told differs from the pair of the joined voucher and campaign."""
    return or_(
        told[0].is_distinct_from(Voucher.version), told[1].is_distinct_from(Campaign.version)
    )
