"""The options of a campaign file, samples of them, and campaigns to write them into.

The options are read from the model of the file, so that a new one is asked for a sample here.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from app.domain import minting
from app.domain.campaign import Authority, Source
from app.domain.kinds import KINDS
from app.services.campaigns.file.document import CampaignFile
from app.services.campaigns.file.reading import table_of


def options_of(model: type[BaseModel], at: str) -> Iterator[str]:
    """The places of a model's options; those of a list are in its first entry."""
    for name, described in model.model_fields.items():
        place = f"{at}.{described.alias or name}".lstrip(".")
        annotation = table_of(described.annotation)
        if get_origin(annotation) in (list, dict):
            inner = table_of(get_args(annotation)[-1])
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                key = ".0" if get_origin(annotation) is list else ".en"
                yield from options_of(inner, place + key)
                continue
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from options_of(annotation, place)
        else:
            yield place


OPTIONS = tuple(options_of(CampaignFile, ""))


@dataclass(frozen=True)
class Sample:
    """A value of an option, and what has to stand beside it to be understood at all."""

    value: Any
    beside: Mapping[str, Any] = field(default_factory=dict)


_DIGEST = "ab" * 32
_TIER = {"rules.tiers.0.key": "first"}
_VARIANT = {"rules.variants.0.key": "arm"}
_WHEN = {**_TIER, "rules.tiers.0.when.0.fact": "score"}
_FACT = {"rules.tiers.0.when.0.fact": "score", "rules.tiers.0.when.0.above": 500}
_STOP = {"rules.stops.0.event": "bought"}
_STOPS = {"rules.stops.0.when.0.fact": "score"}
_FREQUENCY = {"rules.frequency.group": "all"}
_FIELD = {"fields.0.key": "size", "fields.0.label": {"en": "Size"}, "fields.0.value": {"en": "L"}}
_LINK = {"links.0.url": "https://shop.example", "links.0.label": {"en": "Shop"}}
_PLACE = {"places.0.latitude": 48.8, "places.0.longitude": 2.3}
_GERMAN = {"texts.de": {"title": "Frühling", "offer": "Heute"}}


def _value(beside: Mapping[str, Any], at: str) -> dict[str, Sample]:
    """Samples of a value, which a tier and a variant write alike."""
    return {
        f"{at}.percent": Sample(35, beside),
        f"{at}.amount": Sample("7.00", beside),
        f"{at}.cap": Sample("9.00", {**beside, f"{at}.percent": 35}),
        f"{at}.free_shipping": Sample(True, beside),
        f"{at}.card": Sample("40.00", beside),
        f"{at}.campaign": Sample("other", beside),
        f"{at}.texts.en.offer": Sample("−35 %", beside),
        f"{at}.texts.en.terms": Sample("Once.", {**beside, f"{at}.texts.en.offer": "x"}),
    }


def _compared(beside: Mapping[str, Any], at: str) -> dict[str, Sample]:
    """Samples of a condition's comparisons; a condition without any is none."""
    return {
        f"{at}.{name}": Sample(value, beside)
        for name, value in {
            **dict.fromkeys(("at_least", "above", "at_most", "below", "is", "is_not"), 400),
            "one_of": ["400", "600"],
        }.items()
    }


