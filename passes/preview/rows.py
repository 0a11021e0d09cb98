"""What a pass says, in one language, as labels and values in the order in which wallets show it."""

from __future__ import annotations

from dataclasses import dataclass

from passes.content import Field, PassContent, Slot, Status
from passes.text import in_language
from passes.wording import ends_with_day, spoken, starts_with_day


@dataclass(frozen=True, slots=True)
class Row:
    """A label and a value, each perhaps empty; `link` where the value can be tapped."""

    label: str
    value: str
    link: bool = False


@dataclass(frozen=True, slots=True)
class Sayings:
    """Everything a pass says in one language."""

    organization: str
    title: str
    headline: str
    status: Row
    top: tuple[Row, ...]
    front: tuple[Row, ...]
    details: tuple[Row, ...]


def sayings(content: PassContent, language: str) -> Sayings:
    """Return what `content` says in `language`."""
    shared = content.presentation
    default = shared.language

    words = shared.words_in(language)

    def own(key: str) -> str:
        return str(getattr(words, key))

    def row(field: Field) -> Row:
        label = "" if field.label is None else in_language(field.label, language, default)
        return Row(label, spoken(field.value, language, default, show_time=field.show_time))

    slots: dict[Slot, list[Row]] = {slot: [] for slot in Slot}
    for each in (*shared.fields, *content.fields):
        slots[each.slot].append(row(each))
    validity = {
        name: Row(own(name), spoken(moment, language, default, show_time=not by_day(moment)))
        for name, moment, by_day in (
            ("valid_from", content.valid_from, starts_with_day),
            ("valid_until", content.valid_until, ends_with_day),
        )
        if moment is not None
    }
    if content.uses is not None:
        place = Slot.DETAILS if content.status.spent else Slot.TOP
        slots[place].append(Row(own("uses_left"), str(content.uses)))
    first = "valid_until"
    if content.status is Status.NOT_YET_VALID and content.valid_from is not None:
        first = "valid_from"
    if first in validity:
        slots[Slot.FRONT].insert(0, validity.pop(first))
    details = [*slots[Slot.DETAILS], *validity.values()]
    offer = shared.offer if content.offer is None else content.offer
    said_offer = "" if offer is None else in_language(offer, language, default)
    status = Row(own("status"), own(content.status.value))
    if content.balance is not None and said_offer:
        details.insert(0, Row(own("offer"), said_offer))
    details.append(status)
    for key, value in (("card_number", content.card_number), ("pin", content.pin)):
        if value is not None:
            details.append(Row(own(key), value))
    details += (Row("", in_language(each.label, language, default), True) for each in shared.links)
    terms = shared.terms if content.terms is None else content.terms
    if terms is not None:
        details.append(Row(own("terms"), in_language(terms, language, default)))
    details.append(Row(own("issuer"), shared.organization))
    return Sayings(
        organization=shared.organization,
        title=in_language(shared.title, language, default),
        headline=said_offer
        if content.balance is None
        else spoken(content.balance, language, default),
        status=status,
        top=tuple(slots[Slot.TOP]),
        front=tuple(slots[Slot.FRONT]),
        details=tuple(details),
    )
