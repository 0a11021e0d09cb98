"""Lines as rows of cells: the separator, the hint that names it, and quotation marks left open."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator

from app.services.codes.formats.headings import meanings_of
from app.services.codes.formats.records import FileFault

#: A row of a file: the line on which it begins, and its cells.
Row = tuple[int, list[str]]

_HINT = re.compile(r"\ufeff?\s*\"?sep=(?P<separator>\"\"|[^\r\n])\"?[;,\t ]*", re.IGNORECASE)
_SEPARATORS = ("\t", ";", "|", ",")
#: Lines, and characters of each, by which the separator is told.
_LOOKED_AT, _SHOWN = 200, 4_096
#: A cell of more lines than this was opened by a quotation mark that nothing closes.
_MOST_LINES = 30


def hint_of(line: str) -> str | None:
    """The separator that a first line such as `sep=;` names; None when it is no such line."""
    match = _HINT.fullmatch(line.strip("\r\n"))
    return match["separator"][:1] if match is not None else None


def separator_of(lines: list[str]) -> str | None:
    """The separator of a file that begins with `lines`; None for one code a line."""
    shown = [line[:_SHOWN] for line in lines[: _LOOKED_AT * 2] if line.strip()][:_LOOKED_AT]
    if not shown:
        return None
    if (hinted := hint_of(shown[0])) is not None:
        return hinted
    best: tuple[float, int, int, int] | None = None
    found = None
    for rank, separator in enumerate(_SEPARATORS):
        rows = list(csv.reader(shown, delimiter=separator, skipinitialspace=True))
        widths = Counter(len(row) for row in rows)
        width, agreeing = max(widths.items(), key=lambda item: (item[0] > 1, item[1], item[0]))
        if width < 2 or agreeing < 0.5 * len(rows):
            continue
        known = max(sum(bool(meanings_of(cell)) for cell in row) for row in rows[:20])
        score = (round(agreeing / len(rows), 1), known, width, -rank)
        if best is None or score > best:
            best, found = score, separator
    if found is None and any(line.lstrip("\ufeff").startswith('"') for line in shown):
        return ","
    return found


def rows_of(lines: Iterable[str], separator: str) -> Iterator[Row]:
    """The rows of a table.

    Raises:
        FileFault: a quotation mark is never closed, so that it would swallow rows.
    """
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True)
    while True:
        # A quoted cell may hold line ends: a row is named by the line on which it begins.
        line = reader.line_num + 1
        row = next(reader, None)
        if row is None:
            return
        if reader.line_num > line:
            _check_quotes(line, reader.line_num, row, separator)
        yield line, row


def _check_quotes(first: int, last: int, row: list[str], separator: str) -> None:
    inside = [text for cell in row for text in cell.splitlines()[1:]]
    swallowed = [text for text in inside if text.count(separator) >= max(1, len(row) - 1)]
    if last - first > _MOST_LINES or (swallowed and len(swallowed) >= len(inside) - 1):
        raise FileFault(
            f"A quotation mark in line {first} is never closed, so that the lines after it cannot "
            "be told apart: close it, or take it away."
        )