SAMPLES: dict[str, Sample] = {
    "key": Sample("summer"),
    "name": Sample("Summer"),
    "kind": Sample("gift_card"),
    "authority": Sample("external"),
    "timezone": Sample("America/New_York", {"validity.days": 3}),
    "currency": Sample("USD"),
    "default_language": Sample("de", _GERMAN),
    "organization": Sample("Cinema"),
    "expiry_notice": Sample(False),
    "codes.source": Sample("list"),
    "codes.code": Sample("SUN30"),
    "codes.limit": Sample(7),
    "codes.pattern": Sample("SUN-{random:20}"),
    "codes.alphabet": Sample(minting.ALPHABET[::-1]),
    "codes.check": Sample(False),
    "codes.insist": Sample(True, {"codes.pattern": "SUN-####"}),
    "codes.pin_digits": Sample(4),
    "codes.low_stock": Sample(50),
    "benefit.type": Sample("free_shipping"),
    "benefit.percent": Sample(35),
    "benefit.amount": Sample("7.00", {"benefit.type": "amount"}),
    "benefit.cap": Sample("9.00"),
    "validity.starts": Sample("2026-06-01"),
    "validity.ends": Sample("2026-09-01"),
    "validity.anchor": Sample("send", {"validity.days": 5}),
    "validity.days": Sample(5),
    "validity.hours": Sample(5),
    "limits.uses": Sample(3),
    "limits.uses_per_recipient": Sample(2),
    "limits.uses_per_day": Sample(2),
    "limits.hours.0.weekdays": Sample([6], {"limits.hours.0.closes": "23:00"}),
    "limits.hours.0.opens": Sample("11:00", {"limits.hours.0.closes": "23:00"}),
    "limits.hours.0.closes": Sample("11:00"),
    "limits.stores": Sample(["rome"]),
    "limits.terminals": Sample(["7"]),
    "limits.channels": Sample(["online"]),
    "limits.min_basket": Sample("90.00"),
    "limits.products.skus": Sample(["SHOE-1"]),
    "limits.products.prefixes": Sample(["HAT"]),
    "limits.products.categories": Sample(["hats"]),
    "limits.combinable": Sample(False),
    "limits.holder_required": Sample(True),
    "limits.refund_days": Sample(10),
    "gift_card.amount": Sample("40.00"),
    "gift_card.pin_above": Sample("5.00", {"codes.pin_digits": 4}),
    "gift_card.operator_cap": Sample("500.00"),
    "gift_card.load_cap": Sample("100.00"),
    "budget.uses": Sample(100),
    "budget.amount": Sample("1000.00"),
    "birthday.days_ahead": Sample(4),
    "birthday.leap_day": Sample("march_1"),
    "birthday.catch_up_days": Sample(2),
    "texts.en.title": Sample("Other"),
    "texts.en.offer": Sample("Now"),
    "texts.en.description": Sample("Everything."),
    "texts.en.terms": Sample("Once."),
    "look.background": Sample("#112233"),
    "look.foreground": Sample("#eeeeee"),
    "look.label": Sample("#eeeedd"),
    "look.logo": Sample(_DIGEST),
    "look.banner": Sample(_DIGEST, {"look.logo": "cd" * 32}),
    "fields.0.key": Sample("shoe", _FIELD),
    "fields.0.label": Sample({"en": "Shoe"}, _FIELD),
    "fields.0.value": Sample({"en": "M"}, _FIELD),
    "fields.0.front": Sample(True, _FIELD),
    "links.0.url": Sample("https://other.example", _LINK),
    "links.0.label": Sample({"en": "Other"}, _LINK),
    "places.0.latitude": Sample(1.5, _PLACE),
    "places.0.longitude": Sample(1.5, _PLACE),
    "places.0.text": Sample({"en": "Here"}, _PLACE),
    "barcode.profile": Sample("code"),
    "barcode.symbology": Sample("aztec"),
    **_value({**_TIER, **_FACT}, "rules.tiers.0"),
    "rules.tiers.0.key": Sample("second", _TIER),
    "rules.tiers.0.nothing": Sample(True, _TIER),
    **_compared(_WHEN, "rules.tiers.0.when.0"),
    "rules.tiers.0.when.0.fact": Sample("points", _WHEN | {"rules.tiers.0.when.0.above": 450}),
    **_value(_VARIANT, "rules.variants.0"),
    "rules.variants.0.key": Sample("other", _VARIANT),
    "rules.variants.0.weight": Sample(0, {**_VARIANT, "rules.variants.1.key": "rest"}),
    "rules.holdout_percent": Sample(50),
    "rules.frequency.group": Sample("some", _FREQUENCY),
    "rules.frequency.count": Sample(4, _FREQUENCY),
    "rules.frequency.days": Sample(4, _FREQUENCY),
    **_compared(_STOPS, "rules.stops.0.when.0"),
    "rules.stops.0.when.0.fact": Sample("points", _STOPS | {"rules.stops.0.when.0.above": 450}),
    "rules.stops.0.event": Sample("left", _STOP),
    "rules.stops.0.days": Sample(9, _STOP),
    "rules.stops.0.withdraw": Sample(False, _STOP),
    "rules.points": Sample({"visit": 500}, _WHEN | {
        "rules.tiers.0.when.0.fact": "points", "rules.tiers.0.when.0.above": 450,
    }),
    "rules.points_within_days": Sample(30, {"rules.points": {"visit": 500}}),
    "rules.most_vouchers": Sample(7),
    "rules.most_cost": Sample("99.00"),
}  # fmt: skip

#: Kinds, authorities and sources of codes, each bare and with a little of it.
CONTEXTS = tuple(product(KINDS, Authority, Source, (False, True)))


def campaign_of(
    kind: str, authority: Authority, source: Source, rich: bool, beside: Mapping[str, Any]
) -> dict[str, Any]:
    """A campaign without anything that needs not be, or with a little of it."""
    found: dict[str, Any] = {
        "key": "spring",
        "name": "Spring",
        "kind": kind,
        "authority": authority.value,
        "currency": "EUR",
        "codes": {"source": source.value},
        "texts": {"en": {"title": "Spring", "offer": "Today"}},
    }
    if authority is Authority.PASSERELLE:
        del found["authority"]
    if authority is Authority.PARTNER:
        found["organization"] = "Partner"
    if source is Source.SHARED:
        found["codes"]["code"] = "SUN20"
    if KINDS[kind].holds_money:
        found["gift_card"] = {"amount": "15.00"}
    else:
        found["benefit"] = {"type": "percent", "percent": 20} if rich else {"type": "gift"}
    if rich:
        found["birthday"] = {} if source is not Source.SHARED else None
        found = {name: value for name, value in found.items() if value is not None}
    for place, value in beside.items():
        write(found, place, value)
    return found


def write(found: Any, place: str, value: Any) -> None:
    *way, last = place.split(".")
    for number, part in enumerate(way):
        following = (*way, last)[number + 1]
        empty: Any = [] if following.isdigit() else {}
        found = _step(found, part, empty)
    if isinstance(found, list):
        raise AssertionError(place)
    found[last] = copy.deepcopy(value)


def _step(found: Any, part: str, empty: Any) -> Any:
    if isinstance(found, list):
        while len(found) <= int(part):
            found.append({})
        return found[int(part)]
    return found.setdefault(part, empty)
