"""Finds words of a campaign that say another value than an update gives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from babel.core import Locale, UnknownLocaleError
from babel.numbers import format_currency, get_currency_precision, get_currency_symbol

from app.domain.campaign import Presentation
from app.domain.overrides import Override
from app.services.campaigns import DocumentFault

#: Texts that say what a coupon gives. Terms also say what a basket needs or what is taken at most.
_TEXTS = ("title", "offer", "description")
_NUMBER = r"\d+(?:[., \u00a0\u202f]\d+)*"


def contradictions(
    presentation: Presentation, override: Override, *, currency: str | None
) -> list[DocumentFault]:
    """Warnings, one for each text that says another value, with the way to give the words.

    Args:
        presentation: of the campaign with the update's own words laid over it.
        currency: the campaign's.
    """
    return [
        DocumentFault(
            f"texts.{language}.{name}",
            f"says “{said}”, and holders will get {value}.",
            "Give the words as well, such as --presentation words.json with "
            f'{{"texts": {{"{language}": {{"{name}": "{text}"}}}}}}.',
        )
        for language, name, said, value, text in _said(presentation, override, currency)
    ]


def _said(
    presentation: Presentation, override: Override, currency: str | None
) -> Iterator[tuple[str, str, str, str, str]]:
    """Language and name of a text, what it says, the new value, and the text with that value."""
    for language, texts in presentation.texts.items():
        for pattern, value, shown in _values(override, currency, language):
            for name in _TEXTS:
                text = getattr(texts, name)
                for found in pattern.finditer(text):
                    group = "after" if found["after"] else "before"
                    if _number(found[group]) != value:
                        starts, ends = found.span(group)
                        point = "," if "," in found[group] else "."
                        number = _written(value).replace(".", point)
                        yield language, name, found[0], shown, text[:starts] + number + text[ends:]
                        break


def _values(
    override: Override, currency: str | None, language: str
) -> Iterator[tuple[re.Pattern[str], Decimal, str]]:
    """How a value is found in words, the value, and how it is written."""
    if override.percent is not None:
        value = override.percent
        yield (
            re.compile(rf"(?P<before>{_NUMBER})[ \u00a0\u202f]?%|%[ ]?(?P<after>{_NUMBER})"),
            value,
            f"{_written(value)} %",
        )
    if override.amount_minor is not None and currency:
        try:
            locale = Locale.parse(language, sep="-")
        except (UnknownLocaleError, ValueError):
            locale = Locale("en")
        value = Decimal(override.amount_minor).scaleb(-get_currency_precision(currency))
        signs = "|".join(
            re.escape(each) for each in {currency, get_currency_symbol(currency, locale)}
        )
        yield (
            re.compile(
                rf"(?P<before>{_NUMBER})[ \u00a0\u202f]?(?:{signs})"
                rf"|(?:{signs})[ \u00a0\u202f]?(?P<after>{_NUMBER})"
            ),
            value,
            format_currency(value, currency, locale=locale),
        )


def _written(value: Decimal) -> str:
    """A number without zeros that say nothing: 20, 12.50 or 12.5."""
    whole = value.to_integral_value()
    return str(whole) if value == whole else f"{value:f}"


def _number(text: str) -> Decimal:
    """A number as words write it: of two signs the later is the decimal one, and one sign before
    three digits divides thousands.
    """
    plain = re.sub(r"[ \u00a0\u202f]", "", text)
    signs = re.findall(r"[.,]", plain)
    digits = len(plain) - 1 - max(plain.rfind("."), plain.rfind(",")) if signs else 0
    if len(set(signs)) == 1 and (len(signs) > 1 or digits == 3):
        return Decimal(re.sub(r"[.,]", "", plain))
    if not signs:
        return Decimal(plain)
    return Decimal(re.sub(r"[.,]", "", plain)).scaleb(-digits)
