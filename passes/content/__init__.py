"""What a customer sees on a pass, whichever the wallet.

`Presentation` is what all passes of one campaign revision share; `PassContent` is one holder's
pass: a presentation, a serial, a barcode, a state. Both are values: checked when they are made, so
that one which exists can be built for every wallet. Refuses, with a ContentError that names the
field, whatever Apple or Google would drop, garble or reject.

Texts are a `str` in the default language or a `Localized`; times are aware datetimes, shown in the
zone they carry; money is `Money`. No wallet's words appear here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from passes.content.limits import (
    MOST_TOP,
    check_dates,
    check_fields,
    check_languages,
    check_places,
    check_translated,
)
from passes.content.parts import (
    Barcode,
    Channel,
    Design,
    Field,
    Holders,
    Link,
    Place,
    RelevantDate,
    Slot,
    Status,
    Uses,
    check_time,
)
from passes.errors import ContentError
from passes.language import closest
from passes.money import Money
from passes.symbology import Symbology
from passes.text import Localized, Text, check_language, check_text
from passes.words import ENGLISH, PassWords

__all__ = [
    "Barcode",
    "Channel",
    "Design",
    "Field",
    "Holders",
    "Kind",
    "Link",
    "Localized",
    "Money",
    "PassContent",
    "PassWords",
    "Place",
    "Presentation",
    "RelevantDate",
    "Slot",
    "Status",
    "Symbology",
    "Text",
    "Uses",
]

Kind = Literal["coupon", "gift_card"]
#: Whether a pass of the kind has a balance; one that has none says at a glance what it gives.
_HOLDS_MONEY: dict[Kind, bool] = {"coupon": False, "gift_card": True}
_SERIAL = re.compile(r"[A-Za-z0-9._-]{1,64}").fullmatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Presentation:
    """What all passes of one campaign revision share.

    `title` says what it is ("20 % off everything"), `offer` the same at a glance ("−20 %"),
    `description` what a screen reader says. The first of `languages` is the default; every
    localised text must have all of them. `words` are the pass's own labels and states by language;
    a language without them has English ones. `contact` is how to reach the issuer, shown with the
    terms among the details.
    """

    kind: Kind
    organization: str
    description: Text
    title: Text
    offer: Text | None = None
    languages: tuple[str, ...] = ("en",)
    words: Mapping[str, PassWords] = field(default_factory=dict, hash=False)
    design: Design = field(default_factory=Design)
    fields: tuple[Field, ...] = ()
    terms: Text | None = None
    links: tuple[Link, ...] = ()
    places: tuple[Place, ...] = ()
    relevant_dates: tuple[RelevantDate, ...] = ()
    channel: Channel = Channel.BOTH
    holders: Holders = Holders.ANYBODY

    def __post_init__(self) -> None:
        if self.kind not in _HOLDS_MONEY:
            raise ContentError(
                "kind", f"{self.kind!r} is unknown.", f"Use {' or '.join(_HOLDS_MONEY)}."
            )
        languages = self.languages
        check_languages(languages)
        for language in self.words:
            check_language("words", language)
        check_text("organization", self.organization)
        check_translated("description", self.description, languages)
        check_translated("title", self.title, languages)
        if self.offer is not None:
            check_translated("offer", self.offer, languages)
        elif not self.holds_money:
            raise ContentError(
                "offer",
                "A coupon says at a glance what it gives.",
                "Give a short text such as −20 %.",
            )
        if self.terms is not None:
            check_translated("terms", self.terms, languages)
        for number, link in enumerate(self.links):
            check_translated(f"links[{number}].label", link.label, languages)
        unknown = set(self.design.localized_artwork) - set(languages)
        if unknown:
            raise ContentError(
                "design.localized_artwork",
                f"There are pictures for {', '.join(sorted(unknown))}, which is not among the"
                " languages.",
                "Add the language, or leave the pictures out.",
            )
        check_fields(self.fields, languages)
        check_places(self.places, languages)
        check_dates(self.relevant_dates)

    @property
    def holds_money(self) -> bool:
        """Whether its passes have a balance."""
        return _HOLDS_MONEY[self.kind]

    @property
    def language(self) -> str:
        """The default language."""
        return self.languages[0]

    def words_in(self, language: str) -> PassWords:
        """Return the pass's own words nearest to `language`, else the library's English ones."""
        if language in self.words:
            return self.words[language]
        known = closest(self.words, [language])
        return ENGLISH if known is None else self.words[known]

    def word(self, name: str) -> Localized:
        """Return one of the pass's own words, a member of PassWords, in each of its languages."""
        return Localized({each: getattr(self.words_in(each), name) for each in self.languages})


