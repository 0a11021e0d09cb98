"""What the customers' pages say, in every language that they speak.

A language is a file with a complete `Words` and a line in `WORDS`; the type checker says what is
missing in it. Names in braces are filled in by the page.
"""

from __future__ import annotations

from app.web.links.wording import de, en, es, fr, it, nl, pl, pt
from app.web.links.wording.words import Words

WORDS: dict[str, Words] = {
    "en": en.WORDS,
    "fr": fr.WORDS,
    "de": de.WORDS,
    "es": es.WORDS,
    "it": it.WORDS,
    "nl": nl.WORDS,
    "pl": pl.WORDS,
    "pt": pt.WORDS,
}

__all__ = ["WORDS", "Words"]
