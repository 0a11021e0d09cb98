"""Which passes are in which wallets, and what each device was told: the facts behind Apple's
web service and behind every push.

Promises: a device is told of a change until it has fetched it; what it is told never depends on a
clock or on the order in which transactions commit, only on whether the pair (voucher version,
campaign version) differs from the one it was told. A device row is locked before its
registrations are touched, so lists, registrations and removals of one device follow one another.
Refuses: to know passes. Callers authenticate, build and answer.

Rules: developer.apple.com/documentation/walletpasses/adding-a-web-service-to-update-passes.
"""

from __future__ import annotations

import datetime as dt
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, delete, exists, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.domain import codes
from app.domain.validity import begins_when_added, window
from app.services import changes, events
from app.services.campaigns.stored import terms_from
from app.store.models import (
    AppleDevice,
    AppleLog,
    AppleRegistration,
    Campaign,
    Event,
    Revision,
    Voucher,
)

Pair = tuple[int, int]
"""The state of a pass: (voucher version, campaign version)."""

#: The moment that Last-Modified counts from: long past, so that it never lies in the future.
EPOCH = dt.datetime(2001, 1, 1, tzinfo=dt.UTC)
#: How long a new registration may take to list by itself before it is pushed.
GRACE = dt.timedelta(seconds=30)
#: A pass that was listed but not fetched for so long is listed again.
LISTED_AGAIN = dt.timedelta(minutes=10)
#: Device complaints that are kept.
KEPT_LOGS = 1_000

_DIGITS = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Listing:
    """An answer to "what changed?": serial numbers and the tag to ask with next time."""

    serials: tuple[str, ...]
    tag: str


def last_modified(pair: Pair) -> dt.datetime:
    """A moment that differs whenever the pair does: versions only grow, so their sum does too.

    Seconds are all that HTTP dates carry; two changes within one second still differ.
    """
    return EPOCH + dt.timedelta(seconds=sum(pair))


Told = tuple[InstrumentedAttribute[int | None], InstrumentedAttribute[int | None]]
PUSHED: Told = (AppleRegistration.pushed_voucher, AppleRegistration.pushed_campaign)
LISTED: Told = (AppleRegistration.listed_voucher, AppleRegistration.listed_campaign)
FETCHED: Told = (AppleRegistration.fetched_voucher, AppleRegistration.fetched_campaign)


def behind(told: Told) -> ColumnElement[bool]:
    """Whether what was told differs from the pair of the joined voucher and campaign."""
    return or_(
        told[0].is_distinct_from(Voucher.version), told[1].is_distinct_from(Campaign.version)
    )


def register(
    session: Session, *, library_id: str, push_token: str, voucher_id: int, now: dt.datetime
) -> bool:
    """Note that the device holds the pass, and its present token; returns whether that is new.

    The device usually lists right afterwards and so needs no push; one that does not is pushed
    after `GRACE`, since the pass may have changed between its download and this call.
    """
    device = _lock(session, library_id)
    if device is None:
        device = _create(session, library_id, push_token=push_token, now=now)
    if device.push_token != push_token:
        device.push_token = push_token
        device.doubtful_at = None
        device.attempts = 0
        device.failure = None
        # A push to the old token may never arrive: what was not listed since is owed again.
        session.execute(
            update(AppleRegistration)
            .where(
                AppleRegistration.device_id == device.id,
                or_(
                    AppleRegistration.listed_voucher.is_distinct_from(
                        AppleRegistration.pushed_voucher
                    ),
                    AppleRegistration.listed_campaign.is_distinct_from(
                        AppleRegistration.pushed_campaign
                    ),
                ),
            )
            .values(pushed_voucher=None, pushed_campaign=None)
        )
    device.updated_at = now
    device.due_at = now + GRACE if device.due_at is None else min(device.due_at, now + GRACE)
    session.flush()
    known = session.scalar(
        select(AppleRegistration.id).where(
            AppleRegistration.device_id == device.id, AppleRegistration.voucher_id == voucher_id
        )
    )
    if known is not None:
        return False
    session.add(
        AppleRegistration(
            device_id=device.id, voucher_id=voucher_id, generation=0, registered_at=now
        )
    )
    record_added(session, voucher_id, wallet="apple", now=now)
    session.flush()
    return True


