"""One reader of amounts that people and systems write: files, campaigns, facts, baskets.

Reads digits of any script with thousands set apart by point, comma, space or apostrophe (in
threes, or in twos as in India), a sign or code of the currency on either side, and the dash that
stands for no cents (`15,-`). Refuses what could be two amounts: `1.500` is one and a half to some
and fifteen hundred to others, unless the currency or other amounts of the same source decide.
An amount is never rounded, and one of another currency is never converted.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

#: Signs and words that stand beside an amount, and the currencies that each may mean (ISO 4217).
SIGNS: dict[str, tuple[str, ...]] = {
    "€": ("EUR",),
    "euro": ("EUR",),
    "euros": ("EUR",),
    "£": ("GBP", "EGP", "LBP", "SYP", "GIP", "FKP", "SHP"),
    "$": (
        "USD", "CAD", "AUD", "NZD", "SGD", "HKD", "MXN", "CLP", "COP", "ARS", "UYU", "TWD", "BBD",
        "BSD", "BZD", "BMD", "FJD", "JMD", "KYD", "LRD", "NAD", "SBD", "SRD", "TTD", "XCD",
    ),
    "us$": ("USD",),
    "ca$": ("CAD",),
    "c$": ("CAD", "NIO"),
    "a$": ("AUD",),
    "au$": ("AUD",),
    "nz$": ("NZD",),
    "hk$": ("HKD",),
    "s$": ("SGD",),
    "nt$": ("TWD",),
    "mx$": ("MXN",),
    "r$": ("BRL",),
    "¥": ("JPY", "CNY"),
    "円": ("JPY",),
    "圓": ("JPY", "TWD", "HKD"),
    "元": ("CNY", "TWD"),
    "cn¥": ("CNY",),
    "jp¥": ("JPY",),
    "rmb": ("CNY",),
    "kr": ("SEK", "NOK", "DKK", "ISK"),
    "kr.": ("DKK", "NOK", "SEK", "ISK"),
    "zł": ("PLN",),
    "zl": ("PLN",),
    "kč": ("CZK",),
    "ft": ("HUF",),
    "fr.": ("CHF",),
    "fr": ("CHF",),
    "sfr.": ("CHF",),
    "₹": ("INR",),
    "rs": ("INR", "PKR", "LKR", "NPR", "MUR"),
    "rs.": ("INR", "PKR", "LKR", "NPR", "MUR"),
    "₺": ("TRY",),
    "tl": ("TRY",),
    "₽": ("RUB",),
    "₩": ("KRW", "KPW"),
    "원": ("KRW",),
    "₪": ("ILS",),
    "₴": ("UAH",),
    "₫": ("VND",),
    "฿": ("THB",),
    "₱": ("PHP",),
    "lei": ("RON", "MDL"),
    "лв": ("BGN",),
    "лв.": ("BGN",),
    "kd": ("KWD",),
    "bd": ("BHD",),
    "dt": ("TND",),
}  # fmt: skip

#: Codes of the currencies in use (ISO 4217).
_ISO_4217 = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP "
    "BYN BZD CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP "
    "GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR "
    "KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK "
    "MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR "
    "SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS "
    "UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG"
)
CODES = frozenset(_ISO_4217.split())

_SPACES = re.compile(r"[\s\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]+")
_APOSTROPHES = str.maketrans(dict.fromkeys("’‘ʼ´`＇", "'"))
_INVISIBLE = re.compile(r"[\u00ad\u200b-\u200f\u2060\ufeff\u202a-\u202e\u2066-\u2069]")
_DASHES = re.compile(r"[\u2010-\u2015\u2212\ufe58\ufe63]")
#: A number, and what stands before and after it.
_PARTS = re.compile(r"(?P<before>[^\d.,]*\.?[^\d.,]*)(?P<number>\d[\d., ']*)(?P<after>.*)")
#: Digits in groups: threes, or the last three and twos before them.
_GROUPED = re.compile(
    r"\d{1,3}(?P<mark>[., '])\d{3}(?:(?P=mark)\d{3})*|\d{1,2}(?P<lakh>,)(?:\d{2},)*\d{3}"
)
_MOST_DIGITS = 12
_SCIENTIFIC = re.compile(r"\d+(?:[.,]\d+)?e[+-]?\d+", re.IGNORECASE)


class AmountProblem(StrEnum):
    """Why a text is no amount of a currency."""

    NONE = "none"
    AMBIGUOUS = "ambiguous"
    NEGATIVE = "negative"
    CURRENCY = "currency"
    DECIMALS = "decimals"
    TOO_LARGE = "too_large"


_CAUSES = {
    AmountProblem.NONE: 'is no amount: write it as "15.00"',
    AmountProblem.AMBIGUOUS: "may mean two amounts, since three digits follow its only separator: "
    'write it with as many decimals as its currency has, as "1500.00"',
    AmountProblem.NEGATIVE: "is negative: write an amount above zero",
    AmountProblem.CURRENCY: "is in another currency: give the amount in the campaign's own",
    AmountProblem.DECIMALS: "has more decimals than its currency: round it",
    AmountProblem.TOO_LARGE: f"has more than {_MOST_DIGITS} digits: give a smaller amount",
}


class Marks(NamedTuple):
    """How the amounts of one source are written."""

    #: The decimal mark, `.` or `,`.
    decimal: str
    #: What sets thousands apart, where any does; empty where more than one thing does.
    group: str | None = None


class AmountFault(ValueError):
    """A text is no amount; the message says why and the remedy, after the text's name."""

    def __init__(self, fault: AmountProblem) -> None:
        self.fault = fault
        super().__init__(_CAUSES[fault])


