"""The shape of each section of a campaign file, and how amounts and times are written in it."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from app.domain import minting
from app.domain.birthdays import LeapDay
from app.domain.campaign import Anchor, Authority, BarcodeProfile, BenefitType, Channel, Source
from app.domain.inputs import EARLIEST, LATEST, is_reckonable
from app.services.campaigns.money import Amount

COLOUR = r"^#[0-9a-fA-F]{6}$"
#: The most of anything that is counted: what the narrowest of the database's columns holds.
MOST_COUNT = 10**9


def _moment(value: object) -> object:
    if isinstance(value, str):
        with suppress(ValueError):
            value = (
                dt.date.fromisoformat(value)
                if len(value) <= 10
                else dt.datetime.fromisoformat(value)
            )
    if isinstance(value, (dt.date, dt.datetime)):
        if not is_reckonable(value):
            raise ValueError(f"is not between the years {EARLIEST} and {LATEST}")
        return value
    raise ValueError("is no date or time: write 2026-06-01, 2026-06-01T09:00 or with an offset")


Moment = Annotated[dt.date | dt.datetime, BeforeValidator(_moment)]
#: A percentage as people write one; it has no more decimals than money has.
Percent = Annotated[Decimal, Field(le=100, decimal_places=4)]
#: Any other number that something is compared with.
Number = Annotated[Decimal, Field(ge=-(10**15), le=10**15, decimal_places=6)]
Count = Annotated[int, Field(ge=1, le=MOST_COUNT)]
Localised = dict[str, str]


class Section(BaseModel):
    """A part of the file; a name that it does not have is a fault."""

    model_config = ConfigDict(extra="forbid", strict=False, arbitrary_types_allowed=True)


class Head(Section):
    """What stands before the sections."""

    key: str = Field(max_length=64)
    name: str = Field(min_length=1, max_length=200)
    kind: Literal["coupon", "gift_card"]
    authority: Authority = Authority.PASSERELLE
    timezone: str = "UTC"
    currency: str | None = None
    default_language: str = "en"
    organization: str = Field(default="", max_length=100)
    #: Whether holders are reminded before a voucher ends.
    expiry_notice: bool = True


class Codes(Section):
    """`[codes]`: where the codes come from."""

    source: Source
    code: str | None = Field(default=None, min_length=3, max_length=64)
    limit: Count | None = None
    pattern: str | None = Field(default=None, max_length=128)
    alphabet: str = minting.ALPHABET
    check: bool = True
    #: Issue although the codes can be guessed.
    insist: bool = False
    pin_digits: int = Field(default=0, ge=0, le=12)
    low_stock: Count | None = None


class Benefit(Section):
    """`[benefit]`: what a coupon gives."""

    type: BenefitType
    percent: Percent | None = Field(default=None, gt=0)
    amount: Amount | None = None
    cap: Amount | None = None


class Validity(Section):
    """`[validity]`: from when to when."""

    starts: Moment | None = None
    ends: Moment | None = None
    anchor: Anchor = Anchor.ISSUE
    days: int | None = Field(default=None, ge=0, le=36_500)
    hours: int | None = Field(default=None, ge=1, le=87_600)


class Hours(Section):
    """`[[limits.hours]]`: weekdays from 1, Monday, and hours of the day."""

    weekdays: list[Annotated[int, Field(ge=1, le=7)]] = [1, 2, 3, 4, 5, 6, 7]
    opens: dt.time = dt.time(0, 0)
    closes: dt.time = dt.time(0, 0)


class Products(Section):
    """`[limits.products]`: what must be in the basket."""

    skus: list[str] = []
    prefixes: list[str] = []
    categories: list[str] = []


class Limits(Section):
    """`[limits]`: how often, where and on what."""

    uses: Annotated[int, Field(le=MOST_COUNT)] | Literal["unlimited"] = 1
    uses_per_recipient: Count | None = None
    uses_per_day: Count | None = None
    hours: list[Hours] = []
    stores: list[str] = []
    terminals: list[str] = []
    channels: list[Channel] = [Channel.STORE, Channel.ONLINE]
    min_basket: Amount | None = None
    products: Products = Products()
    combinable: bool = True
    holder_required: bool = False
    refund_days: int = Field(default=90, ge=0, le=3650)


class GiftCard(Section):
    """`[gift_card]`: money on a card and what guards it."""

    amount: Amount | None = None
    pin_above: Amount | None = None
    #: The most that one operator may load, refund and add by adjustment on one day.
    operator_cap: Amount | None = None
    #: The most that one load may add; the till page loads cards only where this is said.
    load_cap: Amount | None = None


class Budget(Section):
    """`[budget]`: the most that all holders take together."""

    uses: Count | None = None
    amount: Amount | None = None


class Birthday(Section):
    """`[birthday]`: when the cards of a day are issued."""

    days_ahead: int = Field(default=0, ge=0, le=60)
    leap_day: LeapDay = LeapDay.FEBRUARY_28
    catch_up_days: int = Field(default=30, ge=0, le=300)


class Texts(Section):
    """`[texts.fr]`: what a pass says in one language."""

    title: str = Field(min_length=1, max_length=120)
    offer: str = Field(default="", max_length=40)
    description: str = Field(default="", max_length=2_000)
    terms: str = Field(default="", max_length=20_000)


class Look(Section):
    """`[look]`: colours and pictures."""

    background: str = Field(default="#1f3a5f", pattern=COLOUR)
    foreground: str = Field(default="#ffffff", pattern=COLOUR)
    label: str = Field(default="#d5e0ee", pattern=COLOUR)
    logo: str | None = None
    banner: str | None = None


class ExtraField(Section):
    """`[[fields]]`: one more line of the pass."""

    key: str = Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")
    label: Localised
    value: Localised
    front: bool = False


class Link(Section):
    """`[[links]]`: an address on the back."""

    url: str = Field(pattern=r"^(https://|mailto:|tel:)\S+$", max_length=2_000)
    label: Localised


class Place(Section):
    """`[[places]]`: where the pass shows itself."""

    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    text: Localised = {}


class Barcode(Section):
    """`[barcode]`: what tills scan."""

    profile: BarcodeProfile = BarcodeProfile.TOKEN
    symbology: Literal["qr", "pdf417", "aztec", "code128"] = "qr"
