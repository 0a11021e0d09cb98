"""Amounts in a campaign file are read by the one reader of amounts."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from babel.numbers import get_currency_precision
from pydantic import BeforeValidator, ValidationInfo

from app.domain import amounts


def read_amount(value: object, info: ValidationInfo) -> Any:
    """An amount in major units; the validation's context names the campaign's `currency`.

    Raises:
        ValueError: it is no amount, may be two, or is negative.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
        raise ValueError('is no amount: write it as "15.00"')
    # A number, unlike a text, has one decimal mark and no other.
    marks = None if isinstance(value, str) else amounts.Marks(".")
    currency = (info.context or {}).get("currency")
    digits = get_currency_precision(currency) if currency else None
    return amounts.read(str(value), digits=digits, currency=currency, marks=marks)


Amount = Annotated[Decimal, BeforeValidator(read_amount)]
