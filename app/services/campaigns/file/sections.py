"""The sections of a campaign file: each key with its type, default, meaning and an example.

The reference of the guide and the description of the API are made from these models, so that what
a key means is written here and nowhere else.
"""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from app.domain import minting
from app.domain.birthdays import LeapDay
from app.domain.campaign import Anchor, Authority, BarcodeProfile, BenefitType, Channel, Source
from app.domain.inputs import EARLIEST, LATEST, is_reckonable
from app.domain.kinds import KINDS
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


if TYPE_CHECKING:
    KindName = str
else:
    # The values are a type, so that descriptions and refusals name them.
    KindName = Literal[tuple(KINDS)]


def _kind(value: object, refuse: ValidatorFunctionWrapHandler) -> object:
    return value if isinstance(value, str) and value in KINDS else refuse(value)


def _patterns() -> str:
    return ", ".join(f"`{kind.code_pattern}` for a {kind.title}" for kind in KINDS.values())


def _bits() -> str:
    first, *others = KINDS.values()
    more = "".join(f", a {kind.title}'s {kind.least_code_bits}" for kind in others)
    return f"a {first.title}'s pattern leaves {first.least_code_bits} bits to chance{more}"


class Section(BaseModel):
    """A part of the file; a name that it does not have is a fault."""

    model_config = ConfigDict(extra="forbid", strict=False, arbitrary_types_allowed=True)


class HeadSection(Section):
    """What stands before the sections."""

    key: str = Field(
        max_length=64,
        description="Names the campaign in addresses and commands. It has lower-case letters, "
        "digits and single dashes, and never changes.",
        examples=["summer-20"],
    )
    name: str = Field(
        min_length=1,
        max_length=200,
        description="Names the campaign for you and for cashiers. Tills show it and may print it "
        "on the receipt; passes and pages never do.",
        examples=["Summer: 20 % off"],
    )
    kind: Annotated[KindName, WrapValidator(_kind)] = Field(
        description="A `coupon` is used a number of times; a `gift_card` holds money that is spent "
        "in parts.",
        examples=["coupon"],
    )
    authority: Authority = Field(
        default=Authority.PASSERELLE,
        description="Says who decides whether a code is still good: `passerelle` (tills ask this "
        "service), `external` (a web shop decides, too, and reports its uses) or `partner` (a "
        "partner's tills take the codes; tills here refuse them with `partner_only`).",
        examples=["external"],
    )
    timezone: str = Field(
        default="UTC",
        description="The campaign's days begin and end in this time zone, and a time without an "
        "offset is one of it.",
        examples=["Europe/Paris"],
    )
    currency: str | None = Field(
        default=None,
        description="The currency of every amount in the file, as three letters. A gift card needs "
        "one, and so does a file with any amount.",
        examples=["EUR"],
    )
    default_language: str = Field(
        default="en",
        description="Recipients whose language has no texts read this one. The file has texts in "
        "it.",
        examples=["de"],
    )
    organization: str = Field(
        default="",
        max_length=100,
        description="The name that the pass carries; empty is `PASSERELLE_ORGANIZATION`. A "
        "partner's campaign needs the partner's name.",
        examples=["Cinema Lumière"],
    )
    expiry_notice: bool = Field(
        default=True,
        description="Holders are reminded before a voucher ends, where a wallet can do so.",
        examples=[False],
    )


