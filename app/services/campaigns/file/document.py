"""A document becomes a draft: each section by itself, then what sections say of each other."""

from __future__ import annotations

import re
from typing import Any
from zoneinfo import ZoneInfo

from babel.numbers import is_currency
from pydantic import Field

from app.domain.campaign import (
    Authority,
    Source,
)
from app.domain.kinds import KINDS
from app.services.campaigns.file import sections, unread
from app.services.campaigns.file.appearance import read_presentation
from app.services.campaigns.file.draft import CampaignFault, Draft
from app.services.campaigns.file.reading import DocumentReader
from app.services.campaigns.file.rule_sections import RulesSection
from app.services.campaigns.file.terms import check_codes, read_terms
from app.services.campaigns.value_rules import built


class CampaignFile(sections.HeadSection):
    """A campaign as a file or a request writes it: what stands before the sections, and each."""

    codes: sections.CodesSection
    benefit: sections.BenefitSection | None = Field(
        default=None, description="What a coupon gives. A coupon needs it; a gift card has none."
    )
    gift_card: sections.GiftCardSection | None = Field(
        default=None, description="The money on a card and what guards it."
    )
    validity: sections.ValiditySection | None = Field(
        default=None, description="From when until when a voucher is good. Without it: for ever."
    )
    limits: sections.LimitsSection | None = Field(
        default=None, description="How often, where and on what."
    )
    budget: sections.BudgetSection | None = Field(
        default=None, description="The most that all holders take together."
    )
    birthday: sections.BirthdaySection | None = Field(
        default=None, description="A voucher for each recipient for each birthday."
    )
    rules: RulesSection | None = Field(default=None, description="Who gets which value.")
    texts: dict[str, sections.TextsSection] = Field(
        description="What a pass says, by language; one of them is the default language."
    )
    look: sections.LookSection | None = Field(default=None, description="Colours and pictures.")
    fields: list[sections.FieldSection] = Field(default=[], description="More lines of the pass.")
    links: list[sections.LinkSection] = Field(
        default=[], description="Addresses on the pass's details and the customer's page."
    )
    places: list[sections.PlaceSection] = Field(
        default=[], description="Spots near which a phone may show the pass by itself."
    )
    barcode: sections.BarcodeSection | None = Field(default=None, description="What tills scan.")


_HEAD = tuple(sections.HeadSection.model_fields)
_SECTIONS = frozenset(CampaignFile.model_fields) - set(_HEAD)
_KEY = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


def read_draft(reading: DocumentReader) -> Draft:
    """The campaign of a whole document.

    Raises:
        CampaignFault: every fault.
    """
    for name in reading.document.keys() - _SECTIONS - set(_HEAD):
        reading.fault(name, "is not known.", f"Use {', '.join((*_HEAD, *sorted(_SECTIONS)))}.")
    head = read_head(reading)
    zone = read_zone(reading, head)
    check_head(reading, head)
    kind = head.kind if head else None
    codes = reading.section(
        "codes", sections.CodesSection, reading.document.get("codes"), required=True
    )
    check_codes(reading, codes, head)
    terms = read_terms(reading, kind, zone)
    presentation = read_presentation(reading, head)
    budget = reading.section("budget", sections.BudgetSection, reading.document.get("budget", {}))
    budget_minor = reading.minor("budget.amount", budget.amount if budget else None)
    birthday = (
        reading.section("birthday", sections.BirthdaySection, reading.document["birthday"])
        if "birthday" in reading.document
        else None
    )
    if birthday is not None and codes is not None and codes.source is Source.SHARED:
        reading.fault(
            "birthday", "is given one shared code.", "Use generated, list or on_demand codes."
        )
    rules = read_rules(reading, kind)
    if head is not None:
        reading.add(unread.faults(reading.read, head, codes))
    if reading.faults or head is None or codes is None or terms is None or presentation is None:
        raise CampaignFault(reading.faults)
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
        pictures=reading.pictures,
    )


def read_head(reading: DocumentReader) -> sections.HeadSection | None:
    """The values that stand before the sections. Where some are wrong the others are still
    checked, in the place of what is wrong with harmless values.
    """
    given = {name: reading.document[name] for name in _HEAD if name in reading.document}
    before = len(reading.faults)
    found = reading.section("", sections.HeadSection, given)
    wrong = {fault.at for fault in reading.faults[before:]}
    if found is not None or "kind" in wrong:
        return found
    harmless = {"key": "key", "name": "name", "kind": reading.document.get("kind")}
    right = {name: value for name, value in given.items() if name not in wrong}
    return sections.HeadSection.model_validate(harmless | right)


def read_zone(reading: DocumentReader, head: sections.HeadSection | None) -> ZoneInfo:
    """The campaign's time zone; UTC in the place of a wrong one."""
    name = head.timezone if head else "UTC"
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        reading.fault("timezone", f"{name!r} is no time zone.", "Write one such as Europe/Paris.")
        return ZoneInfo("UTC")


def check_head(reading: DocumentReader, head: sections.HeadSection | None) -> None:
    """Faults that stand in the values before the sections."""
    if head is None:
        return
    if not _KEY.fullmatch(head.key):
        reading.fault(
            "key",
            f"{head.key!r} does not fit addresses.",
            "Use lower-case letters, digits and single dashes, such as summer-20.",
        )
    reading.language("default_language", head.default_language)
    if head.currency is not None:
        if is_currency(head.currency):
            reading.currency = head.currency
        else:
            reading.fault(
                "currency", f"{head.currency!r} is none.", "Write three letters such as EUR."
            )
    elif KINDS[head.kind].holds_money:
        reading.fault("currency", "is missing.", "A gift card needs one, such as EUR.")
    if head.authority is Authority.PARTNER and not head.organization:
        reading.fault(
            "organization",
            "is missing.",
            "A partner's codes are shown in the partner's name: write it.",
        )
    if head.authority is Authority.PARTNER and KINDS[head.kind].holds_money:
        reading.fault("authority", "is partner.", "A partner's money cannot be kept: use a coupon.")


def read_rules(reading: DocumentReader, kind: str | None) -> dict[str, Any] | None:
    """The stored rules; None when there are none."""
    if "rules" not in reading.document:
        return None
    section = reading.section("rules", RulesSection, reading.document["rules"])
    money = None if kind is None else KINDS[kind].holds_money
    if section is None or reading.add(unread.rules_faults(section, money=money)):
        return None
    return built(section, reading.minor)
