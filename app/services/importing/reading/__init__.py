"""Files of codes, whatever system wrote them, as a stream of records.

Reads one code a line; CSV with any of four separators, quoted or not, with or without a header;
Salesforce B2C Commerce coupon XML (coupon.xsd: `single-code`, and `code` in the coupon's list);
Shopify's and other shops' discount exports; each plain or gzipped, in UTF-8, UTF-16 or
Windows-1252, with or without a byte order mark. A code has ASCII characters only, so that a wrong
guess of the encoding can only refuse a code, never change one.

Refuses, with a FileFault that says the remedy: what is no text, a document type in XML (entities
could grow without end), a gzip file that unpacks to more than it may, a broken gzip file, a
CSV whose code column cannot be told. Memory does not depend on the size of the file.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from typing import BinaryIO
from xml.parsers import expat

from app.services.importing.reading.coupon_xml import coupon_codes
from app.services.importing.reading.records import Batch, FileFault, Record
from app.services.importing.reading.streams import (
    SAMPLE_BYTES,
    Rewound,
    Unpacked,
    decoded,
    encoding_of,
    lines_of,
)
from app.services.importing.reading.tabular import dialect_of, plain, records_of

__all__ = ["Batch", "FileFault", "Record", "batches", "table"]


def batches(
    stream: BinaryIO | io.RawIOBase, *, column: str | None = None, size: int = 8_192
) -> Iterator[Batch]:
    """The records of a file in batches of about `size`.

    Args:
        stream: the file's bytes, read once from where it stands.
        column: the name or number (from 1) of the column that holds codes; guessed when absent.

    Raises:
        FileFault: the file cannot be read.
    """
    try:
        yield from _batches(Rewound(stream), column, size)
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


def table(stream: BinaryIO) -> Iterator[tuple[int, dict[str, str]]]:
    """Line and cells by heading (lower case) of a CSV file with a heading.

    Raises:
        FileFault: the file is empty or no text.
    """
    rewound = Rewound(stream)
    start = rewound.sample(SAMPLE_BYTES)
    if not start:
        raise FileFault("The file is empty: it needs a heading and a line per recipient.")
    encoding = encoding_of(start)
    separator = dialect_of(decoded(start, encoding)) or ","
    reader = csv.reader(lines_of(rewound, encoding), delimiter=separator, skipinitialspace=True)
    head = [name.strip().lstrip("\ufeff").lower() for name in next(reader, [])]
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise FileFault(f"The CSV cannot be read in line {line} ({error}).") from None
        if row is None:
            return
        if any(cell.strip() for cell in row):
            yield line, dict(zip(head, (cell.strip() for cell in row), strict=False))


def _batches(stream: Rewound, column: str | None, size: int) -> Iterator[Batch]:
    start = stream.sample(SAMPLE_BYTES)
    if start.startswith(b"\x1f\x8b"):
        stream = Rewound(Unpacked(stream))
        start = stream.sample(SAMPLE_BYTES)
    if not start:
        raise FileFault("The file is empty: choose the one with the codes.")
    encoding = encoding_of(start)
    text = decoded(start, encoding)
    if text.lstrip("\ufeff \t\r\n").startswith("<"):
        yield from _grouped(coupon_codes(stream), size)
        return
    lines = lines_of(stream, encoding)
    dialect = dialect_of(text)
    if dialect is None:
        if column not in (None, "1", "code"):
            raise FileFault(f"The file has one column: leave out the column {column!r}.")
        yield from plain(lines, size)
    else:
        yield from _grouped(records_of(lines, dialect, column, text), size)


def _grouped(records: Iterator[Record], size: int) -> Iterator[Batch]:
    group: list[Record] = []
    for record in records:
        group.append(record)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group
