"""Finds where the rows of a table begin, and which lines at its end are no rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from app.domain import amounts
from app.services.codes.formats.headings.lookup import WEAK, meanings_of
from app.services.codes.formats.headings.meanings import Meaning, squeezed
from app.services.codes.formats.text import TableRow, hint_of

_TOTAL = re.compile(
    r"(?:grand |sub)?(?:totals?|total général|summe|gesamt(?:summe|betrag|zahl)?|somme|suma|somma|"
    r"totale|totaal|razem|ogółem|łącznie|soma|insgesamt|count|anzahl|nombre de lignes|sum)"
    r"(?:\s*[:=].*|\s+(?:codes?|rows?|records?|\d.*)|\s*\(.*\))?",
    re.IGNORECASE,
)
_COUNTED = re.compile(
    r"\(?\s*\d[\d.,' ]*\s*(?:rows?|records?|codes?|coupons?|vouchers?|entries|lines?|lignes?|"
    r"zeilen|datensätze|filas|righe|rijen|wierszy|wiersze|linhas|gutscheine)"
    r"(?:\s+(?:selected|exported|affected|in set|exportiert|exportées?))?.*\)?|"
    r"(?:end of (?:file|report|export)|ende|fin|generated (?:by|on|at)|exported (?:by|on|at)|"
    r"erstellt am|export[ée] le|page \d+).*|[-=+*_~]{3,}",
    re.IGNORECASE,
)
_VANITY = re.compile(r"[A-Z]{3,}\d{1,3}")
#: How many rows may stand before a heading.
_MOST_TITLES = 25


def is_footer(text: str) -> bool:
    """Tell whether a line's first cell says that it is a sum or an end, not a row."""
    return bool(_TOTAL.fullmatch(text) or _COUNTED.fullmatch(text))


def form_of(text: str) -> str:
    """Return a code's form: letters and digits alike, what stands between them as it is."""
    return re.sub(r"[^\W_]", "x", text)


def has_digit(text: str) -> bool:
    """Tell whether there is any digit in a text."""
    return any(character.isdigit() for character in text)


def begin_of(lines: Sequence[str]) -> int:
    """Count how many lines stand before the first code in a file of one code a line."""
    texts = [line.strip().strip('"').strip() for line in lines]
    at = 0
    while at < len(texts) and (not texts[at] or hint_of(texts[at]) is not None):
        at += 1
    for number, text in enumerate(texts[at : at + 10], start=at):
        meanings = meanings_of(text)
        if Meaning.CODE in meanings and (number == at or squeezed(text) not in WEAK):
            return number + 1
        if meanings and number == at and not has_digit(text):
            return number + 1
        if text and has_digit(text) and " " not in text:
            # This is a code: a heading below it is no reason to leave it out.
            break
    while at < len(texts) and _is_title(texts[at], [text for text in texts[at + 1 :] if text]):
        at += 1
    return at


def headings_in(lines: Sequence[str]) -> frozenset[str]:
    """Return lines that are a code's known heading, wherever they stand."""
    return frozenset(
        text
        for line in lines
        if (text := line.strip())
        and not has_digit(text)
        and Meaning.CODE in meanings_of(text)
        and squeezed(text) not in WEAK
    )


def _is_title(text: str, rest: Sequence[str]) -> bool:
    """Tell whether a first line that is no known heading is unlike all codes below it."""
    if not text or not rest:
        return not text
    spaced = any(character in text for character in " _:")
    alone = spaced and not any(" " in other or "_" in other or ":" in other for other in rest)
    if alone and (not has_digit(text) or re.search(r"[a-zà-ÿ]{3,}", text)):
        return True
    if has_digit(text) or not all(map(has_digit, rest)):
        return False
    forms = {form_of(other) for other in rest}
    if len(forms) == 1 and form_of(text) not in forms:
        # Words with a number, as WINTER20, may stand beside one without.
        return text != text.upper() or not all(map(_VANITY.fullmatch, rest))
    return text != text.upper() and all(other == other.upper() for other in rest)


def heading_of(rows: Sequence[TableRow]) -> tuple[int, list[str] | None]:
    """Tell where the data begins, as an index into `rows`, and the heading, if there is one."""
    width = _width(rows)
    for at, (_, row) in enumerate(rows[:_MOST_TITLES]):
        if _names_columns(row):
            return at + 1, row
    first = next(
        (
            at
            for at, (_, row) in enumerate(rows[:_MOST_TITLES])
            if sum(bool(cell.strip()) for cell in row) > (1 if width > 1 else 0)
        ),
        0,
    )
    if first < len(rows) and _is_unlike(rows[first][1], [row for _, row in rows[first + 1 :]]):
        return first + 1, rows[first][1]
    return first, None


def _width(rows: Sequence[TableRow]) -> int:
    counts = Counter(len(row) for _, row in rows if any(map(str.strip, row)))
    return max(counts, key=lambda width: (counts[width], width), default=0)


def _names_columns(row: Sequence[str]) -> bool:
    """Tell whether most cells of a row are known headings, and none is a value."""
    cells = [cell.strip() for cell in row if cell.strip()]
    known = [meanings_of(cell) for cell in cells]
    count = sum(map(bool, known))
    if not count or any(
        not meanings and _is_value(cell) for cell, meanings in zip(cells, known, strict=True)
    ):
        return False
    named = any(Meaning.CODE in meanings for meanings in known)
    return (named and count * 4 >= len(cells)) or (count >= 2 and count * 3 >= len(cells))


def _is_value(cell: str) -> bool:
    """Tell whether a cell can only be a value: a number, a date, or a code with digits."""
    if not has_digit(cell):
        return False
    return bool(
        re.fullmatch(r"[-+\d.,:/ T]+Z?", cell)
        or re.fullmatch(r"[A-Z0-9]+(?:[-_][A-Z0-9]+)*", cell)
        or amounts.looks_like_money(cell)
    )


def _is_unlike(head: Sequence[str], rest: Sequence[Sequence[str]]) -> bool:
    """Tell whether the first row has words where all others have numbers, dates or codes."""
    speaks_for = 0
    for at, cell in enumerate(head):
        text = cell.strip()
        below = [row[at].strip() for row in rest if at < len(row) and row[at].strip()]
        if not text or not below:
            continue
        if _is_value(text) or (text in below and len(rest) > 2):
            return False
        if not has_digit(text) and all(map(has_digit, below)):
            speaks_for += 1
    return speaks_for > 0
