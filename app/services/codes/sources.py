"""Says where an import's codes come from: a file, a pattern, or another campaign.

A source is a value. Its kind stands in a column of the import's row, and what else it says among
the row's options.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from app.store.models import ImportJob


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSource:
    """Codes come from a file.

    Attributes:
        columns: the name or number (from 1) of columns by what they hold, as a person named them.
        coupon: in coupon XML, the `coupon-id` whose codes are taken.
    """

    kind: ClassVar[str] = "file"

    columns: Mapping[str, str] | None = None
    coupon: str | None = None

    def options(self) -> dict[str, Any]:
        """Return the source as the import's row keeps it."""
        return {"columns": dict(self.columns) if self.columns else None, "coupon": self.coupon}


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternSource:
    """Codes are made here, by the campaign's pattern.

    Attributes:
        count: how many are made.
    """

    kind: ClassVar[str] = "pattern"
    #: How lists call an import of this source; the release before knows it by this name.
    label: ClassVar[str] = "(generated)"

    count: int

    def options(self) -> dict[str, Any]:
        """Return the source as the import's row keeps it."""
        return {"count": self.count}


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignSource:
    """Codes that nobody was given come from another campaign.

    Attributes:
        campaign_id: the campaign that gives them.
        home: the import to which codes go back if the move is cancelled.
        count: at most so many; None is all that are unused.
        name: tells apart moves of the same number.
        api_key_id: the key that asked for it.
    """

    kind: ClassVar[str] = "campaign"

    campaign_id: int
    home: uuid.UUID
    count: int | None
    name: str
    api_key_id: int | None

    @staticmethod
    def label(campaign_key: str) -> str:
        """Return how lists call a move out of that campaign."""
        return f"(from {campaign_key})"

    def options(self) -> dict[str, Any]:
        """Return the source as the import's row keeps it."""
        return {
            "from": self.campaign_id,
            "home": self.home.hex,
            "count": self.count,
            "name": self.name,
            "api_key_id": self.api_key_id,
        }


ImportSource = FileSource | PatternSource | CampaignSource


def source_of(job: ImportJob) -> ImportSource:
    """Read the source of an import from its row, also from one that the release before wrote."""
    options = job.options
    match job.kind or _kind_before(job):
        case CampaignSource.kind:
            return CampaignSource(
                campaign_id=options["from"],
                home=uuid.UUID(options["home"]),
                count=options["count"],
                name=options["name"],
                api_key_id=options["api_key_id"],
            )
        case PatternSource.kind:
            return PatternSource(count=int(options["count"]))
        case _:
            return FileSource(columns=options.get("columns"), coupon=options.get("coupon"))


def _kind_before(job: ImportJob) -> str:
    """Return the kind of an import by its name and options, as the release before tells it."""
    if "home" in job.options:
        return CampaignSource.kind
    if job.filename == PatternSource.label and "count" in job.options:
        return PatternSource.kind
    return FileSource.kind