def read(
    text: str, *, digits: int | None, currency: str | None = None, marks: Marks | None = None
) -> Decimal:
    """The amount that a text says, in major units.

    Args:
        digits: decimals of the currency; None when the currency is not known.
        currency: ISO 4217; a sign or code in the text must stand for it.
        marks: how the other amounts of the same source are written, where they agree.

    Raises:
        AmountFault: the text is no amount, more than one, negative, or of another currency.
    """
    negative, number = _stripped(text, currency)
    if negative:
        raise AmountFault(AmountProblem.NEGATIVE)
    whole, part = _split(number, digits, marks)
    if len(whole) > _MOST_DIGITS:
        raise AmountFault(AmountProblem.TOO_LARGE)
    if digits is not None and len(part.rstrip("0")) > digits:
        raise AmountFault(AmountProblem.DECIMALS)
    return Decimal(f"{whole}.{part or 0}")


def minor(
    text: str, *, digits: int, currency: str | None = None, marks: Marks | None = None
) -> int:
    """The amount that a text says, in minor units; as `read` otherwise."""
    return int(read(text, digits=digits, currency=currency, marks=marks).scaleb(digits))


def marks_of(texts: Iterable[str]) -> Marks | None:
    """How amounts of one source are written; None when they do not agree, or say nothing."""
    found: set[str] = set()
    groups: set[str] = set()
    for text in texts:
        try:
            _, number = _stripped(text, None)
        except AmountFault:
            continue
        if (mark := _evident(number)) is not None:
            found.add(mark)
            if len(found) > 1:
                return None
            groups.update(set(number) & ({".", ",", " ", "'"} - {mark}))
    if not found:
        return None
    return Marks(found.pop(), "" if len(groups) > 1 else next(iter(groups), None))


def looks_like_money(text: str) -> bool:
    """Whether a text could only be an amount: it has decimals, or a currency beside a number."""
    try:
        _, number = _stripped(text, None)
        _split(number, None, Marks("."))
    except AmountFault:
        return False
    return not _SPACES.sub("", text).lstrip("+-").isdigit()