def record_added(session: Session, voucher_id: int, *, wallet: str, now: dt.datetime) -> None:
    """Note that the pass came into a wallet: "apple" or "google".

    The first time a validity that counts from there begins: the voucher gets its end, and the pass
    shows it. An end that was set by hand before stays, and so does whatever the end is later: a
    pass that is removed and added again gains nothing.
    """
    number = events.append(session, "added", voucher_id, now=now, data={"wallet": wallet})
    given = session.execute(
        select(Revision.terms, Campaign.timezone)
        .join(Voucher, Voucher.revision_id == Revision.id)
        .join(Campaign, Campaign.id == Voucher.campaign_id)
        .where(Voucher.id == voucher_id)
    ).one()
    validity = terms_from(given.terms).validity
    if not begins_when_added(validity):
        return
    zone = ZoneInfo(given.timezone)
    issued = window(validity, zone, issued_at=now)
    begun = window(validity, zone, issued_at=now, added_at=now)
    # The row is locked since the event was numbered: of two wallets at once, one comes first.
    earlier = exists().where(
        Event.voucher_id == voucher_id, Event.kind == "added", Event.number < number
    )
    changed = session.execute(
        update(Voucher)
        .where(
            Voucher.id == voucher_id,
            Voucher.ends_at.is_not_distinct_from(issued.ends_at),
            Voucher.ends_at.is_distinct_from(begun.ends_at),
            ~earlier,
        )
        .values(
            starts_at=begun.starts_at,
            ends_at=begun.ends_at,
            version=Voucher.version + 1,
        )
        .returning(Voucher.id)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if changed is not None:
        changes.voucher(session, voucher_id)


def unregister(session: Session, *, library_id: str, voucher_id: int, now: dt.datetime) -> bool:
    """Forget that the device holds the pass; the device goes with its last one."""
    device = _lock(session, library_id)
    if device is None:
        return False
    removed = session.scalar(
        delete(AppleRegistration)
        .where(AppleRegistration.device_id == device.id, AppleRegistration.voucher_id == voucher_id)
        .returning(AppleRegistration.id)
    )
    if removed is not None:
        events.append(session, "removed", voucher_id, now=now, data={"wallet": "apple"})
    forget_if_empty(session, device.id)
    return removed is not None


def has_news(session: Session, *, library_id: str, tag: str | None, now: dt.datetime) -> bool:
    """Whether a list would say anything; a read, so that the common 204 costs no write."""
    device = session.execute(
        select(AppleDevice.id, AppleDevice.generation).where(AppleDevice.library_id == library_id)
    ).one_or_none()
    if device is None:
        return False
    seen = _seen(tag, device.generation)
    query = (
        select(AppleRegistration.id)
        .join(Voucher, Voucher.id == AppleRegistration.voucher_id)
        .join(Campaign, Campaign.id == Voucher.campaign_id)
        .where(
            AppleRegistration.device_id == device.id,
            or_(AppleRegistration.generation > seen, _unlisted(now)),
        )
        .limit(1)
    )
    return session.scalar(query) is not None


def list_changed(
    session: Session, *, library_id: str, tag: str | None, now: dt.datetime
) -> Listing | None:
    """The passes that changed since the device was given `tag`, or None if there are none.

    The tag is a generation of the device, digits only. Each list gives what changed since it was
    last listed the next generation and answers everything above the tag: an answer that got lost
    is repeated when the device asks with its old tag again. A tag that is absent, malformed or
    larger than any that was given (a restored phone) is answered with everything.
    """
    device = _lock(session, library_id)
    if device is None:
        return None
    seen = _seen(tag, device.generation)
    rows = session.execute(
        select(
            AppleRegistration.id,
            AppleRegistration.generation,
            Voucher.public_id,
            Voucher.version,
            Campaign.version.label("campaign_version"),
            _unlisted(now).label("unlisted"),
        )
        .join(Voucher, Voucher.id == AppleRegistration.voucher_id)
        .join(Campaign, Campaign.id == Voucher.campaign_id)
        .where(AppleRegistration.device_id == device.id)
        .order_by(AppleRegistration.id)
    ).all()
    changed = [row for row in rows if row.unlisted]
    told = [row for row in rows if row.unlisted or row.generation > seen]
    if changed:
        device.generation += 1
        session.execute(
            update(AppleRegistration),
            [
                {
                    "id": row.id,
                    "generation": device.generation,
                    # Listing tells as much as a push does: no push is owed for it any more.
                    "pushed_voucher": row.version,
                    "pushed_campaign": row.campaign_version,
                    "listed_voucher": row.version,
                    "listed_campaign": row.campaign_version,
                    "listed_at": now,
                }
                for row in changed
            ],
        )
    device.listed_at = now
    session.flush()
    if not told:
        return None
    return Listing(tuple(codes.serial(row.public_id) for row in told), str(device.generation))


def record_fetch(session: Session, voucher_id: int, pair: Pair, *, now: dt.datetime) -> None:
    """Note that a device has the pass in this state.

    A fetch does not say which device it is: it counts for the registration that was listed this
    state first and had not fetched it.
    """
    waiting = session.scalars(
        select(AppleRegistration)
        .where(
            AppleRegistration.voucher_id == voucher_id,
            or_(
                AppleRegistration.fetched_voucher.is_distinct_from(pair[0]),
                AppleRegistration.fetched_campaign.is_distinct_from(pair[1]),
            ),
        )
        .order_by(AppleRegistration.id)
        .with_for_update()
    ).all()
    if not waiting:
        return
    listed = [
        each for each in waiting if (each.listed_voucher, each.listed_campaign) == pair
    ] or list(waiting)
    first = min(listed, key=lambda each: (each.listed_at or now, each.id))
    first.fetched_voucher, first.fetched_campaign = pair
    first.fetched_at = now
    session.flush()


def forget_if_empty(session: Session, device_id: int) -> None:
    """Drop a device that holds no pass any more."""
    session.execute(
        delete(AppleDevice).where(
            AppleDevice.id == device_id,
            ~exists().where(AppleRegistration.device_id == AppleDevice.id),
        )
    )


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


def complaints(
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


def _seen(tag: str | None, generation: int) -> int:
    """The generation that the device has heard of; -1 where everything is to be answered."""
    if tag is None or not _DIGITS.fullmatch(tag) or int(tag) > generation:
        return -1
    return int(tag)


def _unlisted(now: dt.datetime) -> ColumnElement[bool]:
    """Whether a registration is to be listed anew: it changed, or was listed and not fetched."""
    return or_(behind(LISTED), behind(FETCHED) & (AppleRegistration.listed_at < now - LISTED_AGAIN))


def _lock(session: Session, library_id: str) -> AppleDevice | None:
    return session.scalar(
        select(AppleDevice)
        .where(AppleDevice.library_id == library_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def _create(session: Session, library_id: str, *, push_token: str, now: dt.datetime) -> AppleDevice:
    """Create the device unless another request does so at the same moment; return it locked.

    Its generations start at random, so that a tag from an earlier life of the same device (it
    removed its last pass, then added one again) is never mistaken for one of this life.
    """
    insert = (
        postgresql.insert(AppleDevice)
        if session.get_bind().dialect.name == "postgresql"
        else sqlite.insert(AppleDevice)
    )
    session.execute(
        insert.values(
            library_id=library_id,
            push_token=push_token,
            generation=secrets.randbelow(2**40) + 1,
            attempts=0,
            reminders=0,
            created_at=now,
            updated_at=now,
        ).on_conflict_do_nothing(index_elements=["library_id"])
    )
    device = _lock(session, library_id)
    if device is None:
        raise LookupError("The device was removed while it registered; it will try again.")
    return device
