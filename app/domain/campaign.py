"""What a campaign says: its terms, which vouchers keep, and its presentation, which they follow.

These values are stored as JSON in a campaign's revisions and read back unchanged, so a new
attribute always has a default. Nothing here knows a database, a wallet or a file format.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, time
from decimal import Decimal
from enum import StrEnum


class Authority(StrEnum):
    """Who decides whether a code is still good."""

    PASSERELLE = "passerelle"
    EXTERNAL = "external"
    PARTNER = "partner"


class Source(StrEnum):
    """Where a campaign's codes come from."""

    SHARED = "shared"
    LIST = "list"
    GENERATED = "generated"
    ON_DEMAND = "on_demand"


class BarcodeProfile(StrEnum):
    """What the barcode carries: our token, or the bare code for tills that know only codes."""

    TOKEN = "token"  # noqa: S105 - a profile's name
    CODE = "code"


class BenefitType(StrEnum):
    """What a coupon grants."""

    PERCENT = "percent"
    AMOUNT = "amount"
    FREE_SHIPPING = "free_shipping"
    GIFT = "gift"
    TEXT = "text"


class Anchor(StrEnum):
    """The moment from which a relative validity counts."""

    ISSUE = "issue"
    SEND = "send"
    FIRST_ADD = "first_add"


class Channel(StrEnum):
    """Where a redemption happens."""

    STORE = "store"
    ONLINE = "online"


@dataclass(frozen=True, slots=True, kw_only=True)
class Benefit:
    """What a coupon grants; `minor` is in the campaign's currency, `percent` is of the basket."""

    type: BenefitType = BenefitType.TEXT
    percent: Decimal | None = None
    minor: int | None = None
    #: The most that a percentage may take off, in minor units.
    cap_minor: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """When a voucher is good: a window, a length counted from an anchor, or both (the narrower).

    `days` end at a day's end in the campaign's time zone; `hours` end to the minute.
    """

    starts_at: datetime | None = None
    ends_at: datetime | None = None
    anchor: Anchor = Anchor.ISSUE
    days: int | None = None
    hours: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenHours:
    """A weekly window: ISO weekdays (Monday is 1), and times of day in the campaign's zone."""

    weekdays: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)
    opens: time = time(0, 0)
    #: Exclusive; 00:00 means the end of the day.
    closes: time = time(0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Products:
    """What a coupon applies to: any line when all are empty, else a line that one of them names."""

    skus: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a voucher grants and within which limits; fixed for a voucher when it is issued."""

    benefit: Benefit = Benefit()
    #: Uses of one voucher; None is unlimited.
    uses: int | None = 1
    #: Uses by one recipient over all vouchers of the campaign.
    uses_per_recipient: int | None = None
    #: Uses by one recipient on one day of the campaign's time zone.
    uses_per_day: int | None = None
    validity: Validity = Validity()
    hours: tuple[OpenHours, ...] = ()
    #: Store keys; empty means every store.
    stores: tuple[str, ...] = ()
    #: Terminal keys; empty means every terminal.
    terminals: tuple[str, ...] = ()
    channels: tuple[Channel, ...] = (Channel.STORE, Channel.ONLINE)
    min_basket_minor: int | None = None
    products: Products = Products()
    #: Whether it may share a receipt with other coupons.
    combinable: bool = True
    #: Whether typing a bare shared code needs a holder's pass instead.
    holder_required: bool = False
    #: Days after a redemption in which it can be refunded.
    refund_days: int = 90
    #: Opening balance of a gift card whose code brings no amount of its own.
    amount_minor: int | None = None
    #: Above this amount a gift card with a PIN asks for it; None never asks, 0 always.
    pin_above_minor: int | None = None
    #: The most that one operator may load, refund and add by adjustment on one day.
    operator_cap_minor: int | None = None
    #: The most that one load may add; the till page loads only where this is said.
    load_cap_minor: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """What a customer reads, in one language."""

    title: str = ""
    #: The offer in a few characters, such as "−20 %".
    offer: str = ""
    description: str = ""
    terms: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraField:
    """A line that the marketer adds to the pass; texts by language."""

    key: str
    label: dict[str, str] = field(default_factory=dict)
    value: dict[str, str] = field(default_factory=dict)
    front: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link on the details of the pass; labels by language."""

    url: str
    label: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A spot near which a phone may show the pass: degrees, and a text by language."""

    latitude: float
    longitude: float
    text: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Colours as `#rrggbb`; logo and banner are digests of stored pictures."""

    background: str = "#1f3a5f"
    foreground: str = "#ffffff"
    label: str = "#d5e0ee"
    logo: str | None = None
    banner: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Presentation:
    """How the campaign looks and reads; holders always see the latest."""

    default_language: str = "en"
    texts: dict[str, Texts] = field(default_factory=dict)
    look: Look = Look()
    #: Whose name the pass carries; empty is the deployment's own. Partner pools name the partner.
    organization: str = ""
    fields: tuple[ExtraField, ...] = ()
    links: tuple[Link, ...] = ()
    places: tuple[Place, ...] = ()
    barcode: BarcodeProfile = BarcodeProfile.TOKEN
    #: Symbology of the `code` profile; tokens are always QR.
    symbology: str = "qr"
    #: Whether holders are reminded before a voucher ends, where a wallet can.
    expiry_notice: bool = True

    def in_language(self, language: str) -> Texts:
        """The texts in `language` (or its base language), else in the default language."""
        for tag in (language, language.partition("-")[0], self.default_language):
            if tag in self.texts:
                return self.texts[tag]
        return next(iter(self.texts.values()), Texts())
