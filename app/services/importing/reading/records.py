"""What a file of codes is made of, and the one error that refuses a file as a whole."""

from __future__ import annotations

from typing import NamedTuple

#: The longest line that is read; a longer one is no code.
LONGEST_LINE = 64 * 1024


class FileFault(Exception):
    """The file as a whole cannot be read; says why and what to do."""


class Record(NamedTuple):
    """One row of a file, as it stands there; absent columns are None."""

    line: int
    code: str
    amount: str | None = None
    currency: str | None = None
    pin: str | None = None
    used: str | None = None
    enabled: str | None = None


#: Either bare codes with the line of the first, which is the fast way, or whole records.
Batch = tuple[int, list[str]] | list[Record]
