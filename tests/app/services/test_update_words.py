"""Words that say another value than an update gives are found, in every spelling of a number."""

from __future__ import annotations

from decimal import Decimal

import pytest

from app.domain.campaign import Presentation, Texts
from app.domain.overrides import Override
from app.services.updates.contradictions import contradictions


def warned(override: Override, language: str = "en", **texts: str) -> list[str]:
    presentation = Presentation(default_language=language, texts={language: Texts(**texts)})
    return [str(each) for each in contradictions(presentation, override, currency="EUR")]


PERCENT = Override(percent=Decimal("25.00"))
AMOUNT = Override(amount_minor=2_000)


@pytest.mark.parametrize(
    ("override", "language", "text", "words"),
    [
        (PERCENT, "en", "−20 %", "−25 %"),
        (PERCENT, "en", "20% off everything", "25% off everything"),
        (PERCENT, "fr", "−12,5\u00a0%", "−25\u00a0%"),
        (PERCENT, "tr", "%20 indirim", "%25 indirim"),
        (Override(percent=Decimal("12.5")), "de", "−10,0 %", "−12,5 %"),
        (AMOUNT, "en", "€15 for you", "€20 for you"),
        (AMOUNT, "fr", "−5,00\u00a0€", "−20\u00a0€"),
        (AMOUNT, "en", "EUR 1,500", "EUR 20"),
    ],
)
def test_words_of_another_value_are_warned_of_with_the_words_to_give(
    override: Override, language: str, text: str, words: str
) -> None:
    (warning,) = warned(override, language, title="Spring", offer=text)
    assert warning.startswith(f"texts.{language}.offer: says “")
    assert f'{{"texts": {{"{language}": {{"offer": "{words}"}}}}}}' in warning


@pytest.mark.parametrize(
    ("override", "text"),
    [
        (PERCENT, "−25 %"),
        (PERCENT, "25,0 % on everything"),
        (PERCENT, "From 25 €"),
        (PERCENT, "3 for 2"),
        (AMOUNT, "−20,00 €"),
        (AMOUNT, "€20"),
        (AMOUNT, "−15 %"),
        (Override(amount_minor=150_000), "1.500,00 €"),
        (Override(amount_minor=150_000), "1 500 €"),
        (Override(uses=5), "−20 %, 5 €"),
    ],
)
def test_words_that_agree_or_say_something_else_are_left_alone(
    override: Override, text: str
) -> None:
    assert warned(override, title="Spring", offer=text, terms="At most 7 € and 9 %.") == []
