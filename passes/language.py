"""Language tags as the world writes them, brought to one spelling and matched with what is there.

`fr_CH`, `FR-ch`, `fra` and `fr-CH` are one language; so are `iw` and `he`, `no` and `nb`. A region
or script that is not there is served by its language, and a language by one of its regions, as
RFC 4647 looks tags up and Unicode CLDR names their aliases (read through Babel).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from unicodedata import bidirectional

#: Languages whose texts another one's readers read, where CLDR keeps them apart.
_READ_AS = {"nn": "nb", "nb": "no", "no": "nb"}
#: The longest tag that is looked at; longer ones are no tags.
_LONGEST = 35


@lru_cache(maxsize=1024)
def canonical(tag: str) -> str:
    """Return a tag in its one spelling (`pt-BR`, `zh-Hant`, `es-419`), old names replaced.

    A text that is no tag comes back in lower case and matches nothing.
    """
    parts = tag.strip()[:_LONGEST].partition(".")[0].partition("@")[0].replace("_", "-").split("-")
    language = _renamed(parts[0].lower())
    spelled = [language]
    for part in parts[1:]:
        if len(part) == 4 and part.isalpha():
            spelled.append(part.title())
        elif (len(part) == 2 and part.isalpha()) or (len(part) == 3 and part.isdigit()):
            spelled.append(part.upper())
    return "-".join(spelled)


def closest(known: Iterable[str], wanted: Iterable[str]) -> str | None:
    """Return the first of the wanted languages that is known, as `known` spells it; or None.

    The exact tag first, then those that CLDR lets it fall back to (es-MX to es-419, zh-TW to
    zh-Hant), then its language in any region.
    """
    spelled = {canonical(tag): tag for tag in reversed(list(known))}
    for tag in wanted:
        for each in _fallbacks(tag):
            if each in spelled:
                return spelled[each]
        language = primary(tag)
        for each, own in reversed(spelled.items()):
            if each.partition("-")[0] in (language, _READ_AS.get(language)):
                return own
    return None


@lru_cache(maxsize=1024)
def _fallbacks(tag: str) -> tuple[str, ...]:
    """A tag and what stands for it, the nearest first."""
    from babel.core import get_global

    spelled = canonical(tag)
    found = [spelled]
    likely = get_global("likely_subtags").get(spelled.replace("-", "_"))
    if likely is not None and spelled.count("-") == 1:
        # A region tells the script: Taiwan writes zh-Hant.
        found.append(likely.rpartition("_")[0].replace("_", "-"))
    parent = get_global("parent_exceptions").get(spelled.replace("-", "_"))
    if parent not in (None, "root"):
        found.append(parent.replace("_", "-"))
    while "-" in found[-1]:
        found.append(found[-1].rpartition("-")[0])
    if spelled.count("-") > 1:
        found.append(spelled.rpartition("-")[0])
    return tuple(dict.fromkeys(found))


def regional(language: str, wanted: Iterable[str]) -> str:
    """Return the first wanted tag of a language that CLDR knows, so that `en-GB` gets its own dates
    and amounts; else the language itself, both as Babel names locales (`en_GB`).
    """
    for tag in wanted:
        if primary(tag) == primary(language) and (found := _locale(tag)) is not None:
            return found
    return language.replace("-", "_")


@lru_cache(maxsize=1024)
def _locale(tag: str) -> str | None:
    """The locale of a tag by Babel's name; None where CLDR has none."""
    from babel import Locale, UnknownLocaleError

    try:
        return str(Locale.parse(canonical(tag), sep="-"))
    except (UnknownLocaleError, ValueError):
        return None


@lru_cache(maxsize=256)
def bases(languages: tuple[str, ...]) -> Mapping[str, str]:
    """Return which of the languages stands for each language that is there in regions alone.

    A phone in pt-PT would pass by `pt-BR` and show another language, so `{"pt": "pt-BR"}` lets it
    find that. A region whose readers write another script (zh-TW) stands for nobody else.
    """
    found: dict[str, str] = {}
    for tag in languages:
        base, _, region = canonical(tag).partition("-")
        plain = re.fullmatch(r"[A-Z]{2}|[0-9]{3}", region) is not None
        if plain and base not in languages and _script(tag) in (None, _script(base)):
            found.setdefault(base, tag)
    return MappingProxyType(found)


def _script(tag: str) -> str | None:
    """The script that a language is written in, `Latn` or `Arab`; None where CLDR does not say."""
    from babel.core import get_global

    spelled = canonical(tag)
    likely = get_global("likely_subtags")
    for known in (spelled.replace("-", "_"), primary(spelled)):
        parts: list[str] = likely.get(known, known).split("_")
        script = next((each for each in parts if len(each) == 4), None)
        if script is not None:
            return script
    return None


#: Scripts that are written from right to left (Unicode), as CLDR names them.
_RIGHT_TO_LEFT = frozenset(
    ("Adlm", "Arab", "Hebr", "Mand", "Nkoo", "Rohg", "Samr", "Syrc", "Thaa", "Yezi")
)


@lru_cache(maxsize=1024)
def direction(tag: str) -> str:
    """Return which way a language is written, as HTML says it: `ltr` or `rtl`."""
    return "rtl" if _script(tag) in _RIGHT_TO_LEFT else "ltr"


def running(text: str) -> str:
    """Return which way a text runs by its letters, `ltr` or `rtl`; figures alone run `ltr`, so that
    −20 % keeps its sign before it in every language.
    """
    letters = (bidirectional(each) for each in text)
    first = next((each for each in letters if each in ("L", "R", "AL")), "L")
    return "ltr" if first == "L" else "rtl"


def primary(tag: str) -> str:
    """Return the language of a tag without region and script, in its one spelling."""
    return canonical(tag).partition("-")[0]


def _renamed(language: str) -> str:
    """A language by the name it has today; three letters become two where there are two."""
    from babel.core import get_global

    alias = get_global("language_aliases").get(language)
    # Some old names stand for a language in one region or script: sh is sr-Latn.
    return alias.partition("_")[0] if alias else language
