"""Every option of a campaign file does something wherever it is accepted, or is refused there.

The options are read from the models of the file, so that a new one is asked for a sample here. Each
is written into a campaign of every kind, authority and source of codes, and what vouchers of it are
and do is compared with that of the same campaign without it.
"""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import product
from typing import Any, get_args, get_origin
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel
from sqlalchemy import select

from app.domain import baskets, birthdays, ledger, minting, rules, values
from app.domain.baskets import Basket, Line
from app.domain.campaign import Authority, BarcodeProfile, BenefitType, Source
from app.domain.kinds import KINDS
from app.domain.rules import Place, Standing
from app.domain.validity import window
from app.services import campaigns, issuing
from app.services.campaigns import CampaignFault, Draft
from app.services.campaigns.file import document as whole
from app.services.campaigns.file import sections
from app.services.campaigns.file.reading import _table
from app.services.campaigns.rules import RulesSection, read_rules
from app.services.campaigns.shared import shared_presentation
from app.services.campaigns.wording import worded
from app.services.deployment import Deployment
from app.services.issuing import Outcome, Person, Wanted
from app.store.models import Voucher
from passes import artwork
from tests.marketing import apply, apply_document, card, document
from tests.shop import Shop

_ROOTS: dict[str, type[BaseModel]] = {
    "codes": sections.Codes,
    "benefit": sections.Benefit,
    "validity": sections.Validity,
    "limits": sections.Limits,
    "gift_card": sections.GiftCard,
    "budget": sections.Budget,
    "birthday": sections.Birthday,
    "rules": RulesSection,
    "texts.en": sections.Texts,
    "look": sections.Look,
    "fields.0": sections.ExtraField,
    "links.0": sections.Link,
    "places.0": sections.Place,
    "barcode": sections.Barcode,
}


def _options(model: type[BaseModel], at: str) -> Iterator[str]:
    """The places of a model's options; those of a list are in its first entry."""
    for name, described in model.model_fields.items():
        place = f"{at}.{described.alias or name}".lstrip(".")
        annotation = _table(described.annotation)
        if get_origin(annotation) in (list, dict):
            inner = _table(get_args(annotation)[-1])
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                key = ".0" if get_origin(annotation) is list else ".en"
                yield from _options(inner, place + key)
                continue
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from _options(annotation, place)
        else:
            yield place


OPTIONS = (
    *_options(sections.Head, ""),
    *(place for at, model in _ROOTS.items() for place in _options(model, at)),
)


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

CONTEXTS = tuple(product(KINDS, Authority, Source, (False, True)))


def test_every_option_of_the_file_has_a_sample_and_every_section_is_walked() -> None:
    assert {at.split(".")[0] for at in _ROOTS} == whole._SECTIONS
    assert set(OPTIONS) == set(SAMPLES)


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_does_something_wherever_it_is_accepted_or_is_refused_there(option: str) -> None:
    sample = SAMPLES[option]
    accepted = 0
    for context in CONTEXTS:
        without = _campaign(*context, sample.beside)
        written = copy.deepcopy(without)
        _write(written, option, sample.value)
        if written == without:
            accepted += 1
            continue
        before, after = _read(without), _read(written)
        if isinstance(after, CampaignFault):
            assert all(fault.cause and fault.remedy for fault in after.faults)
            if not isinstance(before, CampaignFault):
                places = (option, *sample.beside)
                near = [fault.at for fault in after.faults if _near(fault.at, places)]
                assert near, (context, [str(fault) for fault in after.faults])
            continue
        accepted += 1
        # Where the campaign cannot be without it, being one is what it does.
        assert isinstance(before, CampaignFault) or _observed(before) != _observed(after), context
    assert accepted, "The option is refused everywhere."


def _near(at: str, places: tuple[str, ...]) -> bool:
    """Whether a fault names an option, its table, or what it decides about."""
    return any(
        at == place or at.startswith(f"{place}.") or place.startswith(f"{at}.")
        or at.split(".")[0] == place.split(".")[0]
        for place in places
    ) or places[0] in ("kind", "authority", "codes.source")  # fmt: skip