@dataclass(frozen=True, slots=True, kw_only=True)
class PassContent:
    """One holder's pass.

    `serial` is 1 to 64 of `A-Z a-z 0-9 . _ -` and never changes. A gift card has a `balance` and a
    `card_number`; a coupon has neither, and `uses` where it can be used more than once. `offer` and
    `terms` are set where this holder was given other ones than the presentation's; `fields` come
    after the presentation's. `changed_at` is when the balance last changed.
    """

    presentation: Presentation
    serial: str
    barcode: Barcode | None
    status: Status = Status.ACTIVE
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    balance: Money | None = None
    uses: Uses | None = None
    offer: Text | None = None
    terms: Text | None = None
    fields: tuple[Field, ...] = ()
    relevant_dates: tuple[RelevantDate, ...] = ()
    places: tuple[Place, ...] | None = None
    card_number: str | None = field(default=None, repr=False)
    pin: str | None = field(default=None, repr=False)
    changed_at: datetime | None = None

    def __post_init__(self) -> None:
        if not _SERIAL(self.serial):
            raise ContentError(
                "serial",
                f"{self.serial!r} is malformed.",
                "Use 1 to 64 letters, digits, dots, underscores and hyphens.",
            )
        if self.valid_from is not None:
            check_time("valid_from", self.valid_from)
        if self.valid_until is not None:
            check_time("valid_until", self.valid_until)
            if self.valid_from is not None and self.valid_until <= self.valid_from:
                raise ContentError(
                    "valid_until", "It lies before valid_from.", "Give a later end or none."
                )
        presentation = self.presentation
        if presentation.holds_money:
            self._check_gift_card()
        elif self.balance is not None or self.card_number is not None or self.pin is not None:
            raise ContentError(
                "balance",
                "A coupon has no balance, card number or PIN.",
                "Leave them out, or make it a gift card.",
            )
        if self.uses is not None and self.balance is not None:
            raise ContentError(
                "uses", "A gift card has a balance and no uses.", "Leave one of the two out."
            )
        if self.offer is not None:
            check_translated("offer", self.offer, presentation.languages)
        if self.terms is not None:
            check_translated("terms", self.terms, presentation.languages)
        if self.changed_at is not None:
            check_time("changed_at", self.changed_at)
        languages = presentation.languages
        if self.fields or self.uses is not None:
            # The uses left stand beside the logo, too.
            most_top = MOST_TOP if self.uses is None else MOST_TOP - 1
            check_fields((*presentation.fields, *self.fields), languages, most_top=most_top)
        if self.relevant_dates:
            check_dates((*presentation.relevant_dates, *self.relevant_dates))
        if self.places:
            check_places(self.places, languages)

    def _check_gift_card(self) -> None:
        if self.balance is None:
            raise ContentError("balance", "A gift card shows its balance.", "Give the balance.")
        if self.balance.minor < 0:
            raise ContentError("balance", "The balance is negative.", "Give 0 or more.")
        if self.card_number is None:
            raise ContentError(
                "card_number", "A gift card has a number.", "Give the number that tills know."
            )
        check_text("card_number", self.card_number)
        if self.pin is not None:
            check_text("pin", self.pin)
