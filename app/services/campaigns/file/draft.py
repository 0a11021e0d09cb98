"""A draft is a campaign as a file describes it; a fault says what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app import faults as mendable
from app.domain.campaign import (
    Authority,
    Presentation,
    Source,
    Terms,
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
    #: Who gets which value, as `app.services.campaigns.value_rules` stores it; None is everybody.
    rules: dict[str, Any] | None = None
    #: Digest to bytes of the pictures that `presentation.look` names.
    pictures: Mapping[str, bytes] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class DocumentFault:
    """One thing wrong with a campaign: where, why, and what to write instead."""

    at: str
    cause: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.at}: {self.cause} {self.remedy}"


class CampaignFault(mendable.Fault):
    """The campaign cannot be applied; `faults` lists every reason."""

    code = "campaign_faulty"

    def __init__(self, faults: list[DocumentFault]) -> None:
        self.faults = tuple(faults)
        super().__init__(
            "The campaign is faulty:\n" + "\n".join(f"  - {fault}" for fault in faults)
        )
