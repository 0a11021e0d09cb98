"""Every option of a campaign file does something wherever it is accepted, or is refused there.

The options and their samples are those of `tests.campaign_options`. Each is written into a
campaign of every kind, authority and source of codes, and what vouchers of it are and do is
compared with that of the same campaign without it.
"""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from app.domain import baskets, birthdays, ledger, minting, rules, values
from app.domain.baskets import Basket, Line
from app.domain.campaign import Authority, BarcodeProfile, BenefitType, Source
from app.domain.kinds import KINDS
from app.domain.rules import PlaceOfUse, Standing
from app.domain.validity import window
from app.services import campaigns, issuance
from app.services.campaigns import CampaignFault, Draft
from app.services.campaigns.file.document import CampaignFile
from app.services.campaigns.shared import shared_presentation
from app.services.campaigns.value_rules import read_rules
from app.services.campaigns.value_texts import worded
from app.services.deployment import Deployment
from app.services.issuance import (
    IssueOutcome,
    Person,
    VoucherRequest,
)
from app.store.models import Voucher
from passes import artwork
from tests.campaign_options import CONTEXTS, OPTIONS, SAMPLES, campaign_of, write
from tests.marketing import apply, apply_document, card, document
from tests.shop import Shop


def test_every_option_of_the_file_has_a_sample_and_every_section_is_walked() -> None:
    assert {at.split(".")[0] for at in OPTIONS} == set(CampaignFile.model_fields)
    assert set(OPTIONS) == set(SAMPLES)


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_does_something_wherever_it_is_accepted_or_is_refused_there(option: str) -> None:
    sample = SAMPLES[option]
    accepted = 0
    for context in CONTEXTS:
        without = campaign_of(*context, sample.beside)
        written = copy.deepcopy(without)
        write(written, option, sample.value)
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
    *(PlaceOfUse(store=store, terminal=till) for store in ("paris", "rome") for till in ("1", "7")),
    PlaceOfUse(channel="online"),
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
        options.get("pattern") or KINDS[draft.kind].code_pattern,
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
    wanted = [VoucherRequest(person=Person(external_id="ada"))]
    (batch,) = issuance.issue_many(deployment, "card", wanted, IssueOutcome())
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
