"""Reads files of codes, whatever system wrote them, as a stream of records.

Reads one code a line; CSV with any of four separators, quoted or not, with titles, a heading and
sums or without; Salesforce B2C Commerce coupon XML (coupon.xsd); the Excel XML of Magento; each
plain or gzipped, in UTF-8, UTF-16, Windows-1252, Windows-1250 or Mac OS Roman, with or without a
byte order mark. A code has ASCII characters only, so that a wrong guess of the encoding can only
refuse a code, never change one.

Refuses, with a FileFault that says the remedy: what is no text, a document type in XML (entities
could grow without end), a gzip file that unpacks to more than it may, a broken gzip file, and,
with the columns to choose from, a table of which it cannot be told where codes and money are
(`survey`). Memory does not depend on the size of the file.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import BinaryIO
from xml.parsers import expat

from app.services.codes.formats.columns import survey
from app.services.codes.formats.records import (
    Batch,
    FileFault,
    Record,
)
from app.services.codes.formats.tabular import plain, records_of
from app.services.codes.formats.text import (
    SAMPLE_BYTES,
    Rewound,
    TableRow,
    Unpacked,
    decoded,
    encoding_of,
    lines_of,
    rows_of,
    separator_of,
)
from app.services.codes.formats.xml_files import WORKBOOK, coupon_codes, workbook_rows
from app.services.codes.reasons import Expected

#: How much of a table is looked at before the first row is read: rows, and characters.
_LOOKED_AT = 20_000, 4 * 1024 * 1024
_ANY = Expected(holds_money=False, currency=None)
#: Files that are often sent in the place of CSV, by their first bytes.
_FOREIGN = {
    b"PK\x03\x04": "an Excel workbook or another zip file: save it as CSV (UTF-8)",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook: save it as CSV (UTF-8)",
    b"%PDF": "a PDF: export the codes as CSV",
    b"{\\rtf": "a text document: save it as plain text",
}


def batches(
    stream: BinaryIO | io.RawIOBase,
    *,
    columns: Mapping[str, str] | None = None,
    coupon: str | None = None,
    expected: Expected = _ANY,
    size: int = 8_192,
) -> Iterator[Batch]:
    """Return the records of a file in batches of about `size`.

    Args:
        stream: the file's bytes, read once from where it stands.
        columns: the name or number (from 1) of columns by what they hold; told when absent.
        coupon: in coupon XML, the `coupon-id` whose codes are taken.
        expected: what the campaign's codes must be.

    Raises:
        ColumnsUnclear: it cannot be told which columns hold codes and money.
        FileFault: the file cannot be read.
    """
    try:
        yield from _batches(Rewound(stream), columns or {}, coupon, expected, size)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise FileFault(
            "The gzip file is broken or cut off: transfer it again in binary mode."
        ) from None
    except expat.ExpatError as error:
        raise FileFault(
            f"The XML breaks off or is wrong in line {error.lineno}: export it again."
        ) from None
    except csv.Error as error:
        raise FileFault(f"The CSV cannot be read ({error}): save it again as CSV.") from None


def _batches(
    stream: Rewound,
    columns: Mapping[str, str],
    coupon: str | None,
    expected: Expected,
    size: int,
) -> Iterator[Batch]:
    start = stream.sample(SAMPLE_BYTES)
    if start.startswith(b"\x1f\x8b"):
        stream = Rewound(Unpacked(stream))
        start = stream.sample(SAMPLE_BYTES)
    if not start:
        raise FileFault("The file is empty: choose the one with the codes.")
    for mark, remedy in _FOREIGN.items():
        if start.startswith(mark):
            raise FileFault(f"The file is {remedy}.")
    encoding = encoding_of(start)
    text = decoded(start, encoding)
    begins = text.lstrip("\ufeff \t\r\n")[:4_096]
    if begins.startswith("<"):
        if WORKBOOK in begins:
            yield from _of_table(workbook_rows(stream), columns, expected, size)
        elif "<html" in begins.lower() or "<table" in begins.lower():
            raise FileFault("The file is a page of HTML: export the codes as CSV.")
        else:
            yield from _grouped(coupon_codes(stream, coupon=coupon, expected=expected), size)
        return
    if begins.startswith(('{"', "{\n", "[{", '["')):
        raise FileFault("The file is JSON: export the codes as CSV or one a line.")
    if coupon is not None:
        raise FileFault("Only coupon XML has several coupons: leave out the coupon.")
    sample = text.splitlines(keepends=True)
    if len(start) >= SAMPLE_BYTES and len(sample) > 1:
        # The last line may be cut.
        sample.pop()
    lines = lines_of(stream, encoding)
    separator = separator_of(sample)
    if separator is None:
        if columns and set(columns.values()) - {"1"}:
            raise FileFault("The file has one column: leave out the columns.")
        yield from plain(lines, sample, size)
    else:
        yield from _of_table(rows_of(lines, separator), columns, expected, size)


def _of_table(
    rows: Iterator[TableRow], columns: Mapping[str, str], expected: Expected, size: int
) -> Iterator[Batch]:
    first = _first(rows)
    layout = survey(first, columns, expected)
    yield from _grouped(records_of(chain(first, rows), layout, expected), size)


def _first(rows: Iterable[TableRow]) -> list[TableRow]:
    """Return the rows by which a table's columns are told; `rows` goes on after them."""
    most_rows, most_characters = _LOOKED_AT
    found: list[TableRow] = []
    for row in rows:
        found.append(row)
        most_characters -= sum(map(len, row[1]))
        if len(found) >= most_rows or most_characters < 0:
            break
    return found


def _grouped(records: Iterator[Record], size: int) -> Iterator[Batch]:
    group: list[Record] = []
    for record in records:
        group.append(record)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group
