"""The headings of files of codes, and what each column under one may mean.

`systems` has the headings of known systems with their sources, `words` what people write in each
language. A heading may have several meanings: which it has is decided by the values below it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType

from app.services.codes.formats.headings.meanings import CHOICES, Meaning
from app.services.codes.formats.headings.systems import SYSTEMS, System
from app.services.codes.formats.headings.words import WORDS

__all__ = ["CHOICES", "SYSTEMS", "WEAK", "WORDS", "Meaning", "System", "meanings_of", "squeezed"]

#: Names that may stand over a code, but over much else as well: the values have to agree.
_SAYING_LITTLE = (
    "name value number numero nummer numer n barcode card bon vale serial serialnumber serien "
    "seriennummer posttitle coupon voucher promo carte giftcard giftcardid promotion "
    "gutschein buono kupon issued"
)
WEAK = frozenset(_SAYING_LITTLE.split())


def squeezed(heading: str) -> str:
    """A heading without case, accents, spaces and signs."""
    folded = unicodedata.normalize("NFKD", heading.replace("ł", "l").replace("Ł", "l"))
    return re.sub(
        r"[\W_]+", "", "".join(c for c in folded if not unicodedata.combining(c))
    ).casefold()


def _table() -> Mapping[str, frozenset[Meaning]]:
    found: dict[str, set[Meaning]] = {}
    for headings in (*(system.headings for system in SYSTEMS), *WORDS.values()):
        for meaning, names in headings.items():
            for name in names.split("|"):
                found.setdefault(squeezed(name), set()).add(meaning)
    # What one system writes over something harmless is no reason to read past it in another.
    return MappingProxyType(
        {
            name: frozenset(meanings - {Meaning.OTHER} if len(meanings) > 1 else meanings)
            for name, meanings in found.items()
        }
    )


_TABLE = _table()
_UNIT = re.compile(r"\s*(?:[\[(][^\])]{1,12}[\])]|\b(?:in\s+)?(?:EUR|USD|GBP|CHF|[€$£]))\s*$", re.I)


def meanings_of(heading: str) -> frozenset[Meaning]:
    """What a heading may stand over; empty when it is not known."""
    name = squeezed(heading)
    if name in _TABLE:
        return _TABLE[name]
    # "Balance (EUR)", "Betrag in EUR": the unit is no part of the name.
    bare = squeezed(_UNIT.sub("", heading))
    return _TABLE.get(bare, frozenset()) if bare != name else frozenset()
