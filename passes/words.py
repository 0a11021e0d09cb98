"""The words that a pass has of its own: labels of validity, balance and terms, and its states.

The library knows them in English; whoever speaks more languages hands them over as values, in
`Presentation.words`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from passes.errors import ContentError
from passes.text import check_text


@dataclass(frozen=True, slots=True, kw_only=True)
class PassWords:
    """The words of a pass in one language.

    In those that end with `_changed`, which a phone announces, `%@` stands for the new value.
    Raises ContentError for a word that is empty or lacks it.
    """

    valid_until: str
    valid_from: str
    balance: str
    balance_changed: str
    uses_left: str
    uses_left_changed: str
    status: str
    status_changed: str
    active: str
    not_yet_valid: str
    used: str
    expired: str
    withdrawn: str
    not_activated: str
    blocked: str
    paused: str
    terms: str
    offer: str
    issuer: str
    card_number: str
    pin: str

    def __post_init__(self) -> None:
        for each in fields(self):
            text = getattr(self, each.name)
            check_text(f"words.{each.name}", text)
            if each.name.endswith("_changed") and "%@" not in text:
                raise ContentError(
                    f"words.{each.name}",
                    "Without %@ a phone does not announce the change.",
                    "Put %@ where the new value belongs.",
                )


ENGLISH = PassWords(
    valid_until="Valid until",
    valid_from="Valid from",
    balance="Balance",
    balance_changed="Your new balance is %@.",
    uses_left="Uses left",
    uses_left_changed="Uses left: %@",
    status="Status",
    status_changed="Status: %@",
    active="Valid",
    not_yet_valid="Not valid yet",
    used="Used",
    expired="Expired",
    withdrawn="Withdrawn",
    not_activated="Not activated yet",
    blocked="Blocked",
    paused="Paused",
    terms="Terms",
    offer="Offer",
    issuer="Issued by",
    card_number="Card number",
    pin="PIN",
)
