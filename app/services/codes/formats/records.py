"""Defines the records of a file of codes, and the errors that refuse a file as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from app.faults import Fault
from app.services.codes.reasons import RejectReason

#: The longest line that is read; a longer one is no code.
LONGEST_LINE = 64 * 1024


class FileFault(Fault):
    """The file as a whole cannot be read; says why and what to do."""

    code = "import_refused"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a file whose columns are not clear: what stands in it, and what it may be."""

    #: From 1.
    number: int
    heading: str
    #: The meaning that was found for it, or is the likeliest; None when nothing speaks for one.
    meaning: str | None
    #: Its first cells.
    cells: tuple[str, ...]


class ColumnsUnclear(FileFault):
    """It cannot be told which column holds what, so that nothing of the file is used.

    The message repeats no cell, since those may be codes; `columns` shows the first rows.
    """

    code = "columns_unclear"

    def __init__(self, doubts: Sequence[str], columns: Sequence[Column]) -> None:
        self.columns = tuple(columns)
        super().__init__(
            f"{' '.join(doubts)} Nothing was stored: say which column holds what, as code=1."
        )


class CouponUnclear(FileFault):
    """A file holds the codes of several coupons, of which one has to be chosen."""

    code = "coupon_unclear"

    def __init__(self, ids: Sequence[str]) -> None:
        self.ids = tuple(ids)
        super().__init__(
            f"The file holds the codes of several coupons: {', '.join(ids)}. Choose one of them."
        )


class Record(NamedTuple):
    """One row of a file, understood; what is not said is None."""

    line: int
    code: str
    #: Minor units.
    amount: int | None = None
    pin: str | None = None
    #: Uses that are left, where they are fewer than the campaign's.
    limit: int | None = None
    #: Why it is refused, whatever its code.
    refused: RejectReason | None = None


#: Either bare codes with the line of the first, which is the fast way, or whole records.
Batch = tuple[int, list[str]] | list[Record]
