"""What devices report to /v1/log: sorted by meaning, kept without secrets, read by people."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.domain import codes
from app.store.models import (
    AppleLog,
    Campaign,
    Voucher,
)

#: Device complaints that are kept.
KEPT_LOGS = 1_000


@dataclass(frozen=True, slots=True)
class Complaint:
    """What a device reported, sorted by what it means; `serial` if it names one of ours."""

    kind: str
    serial: str | None
    message: str


#: Wallet's own words, and what each means for us.
_COMPLAINTS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        ("missing_last_modified", r"did not provide a 'last-modified' header"),
        ("ignored_if_modified_since", r"ignored the 'if-modified-since' header"),
        ("pass_unchanged", r"but the pass was unchanged"),
        ("spurious_push", r"spurious push"),
        ("unregistered_serial", r"unregistered serial"),
        ("tag_omitted", r"omitted a lastUpdated tag"),
        ("tag_unchanged", r"lastUpdated tag .{0,200}remained the same"),
        ("authentication_failure", r"authentication failure|response code 401"),
        ("invalid_pass", r"invalid pass data|cannot be read because"),
        ("register_failed", r"^(\[[^]]*\] )?register task"),
        ("unregister_failed", r"^(\[[^]]*\] )?unregister task"),
        ("list_failed", r"get serial #s task"),
        ("fetch_failed", r"get pass task"),
    )
)


COMPLAINT_KINDS = (*(kind for kind, _ in _COMPLAINTS), "other")


_SERIAL = re.compile(r"serial number '?([0-9a-f]{16})\b")


def understand(message: str) -> Complaint:
    """Sort a log line of a device by its meaning.

    Anybody can write to /log: the text is cut, control characters and halves of surrogate
    pairs, which no database stores, are blanked, and what looks like
    a secret (an authentication token, a push token) is left out.
    """
    text = re.sub(r"[^\x20-\x7e\u00a0-\ud7ff\ue000-\uffff]", " ", message)[:500]
    text = re.sub(r"(ApplePass )\S+", r"\1…", text)
    text = re.sub(r"\b[0-9a-fA-F]{32,}\b", "…", text)
    kind = next((kind for kind, form in _COMPLAINTS if form.search(text)), "other")
    serial = _SERIAL.search(text)
    return Complaint(kind, serial.group(1) if serial else None, text)


def keep_complaints(session: Session, complaints: Sequence[Complaint], *, now: dt.datetime) -> None:
    """Store what devices reported; only the newest `KEPT_LOGS` stay."""
    rows = [
        AppleLog(at=now, kind=each.kind, serial=each.serial, message=each.message)
        for each in complaints
    ]
    session.add_all(rows)
    session.flush()
    if rows and rows[-1].id % 50 < len(rows):
        session.execute(delete(AppleLog).where(AppleLog.id <= rows[-1].id - KEPT_LOGS))


def newest_complaints(
    session: Session, *, limit: int = 100, only: frozenset[str] | None = None
) -> list[AppleLog]:
    """The newest complaints first.

    `only` are keys of campaigns: complaints that name none of their passes are left out then.
    """
    query = select(AppleLog).order_by(AppleLog.id.desc())
    if only is None:
        return list(session.scalars(query.limit(limit)))
    named = [
        (row, codes.from_serial(row.serial))
        for row in session.scalars(query.where(AppleLog.serial.is_not(None)).limit(KEPT_LOGS))
        if row.serial is not None
    ]
    theirs = set(
        session.scalars(
            select(Voucher.public_id)
            .join(Campaign, Campaign.id == Voucher.campaign_id)
            .where(Voucher.public_id.in_({each for _, each in named}), Campaign.key.in_(only))
        )
    )
    return [row for row, public_id in named if public_id in theirs][:limit]
