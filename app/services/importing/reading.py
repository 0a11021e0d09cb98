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

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import BinaryIO, NamedTuple
from xml.parsers import expat

SAMPLE_BYTES = 256 * 1024
#: The longest line that is read; a longer one is no code.
LONGEST_LINE = 64 * 1024
#: What a gzip file may unpack to, and how many times its own size.
MOST_UNPACKED = 16 * 1024**3
MOST_RATIO = 200
_FREE_RATIO = 64 * 1024**2

_NAMES = {
    "code": [
        "code",
        "couponcode",
        "coupon",
        "discountcode",
        "vouchercode",
        "voucher",
        "promocode",
        "promotioncode",
        "giftcardcode",
        "giftcardnumber",
        "cardnumber",
        "number",
        "codepromo",
        "codepromotionnel",
        "coderéduction",
        "gutscheincode",
        "gutschein",
        "gutscheinnummer",
        "códigopromocional",
        "codigopromocional",
        "código",
        "codigo",
        "couponcodes",
        "codes",
        "serial",
    ],
    "amount": [
        "amount",
        "initialvalue",
        "initialbalance",
        "balance",
        "montant",
        "betrag",
        "importe",
    ],
    "currency": ["currency", "currencycode", "devise", "währung", "waehrung", "moneda"],
    "pin": ["pin", "pincode", "cardpin", "giftcardpin"],
    "used": ["timesused", "usedcount", "codeusedcount", "usagecount", "used", "redemptions"],
    "enabled": ["enabled", "active", "enabledflag"],
}
_ROLES = {name: role for role, names in _NAMES.items() for name in names}
_LOOKS_LIKE_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]{3,63}")
_LOOKS_LIKE_OTHER = re.compile(r"\d{4}-\d\d-\d\d.*|\d+[.,]\d+|true|false|yes|no", re.IGNORECASE)


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
        yield from _batches(_Rewound(stream), column, size)
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
    rewound = _Rewound(stream)
    start = rewound.sample(SAMPLE_BYTES)
    if not start:
        raise FileFault("The file is empty: it needs a heading and a line per recipient.")
    encoding = _encoding(start)
    separator = _dialect(_decoded(start, encoding)) or ","
    reader = csv.reader(_lines(rewound, encoding), delimiter=separator, skipinitialspace=True)
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


def _batches(stream: _Rewound, column: str | None, size: int) -> Iterator[Batch]:
    start = stream.sample(SAMPLE_BYTES)
    if start.startswith(b"\x1f\x8b"):
        stream = _Rewound(_Unpacked(stream))
        start = stream.sample(SAMPLE_BYTES)
    if not start:
        raise FileFault("The file is empty: choose the one with the codes.")
    encoding = _encoding(start)
    text = _decoded(start, encoding)
    if text.lstrip("\ufeff \t\r\n").startswith("<"):
        yield from _grouped(_xml(stream), size)
        return
    lines = _lines(stream, encoding)
    dialect = _dialect(text)
    if dialect is None:
        if column not in (None, "1", "code"):
            raise FileFault(f"The file has one column: leave out the column {column!r}.")
        yield from _plain(lines, size)
    else:
        yield from _grouped(_csv(lines, dialect, column, text), size)


class _Rewound(io.RawIOBase):
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


class _Unpacked(io.RawIOBase):
    """A gzip stream that refuses to be a bomb."""

    def __init__(self, packed: _Rewound) -> None:
        self._counted = _Counted(packed)
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


class _Counted(io.RawIOBase):
    def __init__(self, stream: _Rewound) -> None:
        self._stream = stream
        self.taken = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self.taken += len(data)
        return data


def _encoding(start: bytes) -> str:
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
        return "cp1252"
    return "utf-8"


def _decoded(start: bytes, encoding: str) -> str:
    return codecs.getincrementaldecoder(encoding)("replace").decode(start)


def _lines(stream: _Rewound, encoding: str) -> Iterator[str]:
    """Lines with their ends; of an endless line only the beginning, which no code is."""
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


def _dialect(text: str) -> str | None:
    """The separator, `quoted` for one quoted column, or None for one code a line."""
    lines = [line[:4_096] for line in text.splitlines()[:200] if line.strip()]
    if len(text) >= SAMPLE_BYTES // 4 and len(lines) > 1 and len(lines) < 200:
        lines.pop()
    if not lines:
        return None
    best, most = None, 0
    for separator in (",", ";", "\t", "|"):
        columns = [len(next(csv.reader([line], delimiter=separator), [])) for line in lines[:100]]
        first = columns[0]
        agreeing = sum(count == first for count in columns)
        if first > 1 and agreeing * 10 >= len(columns) * 6 and first * agreeing > most:
            best, most = separator, first * agreeing
    if best is None and lines[0].lstrip("\ufeff").startswith('"'):
        return ","
    return best


