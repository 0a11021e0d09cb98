"""How the rows of one table are read: where they begin, and which column holds what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.domain import amounts
from app.services.codes.formats.headings import Meaning


@dataclass(frozen=True, slots=True)
class Layout:
    """How the rows of a table are read."""

    #: Index of the row in which the data begins, and the heading.
    begins: int
    heading: tuple[str, ...] | None
    columns: Mapping[Meaning, tuple[int, ...]]
    #: How amounts are written, where the column decides it.
    marks: amounts.Marks | None = None
    #: By column of dates: whether the day stands first.
    day_first: Mapping[int, bool | None] = field(default_factory=dict)
    #: Whether all numbers of the code's column were cut short by a spreadsheet.
    shortened: bool = False
    rounded: bool = False

    def at(self, meaning: Meaning) -> int | None:
        """The only column of a meaning."""
        return next(iter(self.columns.get(meaning, ())), None)
