"""Decodes the bytes of a file to lines of text and rows of cells, and refuses a gzip bomb.

Whatever the encoding, memory does not depend on the size of the file: of an endless line only the
beginning is kept, which no code is. The separator of cells is found by the first lines; a quotation
mark that nothing closes is refused.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from app.services.codes.formats.headings.lookup import meanings_of
from app.services.codes.formats.records import LONGEST_LINE, FileFault

SAMPLE_BYTES = 256 * 1024


#: What a gzip file may unpack to.
MOST_UNPACKED = 16 * 1024**3
#: How many times its own size a gzip file may unpack to: random codes do 2 to 4 times, coupon XML
#: and codes that count up 20.
MOST_RATIO = 50
#: Bytes that any gzip file may unpack to: of a short one the ratio says nothing.
_FREE_RATIO = 4 * 1024**2


#: Encodings that no mark tells apart, the most frequent first, and the characters that texts in
#: the catalogue's languages have beyond ASCII.
_ONE_BYTE = ("cp1252", "mac_roman", "cp1250")
_USUAL = frozenset("äöüßéèêëàâçùûîïôœæñóíúáãõìòąćęłńśźżÄÖÜÉÈÀÇÑÓÍÚÁÃÕĄĆĘŁŃŚŹŻÊÔ€£°º’«»\u00a0")


class Rewound(io.RawIOBase):
    """A stream whose beginning can be looked at before it is read."""

    def __init__(self, stream: BinaryIO | io.RawIOBase) -> None:
        self._stream = stream
        self._head = b""

    def sample(self, size: int) -> bytes:
        while len(self._head) < size:
            more = self._stream.read(size - len(self._head))
            if not more:
                break
            self._head += more
        return self._head

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if self._head:
            taken, self._head = self._head[:size], self._head[size:] if size >= 0 else b""
            return taken if size >= 0 else taken + (self._stream.read() or b"")
        return self._stream.read(size) or b""


class Unpacked(io.RawIOBase):
    """A gzip stream that refuses to be a bomb."""

    def __init__(self, packed: Rewound) -> None:
        self._counted = _CountedStream(packed)
        self._file = gzip.GzipFile(fileobj=self._counted, mode="rb")
        self._given = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(min(size, 1 << 20) if size > 0 else 1 << 20)
        self._given += len(data)
        if self._given > MOST_UNPACKED or (
            self._given > _FREE_RATIO and self._given > self._counted.taken * MOST_RATIO
        ):
            raise FileFault(
                "The gzip file unpacks to far more than it weighs: send the codes unpacked, or in "
                "several files."
            )
        return data


class _CountedStream(io.RawIOBase):
    def __init__(self, stream: Rewound) -> None:
        self._stream = stream
        self.taken = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self.taken += len(data)
        return data


def encoding_of(start: bytes) -> str:
    """Return the encoding of a text that begins with `start`."""
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if start.startswith(mark):
            return name
    zeros = start[:4096].count(0)
    if zeros > len(start[:4096]) // 4:
        return "utf-16-le" if start[1:2] == b"\0" else "utf-16-be"
    if zeros:
        raise FileFault("The file is no text: export the codes as CSV, XML or one a line.")
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return max(_ONE_BYTE, key=lambda name: _likelihood(start, name))
    return "utf-8"


def _likelihood(start: bytes, encoding: str) -> int:
    """Measure how much a text in an encoding reads like the catalogue's languages."""
    beyond = bytes(byte for byte in start if byte > 0x7F)[:4_096].decode(encoding, "replace")
    usual = sum(character in _USUAL for character in beyond)
    return usual - (len(beyond) - usual)


def decoded(start: bytes, encoding: str) -> str:
    """Return the beginning of a text, though a character be cut in two."""
    return codecs.getincrementaldecoder(encoding)("replace").decode(start)


def lines_of(stream: Rewound, encoding: str) -> Iterator[str]:
    """Yield lines with their ends; of an endless line only the beginning, which no code is."""
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    rest = ""
    while True:
        data = stream.read(1 << 18)
        text = rest + decoder.decode(data, final=not data)
        lines = text.splitlines(keepends=True)
        if not data:
            yield from (line[:LONGEST_LINE] for line in lines)
            return
        # The last line goes on, or ends in a CR whose LF is still to come.
        rest = lines.pop() if lines else ""
        if len(rest) > LONGEST_LINE:
            rest = rest[:LONGEST_LINE]
        if max(map(len, lines), default=0) > LONGEST_LINE:
            lines = [line[:LONGEST_LINE] for line in lines]
        yield from lines


#: A row of a file: the line on which it begins, and its cells.
TableRow = tuple[int, list[str]]

_HINT = re.compile(r"\ufeff?\s*\"?sep=(?P<separator>\"\"|[^\r\n])\"?[;,\t ]*", re.IGNORECASE)
_SEPARATORS = ("\t", ";", "|", ",")
#: Lines, and characters of each, by which the separator is told.
_LOOKED_AT, _SHOWN = 200, 4_096
#: A cell of more lines than this was opened by a quotation mark that nothing closes.
_MOST_LINES = 30


def hint_of(line: str) -> str | None:
    """Return the separator that a first line such as `sep=;` names; None where it does not."""
    match = _HINT.fullmatch(line.strip("\r\n"))
    return match["separator"][:1] if match is not None else None


def separator_of(lines: list[str]) -> str | None:
    """Return the separator of a file that begins with `lines`; None for one code a line."""
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


def rows_of(lines: Iterable[str], separator: str) -> Iterator[TableRow]:
    """Return the rows of a table.

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
