"""This module refuses options that nothing reads in such a campaign.

An option says something where its value is not the one that it has when it is left out. `UNREAD`
names those that count in some campaigns only; what depends on the very values beside it is below.
Stored campaigns are never asked: one that was stored with such an option goes on as it did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from pydantic import BaseModel

from app.domain.campaign import Authority, BarcodeProfile, BenefitType, Source
from app.domain.kinds import KINDS
from app.domain.values import AMOUNTS
from app.services.campaigns.file import sections
from app.services.campaigns.file.draft import DocumentFault
from app.services.campaigns.file.rule_sections import (
    ConditionSection,
    RulesSection,
    TierSection,
    ValueSection,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a campaign is, as far as it decides which options count.

    Args:
        has_rules: whether rules give values of their own.
    """

    money: bool
    authority: Authority
    source: Source | None
    pin_digits: int
    benefit: BenefitType | None
    has_rules: bool

    @property
    def partner(self) -> bool:
        return self.authority is Authority.PARTNER

    @property
    def minted(self) -> bool:
        return self.source in (Source.GENERATED, Source.ON_DEMAND)


@dataclass(frozen=True, slots=True)
class Unread:
    """Where an option counts for nothing, why, and what to do."""

    at: str
    where: Callable[[Setting], bool]
    cause: str
    remedy: str


def _of_coupons(at: str, remedy: str = "A gift card is spent in parts: leave it out.") -> Unread:
    return Unread(at, lambda setting: setting.money, "is for coupons.", remedy)


def _of_own_tills(at: str) -> Unread:
    return Unread(
        at,
        lambda setting: setting.partner,
        "is for the partner to decide.",
        "Tills here take no code of a partner's: leave it out, and say it in the texts.",
    )


def _of_minted_codes(at: str) -> Unread:
    return Unread(
        at,
        lambda setting: setting.source is not None and not setting.minted,
        "is for codes that are made here.",
        "Leave it out, or use generated or on_demand codes.",
    )


UNREAD = (
    Unread(
        "authority",
        lambda setting: setting.money and setting.authority is Authority.EXTERNAL,
        "is external.",
        "A web shop reports uses of coupons; money is taken by a till: leave it out.",
    ),
    _of_minted_codes("codes.alphabet"),
    _of_minted_codes("codes.check"),
    _of_minted_codes("codes.insist"),
    Unread(
        "codes.pin_digits",
        lambda setting: not setting.money,
        "is for gift cards.",
        "No till asks a PIN for a coupon: leave it out.",
    ),
    Unread(
        "codes.pin_digits",
        lambda setting: setting.money and setting.source is Source.LIST,
        "is for generated codes.",
        "Leave it out: the codes that you import bring their PINs in a column pin.",
    ),
    Unread(
        "codes.pin_digits",
        lambda setting: setting.money and setting.source is Source.ON_DEMAND,
        "is for generated codes.",
        "A code made on demand has no PIN: use generated codes, or leave it out.",
    ),
    Unread(
        "codes.low_stock",
        lambda setting: setting.source in (Source.SHARED, Source.ON_DEMAND),
        "is for codes that can run out.",
        "Leave it out, or use list or generated codes.",
    ),
    Unread(
        "gift_card.pin_above",
        lambda setting: setting.source is Source.ON_DEMAND,
        "asks for a PIN that no card has.",
        "Use generated codes with pin_digits, or a list with a column pin.",
    ),
    Unread(
        "gift_card.pin_above",
        lambda setting: setting.source is Source.GENERATED and not setting.pin_digits,
        "asks for a PIN that no card has.",
        "Write codes.pin_digits as well, such as 4.",
    ),
    _of_coupons("limits.uses"),
    _of_coupons("limits.uses_per_recipient"),
    _of_coupons("limits.uses_per_day"),
    _of_coupons("limits.min_basket", "A gift card pays for any basket: leave it out."),
    _of_coupons("limits.products", "A gift card pays for any article: leave it out."),
    _of_coupons("limits.combinable", "A gift card pays beside any coupon: leave it out."),
    Unread(
        "limits.holder_required",
        lambda setting: not setting.partner and setting.source is not Source.SHARED,
        "is for a shared code.",
        "Every other code is its holder's own: leave it out.",
    ),
    *(
        _of_own_tills(f"limits.{name}")
        for name in (
            "hours",
            "stores",
            "terminals",
            "channels",
            "min_basket",
            "products",
            "combinable",
            "holder_required",
            "refund_days",
        )
    ),
    Unread(
        "budget.uses",
        lambda setting: setting.money,
        "counts uses of coupons.",
        "Use budget.amount for the money of gift cards.",
    ),
    Unread(
        "budget.amount",
        lambda setting: (
            not setting.money
            and setting.authority is Authority.PASSERELLE
            and setting.benefit not in (None, BenefitType.PERCENT, BenefitType.AMOUNT)
            and not setting.has_rules
        ),
        "is never reached.",
        "Nothing is known of what this benefit costs: use budget.uses.",
    ),
)


def faults(
    read: Mapping[str, BaseModel], head: sections.HeadSection, codes: sections.CodesSection | None
) -> Iterator[DocumentFault]:
    """Every option of a file that says something and counts for nothing.

    Args:
        read: the sections that could be read, by their names; "" is the head.
    """
    benefit = read.get("benefit")
    setting = Setting(
        money=KINDS[head.kind].holds_money,
        authority=head.authority,
        source=None if codes is None else codes.source,
        pin_digits=0 if codes is None else codes.pin_digits,
        benefit=benefit.type if isinstance(benefit, sections.BenefitSection) else None,
        has_rules="rules" in read,
    )
    for unread in UNREAD:
        section, _, name = unread.at.rpartition(".")
        if section in read and says(read[section], name) and unread.where(setting):
            yield DocumentFault(unread.at, unread.cause, unread.remedy)
    barcode = read.get("barcode")
    if (
        setting.partner
        and isinstance(barcode, sections.BarcodeSection)
        and "profile" in barcode.model_fields_set
        and barcode.profile is BarcodeProfile.TOKEN
    ):
        yield DocumentFault(
            "barcode.profile",
            "is token, which a partner's tills cannot read.",
            'Write "code", or leave it out.',
        )
    limits = read.get("limits")
    if isinstance(limits, sections.LimitsSection):
        yield from _of_limits(limits)


