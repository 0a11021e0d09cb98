"""The rules between the parts of a content: languages, keys, counts."""

from __future__ import annotations

from collections.abc import Sequence

from passes.content.parts import Field, Place, RelevantDate, Slot
from passes.errors import ContentError
from passes.text import Localized, Text, check_language, check_text

MOST_PLACES = 10
MOST_DATES = 10
MOST_TOP = 2
"""Fields beside the logo: Apple has room for three, one of which shows the status."""
MOST_FRONT = 3
"""Fields on the front: Apple has room for four, one of which shows the validity."""


def check_languages(languages: tuple[str, ...]) -> None:
    """Raise ContentError unless `languages` are distinct language tags, one at least."""
    if not languages:
        raise ContentError("languages", "There is no language.", "Name the default language.")
    for language in languages:
        check_language("languages", language)
    if len(set(languages)) < len(languages):
        raise ContentError("languages", "A language is named twice.", "Name each once.")


def check_translated(name: str, text: Text, languages: tuple[str, ...]) -> None:
    """Raise ContentError unless `text` can be shown in each of `languages`."""
    check_text(name, text)
    if isinstance(text, Localized):
        missing = [each for each in languages if each not in text]
        if missing:
            raise ContentError(
                name,
                f"It has no text in {', '.join(missing)}.",
                "Translate it, or take the language out of the presentation.",
            )


def check_fields(
    fields: Sequence[Field], languages: tuple[str, ...], *, most_top: int = MOST_TOP
) -> None:
    """Raise ContentError unless keys are unique, texts translated, and all fields have room."""
    seen: set[str] = set()
    count = dict.fromkeys(Slot, 0)
    for each in fields:
        name = f"field[{each.key}]"
        if each.key in seen:
            raise ContentError(name, "Two fields have this key.", "Give each a key of its own.")
        seen.add(each.key)
        count[each.slot] += 1
        for member, text in (
            ("label", each.label),
            ("value", each.value),
            ("change_message", each.change_message),
        ):
            if isinstance(text, Localized):
                check_translated(f"{name}.{member}", text, languages)
    for slot, most in ((Slot.TOP, most_top), (Slot.FRONT, MOST_FRONT)):
        if count[slot] > most:
            raise ContentError(
                "fields",
                f"{count[slot]} fields have the slot {slot.value}, where {most} fit.",
                "Move some to the details.",
            )


def check_places(places: Sequence[Place], languages: tuple[str, ...]) -> None:
    """Raise ContentError unless there are ten places at most, their texts translated."""
    if len(places) > MOST_PLACES:
        raise ContentError(
            "places",
            f"There are {len(places)} places; wallets take {MOST_PLACES}.",
            "Choose the ones nearest to the holder.",
        )
    for number, place in enumerate(places):
        if place.text is not None:
            check_translated(f"places[{number}].text", place.text, languages)


def check_dates(dates: Sequence[RelevantDate]) -> None:
    """Raise ContentError unless there are ten dates at most."""
    if len(dates) > MOST_DATES:
        raise ContentError(
            "relevant_dates",
            f"There are {len(dates)} dates; {MOST_DATES} are enough for any phone.",
            "Keep the next ones.",
        )
