"""Makes records of lines, and of the rows of a table whose columns are known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from app.services.codes.formats.columns import Layout
from app.services.codes.formats.headings.meanings import Meaning
from app.services.codes.formats.records import Batch, Record
from app.services.codes.formats.spreadsheets import (
    UNSIGNED,
    damage,
    mended,
    rounded,
    shortened,
)
from app.services.codes.formats.table_bounds import begin_of, headings_in, is_footer
from app.services.codes.formats.text import TableRow
from app.services.codes.formats.verdicts import Judge, cell_of
from app.services.codes.reasons import Expected, RejectReason

#: Lines by which a file of one code a line is judged.
_JUDGED = 1_000


def plain(lines: Iterable[str], sample: Sequence[str], size: int) -> Iterator[Batch]:
    """Yield one code a line; titles, a heading and a sum after the last are none.

    Args:
        lines: all lines of the file.
        sample: the first of them.
    """
    begins = begin_of(sample[:_JUDGED])
    texts = [text for line in sample[begins:] if (text := line.strip())]
    if not all(map(str.isalpha, texts[:100])):
        texts = [mended(text) for text in texts]
        if shortened(texts) or rounded(texts):
            yield from _cut(lines, begins, size, rounded(texts))
            return
    headings = headings_in(sample[:_JUDGED])
    if begins:
        headings |= {sample[begins - 1].strip()}
    group: list[str] = []
    first = begins + 1
    number = 0
    for number, line in enumerate(lines, start=1):
        if number <= begins:
            continue
        group.append(line)
        # One more than asked for, so that the last group is never but the end of a sum's line.
        if len(group) > size:
            yield first, _without(group[:-1], headings)
            first, group = number, group[-1:]
    while group and (not group[-1].strip() or is_footer(group[-1].strip().strip('"'))):
        group.pop()
    if group:
        yield first, _without(group, headings)


def _without(group: list[str], headings: frozenset[str]) -> list[str]:
    """Return a group in which a heading, where it stands again, is a blank line."""
    if headings and not headings.isdisjoint(map(str.strip, group)):
        return ["" if line.strip() in headings else line for line in group]
    return group


def _cut(lines: Iterable[str], begins: int, size: int, rounds: bool) -> Iterator[list[Record]]:
    """Yield numbers that a spreadsheet cut short as records that are refused by name."""
    group: list[Record] = []
    for number, line in enumerate(lines, start=1):
        text = mended(line)
        if number > begins and text:
            group.append(Record(number, text, refused=_damage(text, True, rounds)))
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def records_of(rows: Iterable[TableRow], layout: Layout, expected: Expected) -> Iterator[Record]:
    """Return the records of a table, from its first row on."""
    judge = Judge(layout, expected)
    code_at, pin_at = layout.at(Meaning.CODE), layout.at(Meaning.PIN)
    assert code_at is not None  # noqa: S101 - a layout has a column of codes
    holds_money = expected.holds_money
    judged = [meaning for meaning in layout.columns if meaning not in (Meaning.CODE, Meaning.PIN)]
    heading = list(layout.heading) if layout.heading is not None else None
    pending: list[Record] = []
    for number, (line, row) in enumerate(rows):
        if number < layout.begins or row == heading or not any(map(str.strip, row)):
            continue
        cell = cell_of(row, mended)
        code = cell(code_at)
        refused = _damage(code, layout.shortened, layout.rounded)
        record = Record(line, code, refused=refused)
        if judged or holds_money:
            verdict = judge.verdict(cell)
            record = Record(
                line,
                code,
                amount=verdict.amount,
                pin=(cell(pin_at) or None) if pin_at is not None else None,
                limit=verdict.limit,
                refused=refused or verdict.refused,
            )
        if _may_be_footer(row, code):
            # Only at the very end is it a sum; elsewhere it is a row without a code.
            pending.append(record._replace(code="") if code else record)
            continue
        yield from pending
        pending.clear()
        yield record


def _may_be_footer(row: Sequence[str], code: str) -> bool:
    """Tell whether a row may be the sum or the end of a table."""
    if code and code.isascii() and any(map(str.isdigit, code)) and " " not in code:
        return False
    filled = [text for cell in row if (text := cell.strip())]
    return (not code and len(filled) == 1) or is_footer(filled[0]) or is_footer(code)


def _damage(text: str, is_shortened: bool, is_rounded: bool) -> RejectReason | None:
    if (found := damage(text)) is not None:
        return found
    if is_shortened and UNSIGNED.fullmatch(text):
        return RejectReason.SHORTENED
    if is_rounded and len(text) > 15 and text.isdigit():
        return RejectReason.SHORTENED
    return None
