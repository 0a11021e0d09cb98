"""From records to sealed rows: what is checked of a single record, and how it is made safe.

A row carries the code's lookup hash and seal, never the code. What is wrong with a record is a
`Reason`; whether another row repeats it is decided later, when rows lie sorted.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from itertools import repeat
from typing import NamedTuple

from app.domain.codes import normalise
from app.services.importing.reading import Batch, Record
from app.services.keys import pin_row
from app.store.keyring import Keyring

LONGEST_CODE = 64
SHORTEST_CODE = 3
_CODE = re.compile(r"[!-~]+(?: [!-~]+)*")
_PIN = re.compile(r"[A-Za-z0-9]{3,16}")
_AMOUNT = re.compile(r"(?P<sign>-?)(?P<whole>\d{1,12})(?:[.,](?P<part>\d{1,4}))?")
_THOUSANDS = re.compile(r"(?<=\d)[ '  ](?=\d{3})")


class Reason(StrEnum):
    """Why a record did not become a code."""

    EMPTY = "empty"
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    ILLEGAL_CHARACTER = "illegal_character"
    DUPLICATE = "duplicate"
    IN_CAMPAIGN = "in_campaign"
    IN_OTHER_CAMPAIGN = "in_other_campaign"
    WRONG_CURRENCY = "wrong_currency"
    NEGATIVE_AMOUNT = "negative_amount"
    BAD_AMOUNT = "bad_amount"
    MISSING_AMOUNT = "missing_amount"
    BAD_PIN = "bad_pin"
    USED = "used"
    DISABLED = "disabled"


#: Reasons that say that a row holds no code at all.
MALFORMED = frozenset({Reason.EMPTY, Reason.TOO_SHORT, Reason.TOO_LONG, Reason.ILLEGAL_CHARACTER})


#: What a person who mends the file reads.
REASONS = {
    Reason.EMPTY: "The row has no code.",
    Reason.TOO_SHORT: f"The code has fewer than {SHORTEST_CODE} characters.",
    Reason.TOO_LONG: f"The code has more than {LONGEST_CODE} characters.",
    Reason.ILLEGAL_CHARACTER: "The code has a character that tills cannot scan or type.",
    Reason.DUPLICATE: "An earlier line of the file has the same code.",
    Reason.IN_CAMPAIGN: "The campaign has this code already.",
    Reason.IN_OTHER_CAMPAIGN: "Another campaign has this code.",
    Reason.WRONG_CURRENCY: "The currency is not the campaign's.",
    Reason.NEGATIVE_AMOUNT: "The amount is negative or zero.",
    Reason.BAD_AMOUNT: "The amount is no number with as many decimals as its currency has.",
    Reason.MISSING_AMOUNT: "Neither the row nor the campaign says the card's amount.",
    Reason.BAD_PIN: "The PIN is not 3 to 16 letters and digits.",
    Reason.USED: "The code has been used where it comes from.",
    Reason.DISABLED: "The code is disabled where it comes from.",
}


#: A code ready to be stored: lookup hash, line, seal, hint, sealed PIN, amount in minor units. A
#: plain tuple, since a million of them are made, written to disk and sorted; it sorts by lookup,
#: then by line.
Row = tuple[bytes, int, bytes, str | None, bytes | None, int | None]


class Reject(NamedTuple):
    """A record that is refused."""

    line: int
    reason: Reason
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a campaign's codes must be."""

    holds_money: bool
    currency: str | None
    #: Decimals of the currency.
    digits: int = 2
    #: The campaign's own amount, for rows without one.
    amount_minor: int | None = None


