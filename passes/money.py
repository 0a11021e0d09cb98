"""Amounts in minor units with their ISO 4217 currency.

Promises exact conversion between minor units, the major units of Apple's `currencyCode` fields and
the micros of Google's `Money`. Refuses floats, unknown currencies and amounts past 2**53 minor
units, which a JSON reader would round.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from passes.errors import ContentError

# ISO 4217, active codes of currencies people pay with; the digits after the point are 2 but for:
_WITHOUT = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_WITH_THREE = "BHD IQD JOD KWD LYD OMR TND"
_DIGITS = dict.fromkeys(_WITHOUT.split(), 0) | dict.fromkeys(_WITH_THREE.split(), 3)
_CODES = """
AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD
CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD
HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD
MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON
RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD
TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG
"""
_CURRENCIES = frozenset(_CODES.split()) | _DIGITS.keys()
_LARGEST = 2**53


@dataclass(frozen=True, slots=True)
class Money:
    """An amount: `Money(1250, "EUR")` is € 12.50, `Money(500, "JPY")` is ¥ 500."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if self.currency not in _CURRENCIES:
            raise ContentError(
                "money.currency",
                f"{self.currency!r} is not an ISO 4217 currency.",
                "Use a code such as EUR, GBP or PLN.",
            )
        if type(self.minor) is not int:
            raise ContentError(
                "money.minor",
                f"The amount is {type(self.minor).__name__}.",
                "Give whole minor units, such as 1250 for € 12.50.",
            )
        if not -_LARGEST < self.minor < _LARGEST:
            raise ContentError(
                "money.minor", "The amount is too large to be exact.", "Stay below 2**53."
            )

    @property
    def digits(self) -> int:
        """Digits after the decimal point in this currency (ISO 4217): 0, 2 or 3."""
        return _DIGITS.get(self.currency, 2)

    @property
    def major(self) -> Decimal:
        """The amount in major units, exactly."""
        return Decimal(self.minor).scaleb(-self.digits)

    @property
    def micros(self) -> int:
        """The amount in millionths of the major unit, as Google's `Money` wants it."""
        return int(self.minor * 10 ** (6 - self.digits))
