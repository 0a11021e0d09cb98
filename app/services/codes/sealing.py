"""Checks records and seals them: turns each into a row that is safe to store.

A row carries the code's lookup hash and seal, never the code. What is wrong with a record is a
`Reason`; whether another row repeats it is decided later, when rows lie sorted.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import repeat

from app.domain.codes import normalise
from app.services.codes.formats.records import Batch, Record
from app.services.codes.formats.spreadsheets import damage, mended
from app.services.codes.reasons import (
    LONGEST_CODE,
    SHORTEST_CODE,
    Expected,
    Reject,
    RejectReason,
)
from app.services.keys import pin_row
from app.store.keyring import Keyring

_CODE = re.compile(r"[!-~]+(?: [!-~]+)*")
_PIN = re.compile(r"[A-Za-z0-9]{3,16}")


#: A code ready to be stored: lookup hash, line, seal, hint, sealed PIN, amount in minor units, uses
#: left where they are fewer than the campaign's. A plain tuple, since a million of them are made,
#: written to disk and sorted; it sorts by lookup, then by line.
SealedRow = tuple[bytes, int, bytes, str | None, bytes | None, int | None, int | None]


@dataclass(slots=True)
class Sealer:
    """Checks and seals batch after batch."""

    keyring: Keyring
    expected: Expected
    #: Whether last characters may be shown; None measures the first batch.
    hinted: bool | None = None
    _shows: dict[int, bool] | None = field(default=None)

    def seal(self, batch: Batch) -> tuple[list[SealedRow], list[Reject], int]:
        """Return rows, rejects and the number of records of a batch."""
        if isinstance(batch, tuple):
            first, lines = batch
            return self._seal_plain(first, lines)
        return self._seal_records(batch)

    @property
    def _lacks_amount(self) -> bool:
        """Tell whether a bare code is no gift card, because nobody says its amount."""
        return self.expected.holds_money and self.expected.amount_minor is None

    def _seal_plain(
        self, first: int, lines: Sequence[str]
    ) -> tuple[list[SealedRow], list[Reject], int]:
        stripped = [line.strip() for line in lines]
        joined = "".join(stripped)
        longest = self.expected.surely_shown
        if (
            joined.isalnum()
            and joined.isascii()
            and min(map(len, stripped)) >= SHORTEST_CODE
            and max(map(len, stripped)) <= longest
            and not self._lacks_amount
        ):
            # Nothing in the batch can be wrong: no line needs to be looked at by itself.
            upper = stripped if joined.isupper() else [text.upper() for text in stripped]
            return self._rows(stripped, upper, range(first, first + len(lines))), [], len(lines)
        texts: list[str] = []
        normal: list[str] = []
        numbers: list[int] = []
        rejects: list[Reject] = []
        blank = 0
        for number, text in enumerate(stripped, start=first):
            # Most codes are letters and digits: no pattern needs to be asked about those.
            if text.isalnum() and text.isascii() and SHORTEST_CODE <= len(text) <= longest:
                texts.append(text)
                normal.append(text.upper())
                numbers.append(number)
            elif not text:
                blank += 1
            else:
                bare = mended(text.strip('"'))
                key = normalise(bare)
                reason = self._fault(bare, key) or damage(bare)
                if reason is None:
                    texts.append(bare)
                    normal.append(key)
                    numbers.append(number)
                else:
                    rejects.append(Reject(number, reason))
        if self._lacks_amount:
            rejects.extend(Reject(number, RejectReason.MISSING_AMOUNT) for number in numbers)
            return [], rejects, len(lines) - blank
        rows = self._rows(texts, normal, numbers)
        return rows, rejects, len(lines) - blank

    def _seal_records(self, records: Sequence[Record]) -> tuple[list[SealedRow], list[Reject], int]:
        texts: list[str] = []
        normal: list[str] = []
        numbers: list[int] = []
        rest: list[tuple[str | None, int | None, int | None]] = []
        rejects: list[Reject] = []
        for record in records:
            text = record.code
            key = text.upper() if text.isalnum() and text.isascii() else normalise(text)
            reason = self._fault(text, key) or record.refused
            if reason is None and record.pin and not _PIN.fullmatch(record.pin):
                reason = RejectReason.BAD_PIN
            if reason is None and record.amount is None and self._lacks_amount:
                reason = RejectReason.MISSING_AMOUNT
            if reason is not None:
                rejects.append(Reject(record.line, reason))
                continue
            texts.append(text)
            normal.append(key)
            numbers.append(record.line)
            rest.append((record.pin or None, record.amount, record.limit))
        rows = self._rows(texts, normal, numbers)
        seal = self.keyring.seal
        if not self.expected.holds_money:
            rest = [(None, None, limit) for _, _, limit in rest]
        if any(map(any, rest)):
            rows = [
                (*row[:4], seal(pin, row=pin_row(row[0])) if pin else None, amount, limit)
                for row, (pin, amount, limit) in zip(rows, rest, strict=True)
            ]
        return rows, rejects, len(records)

    def _fault(self, text: str, key: str) -> RejectReason | None:
        if not key:
            return RejectReason.EMPTY
        if not _CODE.fullmatch(text):
            return RejectReason.ILLEGAL_CHARACTER
        if len(text) > LONGEST_CODE:
            return RejectReason.TOO_LONG
        if len(key) < SHORTEST_CODE:
            return RejectReason.TOO_SHORT
        if not self.expected.shows(text):
            return RejectReason.TOO_WIDE
        return None

    def _rows(
        self, texts: Sequence[str], normal: Sequence[str], numbers: Sequence[int]
    ) -> list[SealedRow]:
        lookups = list(self.keyring.lookup_many(normal))
        seals = self.keyring.seal_many(zip(texts, lookups, strict=True), count=len(texts))
        hints = self._hints(normal)
        none = repeat(None)
        return list(zip(lookups, numbers, seals, hints, none, none, none, strict=False))

    def _hints(self, normal: Sequence[str]) -> Iterable[str | None]:
        """Return the last four characters where 40 bits of a code stay unknown to who sees them.

        What is unknown is judged by the first batch: a place at which all codes of a length agree
        tells nothing, one with d different characters at most log2(d) bits.
        """
        if self.hinted is not None:
            return [text[-4:] if self.hinted else None for text in normal]
        if self._shows is None:
            self._shows = _measured(normal)
        shows = self._shows
        if not any(shows.values()):
            return repeat(None, len(normal))
        return [text[-4:] if shows.get(len(text)) else None for text in normal]


def _measured(normal: Sequence[str]) -> dict[int, bool]:
    by_length: dict[int, list[str]] = {}
    for text in normal:
        by_length.setdefault(len(text), []).append(text)
    shows = {}
    for length, texts in by_length.items():
        places = zip(*(text[: length - 4] for text in texts), strict=True)
        bits = sum(math.log2(len(set(place))) for place in places)
        shows[length] = bits >= 40
    return shows
