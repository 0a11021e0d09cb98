"""Texts in one language or several.

Promises that a text can be written into JSON, a strings file and a picture: no control characters
but line feeds and tabs, no lone surrogates. Refuses a translation table with a malformed language.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from passes.errors import ContentError
from passes.language import closest

# Control characters, lone surrogates and non-characters: no wallet shows them, strict JSON and
# XML parsers refuse some, and a NUL ends a text early on iOS.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufdd0-\ufdef\ufeff\ufffe\uffff]"
)
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?")


class Localized:
    """One text in several languages: `Localized({"en": "Terms", "fr": "Conditions"})`.

    Keys are BCP 47 tags as Apple's `.lproj` folders and Google's `language` members both accept
    them (`en`, `pt-BR`, `es-419`, `zh-Hans`). Immutable and hashable. Raises ContentError.
    """

    __slots__ = ("_hash", "_texts")

    def __init__(self, texts: Mapping[str, str]) -> None:
        if not texts:
            raise ContentError("text", "A localised text has no language.", "Give one at least.")
        for language, text in texts.items():
            check_language("text", language)
            check_text(f"text[{language}]", text)
        self._texts = MappingProxyType(dict(texts))
        self._hash = hash(frozenset(self._texts.items()))

    def __getitem__(self, language: str) -> str:
        return self._texts[language]

    def __contains__(self, language: object) -> bool:
        return language in self._texts

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Localized) and self._texts == other._texts

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"Localized({dict(self._texts)!r})"

    def __reduce__(self) -> tuple[type[Localized], tuple[dict[str, str]]]:
        return type(self), (dict(self._texts),)

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages it has, in the order they were given."""
        return tuple(self._texts)


Text = str | Localized
"""A text in the default language, or one with translations."""


def check_language(field: str, language: str) -> None:
    """Raise ContentError unless `language` is a tag such as `en`, `pt-BR` or `zh-Hans`."""
    if not _LANGUAGE.fullmatch(language):
        raise ContentError(
            field,
            f"{language!r} is not a language tag.",
            "Write it like en, pt-BR or zh-Hans.",
        )


def check_text(field: str, text: object) -> None:
    """Raise ContentError unless `text` is a text that says something and can be shown."""
    if type(text) is not str:
        if isinstance(text, Localized):
            return  # checked when it was made
        raise ContentError(field, f"It is {type(text).__name__}, not a text.", "Give a text.")
    if not text or text.isspace():
        raise ContentError(field, "The text is empty.", "Write it, or leave the whole member out.")
    found = _UNPRINTABLE.search(text)
    if found:
        raise ContentError(
            field,
            f"The text contains the unprintable character U+{ord(found[0]):04X}.",
            "Remove it.",
        )


def in_language(text: Text, language: str, default: str) -> str:
    """Return `text` in `language`, else in `default`, else in whatever language it has."""
    if isinstance(text, str):
        return text
    if language in text:
        return text[language]
    return text[closest(text.languages, (language, default)) or text.languages[0]]