class CodesSection(Section):
    """Where the codes come from."""

    source: Source = Field(
        description="`list`: you import codes. `generated`: the service makes a stock of them. "
        "`on_demand`: the service makes one whenever a voucher is issued. `shared`: everybody has "
        "the same code.",
        examples=["list"],
    )
    code: str | None = Field(
        default=None,
        min_length=3,
        max_length=64,
        description="The code that everybody shares.",
        examples=["SUN20"],
    )
    limit: Count | None = Field(
        default=None,
        description="The most uses of the shared code, by all customers together. Without it there "
        "is no such limit.",
        examples=[5000],
    )
    pattern: str | None = Field(
        default=None,
        max_length=128,
        description="How codes are made: text with `{random:N}` (N random characters), `#` (one), "
        "`{recipient}` (the recipient's id) and `{date}` (the day, as 20260601). A pattern without "
        f"a random part gets a random tail. Without a pattern: {_patterns()}.",
        examples=["SUN-{random:12}"],
    )
    alphabet: str = Field(
        default=minting.ALPHABET,
        description="The characters that random parts are drawn from: eight or more of A to Z and "
        "0 to 9, each once.",
        examples=["0123456789ABCDEFGHJKMNPQRSTVWXYZ"],
    )
    check: bool = Field(
        default=True,
        description="Each code ends with a check character, so that a till tells a mistyped code "
        "from an unknown one.",
        examples=[False],
    )
    insist: bool = Field(
        default=False,
        description=f"Codes are issued although they can be guessed. Without it {_bits()}.",
        examples=[True],
    )
    pin_digits: int = Field(
        default=0,
        ge=0,
        le=12,
        description="The digits of the PIN that each card gets; 0 gives none. When a till asks for "
        "it is said in `gift_card.pin_above`.",
        examples=[4],
    )
    low_stock: Count | None = Field(
        default=None,
        description="While no more codes than this are free, issuing says how many are left: "
        "`passerelle issue`, and `codes_left` of the API's answer.",
        examples=[50],
    )


class BenefitSection(Section):
    """What a coupon gives."""

    type: BenefitType = Field(
        description="`percent` and `amount` are computed on the basket. `free_shipping`, `gift` "
        "and `text` are told to the till, which grants them itself.",
        examples=["percent"],
    )
    percent: Percent | None = Field(
        default=None,
        gt=0,
        description="The percentage off the eligible lines of the basket.",
        examples=[20],
    )
    amount: Amount | None = Field(
        default=None,
        description="The amount off the eligible lines of the basket, never more than they come "
        "to.",
        examples=["10.00"],
    )
    cap: Amount | None = Field(
        default=None,
        description="The most that a percentage takes off one receipt.",
        examples=["100.00"],
    )


class ValiditySection(Section):
    """From when until when a voucher is good. A window and a length together give the narrower."""

    starts: Moment | None = Field(
        default=None,
        description="Vouchers are good from this moment; a date means the beginning of that day.",
        examples=["2026-06-01"],
    )
    ends: Moment | None = Field(
        default=None,
        description="Vouchers are good until this moment; a date means the end of that day.",
        examples=["2026-08-31"],
    )
    anchor: Anchor = Field(
        default=Anchor.ISSUE,
        description="`days` and `hours` count from here: `issue`, `send` (the time `sent_at` that "
        "issuing states, else the issue) or `first_add` (the pass is first in a wallet; until then "
        "they have not begun).",
        examples=["first_add"],
    )
    days: int | None = Field(
        default=None,
        ge=0,
        le=36_500,
        description="Each voucher is good for so many days, to the end of the last one; 0 is the "
        "day itself.",
        examples=[60],
    )
    hours: int | None = Field(
        default=None,
        ge=1,
        le=87_600,
        description="Each voucher is good for so many hours, to the minute.",
        examples=[48],
    )


class HoursSection(Section):
    """A weekly window in which vouchers are taken; with several, one of them is enough."""

    weekdays: list[Annotated[int, Field(ge=1, le=7)]] = Field(
        default=[1, 2, 3, 4, 5, 6, 7],
        description="The weekdays of the window: 1 is Monday, 7 is Sunday.",
        examples=[[6, 7]],
    )
    opens: dt.time = Field(
        default=dt.time(0, 0),
        description="When the window opens, in the campaign's time zone.",
        examples=["09:00"],
    )
    closes: dt.time = Field(
        default=dt.time(0, 0),
        description="When it closes; 00:00 is the end of the day. A window that closes before it "
        "opens runs past midnight and belongs to the day on which it opens.",
        examples=["18:00"],
    )


