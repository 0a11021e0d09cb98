"""Overrides: terms for all holders, in their favour unless forced, term by term."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from app.domain import overrides
from app.domain.campaign import Benefit, BenefitType, Terms
from app.domain.overrides import Override

NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
LATER = NOON + dt.timedelta(days=1)


def percent(number: str) -> Terms:
    return Terms(benefit=Benefit(type=BenefitType.PERCENT, percent=Decimal(number)))


def amount(minor: int) -> Terms:
    return Terms(benefit=Benefit(type=BenefitType.AMOUNT, minor=minor))


@pytest.mark.parametrize(
    ("own", "set_to", "kindly", "forced"),
    [(NOON, LATER, LATER, LATER), (LATER, NOON, LATER, NOON), (None, NOON, None, NOON)],
)
def test_an_end_is_only_put_off_unless_forced(
    own: dt.datetime | None, set_to: dt.datetime, kindly: dt.datetime | None, forced: dt.datetime
) -> None:
    assert overrides.end_for(own, Override(ends_at=set_to)) == kindly
    force = frozenset({"ends_at"})
    assert overrides.end_for(own, Override(ends_at=set_to, forced=force)) == forced


@pytest.mark.parametrize(
    ("own", "set_to", "kindly", "forced"), [(1, 3, 3, 3), (3, 1, 3, 1), (None, 2, None, 2)]
)
def test_uses_are_only_added_unless_forced(
    own: int | None, set_to: int, kindly: int | None, forced: int
) -> None:
    assert overrides.uses_for(own, Override(uses=set_to)) == kindly
    assert overrides.uses_for(own, Override(uses=set_to, forced=frozenset({"uses"}))) == forced


def test_a_benefit_only_grows_unless_forced_and_never_becomes_another() -> None:
    thirty, ten_euros = Override(percent=Decimal(30)), Override(amount_minor=1000)
    assert overrides.terms_for(percent("20"), thirty).benefit.percent == 30
    assert overrides.terms_for(percent("40"), thirty).benefit.percent == 40
    assert overrides.terms_for(amount(500), ten_euros).benefit.minor == 1000
    assert overrides.terms_for(amount(1500), ten_euros).benefit.minor == 1500
    assert overrides.terms_for(amount(500), thirty) == amount(500)
    force = frozenset(overrides.TERMS)
    forced = Override(percent=Decimal(30), forced=force)
    assert overrides.terms_for(percent("40"), forced).benefit.percent == 30
    forced = Override(amount_minor=1000, forced=force)
    assert overrides.terms_for(amount(1500), forced).benefit.minor == 1000


@pytest.mark.parametrize(
    ("own", "set_to", "kindly", "forced"),
    [
        (2500, 1000, 1000, 1000),
        (2500, 5000, 2500, 5000),
        (None, 1000, None, 1000),
        (2500, 0, None, None),
    ],
)
def test_a_smallest_basket_only_shrinks_unless_forced(
    own: int | None, set_to: int, kindly: int | None, forced: int | None
) -> None:
    terms = Terms(min_basket_minor=own)
    override = Override(min_basket_minor=set_to)
    assert overrides.terms_for(terms, override).min_basket_minor == kindly
    override = Override(min_basket_minor=set_to, forced=frozenset({"min_basket_minor"}))
    assert overrides.terms_for(terms, override).min_basket_minor == forced


def test_an_override_is_read_back_as_it_was_stored() -> None:
    wanted = Override(
        ends_at=NOON,
        uses=2,
        percent=Decimal("12.5"),
        min_basket_minor=0,
        forced=frozenset({"uses"}),
    )
    assert overrides.read(overrides.stored(wanted), forced=True) == wanted
    assert overrides.read(None, forced=False) is None


def test_an_override_from_before_its_terms_had_names_forces_its_end() -> None:
    old = {"ends_at": NOON.isoformat()}
    assert overrides.end_for(LATER, overrides.read(old, forced=True)) == NOON
    assert overrides.end_for(LATER, overrides.read(old, forced=False)) == LATER


def test_a_later_override_changes_only_what_it_names() -> None:
    first = Override(ends_at=NOON, uses=2, forced=frozenset({"ends_at", "uses"}))
    both = overrides.laid_over(first, Override(uses=3, min_basket_minor=100))
    assert both == Override(
        ends_at=NOON, uses=3, min_basket_minor=100, forced=frozenset({"ends_at"})
    )


def test_faults_are_named_all_at_once() -> None:
    wrong = Override(uses=0, percent=Decimal(101), amount_minor=0, min_basket_minor=-1)
    assert [fault.split()[0] for fault in wrong.faults()] == [
        "uses",
        "percent",
        "amount_minor",
        "min_basket_minor",
    ]
