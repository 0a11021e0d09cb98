"""The campaign file: what a marketer writes, checked whole, with a place and a remedy per fault.

A file is TOML, or the same shape as JSON through the API. Each section is read by itself, so that
a fault in one does not hide those of the others; checks across sections run on whatever could be
read. Nothing here knows the database. Amounts are written as people write them ("15.00") and
become minor units of the campaign's currency; times without a zone are the campaign's own.
"""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from zoneinfo import ZoneInfo

from babel.core import Locale, UnknownLocaleError
from babel.numbers import get_currency_precision, is_currency
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from app.domain import minting
from app.domain.birthdays import LeapDay
from app.domain.campaign import (
    Anchor,
    Authority,
    BarcodeProfile,
    Benefit,
    BenefitType,
    Channel,
    ExtraField,
    Link,
    Look,
    OpenHours,
    Place,
    Presentation,
    Products,
    Source,
    Terms,
    Texts,
    Validity,
)
from app.domain.kinds import KINDS
from app.domain.validity import end_of_day, start_of_day
from app.services.campaigns.rules import RulesSection, built

MODEL = TypeVar("MODEL", bound=BaseModel)

#: The most pictures may weigh before they are resized.
LARGEST_PICTURE = 10_000_000
_KEY = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_COLOUR = r"^#[0-9a-fA-F]{6}$"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a campaign: where, why, and what to write instead."""

    at: str
    cause: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.at}: {self.cause} {self.remedy}"


class CampaignFault(Exception):
    """The campaign cannot be applied; `faults` lists every reason."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__(
            "The campaign is faulty:\n" + "\n".join(f"  - {fault}" for fault in faults)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A campaign as a file describes it, ready to be compared with the stored one."""

    key: str
    name: str
    kind: str
    authority: Authority
    source: Source
    #: See `app.domain.minting.Recipe` and the shared code's settings.
    source_options: dict[str, Any]
    currency: str | None
    timezone: str
    terms: Terms
    presentation: Presentation
    budget_uses: int | None = None
    budget_minor: int | None = None
    #: Birthday settings; None when the campaign is none for birthdays.
    birthday: dict[str, Any] | None = None
    #: Who gets which value, as `app.services.campaigns.rules` stores it; None is everybody.
    rules: dict[str, Any] | None = None
    #: Digest to bytes of the pictures that `presentation.look` names.
    pictures: Mapping[str, bytes] = field(default_factory=dict, repr=False)


def read_file(path: Path) -> Draft:
    """The campaign that the TOML file at `path` describes; pictures are read beside it.

    Raises:
        CampaignFault: every fault of the file.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise CampaignFault(
            [Fault(str(path), f"cannot be read ({error.strerror}).", "Name a readable file.")]
        ) from None
    except UnicodeDecodeError:
        raise CampaignFault(
            [Fault(str(path), "is not UTF-8 text.", "Save it in the encoding UTF-8.")]
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise CampaignFault(
            [Fault(str(path), f"is not TOML: {error}.", "Mend the place that it names.")]
        ) from None
    return read_document(document, pictures=lambda name: _beside(path, name))


def read_document(document: Mapping[str, Any], *, pictures: Any = None) -> Draft:
    """The campaign that a parsed file or an API request describes.

    Args:
        pictures: from a name in `look` to bytes, raising OSError; None takes digests of pictures
            that are stored already.

    Raises:
        CampaignFault: every fault.
    """
    return _Reader(document, pictures).draft()


def _beside(path: Path, name: str) -> bytes:
    picture = path.parent / name
    if picture.stat().st_size > LARGEST_PICTURE:
        raise OSError(27, "larger than 10 MB")
    return picture.read_bytes()


def _moment(value: object) -> object:
    if isinstance(value, str):
        try:
            return (
                dt.date.fromisoformat(value)
                if len(value) <= 10
                else dt.datetime.fromisoformat(value)
            )
        except ValueError:
            pass
    if isinstance(value, (dt.date, dt.datetime)):
        return value
    raise ValueError("is no date or time: write 2026-06-01, 2026-06-01T09:00 or with an offset")


def _amount(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
        raise ValueError('is no amount: write it as "15.00"')
    text = str(value).strip()
    if not re.fullmatch(r"\d{1,12}(?:[.,]\d{1,4})?", text):
        raise ValueError('is no amount: write it as "15.00", not negative, without a currency')
    return Decimal(text.replace(",", "."))


Moment = Annotated[dt.date | dt.datetime, BeforeValidator(_moment)]
Amount = Annotated[Decimal, BeforeValidator(_amount)]
Localised = dict[str, str]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=False, arbitrary_types_allowed=True)


class _Head(_Section):
    key: str = Field(max_length=64)
    name: str = Field(min_length=1, max_length=200)
    kind: Literal["coupon", "gift_card"]
    authority: Authority = Authority.PASSERELLE
    timezone: str = "UTC"
    currency: str | None = None
    default_language: str = "en"
    organization: str = Field(default="", max_length=100)


class _Codes(_Section):
    source: Source
    code: str | None = Field(default=None, min_length=3, max_length=64)
    limit: int | None = Field(default=None, ge=1)
    pattern: str | None = Field(default=None, max_length=128)
    alphabet: str = minting.ALPHABET
    check: bool = True
    #: Issue although the codes can be guessed.
    insist: bool = False
    pin_digits: int = Field(default=0, ge=0, le=12)
    low_stock: int | None = Field(default=None, ge=1)


class _Benefit(_Section):
    type: BenefitType
    percent: Decimal | None = Field(default=None, gt=0, le=100)
    amount: Amount | None = None
    cap: Amount | None = None


class _Validity(_Section):
    starts: Moment | None = None
    ends: Moment | None = None
    anchor: Anchor = Anchor.ISSUE
    days: int | None = Field(default=None, ge=0, le=36_500)
    hours: int | None = Field(default=None, ge=1, le=87_600)


class _Hours(_Section):
    weekdays: list[Annotated[int, Field(ge=1, le=7)]] = [1, 2, 3, 4, 5, 6, 7]
    opens: dt.time = dt.time(0, 0)
    closes: dt.time = dt.time(0, 0)


class _Products(_Section):
    skus: list[str] = []
    prefixes: list[str] = []
    categories: list[str] = []


class _Limits(_Section):
    uses: int | Literal["unlimited"] = 1
    uses_per_recipient: int | None = Field(default=None, ge=1)
    uses_per_day: int | None = Field(default=None, ge=1)
    hours: list[_Hours] = []
    stores: list[str] = []
    terminals: list[str] = []
    channels: list[Channel] = [Channel.STORE, Channel.ONLINE]
    min_basket: Amount | None = None
    products: _Products = _Products()
    combinable: bool = True
    holder_required: bool = False
    refund_days: int = Field(default=90, ge=0, le=3650)


class _GiftCard(_Section):
    amount: Amount | None = None
    pin_above: Amount | None = None
    #: The most that one operator may load, refund and add by adjustment on one day.
    operator_cap: Amount | None = None


class _Budget(_Section):
    uses: int | None = Field(default=None, ge=1)
    amount: Amount | None = None


class _Birthday(_Section):
    days_ahead: int = Field(default=0, ge=0, le=60)
    leap_day: LeapDay = LeapDay.FEBRUARY_28
    catch_up_days: int = Field(default=30, ge=0, le=300)


class _Texts(_Section):
    title: str = Field(min_length=1, max_length=120)
    offer: str = Field(default="", max_length=40)
    description: str = Field(default="", max_length=2_000)
    terms: str = Field(default="", max_length=20_000)


class _Look(_Section):
    background: str = Field(default="#1f3a5f", pattern=_COLOUR)
    foreground: str = Field(default="#ffffff", pattern=_COLOUR)
    label: str = Field(default="#d5e0ee", pattern=_COLOUR)
    logo: str | None = None
    banner: str | None = None


class _Field(_Section):
    key: str = Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")
    label: Localised
    value: Localised
    front: bool = False


class _Link(_Section):
    url: str = Field(pattern=r"^(https://|mailto:|tel:)\S+$", max_length=2_000)
    label: Localised


class _Place(_Section):
    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    text: Localised = {}


class _Barcode(_Section):
    profile: BarcodeProfile = BarcodeProfile.TOKEN
    symbology: Literal["qr", "pdf417", "aztec", "code128"] = "qr"


_HEAD = tuple(_Head.model_fields)
_SECTIONS = frozenset(
    [
        "codes",
        "benefit",
        "validity",
        "limits",
        "gift_card",
        "budget",
        "birthday",
        "rules",
        "texts",
        "look",
        "fields",
        "links",
        "places",
        "barcode",
    ]
)


class _Reader:
    """Reads section by section and collects what is wrong."""

    def __init__(self, document: Mapping[str, Any], pictures: Any) -> None:
        self.document = document
        self.open_picture = pictures
        self.faults: list[Fault] = []
        self.pictures: dict[str, bytes] = {}
        self.currency: str | None = None

    def draft(self) -> Draft:
        for name in self.document.keys() - _SECTIONS - set(_HEAD):
            self.fault(name, "is not known.", f"Use {', '.join((*_HEAD, *sorted(_SECTIONS)))}.")
        head = self.head()
        zone = self.zone(head)
        self.check_head(head)
        kind = head.kind if head else None
        codes = self.section("codes", _Codes, self.document.get("codes"), required=True)
        self.check_codes(codes, head)
        terms = self.terms(kind, zone)
        presentation = self.presentation(head)
        budget = self.section("budget", _Budget, self.document.get("budget", {}))
        budget_minor = self.minor("budget.amount", budget.amount if budget else None)
        birthday = (
            self.section("birthday", _Birthday, self.document["birthday"])
            if "birthday" in self.document
            else None
        )
        if birthday is not None and codes is not None and codes.source is Source.SHARED:
            self.fault(
                "birthday", "is given one shared code.", "Use generated, list or on_demand codes."
            )
        rules = self.rules()
        if self.faults or head is None or codes is None or terms is None or presentation is None:
            raise CampaignFault(self.faults)
        return Draft(
            key=head.key,
            name=head.name,
            kind=head.kind,
            authority=head.authority,
            source=codes.source,
            source_options=codes.model_dump(mode="json", exclude={"source"}, exclude_none=True),
            currency=head.currency,
            timezone=head.timezone,
            terms=terms,
            presentation=presentation,
            budget_uses=budget.uses if budget else None,
            budget_minor=budget_minor,
            birthday=None if birthday is None else birthday.model_dump(mode="json"),
            rules=rules,
            pictures=self.pictures,
        )

    def head(self) -> _Head | None:
        """The values that stand before the sections. Where some are wrong the others are still
        checked, in the place of what is wrong with harmless values.
        """
        given = {name: self.document[name] for name in _HEAD if name in self.document}
        before = len(self.faults)
        found = self.section("", _Head, given)
        wrong = {fault.at for fault in self.faults[before:]}
        if found is not None or "kind" in wrong:
            return found
        harmless = {"key": "key", "name": "name", "kind": self.document.get("kind")}
        right = {name: value for name, value in given.items() if name not in wrong}
        return _Head.model_validate(harmless | right)

    def fault(self, at: str, cause: str, remedy: str) -> None:
        self.faults.append(Fault(at, cause, remedy))

    def section(
        self, at: str, model: type[MODEL], value: Any, *, required: bool = False
    ) -> MODEL | None:
        if value is None and required:
            self.fault(at, "is missing.", f"Add a section [{at}].")
            return None
        try:
            return model.model_validate(value)
        except ValidationError as error:
            for found in error.errors(include_url=False):
                place = ".".join(filter(None, (at, *map(str, found["loc"]))))
                names = ", ".join(model.model_fields)
                context = found.get("ctx", {})
                cause, remedy = {
                    "missing": ("is missing.", "Write it."),
                    "extra_forbidden": ("is not known.", f"Use {names}."),
                    "string_pattern_mismatch": (
                        "is not written as it should be.",
                        "Write #rrggbb." if context.get("pattern") == _COLOUR else "Mend it.",
                    ),
                    "string_too_short": ("is too short.", "Write more."),
                    "string_too_long": (
                        f"has more than {context.get('max_length')} characters.",
                        "Shorten it.",
                    ),
                }.get(
                    found["type"],
                    (_sentence(found["msg"]), "Mend the value."),
                )
                self.fault(place or "the file", cause, remedy)
            return None

    def zone(self, head: _Head | None) -> ZoneInfo:
        name = head.timezone if head else "UTC"
        try:
            return ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            self.fault("timezone", f"{name!r} is no time zone.", "Write one such as Europe/Paris.")
            return ZoneInfo("UTC")

    def check_head(self, head: _Head | None) -> None:
        if head is None:
            return
        if not _KEY.fullmatch(head.key):
            self.fault(
                "key",
                f"{head.key!r} does not fit addresses.",
                "Use lower-case letters, digits and single dashes, such as summer-20.",
            )
        self.language("default_language", head.default_language)
        if head.currency is not None:
            if is_currency(head.currency):
                self.currency = head.currency
            else:
                self.fault(
                    "currency", f"{head.currency!r} is none.", "Write three letters such as EUR."
                )
        elif KINDS[head.kind].holds_money:
            self.fault("currency", "is missing.", "A gift card needs one, such as EUR.")
        if head.authority is Authority.PARTNER and not head.organization:
            self.fault(
                "organization",
                "is missing.",
                "A partner's codes are shown in the partner's name: write it.",
            )
        if head.authority is Authority.PARTNER and KINDS[head.kind].holds_money:
            self.fault(
                "authority", "is partner.", "A partner's money cannot be kept: use a coupon."
            )

    def check_codes(self, codes: _Codes | None, head: _Head | None) -> None:
        if codes is None:
            return
        shared = codes.source is Source.SHARED
        minted = codes.source in (Source.GENERATED, Source.ON_DEMAND)
        if shared and not codes.code:
            self.fault("codes.code", "is missing.", "Write the code that everybody shares.")
        if not shared and codes.code:
            self.fault("codes.code", "is for a shared code.", "Leave it out.")
        if not shared and codes.limit is not None:
            self.fault("codes.limit", "is for a shared code.", "Use limits.uses or budget.uses.")
        if not minted and codes.pattern:
            self.fault("codes.pattern", "is for codes that are made here.", "Leave it out.")
        if head is None:
            return
        if shared and KINDS[head.kind].holds_money:
            self.fault(
                "codes.source", "is shared.", "Each gift card needs its own number: use another."
            )
        if minted and head.authority is Authority.PARTNER:
            self.fault(
                "codes.source",
                f"is {codes.source.value}.",
                "A partner's codes come from the partner: use list or shared.",
            )
        if minted:
            least = minting.LEAST_BITS[head.kind]
            try:
                recipe = minting.Recipe.read(
                    codes.pattern or minting.PATTERNS[head.kind],
                    alphabet=codes.alphabet,
                    check=codes.check,
                )
            except minting.RecipeFault as fault:
                self.fault("codes.pattern", fault.cause, fault.remedy)
                return
            if recipe.bits < least and not codes.insist:
                self.fault(
                    "codes.pattern",
                    f"leaves {recipe.bits:.0f} bits to chance, and a {head.kind.replace('_', ' ')} "
                    f"needs {least}: such codes can be guessed.",
                    f"Use at least {recipe.characters_for(least)} random characters, or write "
                    "insist = true.",
                )

    def terms(self, kind: str | None, zone: ZoneInfo) -> Terms | None:
        money = kind is not None and KINDS[kind].holds_money
        benefit = (
            self.section("benefit", _Benefit, self.document.get("benefit"), required=True)
            if not money
            else None
        )
        if money and "benefit" in self.document:
            self.fault("benefit", "is for coupons.", "Use [gift_card] with an amount.")
        if not money and "gift_card" in self.document:
            self.fault("gift_card", "is for gift cards.", "Use [benefit], or kind gift_card.")
        card = self.section("gift_card", _GiftCard, self.document.get("gift_card", {}))
        limits = self.section("limits", _Limits, self.document.get("limits", {}))
        validity = self.validity(zone)
        if benefit is not None:
            self.check_benefit(benefit)
        if limits is not None and isinstance(limits.uses, int) and limits.uses < 1:
            self.fault("limits.uses", "is not positive.", 'Write 1 or more, or "unlimited".')
        if limits is None or card is None or validity is None:
            return None
        return Terms(
            benefit=Benefit(
                type=benefit.type,
                percent=benefit.percent,
                minor=self.minor("benefit.amount", benefit.amount),
                cap_minor=self.minor("benefit.cap", benefit.cap),
            )
            if benefit
            else Benefit(),
            uses=None if limits.uses == "unlimited" else limits.uses,
            uses_per_recipient=limits.uses_per_recipient,
            uses_per_day=limits.uses_per_day,
            validity=validity,
            hours=tuple(
                OpenHours(weekdays=tuple(item.weekdays), opens=item.opens, closes=item.closes)
                for item in limits.hours
            ),
            stores=tuple(limits.stores),
            terminals=tuple(limits.terminals),
            channels=tuple(limits.channels),
            min_basket_minor=self.minor("limits.min_basket", limits.min_basket),
            products=Products(
                skus=tuple(limits.products.skus),
                prefixes=tuple(limits.products.prefixes),
                categories=tuple(limits.products.categories),
            ),
            combinable=limits.combinable,
            holder_required=limits.holder_required,
            refund_days=limits.refund_days,
            amount_minor=self.minor("gift_card.amount", card.amount),
            pin_above_minor=self.minor("gift_card.pin_above", card.pin_above),
            operator_cap_minor=self.minor("gift_card.operator_cap", card.operator_cap),
        )

    def check_benefit(self, benefit: _Benefit) -> None:
        needs = {BenefitType.PERCENT: "percent", BenefitType.AMOUNT: "amount"}.get(benefit.type)
        if needs and getattr(benefit, needs) is None:
            self.fault(f"benefit.{needs}", "is missing.", f"Write {needs} = … .")
        for name in ("percent", "amount"):
            if name != needs and getattr(benefit, name) is not None:
                self.fault(
                    f"benefit.{name}", f"does not go with {benefit.type.value}.", "Leave it out."
                )
        if benefit.cap is not None and benefit.type is not BenefitType.PERCENT:
            self.fault("benefit.cap", "limits a percentage.", "Leave it out.")

    def validity(self, zone: ZoneInfo) -> Validity | None:
        section = self.section("validity", _Validity, self.document.get("validity", {}))
        if section is None:
            return None
        starts = _instant(section.starts, zone, end=False)
        ends = _instant(section.ends, zone, end=True)
        if starts is not None and ends is not None and ends <= starts:
            self.fault("validity.ends", "is not after starts.", "Write a later moment.")
        if section.anchor is not Anchor.ISSUE and section.days is None and section.hours is None:
            self.fault("validity.anchor", "has nothing to count.", "Write days or hours as well.")
        return Validity(
            starts_at=starts,
            ends_at=ends,
            anchor=section.anchor,
            days=section.days,
            hours=section.hours,
        )

    def presentation(self, head: _Head | None) -> Presentation | None:
        texts = self.texts(head)
        look = self.look()
        fields = self.many("fields", _Field)
        links = self.many("links", _Link)
        places = self.many("places", _Place)
        barcode = self.section("barcode", _Barcode, self.document.get("barcode", {}))
        seen: set[str] = set()
        for number, item in enumerate(fields):
            if item.key in seen:
                self.fault(f"fields.{number}.key", "is used twice.", "Give each field its own.")
            seen.add(item.key)
        if barcode and barcode.profile is BarcodeProfile.TOKEN and barcode.symbology == "code128":
            self.fault(
                "barcode.symbology",
                "is too narrow for a token.",
                'Use qr, pdf417 or aztec, or profile = "code".',
            )
        if head is None or look is None or barcode is None:
            return None
        return Presentation(
            default_language=head.default_language,
            texts=texts,
            look=look,
            organization=head.organization,
            fields=tuple(
                ExtraField(key=item.key, label=item.label, value=item.value, front=item.front)
                for item in fields
            ),
            links=tuple(Link(url=item.url, label=item.label) for item in links),
            places=tuple(
                Place(latitude=item.latitude, longitude=item.longitude, text=item.text)
                for item in places
            ),
            barcode=barcode.profile,
            symbology=barcode.symbology,
        )

    def texts(self, head: _Head | None) -> dict[str, Texts]:
        document = self.document.get("texts")
        if not isinstance(document, Mapping) or not document:
            self.fault("texts", "is missing.", "Add a section per language, such as [texts.en].")
            return {}
        texts = {}
        for language, value in document.items():
            self.language(f"texts.{language}", language)
            section = self.section(f"texts.{language}", _Texts, value)
            if section is not None:
                texts[language] = Texts(**section.model_dump())
        if head is not None and head.default_language not in document:
            self.fault(
                f"texts.{head.default_language}",
                "is missing, though it is the default language.",
                "Write it, or name another default_language.",
            )
        return texts

    def look(self) -> Look | None:
        document = self.document.get("look", {})
        section = self.section("look", _Look, document)
        if section is None:
            # A wrong colour does not hide a missing picture.
            for name in ("logo", "banner"):
                if isinstance(document, Mapping) and isinstance(document.get(name), str):
                    self.picture(f"look.{name}", document[name])
            return None
        return Look(
            background=section.background.lower(),
            foreground=section.foreground.lower(),
            label=section.label.lower(),
            logo=self.picture("look.logo", section.logo),
            banner=self.picture("look.banner", section.banner),
        )

    def picture(self, at: str, name: str | None) -> str | None:
        from app.services.campaigns import pictures

        if name is None:
            return None
        if self.open_picture is None:
            if not re.fullmatch(r"[0-9a-f]{64}", name):
                self.fault(
                    at, "is no digest of a stored picture.", "Send it to /api/v1/pictures first."
                )
            return name
        try:
            data = self.open_picture(name)
        except OSError as error:
            self.fault(at, f"{name} cannot be read ({error.strerror}).", "Put it beside the file.")
            return None
        if (cause := pictures.fault(data)) is not None:
            self.fault(at, f"{name} {cause}.", "Save it as PNG or JPEG.")
            return None
        digest = pictures.digest(data)
        self.pictures[digest] = data
        return digest

    def many(self, at: str, model: type[MODEL]) -> list[MODEL]:
        items = self.document.get(at, [])
        if not isinstance(items, list):
            self.fault(at, "is no list.", f"Write [[{at}]] for each.")
            return []
        found = (self.section(f"{at}.{number}", model, item) for number, item in enumerate(items))
        return [item for item in found if item is not None]

    def language(self, at: str, tag: str) -> None:
        try:
            Locale.parse(tag, sep="-")
        except (UnknownLocaleError, ValueError):
            self.fault(at, f"{tag!r} is no language.", "Write a tag such as fr or pt-BR.")

    def rules(self) -> dict[str, Any] | None:
        """The stored rules; None when there are none."""
        if "rules" not in self.document:
            return None
        section = self.section("rules", RulesSection, self.document["rules"])
        return None if section is None else built(section, self.minor)

    def minor(self, at: str, amount: Decimal | None) -> int | None:
        """Minor units of an amount in the campaign's currency."""
        if amount is None:
            return None
        if self.currency is None:
            if not any(fault.at == "currency" for fault in self.faults):
                self.fault("currency", "is missing.", f"{at} is an amount of it: write EUR, say.")
            return None
        digits = get_currency_precision(self.currency)
        minor = amount.scaleb(digits)
        if minor != minor.to_integral_value():
            self.fault(
                at, f"has more than {digits} decimals.", f"{self.currency} has {digits}: round it."
            )
            return None
        if minor == 0 and not at.endswith("pin_above"):
            self.fault(at, "is zero.", "Write a positive amount, or leave it out.")
        return int(minor)


def _instant(moment: dt.date | dt.datetime | None, zone: ZoneInfo, *, end: bool) -> Any:
    """A moment in UTC; a bare date begins with its first instant or ends with its last."""
    if moment is None:
        return None
    if not isinstance(moment, dt.datetime):
        first = start_of_day(moment, zone)
        return end_of_day(first, zone) if end else first
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(dt.UTC)


def _sentence(text: str) -> str:
    text = text.removeprefix("Value error, ")
    return text if text.endswith(".") else text + "."