def _stripped(text: str, currency: str | None) -> tuple[bool, str]:
    """Whether a text is negative, and its number without sign, currency and `,-`."""
    plain = _INVISIBLE.sub("", _DASHES.sub("-", text).translate(_APOSTROPHES))
    if not plain.isascii():
        plain = "".join(map(_plain_digit, plain))
    plain = _SPACES.sub(" ", plain).strip()
    negative = plain.startswith("(") and plain.endswith(")")
    if negative:
        plain = plain[1:-1].strip()
    match = _PARTS.fullmatch(plain)
    if match is None or len(plain) > 64 or _SCIENTIFIC.fullmatch(plain):
        raise AmountFault(AmountProblem.NONE)
    number = match["number"].rstrip(" '")
    before, after = match["before"].strip(), match["after"].strip()
    if number[-1] in ".," and after[:1] == "-":
        # The dash after the mark stands for the cents, of which there are none.
        number, after = number[:-1], after.lstrip("-").strip()
    for side in (before, after):
        if "-" in side:
            negative = True
    _check(currency, before.strip("-+ "), after.strip("-+ "))
    return negative, number


def _plain_digit(character: str) -> str:
    """A digit of another script, or a full-width character, as ASCII writes it."""
    value = unicodedata.decimal(character, None)
    if value is not None:
        return str(value)
    # Arabic writes its decimals and thousands apart with marks of their own.
    return {"٫": ".", "٬": "'", "￥": "¥", "。": "."}.get(
        character,
        chr(ord(character) - 0xFEE0) if "！" <= character <= "～" else character,
    )


def _check(currency: str | None, before: str, after: str) -> None:
    """Whether what stands beside a number is a currency, and the right one."""
    named = [side.casefold() for side in (before, after) if side]
    # A sign and a code may stand beside one another: "US$ 15.00 USD".
    for side in " ".join(named).split():
        may_be = SIGNS.get(side)
        if may_be is None:
            if side.upper() not in CODES:
                raise AmountFault(AmountProblem.NONE)
            may_be = (side.upper(),)
        if currency is not None and currency.upper() not in may_be:
            raise AmountFault(AmountProblem.CURRENCY)


def _evident(number: str) -> str | None:
    """The decimal mark of a number that can only be read in one way."""
    points, commas = number.count("."), number.count(",")
    if points and commas:
        return max(".,", key=number.rfind)
    if points > 1 or commas > 1:
        # What is repeated sets thousands apart, so that the other one is the decimal mark.
        return "," if points else "."
    for mark in ".,":
        if mark in number:
            whole, _, part = number.partition(mark)
            if len(part) != 3 or " " in whole or "'" in whole or len(whole) > 3:
                return mark
            if whole.startswith("0"):
                return mark
    return None


def _split(number: str, digits: int | None, marks: Marks | None) -> tuple[str, str]:
    """The digits before and after the decimal mark."""
    evident = _evident(number)
    if evident is None and ("." in number or "," in number):
        only = "." if "." in number else ","
        if digits == 0 and only == ",":
            # The currency has no decimals that the comma could set apart.
            evident = "."
        elif marks is not None and (only == marks.decimal or marks.group in (None, only)):
            evident = marks.decimal
        elif digits == 3 and only == ".":
            evident = "."
        else:
            raise AmountFault(AmountProblem.AMBIGUOUS)
    whole, part = number, ""
    if evident is not None and number.count(evident) == 1:
        whole, _, part = number.partition(evident)
    if not whole.isdigit():
        grouped = _GROUPED.fullmatch(whole)
        if grouped is None or (grouped["mark"] or grouped["lakh"]) == (evident if part else None):
            raise AmountFault(AmountProblem.NONE)
        whole = re.sub(r"\D", "", whole)
    if (part or "." in number[-1:] or "," in number[-1:]) and not part.isdigit():
        raise AmountFault(AmountProblem.NONE)
    return whole, part
