"""One code a line, and CSV: the separator, the heading and the column of codes are found out."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from app.services.importing.reading.records import Batch, FileFault, Record
from app.services.importing.reading.streams import SAMPLE_BYTES

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


def dialect_of(text: str) -> str | None:
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


def plain(lines: Iterable[str], size: int) -> Iterator[Batch]:
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


def records_of(
    lines: Iterable[str], separator: str, column: str | None, sample: str
) -> Iterator[Record]:
    """The records of a CSV file."""
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


def _role(name: str) -> str | None:
    return _ROLES.get(_squeezed(name))


def _squeezed(name: str) -> str:
    return re.sub(r"[\s_\-.\"'\ufeff]+", "", name).casefold()
