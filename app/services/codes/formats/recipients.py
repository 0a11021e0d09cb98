"""Reads CSV files of recipients, in whatever encoding and with whatever separator."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import BinaryIO

from app.services.codes.formats.records import FileFault
from app.services.codes.formats.text import (
    SAMPLE_BYTES,
    Rewound,
    decoded,
    encoding_of,
    lines_of,
    separator_of,
)


def recipient_rows(stream: BinaryIO) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield line and cells by heading (lower case) of a CSV file of recipients.

    Raises:
        FileFault: the file is empty or no text, or has no column `external_id`.
    """
    rewound = Rewound(stream)
    start = rewound.sample(SAMPLE_BYTES)
    if not start:
        raise FileFault("The file is empty: it needs a heading and a line per recipient.")
    encoding = encoding_of(start)
    separator = separator_of(decoded(start, encoding).splitlines(keepends=True)) or ","
    reader = csv.reader(lines_of(rewound, encoding), delimiter=separator, skipinitialspace=True)
    head = [name.strip().lstrip("\ufeff").lower() for name in next(reader, [])]
    if "external_id" not in head:
        # It is not repeated: where the heading is missing, it is a person.
        raise FileFault(
            "The first line names no column external_id: name the one so that tells recipients "
            "apart."
        )
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
