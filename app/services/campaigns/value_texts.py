"""This module writes a value's texts: the campaign's, with the value's own over them.

An offer that the value does not write is written from its benefit; whatever else it does
not write is the campaign's. It does not show a text that is missing in one of a pass's languages.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from babel.numbers import format_currency, get_currency_precision

from app.domain.campaign import BenefitType, Presentation, Texts
from app.domain.values import Grant, Rules
from passes.content import Localized, Text


def grants_of(rules: Rules) -> Iterator[tuple[str, Grant]]:
    """Every value that the rules may give, with its place in the campaign file."""
    for number, tier in enumerate(rules.tiers):
        if tier.grant is not None:
            yield f"rules.tiers.{number}", tier.grant
    for number, variant in enumerate(rules.variants):
        if variant.grant is not None:
            yield f"rules.variants.{number}", variant.grant


def worded(presentation: Presentation, grant: Grant, *, currency: str | None) -> Presentation:
    """The campaign's words with the value's own; an offer that was not written is written.

    Args:
        presentation, currency: of the campaign that the voucher is issued from.
    """
    texts = {}
    for language in dict.fromkeys((*presentation.texts, *grant.texts)) or (
        presentation.default_language,
    ):
        base = presentation.in_language(language)
        own = grant.texts.get(language) or Texts()
        texts[language] = Texts(
            title=own.title or base.title,
            offer=own.offer or _offer(grant, currency, language) or base.offer,
            description=own.description or base.description,
            terms=own.terms or base.terms,
        )
    return replace(presentation, texts=texts)


def own_words(given: Presentation, languages: tuple[str, ...]) -> tuple[Text | None, Text | None]:
    """Offer and terms as `given` says them in the languages of a pass; None where one lacks."""
    offer = {each: given.in_language(each).offer for each in languages}
    terms = {each: given.in_language(each).terms for each in languages}
    return (
        Localized(offer) if all(offer.values()) else None,
        Localized(terms) if all(terms.values()) else None,
    )


def _offer(grant: Grant, currency: str | None, language: str) -> str:
    """A value in a few characters, such as −20 %, −5,00 € or a card's 30,00 €."""
    benefit = grant.benefit
    if grant.amount_minor is not None and currency:
        return written(grant.amount_minor, currency, language)
    if benefit is None:
        return ""
    if benefit.type is BenefitType.PERCENT and benefit.percent is not None:
        return f"−{benefit.percent.normalize():f} %"
    if benefit.type is BenefitType.AMOUNT and benefit.minor is not None and currency:
        return "−" + written(benefit.minor, currency, language)
    return ""


def written(minor: int, currency: str, language: str = "en") -> str:
    """An amount as people of a language write it, with its currency."""
    amount = Decimal(minor).scaleb(-get_currency_precision(currency))
    return format_currency(amount, currency, locale=language.replace("-", "_"))
