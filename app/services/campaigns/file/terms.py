"""This module reads who may use what: `benefit`, `limits`, `validity`, `gift_card`, `codes`."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from app.domain import minting
from app.domain.campaign import (
    Anchor,
    Authority,
    Benefit,
    BenefitType,
    OpenHours,
    Products,
    Source,
    Terms,
    Validity,
)
from app.domain.kinds import KINDS
from app.domain.validity import end_of_day, start_of_day
from app.services.campaigns.file import sections
from app.services.campaigns.file.reading import DocumentReader

#: The section of kinds that hold money.
MONEY = "gift_card"


def check_codes(
    reading: DocumentReader, codes: sections.CodesSection | None, head: sections.HeadSection | None
) -> None:
    """Faults of `[codes]` that need the rest of the section, or the kind of campaign."""
    if codes is None:
        return
    shared = codes.source is Source.SHARED
    minted = codes.source in (Source.GENERATED, Source.ON_DEMAND)
    if shared and not codes.code:
        reading.fault("codes.code", "is missing.", "Write the code that everybody shares.")
    if not shared and codes.code:
        reading.fault("codes.code", "is for a shared code.", "Leave it out.")
    if not shared and codes.limit is not None:
        reading.fault("codes.limit", "is for a shared code.", "Use limits.uses or budget.uses.")
    if not minted and codes.pattern:
        reading.fault("codes.pattern", "is for codes that are made here.", "Leave it out.")
    if head is None:
        return
    if shared and KINDS[head.kind].holds_money:
        reading.fault(
            "codes.source", "is shared.", "Each gift card needs its own number: use another."
        )
    if minted and head.authority is Authority.PARTNER:
        reading.fault(
            "codes.source",
            f"is {codes.source.value}.",
            "A partner's codes come from the partner: use list or shared.",
        )
    if minted:
        least = KINDS[head.kind].least_code_bits
        try:
            recipe = minting.Recipe.read(
                codes.pattern or KINDS[head.kind].code_pattern,
                alphabet=codes.alphabet,
                check=codes.check,
            )
        except minting.RecipeFault as fault:
            reading.fault("codes.pattern", fault.cause, fault.remedy)
            return
        if recipe.bits < least and not codes.insist:
            reading.fault(
                "codes.pattern",
                f"leaves {recipe.bits:.0f} bits to chance, and a {KINDS[head.kind].title} "
                f"needs {least}: such codes can be guessed.",
                f"Use at least {recipe.characters_for(least)} random characters, or write "
                "insist = true.",
            )


def read_terms(reading: DocumentReader, kind: str | None, zone: ZoneInfo) -> Terms | None:
    """What the campaign grants; None when a part of it cannot be read."""
    money = kind is not None and KINDS[kind].holds_money
    benefit = (
        reading.section(
            "benefit", sections.BenefitSection, reading.document.get("benefit"), required=True
        )
        if not money
        else None
    )
    if money and "benefit" in reading.document:
        reading.fault("benefit", "is for coupons.", "Use [gift_card] with an amount.")
    if not money and MONEY in reading.document:
        reading.fault(MONEY, "is for gift cards.", "Use [benefit], or kind gift_card.")
    card = reading.section(MONEY, sections.GiftCardSection, reading.document.get(MONEY, {}))
    limits = reading.section("limits", sections.LimitsSection, reading.document.get("limits", {}))
    validity = read_validity(reading, zone)
    if benefit is not None:
        check_benefit(reading, benefit)
    if limits is not None and isinstance(limits.uses, int) and limits.uses < 1:
        reading.fault("limits.uses", "is not positive.", 'Write 1 or more, or "unlimited".')
    if limits is None or card is None or validity is None:
        return None
    return Terms(
        benefit=Benefit(
            type=benefit.type,
            percent=benefit.percent,
            minor=reading.minor("benefit.amount", benefit.amount),
            cap_minor=reading.minor("benefit.cap", benefit.cap),
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
        min_basket_minor=reading.minor("limits.min_basket", limits.min_basket),
        products=Products(
            skus=tuple(limits.products.skus),
            prefixes=tuple(limits.products.prefixes),
            categories=tuple(limits.products.categories),
        ),
        combinable=limits.combinable,
        holder_required=limits.holder_required,
        refund_days=limits.refund_days,
        amount_minor=reading.minor("gift_card.amount", card.amount),
        pin_above_minor=reading.minor("gift_card.pin_above", card.pin_above),
        operator_cap_minor=reading.minor("gift_card.operator_cap", card.operator_cap),
        load_cap_minor=reading.minor("gift_card.load_cap", card.load_cap),
    )


def check_benefit(reading: DocumentReader, benefit: sections.BenefitSection) -> None:
    """A percentage or an amount where the benefit is one, and nowhere else."""
    needs = {BenefitType.PERCENT: "percent", BenefitType.AMOUNT: "amount"}.get(benefit.type)
    if needs and getattr(benefit, needs) is None:
        reading.fault(f"benefit.{needs}", "is missing.", f"Write {needs} = … .")
    for name in ("percent", "amount"):
        if name != needs and getattr(benefit, name) is not None:
            reading.fault(
                f"benefit.{name}", f"does not go with {benefit.type.value}.", "Leave it out."
            )
    if benefit.cap is not None and benefit.type is not BenefitType.PERCENT:
        reading.fault("benefit.cap", "limits a percentage.", "Leave it out.")


def read_validity(reading: DocumentReader, zone: ZoneInfo) -> Validity | None:
    """From when to when, in UTC."""
    section = reading.section(
        "validity", sections.ValiditySection, reading.document.get("validity", {})
    )
    if section is None:
        return None
    starts = instant(section.starts, zone, end=False)
    ends = instant(section.ends, zone, end=True)
    if starts is not None and ends is not None and ends <= starts:
        reading.fault("validity.ends", "is not after starts.", "Write a later moment.")
    if section.anchor is not Anchor.ISSUE and section.days is None and section.hours is None:
        reading.fault("validity.anchor", "has nothing to count.", "Write days or hours as well.")
    return Validity(
        starts_at=starts,
        ends_at=ends,
        anchor=section.anchor,
        days=section.days,
        hours=section.hours,
    )


def instant(moment: dt.date | dt.datetime | None, zone: ZoneInfo, *, end: bool) -> Any:
    """A moment in UTC; a bare date begins with its first instant or ends with its last."""
    if moment is None:
        return None
    if not isinstance(moment, dt.datetime):
        first = start_of_day(moment, zone)
        return end_of_day(first, zone) if end else first
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(dt.UTC)
