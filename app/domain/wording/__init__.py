"""What people read at the till, in the store's language.

Every reason has two texts: one for the cashier, who has to act, and one for the customer, who
has to understand without being accused. A text may name details of the refusal in braces.
"""

from __future__ import annotations

from collections.abc import Mapping

from app.domain.refusals import Reason
from app.domain.wording import de, en, es, fr

LANGUAGES: dict[str, Mapping[Reason, tuple[str, str]]] = {
    "en": en.REFUSALS,
    "fr": fr.REFUSALS,
    "de": de.REFUSALS,
    "es": es.REFUSALS,
}
RECEIPTS = {"en": en.RECEIPTS, "fr": fr.RECEIPTS, "de": de.RECEIPTS, "es": es.RECEIPTS}
ENDED = {"en": en.ENDED, "fr": fr.ENDED, "de": de.ENDED, "es": es.ENDED}
DEFAULT = "en"


def language(tag: str) -> str:
    """The supported language nearest to `tag` (`fr-CH` is `fr`), else English."""
    short = tag.replace("_", "-").partition("-")[0].lower()
    return short if short in LANGUAGES else DEFAULT


def refusal(reason: Reason, tag: str, details: Mapping[str, str]) -> tuple[str, str]:
    """The cashier's and the customer's text; `details` are already in words."""
    cashier, customer = LANGUAGES[language(tag)][reason]
    words = _Blank(details)
    return cashier.format_map(words).rstrip(), customer.format_map(words).rstrip()


def receipt(tag: str, *, same: bool) -> str:
    """Whether the first use was on the same receipt, as a sentence for the cashier."""
    return RECEIPTS[language(tag)][0 if same else 1]


def ended(tag: str, when: str, *, with_day: bool) -> str:
    """When something ended, as a sentence: its last day, or the moment."""
    return ENDED[language(tag)][0 if with_day else 1].format(when)


class _Blank(dict[str, str]):
    """Leaves out what is not known."""

    def __missing__(self, key: str) -> str:
        return "–"
