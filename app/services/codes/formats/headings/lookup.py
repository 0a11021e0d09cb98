"""Looks up what a heading may mean.

It may have several meanings: which it has is decided by the values below it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from app.services.codes.formats.headings.meanings import Meaning, squeezed
from app.services.codes.formats.headings.systems import SYSTEMS
from app.services.codes.formats.headings.words import WORDS

#: Names that may stand over a code, but over much else as well: the values have to agree.
_SAYING_LITTLE = (
    "name value number numero nummer numer n barcode card bon vale serial serialnumber serien "
    "seriennummer posttitle coupon voucher promo carte giftcard giftcardid promotion "
    "gutschein buono kupon issued"
)
WEAK = frozenset(_SAYING_LITTLE.split())


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
    """Tell what a heading may stand over; empty when it is not known."""
    name = squeezed(heading)
    if name in _TABLE:
        return _TABLE[name]
    # "Balance (EUR)", "Betrag in EUR": the unit is no part of the name.
    bare = squeezed(_UNIT.sub("", heading))
    return _TABLE.get(bare, frozenset()) if bare != name else frozenset()


def code_headings(names: Sequence[str]) -> frozenset[str]:
    """Return headings that are the code's for sure, since the others are one system's as well."""
    present = {squeezed(name): name for name in names if name.strip()}
    for system in SYSTEMS:
        by_meaning = {
            meaning: [squeezed(each) for each in listed.split("|")]
            for meaning, listed in system.headings.items()
        }
        matching = sum(name in present for listed in by_meaning.values() for name in set(listed))
        codes = [present[name] for name in by_meaning[Meaning.CODE] if name in present]
        if codes and matching >= 5 and matching * 10 >= len(present) * 7:
            return frozenset(codes[:1])
    return frozenset()
