"""Lists the meanings that a column of a file may have, and reads those that a person names."""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum

from app.services.codes.formats.records import FileFault


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
#: As a person names a column that holds nothing of use.
IGNORED = "other"


def is_meaning(role: str) -> bool:
    """Tell whether a person may give a column this meaning."""
    return squeezed(role) in {*CHOICES, IGNORED}


def chosen(role: str) -> Meaning:
    """Return the meaning that a person named.

    Raises:
        FileFault: it is none.
    """
    name = squeezed(role)
    if name == IGNORED:
        return Meaning.OTHER
    if name in CHOICES:
        return Meaning(name)
    raise FileFault(f"A column cannot be {role!r}: it is one of {', '.join(CHOICES)} or {IGNORED}.")


def choosable(meaning: Meaning | None) -> str | None:
    """Return the name by which a person may give a column this meaning; None when there is none."""
    return meaning.value if meaning in CHOICES else None


def squeezed(heading: str) -> str:
    """Return a heading without case, accents, spaces and signs."""
    folded = unicodedata.normalize("NFKD", heading.replace("ł", "l").replace("Ł", "l"))
    return re.sub(
        r"[\W_]+", "", "".join(c for c in folded if not unicodedata.combining(c))
    ).casefold()
