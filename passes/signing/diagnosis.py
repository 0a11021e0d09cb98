"""What is wrong with a folder of certificates, in plain words, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from passes.errors import CertificateError
from passes.signing.signer import Signer
from passes.signing.store import Signers

WARN_DAYS = 60
"""Days before the end from which on a renewal is asked for."""

Level = Literal["good", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is good, or wrong; then `remedy` says what to do."""

    level: Level
    field: str
    cause: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.field}: {self.cause} {self.remedy}".rstrip()


def diagnose(
    folder: Path,
    *,
    now: datetime,
    pass_type_id: str | None = None,
    team_id: str | None = None,
    password: bytes | None = None,
) -> list[Finding]:
    """Return what is to be said of `folder`, most of it wrong or all of it good.

    `pass_type_id` and `team_id` are what the service is set to, if it is.
    """
    if not folder.is_dir():
        return [
            Finding(
                "error",
                str(folder),
                "There is no such folder.",
                "Make it, with the folders apple and google in it.",
            )
        ]
    return [
        *_apple(folder, now, pass_type_id, team_id, password),
        *_readable_by_others(folder),
        *_google(folder),
    ]


def _apple(
    folder: Path,
    now: datetime,
    pass_type_id: str | None,
    team_id: str | None,
    password: bytes | None,
) -> Iterator[Finding]:
    try:
        signers = Signers(folder, password=password)
    except CertificateError as error:
        yield Finding("error", error.field, error.cause, error.remedy)
        return
    signer = signers.current(now)
    for name, setting, have, want in (
        ("pass type", "PASSERELLE_PASS_TYPE_ID", signer.pass_type_id, pass_type_id),
        ("team", "PASSERELLE_TEAM_ID", signer.team_id, team_id),
    ):
        if want is not None and have != want:
            yield Finding(
                "error",
                "apple/pass.pem",
                f"It is for the {name} {have}, and the service is set to {want}.",
                f"Set {setting} to {have}, or use the certificate of {want}.",
            )
    if signer.throwaway:
        yield Finding(
            "warning",
            "apple/pass.pem",
            "It is a throw-away certificate: no iPhone accepts its passes.",
            "For real ones make a signing request with `passerelle certs csr`.",
        )
    yield from _dates(signer, now)


def _dates(signer: Signer, now: datetime) -> Iterator[Finding]:
    try:
        signer.sign(b"{}", now=now)
    except CertificateError as error:
        yield Finding("error", error.field, error.cause, error.remedy)
        return
    days = signer.days_left(now)
    leaf_ends_first = signer.ends == signer.certificate.not_valid_after_utc
    field = "apple/pass.pem" if leaf_ends_first else "apple/wwdr.pem"
    if days <= WARN_DAYS:
        yield Finding(
            "warning",
            field,
            f"It ends in {days} days, on {signer.ends:%Y-%m-%d}.",
            "Make a request with `passerelle certs csr`, then install what Apple returns; the old"
            " certificate stays in use meanwhile."
            if leaf_ends_first
            else "Download Apple's newer intermediate and install it.",
        )
    else:
        yield Finding(
            "good",
            field,
            f"It signs for {signer.pass_type_id} of team {signer.team_id} for {days} more days.",
        )


def _readable_by_others(folder: Path) -> Iterator[Finding]:
    for path in sorted((*folder.glob("apple/**/*.key"), *folder.glob("google/*.json"))):
        if path.stat().st_mode & 0o077:
            yield Finding(
                "warning",
                str(path.relative_to(folder)),
                "Other users of the machine can read it.",
                "Run chmod 600 on it.",
            )


def _google(folder: Path) -> Iterator[Finding]:
    from passes.google.account import ServiceAccount

    try:
        account = ServiceAccount.load(folder)
    except CertificateError as error:
        yield Finding("error", error.field, error.cause, error.remedy)
        return
    if account.throwaway:
        yield Finding(
            "warning",
            "google/service-account.json",
            "It is a throw-away account: Google does not know it.",
            "Make a real one: the guide's page for operators leads to it.",
        )
    else:
        yield Finding(
            "good",
            "google/service-account.json",
            f"It is the key of {account.email}; it must be a user in the Wallet console.",
        )