class ProductsSection(Section):
    """What must be in the basket. Lines that one of the three names are eligible; without any of
    the three every line is.
    """

    skus: list[str] = Field(
        default=[],
        description="Lines with one of these article numbers are eligible.",
        examples=[["SHOE-9", "SHOE-10"]],
    )
    prefixes: list[str] = Field(
        default=[],
        description="Lines whose article number begins with one of these are eligible.",
        examples=[["SHOE-"]],
    )
    categories: list[str] = Field(
        default=[],
        description="Lines of one of these categories are eligible.",
        examples=[["shoes"]],
    )


class LimitsSection(Section):
    """How often, where and on what."""

    uses: Annotated[int, Field(le=MOST_COUNT)] | Literal["unlimited"] = Field(
        default=1,
        description='How often one voucher is used; `"unlimited"` sets no limit.',
        examples=[3],
    )
    uses_per_recipient: Count | None = Field(
        default=None,
        description="How often one recipient uses vouchers of the campaign, all of them together.",
        examples=[2],
    )
    uses_per_day: Count | None = Field(
        default=None,
        description="The same on one day of the campaign's time zone.",
        examples=[1],
    )
    hours: list[HoursSection] = Field(
        default=[], description="The weekly windows in which vouchers are taken; none is always."
    )
    stores: list[str] = Field(
        default=[],
        description="The keys of the stores that take vouchers; none named is every store.",
        examples=[["paris", "lyon"]],
    )
    terminals: list[str] = Field(
        default=[],
        description="The keys of the terminals that take vouchers; none named is every terminal.",
        examples=[["1", "2"]],
    )
    channels: list[Channel] = Field(
        default=[Channel.STORE, Channel.ONLINE],
        description="Where vouchers are taken: `store`, `online` or both. A till says which it is.",
        examples=[["store"]],
    )
    min_basket: Amount | None = Field(
        default=None,
        description="The smallest basket, all of its lines together. A till then has to send the "
        "basket.",
        examples=["25.00"],
    )
    products: ProductsSection = Field(
        default=ProductsSection(),
        description="What must be in the basket. A till then has to send the basket.",
    )
    combinable: bool = Field(
        default=True,
        description="The coupon goes with other coupons on one receipt, where they do, too.",
        examples=[False],
    )
    holder_required: bool = Field(
        default=False,
        description="A till takes the shared code from a holder's pass only, not when it is typed.",
        examples=[True],
    )
    refund_days: int = Field(
        default=90,
        ge=0,
        le=3650,
        description="A redemption can be taken back for so many days after it.",
        examples=[30],
    )


class GiftCardSection(Section):
    """The money on a card and what guards it."""

    amount: Amount | None = Field(
        default=None,
        description="The opening balance of a card whose code brings none of its own.",
        examples=["15.00"],
    )
    pin_above: Amount | None = Field(
        default=None,
        description="A till asks for the PIN above this amount; 0 asks always. Without it no till "
        "asks.",
        examples=["50.00"],
    )
    operator_cap: Amount | None = Field(
        default=None,
        description="The most that one operator puts on cards of the campaign in a day: by loads, "
        "refunds and adjustments.",
        examples=["500.00"],
    )
    load_cap: Amount | None = Field(
        default=None,
        description="The most that one load adds. The till page loads cards only where this is "
        "said.",
        examples=["100.00"],
    )


class BudgetSection(Section):
    """The most that all holders take together; then a till answers `budget_exhausted`."""

    uses: Count | None = Field(
        default=None,
        description="The most uses of all vouchers of the campaign.",
        examples=[1000],
    )
    amount: Amount | None = Field(
        default=None,
        description="The most money: discounts of coupons, or what gift cards pay.",
        examples=["10000.00"],
    )


class BirthdaySection(Section):
    """The service issues a voucher to each recipient for each birthday, once a year."""

    days_ahead: int = Field(
        default=0,
        ge=0,
        le=60,
        description="Vouchers are issued so many days before the birthday.",
        examples=[3],
    )
    leap_day: LeapDay = Field(
        default=LeapDay.FEBRUARY_28,
        description="When those born on 29 February celebrate in other years.",
        examples=["march_1"],
    )
    catch_up_days: int = Field(
        default=30,
        ge=0,
        le=300,
        description="A voucher that was missed is still issued for so many days after the "
        "birthday.",
        examples=[7],
    )


