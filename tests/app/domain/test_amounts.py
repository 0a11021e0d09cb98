"""One reader of amounts: every spelling, nothing rounded, nothing guessed."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.amounts import (
    AmountFault,
    AmountProblem,
    Marks,
    looks_like_money,
    marks_of,
    minor,
    read,
)

#: The text, the currency, its decimals, and minor units or why there are none.
SPELLINGS = [
    ("1 234,50", "EUR", 2, 123_450),
    ("1\u202f234,50 €", "EUR", 2, 123_450),
    ("1'234.50", "CHF", 2, 123_450),
    ("1’234.–", "CHF", 2, 123_400),
    ("Fr. 15.00", "CHF", 2, 1_500),
    ("12,34,567.89", "INR", 2, 123_456_789),
    ("₹ 1,50,000", "INR", 2, 15_000_000),
    ("EUR 15,00", "EUR", 2, 1_500),
    ("15,00 EUR", "EUR", 2, 1_500),
    ("€15.00", "EUR", 2, 1_500),
    ("15,-", "EUR", 2, 1_500),
    ("15.0000", "EUR", 2, 1_500),
    ("0.500", "EUR", 2, 50),
    ("1.234.567", "EUR", 2, 123_456_700),
    ("１５．００", "EUR", 2, 1_500),
    ("٢٥٫٥٠", "EUR", 2, 2_550),
    ("R$ 15,00", "BRL", 2, 1_500),
    ("15,50 zł", "PLN", 2, 1_550),
    ("kr. 15,50", "DKK", 2, 1_550),
    ("5,000", "JPY", 0, 5_000),
    ("5000.00", "JPY", 0, 5_000),
    ("5000円", "JPY", 0, 5_000),
    ("1.500", "KWD", 3, 1_500),
    ("1,234.500", "KWD", 3, 1_234_500),
    ("1.500", "EUR", 2, AmountProblem.AMBIGUOUS),
    ("15,000", "EUR", 2, AmountProblem.AMBIGUOUS),
    ("5.000", "JPY", 0, AmountProblem.AMBIGUOUS),
    ("1,500", "KWD", 3, AmountProblem.AMBIGUOUS),
    ("5000.5", "JPY", 0, AmountProblem.DECIMALS),
    ("15.005", "EUR", 2, AmountProblem.AMBIGUOUS),
    ("1500.005", "EUR", 2, AmountProblem.DECIMALS),
    ("-5", "EUR", 2, AmountProblem.NEGATIVE),
    ("−5,00", "EUR", 2, AmountProblem.NEGATIVE),
    ("(5.00)", "EUR", 2, AmountProblem.NEGATIVE),
    ("5.00-", "EUR", 2, AmountProblem.NEGATIVE),
    ("$15", "EUR", 2, AmountProblem.CURRENCY),
    ("15 USD", "EUR", 2, AmountProblem.CURRENCY),
    ("1e5", "EUR", 2, AmountProblem.NONE),
    ("6,03E+15", "EUR", 2, AmountProblem.NONE),
    ("12 34", "EUR", 2, AmountProblem.NONE),
    ("1.2.3,4", "EUR", 2, AmountProblem.NONE),
    ("15%", "EUR", 2, AmountProblem.NONE),
    ("15.", "EUR", 2, AmountProblem.NONE),
    ("", "EUR", 2, AmountProblem.NONE),
    ("9" * 13, "EUR", 2, AmountProblem.TOO_LARGE),
]


@pytest.mark.parametrize(("text", "currency", "digits", "expected"), SPELLINGS)
def test_an_amount_is_read_by_its_currency_or_refused_by_name(
    text: str, currency: str, digits: int, expected: int | AmountProblem
) -> None:
    if isinstance(expected, int):
        assert minor(text, digits=digits, currency=currency) == expected
        return
    with pytest.raises(AmountFault) as refused:
        read(text, digits=digits, currency=currency)
    assert refused.value.fault is expected


def test_other_amounts_decide_what_may_be_two() -> None:
    german = marks_of(["1.234,50", "15", "1.500"])

    assert german == Marks(",", ".")
    assert minor("1.500", digits=2, marks=german) == 150_000
    assert minor("1.500", digits=2, marks=marks_of(["15.25"])) == 150
    # These do not agree, and those set thousands apart with something else.
    assert marks_of(["1.234,50", "1,234.50"]) is None
    spaced = marks_of(["1 000,50"])
    with pytest.raises(AmountFault):
        minor("1.500", digits=2, marks=spaced)


@given(
    cents=st.integers(min_value=0, max_value=10**12),
    group=st.sampled_from(["", ",", "'", " ", "\u00a0"]),
    sign=st.sampled_from(["{}", "€{}", "{} €", "EUR {}", "{} EUR"]),
)
def test_whatever_is_written_is_read(cents: int, group: str, sign: str) -> None:
    text = sign.format(f"{Decimal(cents) / 100:,.2f}".replace(",", group))

    assert minor(text, digits=2, currency="EUR") == cents


@pytest.mark.parametrize("text", ["2026-01-01", "01.02.2026", "10:00", "K7F-1", "TAL-0001", "15"])
def test_what_may_be_something_else_does_not_look_like_money(text: str) -> None:
    assert not looks_like_money(text)
