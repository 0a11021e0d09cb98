"""Says why records are refused, and what a campaign's codes must be."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from passes.symbology import Symbology, fits, narrow, surely_narrow

LONGEST_CODE = 64
SHORTEST_CODE = 3


class RejectReason(StrEnum):
    """Why a record did not become a code."""

    EMPTY = "empty"
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    ILLEGAL_CHARACTER = "illegal_character"
    TOO_WIDE = "too_wide"
    DUPLICATE = "duplicate"
    IN_CAMPAIGN = "in_campaign"
    IN_OTHER_CAMPAIGN = "in_other_campaign"
    WRONG_CURRENCY = "wrong_currency"
    NEGATIVE_AMOUNT = "negative_amount"
    EMPTY_CARD = "empty_card"
    BAD_AMOUNT = "bad_amount"
    AMBIGUOUS_AMOUNT = "ambiguous_amount"
    MISSING_AMOUNT = "missing_amount"
    PARTLY_USED = "partly_used"
    BAD_PIN = "bad_pin"
    USED = "used"
    GIVEN = "given"
    DISABLED = "disabled"
    EXPIRED = "expired"
    SCHEDULED = "scheduled"
    UNKNOWN_STATUS = "unknown_status"
    BAD_DATE = "bad_date"
    SHORTENED = "shortened"
    SPREADSHEET_ERROR = "spreadsheet_error"


#: Reasons that say that a row holds no code at all.
MALFORMED = frozenset(
    {
        RejectReason.EMPTY,
        RejectReason.TOO_SHORT,
        RejectReason.TOO_LONG,
        RejectReason.ILLEGAL_CHARACTER,
    }
)

#: Codes that the campaign has already: nothing is lost by refusing them.
REPEATS = frozenset({RejectReason.DUPLICATE, RejectReason.IN_CAMPAIGN})

#: What a person who mends the file reads.
REASONS = {
    RejectReason.EMPTY: "The row has no code.",
    RejectReason.TOO_SHORT: f"The code has fewer than {SHORTEST_CODE} characters.",
    RejectReason.TOO_LONG: f"The code has more than {LONGEST_CODE} characters.",
    RejectReason.ILLEGAL_CHARACTER: "The code has a character that tills cannot scan or type.",
    RejectReason.TOO_WIDE: "The code is too long for the campaign's barcode: a till reads "
    f"{narrow(Symbology.CODE128)} as CODE128. Shorten it, or show codes as qr.",
    RejectReason.DUPLICATE: "An earlier line of the file has the same code.",
    RejectReason.IN_CAMPAIGN: "The campaign has this code already.",
    RejectReason.IN_OTHER_CAMPAIGN: "Another campaign has this code.",
    RejectReason.WRONG_CURRENCY: "The currency is not the campaign's.",
    RejectReason.NEGATIVE_AMOUNT: "The amount is negative.",
    RejectReason.EMPTY_CARD: "The card is empty: its balance is zero.",
    RejectReason.BAD_AMOUNT: "The amount is no number with as many decimals as its currency has.",
    RejectReason.AMBIGUOUS_AMOUNT: "The amount may mean two sums, as 1.500 does: write it with the "
    "currency's decimals.",
    RejectReason.MISSING_AMOUNT: "Neither the row nor the campaign says the card's amount.",
    RejectReason.PARTLY_USED: "Some of it was used, and the row does not say what is left.",
    RejectReason.BAD_PIN: "The PIN is not 3 to 16 letters and digits.",
    RejectReason.USED: "The code has been used where it comes from.",
    RejectReason.GIVEN: "The code has been given to somebody where it comes from.",
    RejectReason.DISABLED: "The code is disabled where it comes from.",
    RejectReason.EXPIRED: "The code has expired where it comes from.",
    RejectReason.SCHEDULED: "The code is not valid yet where it comes from: import it when it is.",
    RejectReason.UNKNOWN_STATUS: "The status of the code is in words that are not known: write "
    "active or used.",
    RejectReason.BAD_DATE: "The date is not written as 2026-12-31.",
    RejectReason.SHORTENED: "A spreadsheet shortened this number: export the codes again as text.",
    RejectReason.SPREADSHEET_ERROR: "A spreadsheet wrote an error in the place of the value: "
    "export the codes again as text.",
}


class Reject(NamedTuple):
    """A record that is refused."""

    line: int
    reason: RejectReason
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
    #: Uses of one voucher; None is unlimited.
    uses: int | None = 1
    #: When the campaign begins; a code that starts no later is no scheduled one.
    starts_at: dt.datetime | None = None
    #: The moment at which codes are judged, and the zone whose days end them.
    now: dt.datetime | None = None
    timezone: str = "UTC"
    #: The barcode in which passes show the code itself; None where they show a token.
    symbology: Symbology | None = None

    @property
    def surely_shown(self) -> int:
        """Return the length up to which a barcode holds any code."""
        if self.symbology is None:
            return LONGEST_CODE
        return min(LONGEST_CODE, surely_narrow(self.symbology))

    def shows(self, text: str) -> bool:
        """Tell whether a till can read a code off the pass."""
        return (
            self.symbology is None or len(text) <= self.surely_shown or fits(text, self.symbology)
        )
