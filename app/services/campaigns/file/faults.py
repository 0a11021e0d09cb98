"""What is wrong with a campaign: where, why, and what to write instead."""

from __future__ import annotations

from dataclasses import dataclass

from app import faults as mendable


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a campaign: where, why, and what to write instead."""

    at: str
    cause: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.at}: {self.cause} {self.remedy}"


class CampaignFault(mendable.Fault):
    """The campaign cannot be applied; `faults` lists every reason."""

    code = "campaign_faulty"

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__(
            "The campaign is faulty:\n" + "\n".join(f"  - {fault}" for fault in faults)
        )
