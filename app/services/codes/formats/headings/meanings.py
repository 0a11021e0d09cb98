"""The meanings that a column of a file may have."""

from __future__ import annotations

from enum import StrEnum


class Meaning(StrEnum):
    """What a column holds."""

    CODE = "code"
    #: Money that is left on a card; `AMOUNT` is what it began with, `SPENT` what was taken.
    BALANCE = "balance"
    AMOUNT = "amount"
    SPENT = "spent"
    #: What is left, in minor units.
    MINOR = "minor"
    CURRENCY = "currency"
    PIN = "pin"
    #: How often it was used, or whether.
    USED = "used"
    #: How often it may be used in all, and from now on.
    LIMIT = "limit"
    LEFT = "left"
    STATUS = "status"
    ENABLED = "enabled"
    DISABLED = "disabled"
    EXPIRED = "expired"
    #: When or by whom it was used: anything in it says that it was.
    USED_AT = "used_at"
    DISABLED_AT = "disabled_at"
    STARTS = "starts"
    ENDS = "ends"
    #: Whether a value is a percentage.
    KIND = "kind"
    #: The last characters of a code, which is none.
    TAIL = "tail"
    OTHER = "other"


#: Meanings that a person may give a column, by `--column` or over the API.
CHOICES = (
    Meaning.CODE,
    Meaning.AMOUNT,
    Meaning.BALANCE,
    Meaning.CURRENCY,
    Meaning.PIN,
    Meaning.USED,
    Meaning.LIMIT,
    Meaning.LEFT,
    Meaning.STATUS,
    Meaning.ENABLED,
    Meaning.STARTS,
    Meaning.ENDS,
    Meaning.SPENT,
    Meaning.MINOR,
    Meaning.EXPIRED,
    Meaning.DISABLED,
    Meaning.USED_AT,
)