def says(section: BaseModel, name: str) -> bool:
    """Whether an option was written with another value than it has when it is left out."""
    field = type(section).model_fields[name]
    return name in section.model_fields_set and getattr(section, name) != field.get_default(
        call_default_factory=True
    )


def texts_faults(
    at: str, texts: Mapping[str, str], languages: Mapping[str, Any]
) -> Iterator[DocumentFault]:
    """Texts in languages that no pass of the campaign has."""
    for language in texts:
        if languages and language not in languages:
            yield DocumentFault(
                f"{at}.{language}",
                "is in no language of the campaign's passes.",
                f"Write it in {' or '.join(languages)}, or write texts.{language} as well.",
            )


def _of_limits(limits: sections.LimitsSection) -> Iterator[DocumentFault]:
    """Lists that let nobody in, and entries that name nothing."""
    if not limits.channels:
        yield DocumentFault(
            "limits.channels", "is empty.", "Name store or online, or leave it out."
        )
    for number, hours in enumerate(limits.hours):
        if not hours.weekdays:
            yield DocumentFault(
                f"limits.hours.{number}.weekdays", "is empty.", "Name days from 1, or leave it out."
            )
    named = {
        "stores": limits.stores,
        "terminals": limits.terminals,
        "products.skus": limits.products.skus,
        "products.prefixes": limits.products.prefixes,
        "products.categories": limits.products.categories,
    }
    for name, entries in named.items():
        for number, entry in enumerate(entries):
            if not entry.strip():
                yield DocumentFault(
                    f"limits.{name}.{number}", "is blank.", "Name something, or remove it."
                )


#: Values of which a tier or a variant gives one.
_COUPON = ("percent", "amount", "free_shipping")
_VALUES = (*_COUPON, "card")


def rules_faults(rules: RulesSection, *, money: bool | None) -> Iterator[DocumentFault]:
    """Every option of the rules that counts for nothing.

    Args:
        money: whether the campaign's vouchers hold money; None is not known.
    """
    rest = False
    for number, tier in enumerate(rules.tiers):
        at = f"rules.tiers.{number}"
        if rest:
            yield DocumentFault(
                at,
                "is never reached: a tier before it has no conditions.",
                "Move that one to the end, or write its conditions.",
            )
        rest = rest or not tier.when
        yield from _of_value(at, tier, money)
        yield from _of_nothing(at, tier)
        yield from _of_conditions(at, tier.when)
    for number, variant in enumerate(rules.variants):
        yield from _of_value(f"rules.variants.{number}", variant, money)
    for number, stop in enumerate(rules.stops):
        at = f"rules.stops.{number}"
        yield from _of_conditions(at, stop.when)
        if stop.event is None and says(stop, "days"):
            yield DocumentFault(f"{at}.days", "counts from an event.", "Write event as well.")
    if not rules.points and says(rules, "points_within_days"):
        yield DocumentFault(
            "rules.points_within_days",
            "is a window of points, and no event gives any.",
            "Write points as well, such as points = { purchase = 10 }.",
        )


def _of_value(at: str, value: ValueSection, money: bool | None) -> Iterator[DocumentFault]:
    given = [name for name in _VALUES if says(value, name)]
    for name in given[1:]:
        yield DocumentFault(
            f"{at}.{name}", f"is a second value beside {given[0]}.", "Keep one of them."
        )
    if says(value, "cap") and "percent" not in given:
        yield DocumentFault(
            f"{at}.cap", "limits a percentage.", "Write percent as well, or leave it out."
        )
    elif value.campaign is None and money is not None:
        yield from _of_kind(at, value, money=money)
    for language, words in value.texts.items():
        if not words.offer and not words.terms:
            yield DocumentFault(f"{at}.texts.{language}", "says nothing.", "Write offer or terms.")


def _of_kind(at: str, value: ValueSection, *, money: bool) -> Iterator[DocumentFault]:
    """Values that a voucher of this kind cannot have."""
    for name in ("card",) if not money else (*_COUPON, "cap"):
        if says(value, name):
            yield DocumentFault(
                f"{at}.{name}",
                "is for coupons." if money else "is for gift cards.",
                "Write card, the balance." if money else "Write percent, amount or free_shipping.",
            )


def _of_nothing(at: str, tier: TierSection) -> Iterator[DocumentFault]:
    if not tier.nothing:
        return
    for name in (*_VALUES, "cap", "campaign", "texts"):
        if says(tier, name):
            yield DocumentFault(
                f"{at}.{name}", "stands beside nothing = true.", "Keep one of them."
            )


def _of_conditions(at: str, conditions: list[ConditionSection]) -> Iterator[DocumentFault]:
    """Amounts that are compared with words."""
    for number, condition in enumerate(conditions):
        operator, value = condition.compared()[0]
        if condition.fact not in AMOUNTS:
            continue
        for each in value if isinstance(value, list) else [value]:
            try:
                Decimal(each)
            except InvalidOperation:
                yield DocumentFault(
                    f"{at}.when.{number}.{operator}",
                    f"{each!r} is no amount, and {condition.fact} is one.",
                    'Write it as "15.00".',
                )
