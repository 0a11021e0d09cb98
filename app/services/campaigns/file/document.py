"""A whole document to a draft: each section by itself, then what sections say of each other."""

from __future__ import annotations

import re
from typing import Any
from zoneinfo import ZoneInfo

from babel.numbers import is_currency

from app.domain.campaign import (
    Authority,
    Source,
)
from app.domain.kinds import KINDS
from app.services.campaigns.file import sections, unread, values
from app.services.campaigns.file.appearance import read_presentation
from app.services.campaigns.file.draft import Draft
from app.services.campaigns.file.faults import CampaignFault
from app.services.campaigns.file.reading import Reading
from app.services.campaigns.file.terms import check_codes, read_terms
from app.services.campaigns.rules import RulesSection, built

_HEAD = tuple(sections.Head.model_fields)


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


_KEY = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


def read_draft(reading: Reading) -> Draft:
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
    codes = reading.section("codes", sections.Codes, reading.document.get("codes"), required=True)
    check_codes(reading, codes, head)
    terms = read_terms(reading, kind, zone)
    presentation = read_presentation(reading, head)
    budget = reading.section("budget", sections.Budget, reading.document.get("budget", {}))
    budget_minor = reading.minor("budget.amount", budget.amount if budget else None)
    birthday = (
        reading.section("birthday", sections.Birthday, reading.document["birthday"])
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


def read_head(reading: Reading) -> sections.Head | None:
    """The values that stand before the sections. Where some are wrong the others are still
    checked, in the place of what is wrong with harmless values.
    """
    given = {name: reading.document[name] for name in _HEAD if name in reading.document}
    before = len(reading.faults)
    found = reading.section("", sections.Head, given)
    wrong = {fault.at for fault in reading.faults[before:]}
    if found is not None or "kind" in wrong:
        return found
    harmless = {"key": "key", "name": "name", "kind": reading.document.get("kind")}
    right = {name: value for name, value in given.items() if name not in wrong}
    return sections.Head.model_validate(harmless | right)


def read_zone(reading: Reading, head: sections.Head | None) -> ZoneInfo:
    """The campaign's time zone; UTC in the place of a wrong one."""
    name = head.timezone if head else "UTC"
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        reading.fault("timezone", f"{name!r} is no time zone.", "Write one such as Europe/Paris.")
        return ZoneInfo("UTC")


def check_head(reading: Reading, head: sections.Head | None) -> None:
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


def read_rules(reading: Reading, kind: str | None) -> dict[str, Any] | None:
    """The stored rules; None when there are none."""
    if "rules" not in reading.document:
        return None
    section = reading.section("rules", RulesSection, reading.document["rules"])
    money = None if kind is None else KINDS[kind].holds_money
    if section is None or reading.add(values.faults(section, money=money)):
        return None
    return built(section, reading.minor)