def _campaign(
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
        _write(found, place, value)
    return found


def _write(found: Any, place: str, value: Any) -> None:
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


def _read(described: dict[str, Any]) -> Draft | CampaignFault:
    try:
        return campaigns.read_document(described)
    except CampaignFault as fault:
        return fault


# -- what vouchers of a campaign are and do ------------------------------------------------------

_NOW = dt.datetime(2026, 6, 3, 8, 30, tzinfo=dt.UTC)
_BASKET = Basket(
    currency="EUR",
    lines=(
        Line(id="1", amount_minor=6000, sku="SHOE-1", category="shoes"),
        Line(id="2", amount_minor=2000, sku="HAT-1", category="hats"),
    ),
)
_BASKETS = (None, replace(_BASKET, currency="USD"), *(
    replace(_BASKET, lines=lines) for lines in (_BASKET.lines, _BASKET.lines[:1], _BASKET.lines[1:])
))  # fmt: skip
_PLACES = (
    *(Place(store=store, terminal=till) for store in ("paris", "rome") for till in ("1", "7")),
    Place(channel="online"),
)
_FACTS = tuple({"score": score} for score in (300, 400, 500, 600))


def _observed(draft: Draft) -> dict[str, Any]:
    """What a voucher is, says and does, as the functions say that tills and wallets ask."""
    kind, terms, zone = KINDS[draft.kind], draft.terms, ZoneInfo(draft.timezone)
    money, partner = kind.holds_money, draft.authority is Authority.PARTNER
    minted = draft.source in (Source.GENERATED, Source.ON_DEMAND)
    options = draft.source_options
    reported = not money and draft.authority is not Authority.PASSERELLE
    pins = {Source.LIST: True, Source.GENERATED: bool(options.get("pin_digits"))}
    costs = terms.benefit.type in (BenefitType.PERCENT, BenefitType.AMOUNT)
    return {
        "addressed": (draft.key, draft.name),
        "opening": kind.opening_balance(terms, code_amount=None),
        "reported": reported and terms.benefit,
        "booked in": draft.currency,
        "window": [
            window(terms.validity, zone, issued_at=issued, sent_at=sent, added_at=added)
            for issued, sent, added in (
                (_NOW, None, None),
                (_NOW, _NOW + dt.timedelta(days=1), _NOW + dt.timedelta(days=2)),
                (_NOW + dt.timedelta(days=200), None, None),
            )
        ],
        "till": list(_at_tills(draft)),
        "together": not (money or partner) and rules.combinable(terms, [terms]),
        "taken back": not partner and [
            ledger.taking_back(
                _NOW, same_till=False, zone=zone, refund_days=terms.refund_days,
                now=_NOW + dt.timedelta(days=days),
            )
            for days in (5, 50)
        ],
        "per recipient": not money and (terms.uses_per_recipient, terms.uses_per_day),
        "uses": kind.uses(terms),
        "budget": (not money and draft.budget_uses, draft.budget_minor)
        if money or costs or reported or draft.rules
        else draft.budget_uses,
        "pin": money and pins.get(draft.source) and terms.pin_above_minor,
        "pins": money and draft.source is Source.GENERATED and options.get("pin_digits"),
        "operators": money and terms.operator_cap_minor,
        "loads": money and terms.load_cap_minor,
        "codes": _made(draft) if minted else None,
        "shared": draft.source is Source.SHARED and (options["code"], options.get("limit")),
        "stock": draft.source in (Source.LIST, Source.GENERATED)
        and (draft.source, options.get("low_stock")),
        "birthdays": _celebrated(draft),
        "decisions": list(_decided(draft)),
        "pass": _shown(draft),
    }  # fmt: skip


def _at_tills(draft: Draft) -> Iterator[Any]:
    money = KINDS[draft.kind].holds_money
    probes = (
        *((place, _BASKET, False, 0) for place in _PLACES),
        *((_PLACES[0], basket, False, 0) for basket in _BASKETS),
        *((_PLACES[0], _BASKET, bare, hour) for bare in (False, True) for hour in (0, 4, 100)),
    )
    for place, basket, bare, hour in probes:
        standing = Standing(
            status="active", starts_at=None, ends_at=None,
            uses=KINDS[draft.kind].uses(draft.terms), used=0, held=0, balance_minor=1500,
            held_minor=0, replaced=False, campaign_status="live", authority=draft.authority,
            currency=draft.currency, timezone=draft.timezone, holds_money=money,
            bare=bare and draft.source is Source.SHARED,
            budgeted=draft.budget_minor is not None,
        )  # fmt: skip
        now = _NOW + dt.timedelta(hours=hour)
        against = rules.objections(standing, draft.terms, place=place, basket=basket, now=now)
        if not money and not against and basket is not None:
            left = [line.amount_minor for line in basket.lines]
            yield draft.terms.benefit.type, baskets.discount(draft.terms.benefit, left)
        if money:
            against += rules.money_objections(standing, 500, "EUR")
        yield against


def _made(draft: Draft) -> tuple[str, ...]:
    options = draft.source_options
    recipe = minting.Recipe.read(
        options.get("pattern") or minting.PATTERNS[draft.kind],
        alphabet=options["alphabet"],
        check=options["check"],
    )
    return draft.source, *recipe.mint(1, today=_NOW.date(), entropy=bytes)


def _celebrated(draft: Draft) -> Any:
    if draft.birthday is None:
        return None
    said = draft.birthday
    leap = birthdays.LeapDay(said["leap_day"])
    return (
        birthdays.due_days(
            _NOW.date(),
            days_ahead=said["days_ahead"],
            done_through=_NOW.date() - dt.timedelta(days=20),
            catch_up_days=said["catch_up_days"],
        ),
        birthdays.celebrated(dt.date(2000, 2, 29), 2026, leap_day=leap),
    )


def _decided(draft: Draft) -> Iterator[Any]:
    if draft.rules is None:
        return
    found = read_rules(draft.rules)
    # What the clock, the budget and the stopping ask for by themselves.
    yield found.frequency, found.most_vouchers, found.most_minor, found.points_since(_NOW)
    yield [(stop.event, stop.days, stop.withdraw) for stop in found.stops]
    for facts, recipient, lately, visits in product(_FACTS, "abc", (0, 2), (0, 1)):
        points = values.points(found, {"visit": visits})
        for done in ((), ("bought",), ("left",)):
            given = values.decide(
                found, {**facts, "points": points}, seed=b"s" * 16, recipient=recipient,
                lately=lately, done=done,
            )  # fmt: skip
            yield given
            if isinstance(given, values.Given):
                said = worded(draft.presentation, given.grant, currency=draft.currency)
                yield given.grant.terms(draft.terms), said.texts, given.grant.campaign


@cache
def _drawn() -> artwork.Artwork:
    return artwork.monogram("Shop", background="#1f3a5f", foreground="#ffffff")


def _shown(draft: Draft) -> Any:
    presentation = draft.presentation
    shared = shared_presentation(
        presentation, kind=draft.kind, name=draft.name, organization="Shop", artwork=_drawn()
    )
    bare = presentation.barcode is BarcodeProfile.CODE or draft.authority is Authority.PARTNER
    # A profile allows symbologies: those that it takes are what it means where it is the only one.
    return (
        shared, presentation.look, bare, presentation.symbology, presentation.barcode,
        presentation.expiry_notice,
    )  # fmt: skip


# -- what is refused, by name --------------------------------------------------------------------


def _places(described: dict[str, Any]) -> set[str]:
    found = _read(described)
    assert isinstance(found, CampaignFault)
    return {fault.at for fault in found.faults}


@pytest.mark.parametrize(
    ("described", "expected"),
    [
        (document(rules={"variants": [{"key": "a", "card": "5"}]}), {"rules.variants.0.card"}),
        (card(rules={"tiers": [{"key": "a", "amount": "5"}]}), {"rules.tiers.0.amount"}),
        (card(rules={"tiers": [{"key": "a", "percent": 5}]}), {"rules.tiers.0.percent"}),
        (card(rules={"tiers": [{"key": "a", "percent": 5, "cap": "9"}]}),
         {"rules.tiers.0.percent", "rules.tiers.0.cap"}),
        (document(rules={"tiers": [{"key": "a", "percent": 5, "amount": "5"}]}),
         {"rules.tiers.0.amount"}),
        (document(rules={"tiers": [{"key": "a", "amount": "5", "cap": "9"}]}),
         {"rules.tiers.0.cap"}),
        (document(rules={"tiers": [{"key": "a", "nothing": True, "percent": 5}]}),
         {"rules.tiers.0.percent"}),
        (document(rules={"tiers": [{"key": "a"}, {"key": "b", "percent": 5}]}),
         {"rules.tiers.1"}),
        (document(rules={"tiers": [{"key": "a", "texts": {"en": {}}}]}),
         {"rules.tiers.0.texts.en"}),
        (document(rules={"stops": [{"when": [{"fact": "vip", "is": "no"}], "days": 3}]}),
         {"rules.stops.0.days"}),
        (document(rules={"points": {"visit": {"worth": 1, "within_days": 9}}}), {"rules.points"}),
        (document(rules={"points_within_days": 365}), {"rules.points_within_days"}),
        (document(rules={"points": {"visit": 1}, "points_within_days": 0}),
         {"rules.points_within_days"}),
        # An amount that is compared with words was an error of the server.
        (document(rules={"stops": [{"when": [{"fact": "basket", "is": "large"}]}]}),
         {"rules.stops.0.when.0.is"}),
        (document(rules={"tiers": [{"key": "a", "when": [
            {"fact": "lifetime", "one_of": ["9", "much"]}]}]}),
         {"rules.tiers.0.when.0.one_of"}),
        (card(codes={"source": "on_demand", "pin_digits": 4}, gift_card={"pin_above": "0"}),
         {"codes.pin_digits", "gift_card.pin_above"}),
        (card(codes={"source": "generated"}, gift_card={"pin_above": "5"}),
         {"gift_card.pin_above"}),
        (card(limits={"channels": []}), {"limits.channels"}),
        (document(limits={"hours": [{"weekdays": []}]}), {"limits.hours.0.weekdays"}),
        (document(limits={"products": {"prefixes": [" "]}}), {"limits.products.prefixes.0"}),
        (document(fields=[{"key": "a", "label": {"fr": "A"}, "value": {"en": ""}}]),
         {"fields.0.value", "fields.0.label.fr"}),
        (document(links=[{"url": "https://x.example", "label": {"it": "A"}}]),
         {"links.0.label.it"}),
        (document(authority="partner", organization="Cinema", barcode={"profile": "token"}),
         {"barcode.profile"}),
    ],
)  # fmt: skip
def test_what_nothing_would_read_is_refused_where_it_stands(
    described: dict[str, Any], expected: set[str]
) -> None:
    assert _places(described) == expected


@pytest.mark.parametrize(
    ("changes", "at", "named"),
    [
        ({"limits": {"product": {}}}, "limits.product", "uses, uses_per_recipient"),
        ({"limits": {"products": {"sku": []}}}, "limits.products.sku", "Use skus, prefixes, cat"),
        ({"limits": {"hours": [{"from": 9}]}}, "limits.hours.0.from", "weekdays, opens"),
        ({"rules": {"tiers": [{"key": "a", "percents": 5}]}},
         "rules.tiers.0.percents", "percent,"),
        ({"rules": {"tiers": [{"key": "a", "texts": {"en": {"title": "A"}}}]}},
         "rules.tiers.0.texts.en.title", "Use offer, terms."),
        ({"rules": {"stops": [{"event": "x", "when": [{"fact": "a", "is": 1, "over": 2}]}]}},
         "rules.stops.0.when.0.over", "below, is, is_not"),
        ({"rules": {"frequency": {"group": "a", "per": 2}}},
         "rules.frequency.per", "Use group, count, days."),
        ({"fields": [{"key": "a", "label": {}, "value": {"en": "x"}, "text": 1}]},
         "fields.0.text", "Use key, label, value, front."),
    ],
)  # fmt: skip
def test_the_remedy_of_an_unknown_name_says_those_of_its_own_table(
    changes: dict[str, Any], at: str, named: str
) -> None:
    found = _read(document(**changes))
    assert isinstance(found, CampaignFault)
    assert [fault.remedy for fault in found.faults if fault.at == at and named in fault.remedy]


def test_a_value_of_another_campaign_and_a_till_have_to_be_there(
    deployment: Deployment,
) -> None:
    Shop(deployment).store("paris", terminals=("1",))
    apply_document(deployment, card(key="money"))

    def faults(**changes: Any) -> list[str]:
        try:
            apply(deployment, **changes)
        except CampaignFault as fault:
            return [each.at for each in fault.faults]
        return []

    def borrowing(**value: Any) -> dict[str, Any]:
        return {"rules": {"tiers": [{"key": "a", **value}]}}

    assert faults(**borrowing(campaign="nowhere")) == ["rules.tiers.0.campaign"]
    assert faults(**borrowing(campaign="money", percent=5)) == ["rules.tiers.0.campaign"]
    assert faults(**borrowing(campaign="money", card="5.00")) == []
    assert faults(limits={"terminals": ["1"]}) == []
    assert faults(limits={"terminals": ["9"]}) == ["limits.terminals"]
    assert faults(limits={"stores": ["rome"], "terminals": ["1"]}) == [
        "limits.stores", "limits.terminals",
    ]  # fmt: skip


def test_a_campaign_that_was_stored_with_what_nothing_reads_goes_on(
    deployment: Deployment,
) -> None:
    """Before it was refused, such a file was applied: its cards are issued and taken as ever."""
    draft = _read(card())
    assert isinstance(draft, Draft)
    odd = replace(
        draft,
        authority=Authority.EXTERNAL,
        source_options={**draft.source_options, "pin_digits": 4, "low_stock": 9},
        budget_uses=5,
        terms=replace(
            draft.terms, pin_above_minor=0, combinable=False, min_basket_minor=900, uses=2
        ),
    )
    keyring = deployment.keyring
    with deployment.database.read() as session:
        tried = campaigns.try_out(session, odd, organization="Shop", keyring=keyring)
    with deployment.database.write() as session:
        plan = campaigns.plan(session, tried)
        campaigns.apply(session, plan, keyring, now=deployment.now())
    with deployment.database.read() as session:
        stored = campaigns.find(session, "card")
        assert stored is not None
        assert campaigns.terms_of(campaigns.latest_revision(session, stored)) == odd.terms
    wanted = [Wanted(person=Person(external_id="ada"))]
    (batch,) = issuing.issue_many(deployment, "card", wanted, Outcome())
    with deployment.database.read() as session:
        assert session.scalars(select(Voucher.balance_minor)).one() == 1500
    assert len(batch.issued) == 1


def test_a_card_of_another_amount_says_its_own_amount_in_each_language() -> None:
    draft = _read(
        card(
            texts={"en": {"title": "A", "offer": "€15"}, "fr": {"title": "A", "offer": "15 €"}},
            rules={"tiers": [{"key": "best", "card": "30.00"}]},
        )
    )
    assert isinstance(draft, Draft)
    (tier,) = read_rules(draft.rules).tiers
    assert tier.grant is not None

    said = worded(draft.presentation, tier.grant, currency=draft.currency)

    assert {language: texts.offer for language, texts in said.texts.items()} == {
        "en": "€30.00",
        "fr": "30,00\u00a0€",
    }
