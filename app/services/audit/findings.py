"""A finding says what an audit found and names the row."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain import codes

BATCH = 500


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not right: about what, and how."""

    about: str
    cause: str


@dataclass(frozen=True, slots=True)
class AuditSection:
    """One check: what it proves, and what speaks against it."""

    claim: str
    findings: tuple[Finding, ...]


def voucher_name(public_id: int) -> str:
    """A voucher as people name it: by its serial."""
    return f"voucher {codes.serial(public_id)}"
