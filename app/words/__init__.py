"""Everything that people read, one file a language: till page, refusals, passes, pages.

A language is a module here that is named after its tag (`fr`, `pt_br`) and has complete `WORDS`;
nothing else names it. The type checker says what a catalogue lacks, a test that its blanks are
those of English. The package stands beside `app.domain`: plain Python, which every layer above may
read and which reads none of them.

Texts of a campaign or the time of a person may be in a language that has no catalogue; then what
stands around them is in English, since a page or a pass never has its own words in two languages.
"""

from __future__ import annotations

import re
from importlib import import_module
from pkgutil import iter_modules

from app.words.catalogue import Words
from passes.language import closest

_MODULE = re.compile(r"[a-z]{2,3}(_[a-z0-9]{2,8})*")


def catalogues() -> dict[str, Words]:
    """Read the modules of this package that are languages, in the order of their names."""
    names = (each.name for each in iter_modules(__path__) if _MODULE.fullmatch(each.name))
    found: list[Words] = [import_module(f"{__name__}.{name}").WORDS for name in sorted(names)]
    return {each.tag: each for each in found}


#: The catalogues by their language's tag.
LANGUAGES: dict[str, Words] = catalogues()
DEFAULT = "en"


def words_in(tag: str) -> Words:
    """Return the catalogue nearest to a language's tag (`de-AT` is read in `de`), else English."""
    return LANGUAGES.get(tag) or LANGUAGES[closest(LANGUAGES, [tag]) or DEFAULT]


def speaks(tag: str) -> bool:
    """Say whether a language, in whatever region, has a catalogue."""
    return closest(LANGUAGES, [tag]) is not None