def _plain(lines: Iterable[str], size: int) -> Iterator[Batch]:
    """One code a line; the first may be a heading."""
    group: list[str] = []
    first = 1
    for number, line in enumerate(lines, start=1):
        if number == 1 and _role(line) == "code":
            first = 2
            continue
        group.append(line)
        if len(group) == size:
            yield first, group
            first, group = number + 1, []
    if group:
        yield first, group


def _csv(lines: Iterable[str], separator: str, column: str | None, sample: str) -> Iterator[Record]:
    # A lone carriage return would end a row for the csv module, but it ends a line for us too.
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True)
    try:
        head = next(reader)
    except StopIteration:
        return
    places, has_head = _places(head, column, separator, sample)
    if not has_head:
        record = _record(1, head, places)
        if record is not None:
            yield record
    while True:
        # A quoted cell may hold line ends: a record is named by the line on which it begins.
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        record = _record(line, row, places)
        if record is not None:
            yield record


def _record(line: int, row: Sequence[str], places: Mapping[str, int]) -> Record | None:
    if not any(cell.strip() for cell in row):
        return Record(line, "") if row and len(row) > 1 else None
    values = {role: row[at].strip() if at < len(row) else "" for role, at in places.items()}
    return Record(line, **{"code": "", **values})


def _places(
    head: Sequence[str], column: str | None, separator: str, sample: str
) -> tuple[dict[str, int], bool]:
    """Which column holds what, and whether the first row names them."""
    roles: dict[str, int] = {}
    for at, name in enumerate(head):
        role = _role(name)
        if role is not None:
            roles.setdefault(role, at)
    names = [_squeezed(name) for name in head]
    if column is not None:
        if column.isascii() and column.isdigit() and 1 <= int(column) <= len(head):
            return {**roles, "code": int(column) - 1}, bool(roles)
        if _squeezed(column) in names:
            return {**roles, "code": names.index(_squeezed(column))}, True
        raise FileFault(
            f"No column is called {column!r}: the file has {', '.join(map(repr, head[:20]))}."
        )
    if "code" in roles:
        # A column that is exactly "code" wins over a "coupon" or "number" that stands before it.
        if "code" in names:
            roles["code"] = names.index("code")
        return roles, True
    return {**roles, "code": _guess(separator, sample, skip=bool(roles))}, bool(roles)


def _guess(separator: str, sample: str, *, skip: bool) -> int:
    """The column whose values look like codes and differ the most."""
    rows = list(csv.reader(sample.splitlines()[:200], delimiter=separator))[1 if skip else 0 :]
    width = max((len(row) for row in rows), default=0)
    if width == 1:
        return 0
    best, most = -1, 0.0
    for at in range(width):
        cells = [row[at].strip() for row in rows if at < len(row) and row[at].strip()]
        likely = [
            cell
            for cell in cells
            if _LOOKS_LIKE_CODE.fullmatch(cell) and not _LOOKS_LIKE_OTHER.fullmatch(cell)
        ]
        if not cells or len(likely) < len(cells) * 0.8:
            continue
        score = len(set(likely)) / len(cells) + min(len(likely[0]), 20) / 100
        if score > most:
            best, most = at, score
    if best < 0:
        raise FileFault("No column looks like codes: name it, by its heading or its number from 1.")
    return best


def _xml(stream: _Rewound) -> Iterator[Record]:
    """Codes of coupon XML: text of `code`, `single-code` and `coupon-code` elements."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    found: list[Record] = []
    state: dict[str, str | int | None] = {"enabled": None, "line": 0, "seen": 0}
    text: list[str] = []

    def refuse(*_: object) -> None:
        raise FileFault("The XML declares a document type: remove it, codes need none.")

    def begin(name: str, _attributes: Mapping[str, str]) -> None:
        local = name.rpartition(" ")[2]
        text.clear()
        state["line"] = parser.CurrentLineNumber
        state["seen"] = 1
        if local == "coupon":
            state["enabled"] = None

    def end(name: str) -> None:
        local = name.rpartition(" ")[2]
        if local == "enabled-flag":
            state["enabled"] = "".join(text).strip()
        elif local in ("code", "single-code", "coupon-code"):
            found.append(
                Record(
                    int(state["line"] or 0),
                    "".join(text).strip(),
                    enabled=None if state["enabled"] is None else str(state["enabled"]),
                )
            )
        text.clear()

    def characters(data: str) -> None:
        if sum(map(len, text)) < LONGEST_LINE:
            text.append(data)

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    parser.CharacterDataHandler = characters
    # Several codes may stand on one line, and a reject is known by its line: number them then.
    last = 0
    while True:
        data = stream.read(1 << 16)
        parser.Parse(data, not data)
        for record in found:
            last = max(record.line, last + 1)
            yield record._replace(line=last)
        found.clear()
        if not data:
            return


def _grouped(records: Iterator[Record], size: int) -> Iterator[Batch]:
    group: list[Record] = []
    for record in records:
        group.append(record)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def _role(name: str) -> str | None:
    return _ROLES.get(_squeezed(name))


def _squeezed(name: str) -> str:
    return re.sub(r"[\s_\-.\"'\ufeff]+", "", name).casefold()