@dataclass(slots=True)
class Sealer:
    """Checks and seals batch after batch."""

    keyring: Keyring
    expected: Expected
    #: Whether last characters may be shown; None measures the first batch.
    hinted: bool | None = None
    _shows: dict[int, bool] | None = field(default=None)

    def seal(self, batch: Batch) -> tuple[list[Row], list[Reject], int]:
        """Rows, rejects and the number of records of a batch."""
        if isinstance(batch, tuple):
            first, lines = batch
            return self._seal_plain(first, lines)
        return self._seal_records(batch)

    @property
    def _lacks_amount(self) -> bool:
        """Whether a bare code is no gift card, because nobody says its amount."""
        return self.expected.holds_money and self.expected.amount_minor is None

    def _seal_plain(self, first: int, lines: Sequence[str]) -> tuple[list[Row], list[Reject], int]:
        stripped = [line.strip() for line in lines]
        joined = "".join(stripped)
        if (
            joined.isalnum()
            and joined.isascii()
            and min(map(len, stripped)) >= SHORTEST_CODE
            and max(map(len, stripped)) <= LONGEST_CODE
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
            if text.isalnum() and text.isascii() and SHORTEST_CODE <= len(text) <= LONGEST_CODE:
                texts.append(text)
                normal.append(text.upper())
                numbers.append(number)
            elif not text:
                blank += 1
            else:
                bare = text.strip('"').strip()
                key = normalise(bare)
                reason = _fault(bare, key)
                if reason is None:
                    texts.append(bare)
                    normal.append(key)
                    numbers.append(number)
                else:
                    rejects.append(Reject(number, reason))
        if self._lacks_amount:
            rejects.extend(Reject(number, Reason.MISSING_AMOUNT) for number in numbers)
            return [], rejects, len(lines) - blank
        rows = self._rows(texts, normal, numbers)
        return rows, rejects, len(lines) - blank

    def _seal_records(self, records: Sequence[Record]) -> tuple[list[Row], list[Reject], int]:
        texts: list[str] = []
        normal: list[str] = []
        numbers: list[int] = []
        amounts: list[int | None] = []
        pins: list[str | None] = []
        rejects: list[Reject] = []
        for record in records:
            key = normalise(record.code)
            amount, reason = self._amount(record)
            reason = _fault(record.code, key) or _taken(record) or reason
            if reason is None and record.pin and not _PIN.fullmatch(record.pin):
                reason = Reason.BAD_PIN
            if reason is not None:
                rejects.append(Reject(record.line, reason))
                continue
            texts.append(record.code)
            normal.append(key)
            numbers.append(record.line)
            amounts.append(amount)
            pins.append(record.pin or None)
        rows = self._rows(texts, normal, numbers)
        if self.expected.holds_money:
            seal = self.keyring.seal
            rows = [
                (*row[:4], seal(pin, row=pin_row(row[0])) if pin else None, amount)
                for row, amount, pin in zip(rows, amounts, pins, strict=True)
            ]
        return rows, rejects, len(records)

    def _rows(
        self, texts: Sequence[str], normal: Sequence[str], numbers: Sequence[int]
    ) -> list[Row]:
        lookups = list(self.keyring.lookup_many(normal))
        seals = self.keyring.seal_many(zip(texts, lookups, strict=True), count=len(texts))
        hints = self._hints(normal)
        none = repeat(None)
        return list(zip(lookups, numbers, seals, hints, none, none, strict=False))

    def _hints(self, normal: Sequence[str]) -> Iterable[str | None]:
        """The last four characters where 40 bits of a code stay unknown to who sees them.

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

    def _amount(self, record: Record) -> tuple[int | None, Reason | None]:
        if not self.expected.holds_money:
            return None, None
        if record.currency and record.currency.upper() != self.expected.currency:
            return None, Reason.WRONG_CURRENCY
        if not record.amount:
            missing = self.expected.amount_minor is None
            return None, Reason.MISSING_AMOUNT if missing else None
        match = _AMOUNT.fullmatch(_THOUSANDS.sub("", record.amount.strip(" €$£")))
        if match is None:
            return None, Reason.BAD_AMOUNT
        minor = Decimal(f"{match['whole']}.{match['part'] or 0}").scaleb(self.expected.digits)
        if minor != minor.to_integral_value():
            return None, Reason.BAD_AMOUNT
        if match["sign"] or not minor:
            return None, Reason.NEGATIVE_AMOUNT
        return int(minor), None


def _fault(text: str, key: str) -> Reason | None:
    if not key:
        return Reason.EMPTY
    if not _CODE.fullmatch(text):
        return Reason.ILLEGAL_CHARACTER
    if len(text) > LONGEST_CODE:
        return Reason.TOO_LONG
    if len(key) < SHORTEST_CODE:
        return Reason.TOO_SHORT
    return None


def _taken(record: Record) -> Reason | None:
    if record.enabled is not None and record.enabled.casefold() in ("false", "0", "no", "disabled"):
        return Reason.DISABLED
    if record.used and record.used.isdigit() and int(record.used) > 0:
        return Reason.USED
    return None


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
