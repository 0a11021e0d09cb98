"""Uses that other systems report, as values, and as the lines of a file."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.domain import inputs

COLUMNS = ("id", "code", "occurred_at", "discount_minor", "basket_minor", "currency")


class UseOutcome(StrEnum):
    """What became of a reported use."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    UNKNOWN_CODE = "unknown_code"
    #: Its campaign is ours to decide: such a use has to be redeemed, not reported.
    NOT_REPORTABLE = "not_reportable"
    FAULTY = "faulty"
    #: A line with a negative amount: what came back takes no use and gives none.
    RETURNED = "returned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A use as reported; `id` is the reporting system's own (an order number, say).

    `basket_minor` is what the order came to, returned lines left out, in `currency`.
    """

    id: str
    code: str
    occurred_at: dt.datetime | None = None
    discount_minor: int = 0
    basket_minor: int | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """What became of one use; `id` is as it was reported."""

    id: str
    outcome: UseOutcome
    cause: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A use beyond the limit, as listed."""

    entry_id: str
    reported_id: str | None
    serial: str
    campaign: str
    occurred_at: dt.datetime | None
    created_at: dt.datetime


def counts(reported: Sequence[Reported]) -> dict[str, int]:
    """How many uses had each outcome."""
    found = Counter(each.outcome for each in reported)
    return {outcome.value: found.get(outcome, 0) for outcome in UseOutcome}


def read_csv(text: str) -> tuple[list[Use], list[Reported]]:
    """Uses from a CSV file (RFC 4180; comma, semicolon or tab), and the lines that are faulty.

    The first line names the columns: `id`, `code`, and optionally `occurred_at` (ISO 8601 with an
    offset), `discount_minor`, `basket_minor` and `currency` (ISO 4217); others are ignored.

    Raises:
        ValueError: a needed column is missing, or a line cannot be read as CSV.
    """
    head = text.partition("\n")[0]
    separator = max(",;\t", key=head.count)
    # Without newline="" a bare carriage return within a line is a fault of the reader.
    plain = io.StringIO(text.removeprefix("\ufeff"), newline="")
    rows = csv.DictReader(plain, delimiter=separator)
    try:
        names = [name.strip().lower() for name in rows.fieldnames or []]
    except csv.Error as error:
        raise ValueError(f"The file's first line is not CSV: {error}.") from None
    if missing := [name for name in COLUMNS[:2] if name not in names]:
        raise ValueError(f"The file has no column {' and no column '.join(missing)}.")
    rows.fieldnames = names
    uses, faulty = [], []
    for number, row in enumerate(_lines(rows), start=2):
        try:
            uses.append(_use(row))
        except ValueError as fault:
            faulty.append(
                Reported(
                    id=(row.get("id") or "").strip() or f"line {number}",
                    outcome=UseOutcome.FAULTY,
                    cause=str(fault),
                )
            )
    return uses, faulty


def _lines(rows: csv.DictReader[str]) -> Iterator[dict[str, str | None]]:
    try:
        yield from rows
    except csv.Error as error:
        raise ValueError(f"The file is not CSV near line {rows.line_num}: {error}.") from None


def _use(row: dict[str, str | None]) -> Use:
    values = {name: (row.get(name) or "").strip() for name in COLUMNS}
    if not values["id"] or not values["code"]:
        raise ValueError("The line has no id or no code.")
    if len(values["id"]) > 128:
        raise ValueError("The id is longer than 128 characters.")
    if not re.fullmatch(inputs.ONE_LINE, values["id"]) or inputs.text_fault(values["id"]):
        raise ValueError("The id has a character that no id may have.")
    if cause := inputs.text_fault(values["code"]):
        raise ValueError(f"The code {cause}.")
    occurred = None
    if values["occurred_at"]:
        try:
            occurred = dt.datetime.fromisoformat(values["occurred_at"])
        except ValueError:
            raise ValueError("occurred_at is not ISO 8601.") from None
        if occurred.tzinfo is None:
            raise ValueError("occurred_at has no offset, such as +01:00.")
        if not inputs.is_reckonable(occurred):
            raise ValueError(f"occurred_at is not between {inputs.EARLIEST} and {inputs.LATEST}.")
    currency = values["currency"].upper() or None
    if currency is not None and not (
        len(currency) == 3 and currency.isascii() and currency.isalpha()
    ):
        raise ValueError("currency is no ISO 4217 code such as EUR.")
    return Use(
        id=values["id"],
        code=values["code"],
        occurred_at=occurred,
        discount_minor=_minor(values, "discount_minor") or 0,
        basket_minor=_minor(values, "basket_minor"),
        currency=currency,
    )


def _minor(values: Mapping[str, str], name: str) -> int | None:
    """Minor units as a file writes them; a returned line's are negative."""
    digits = values[name].removeprefix("-")
    if not values[name]:
        return None
    if not digits.isascii() or not digits.isdigit() or len(digits) > 12:
        raise ValueError(f"{name} is not a whole number of minor units.")
    return int(values[name])