class TextsSection(Section):
    """What a pass says in one language: `[texts.fr]` for French."""

    title: str = Field(
        min_length=1,
        max_length=120,
        description="The pass's title.",
        examples=["Summer offer"],
    )
    offer: str = Field(
        default="",
        max_length=40,
        description="The offer in a few characters, which the pass shows large.",
        examples=["−20 %"],
    )
    description: str = Field(
        default="",
        max_length=2_000,
        description="What the offer is: on the customer's page, in Google Wallet's details, and "
        "read aloud by an iPhone. Without it the title is.",
        examples=["20 % off your basket, in every shop and online."],
    )
    terms: str = Field(
        default="",
        max_length=20_000,
        description="The conditions, on the pass's details and the customer's page.",
        examples=["From 25 €. One use."],
    )


class LookSection(Section):
    """Colours and pictures."""

    background: str = Field(
        default="#1f3a5f",
        pattern=COLOUR,
        description="The pass's ground, as #rrggbb.",
        examples=["#0b5d4e"],
    )
    foreground: str = Field(
        default="#ffffff",
        pattern=COLOUR,
        description="The colour of values.",
        examples=["#ffffff"],
    )
    label: str = Field(
        default="#d5e0ee",
        pattern=COLOUR,
        description="The colour of labels.",
        examples=["#c9efe6"],
    )
    logo: str | None = Field(
        default=None,
        description="The logo, PNG or JPEG: a file beside the campaign's; through the API the "
        "`sha256` that `POST /api/v1/pictures` answered.",
        examples=["logo.png"],
    )
    banner: str | None = Field(
        default=None,
        description="A picture across the pass, named like the logo.",
        examples=["banner.jpg"],
    )


class FieldSection(Section):
    """One more line of the pass."""

    key: str = Field(
        pattern=r"^[a-z][a-z0-9_]{0,31}$",
        description="Names the line; each line of a campaign has its own.",
        examples=["size"],
    )
    label: Localised = Field(
        description="What the line is, by language.",
        examples=[{"en": "Size"}],
    )
    value: Localised = Field(
        description="What the line says, by language.",
        examples=[{"en": "40 to 46"}],
    )
    front: bool = Field(
        default=False,
        description="The line stands on the face of the pass rather than on its details.",
        examples=[True],
    )


class LinkSection(Section):
    """An address on the pass's details and the customer's page."""

    url: str = Field(
        pattern=r"^(https://|mailto:|tel:)\S+$",
        max_length=2_000,
        description="The address: https://, mailto: or tel:.",
        examples=["https://shop.example/"],
    )
    label: Localised = Field(
        description="What the link says, by language.",
        examples=[{"en": "Our shop"}],
    )


class PlaceSection(Section):
    """A spot near which a phone may show the pass by itself."""

    latitude: float = Field(
        ge=-90, le=90, description="Degrees, north is positive.", examples=[48.8566]
    )
    longitude: float = Field(
        ge=-180, le=180, description="Degrees, east is positive.", examples=[2.3522]
    )
    text: Localised = Field(
        default={},
        description="What the phone says there, by language.",
        examples=[{"en": "Your 20 % are waiting"}],
    )


class BarcodeSection(Section):
    """What tills scan."""

    profile: BarcodeProfile = Field(
        default=BarcodeProfile.TOKEN,
        description="`token`: a signed value that proves the pass. `code`: the bare code, for "
        "tills that know only codes, and for a partner's.",
        examples=["code"],
    )
    symbology: Literal["qr", "pdf417", "aztec", "code128"] = Field(
        default="qr",
        description="The barcode's form. `code128` is for the profile `code`, and holds 29 "
        "characters at most.",
        examples=["aztec"],
    )
