"""Issuing: a voucher for each recipient and occasion, once.

One call is one transaction, given its session by the caller, so that a page that issues and
records something else commits both or neither. Asked again for the same recipient, campaign and
occasion it answers with the voucher that exists. When codes run out it issues as many as there
are, in the order asked, and says how many are missing; nothing is half issued.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.domain.birthdays import day_number
from app.domain.campaign import Source, Terms
from app.domain.codes import new_public_id
from app.domain.kinds import KINDS
from app.domain.ledger import EntryKind
from app.domain.validity import Window, window
from app.services import campaigns
from app.services.importing import recipe_of
from app.services.importing.sealing import Expected, Sealer
from app.services.keys import pin_row
from app.store.keyring import Keyring
from app.store.models import Campaign, Code, Entry, Event, ImportJob, Recipient, Voucher, new_id

#: Vouchers of one transaction: few enough that a till beside it does not wait.
CHUNK = 200
_MINT_ROUNDS = 10


class IssueFault(Exception):
    """The campaign issues nothing now; says why and the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A recipient as the marketer knows them. Absent values leave what is stored."""

    external_id: str
    language: str | None = None
    birth_date: dt.date | None = None
    segment: str | None = None
    score: int | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A voucher that should exist: for whom (None is nobody yet), why, and when it is sent."""

    person: Person | None
    occasion: str = ""
    variant: str | None = None
    sent_at: dt.datetime | None = None
    #: Revision and terms that a rule decided; None are the campaign's own.
    granted: tuple[int, Terms] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A voucher of one recipient and occasion, issued now or before."""

    voucher_id: int
    public_id: int
    key_id: int
    code_id: int | None
    external_id: str | None
    occasion: str
    #: Whether this call issued it.
    fresh: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What became of the vouchers that were wanted, in their order."""

    issued: tuple[Issued, ...]
    #: The last so many got none, because there are no codes left.
    missing: int = 0


@dataclass(slots=True)
class _Slot:
    """One voucher on its way."""

    wanted: Wanted
    recipient_id: int | None
    row: dict[str, Any] | None = None


def issue(
    session: Session,
    keyring: Keyring,
    campaign: Campaign,
    wanted: Sequence[Wanted],
    *,
    now: dt.datetime,
    people: Mapping[str, int] | None = None,
) -> Batch:
    """Let each of `wanted` have its voucher of `campaign`.

    Args:
        people: ids by external id of recipients that the caller stored already, having decided by
            the campaign's rules.

    Raises:
        IssueFault: the campaign is not live, its validity is over, or its rules decide who gets
            something and were not asked.
    """
    revision = campaigns.latest_revision(session, campaign)
    terms = campaigns.terms_of(revision)
    refuse(campaign, terms, now=now)
    if people is None:
        if campaign.rules is not None:
            raise IssueFault(
                f"The campaign {campaign.key} decides by rules: issue with `passerelle decide` or "
                "POST /api/v1/decisions."
            )
        people = recipients(session, [item.person for item in wanted if item.person], now=now)
    slots = [
        _Slot(item, people[item.person.external_id] if item.person else None) for item in wanted
    ]
    existing = _existing(session, campaign, slots)
    fresh: dict[tuple[int, str], _Slot] = {}
    needed: list[_Slot] = []
    for slot in slots:
        if slot.recipient_id is None:
            needed.append(slot)
            continue
        key = (slot.recipient_id, slot.wanted.occasion)
        if key not in existing and key not in fresh:
            fresh[key] = slot
            needed.append(slot)
    codes = _codes(session, keyring, campaign, needed, now=now)
    served = needed[: len(codes)]
    _insert(
        session,
        keyring,
        campaign,
        served,
        codes,
        terms=terms,
        revision_id=revision.id,
        now=now,
    )
    lost = [slot for slot in served if slot.row is not None and "id" not in slot.row]
    if lost:
        # Another transaction issued the same meanwhile: its voucher counts, our code is free again.
        unused = [slot.row["code_id"] for slot in lost if slot.row]
        session.execute(update(Code).where(Code.id.in_(unused)).values(free=True))
        existing.update(_existing(session, campaign, lost))
    return _answer(slots, fresh, existing, set(map(id, lost)))


def code_of(keyring: Keyring, code: Code) -> str:
    """A code in clear: for its holder, never for a log."""
    return keyring.open(code.sealed, row=code.lookup, key_id=code.key_id)


def pin_of(keyring: Keyring, code: Code) -> str | None:
    """A gift card's PIN in clear, for its holder."""
    if code.pin is None:
        return None
    return keyring.open(code.pin, row=pin_row(code.lookup), key_id=code.key_id)


@dataclass(frozen=True, slots=True)
class Stock:
    """How many codes wait for vouchers; counted no further than a little above the threshold."""

    left: int
    #: Below this many the campaign wants to be told.
    threshold: int | None

    @property
    def low(self) -> bool:
        return self.threshold is not None and self.left < self.threshold


def stock(session: Session, campaign: Campaign, *, exact: bool = False) -> Stock | None:
    """Codes left; None when the campaign cannot run out.

    Args:
        exact: count all of them, also above the threshold.
    """
    if campaign.source not in (Source.LIST.value, Source.GENERATED.value):
        return None
    threshold = campaign.source_options.get("low_stock")
    limit = None if threshold is None or exact else int(threshold) + 1
    left = 0
    for job_id in _pools(session, campaign):
        free = select(Code.id).where(Code.import_job_id == job_id, Code.free)
        if limit is not None:
            free = free.limit(limit - left)
        left += session.scalar(select(func.count()).select_from(free.subquery())) or 0
        if limit is not None and left >= limit:
            break
    return Stock(left, threshold)


def refuse(campaign: Campaign, terms: Terms, *, now: dt.datetime) -> None:
    """Refuse a campaign that issues nothing now.

    Raises:
        IssueFault: it is not live, or its validity is over.
    """
    if campaign.status != "live":
        raise IssueFault(
            f"The campaign {campaign.key} is {campaign.status}: set it live to issue vouchers."
        )
    ends = terms.validity.ends_at
    if ends is not None and ends <= now:
        raise IssueFault(
            f"The campaign {campaign.key} ended on {ends:%Y-%m-%d %H:%M} UTC: "
            "give it a later end to issue vouchers."
        )


def recipients(session: Session, people: Iterable[Person], *, now: dt.datetime) -> dict[str, int]:
    """Ids by external id; people who are new are stored, changes of the others too."""
    by_id = {person.external_id: person for person in people}
    if not by_id:
        return {}
    columns = (
        Recipient.id,
        Recipient.external_id,
        Recipient.language,
        Recipient.birth_date,
        Recipient.segment,
        Recipient.score,
        Recipient.attributes,
    )
    statement = select(*columns).where(Recipient.external_id.in_(list(by_id)))
    known = {row.external_id: row for row in session.execute(statement)}
    new = [person for key, person in by_id.items() if key not in known]
    if new:
        make = sqlite.insert if _on_sqlite(session) else postgresql.insert
        session.execute(
            make(Recipient).on_conflict_do_nothing(index_elements=["external_id"]),
            [
                {
                    "external_id": person.external_id,
                    "language": person.language,
                    "birth_date": person.birth_date,
                    "segment": person.segment,
                    "score": person.score,
                    "attributes": dict(person.attributes),
                    "created_at": now,
                    "updated_at": now,
                }
                # One order everywhere, so that two transactions cannot wait for each other.
                for person in sorted(new, key=lambda person: person.external_id)
            ],
        )
    ids = {key: row.id for key, row in known.items()}
    for key, row in sorted(known.items()):
        if changes := _changes(by_id[key], row):
            session.execute(
                update(Recipient).where(Recipient.id == row.id).values(**changes, updated_at=now)
            )
    if new:
        found = session.execute(
            select(Recipient.external_id, Recipient.id).where(
                Recipient.external_id.in_([person.external_id for person in new])
            )
        )
        ids.update({key: id_ for key, id_ in found if key is not None})
    return ids


def _changes(person: Person, row: Any) -> dict[str, Any]:
    changes = {
        name: value
        for name in ("language", "birth_date", "segment", "score")
        if (value := getattr(person, name)) is not None and value != getattr(row, name)
    }
    if "segment" in changes and row.segment is not None:
        changes["previous_segment"] = row.segment
    if "birth_date" in changes:
        changes["birth_day"] = day_number(changes["birth_date"])
    merged = {**row.attributes, **person.attributes}
    if merged != row.attributes:
        changes["attributes"] = merged
    return changes


def _existing(
    session: Session, campaign: Campaign, slots: Sequence[_Slot]
) -> dict[tuple[int, str], Issued]:
    ids = {slot.recipient_id for slot in slots if slot.recipient_id is not None}
    if not ids:
        return {}
    names = {
        slot.recipient_id: slot.wanted.person.external_id for slot in slots if slot.wanted.person
    }
    found = session.execute(
        select(
            Voucher.id,
            Voucher.public_id,
            Voucher.key_id,
            Voucher.code_id,
            Voucher.recipient_id,
            Voucher.occasion,
        ).where(
            Voucher.campaign_id == campaign.id,
            Voucher.recipient_id.in_(ids),
            Voucher.occasion.in_({slot.wanted.occasion for slot in slots}),
        )
    )
    return {
        (row.recipient_id, row.occasion): Issued(
            voucher_id=row.id,
            public_id=row.public_id,
            key_id=row.key_id,
            code_id=row.code_id,
            external_id=names[row.recipient_id],
            occasion=row.occasion,
            fresh=False,
        )
        for row in found
    }


def _codes(
    session: Session,
    keyring: Keyring,
    campaign: Campaign,
    slots: Sequence[_Slot],
    *,
    now: dt.datetime,
) -> list[tuple[int, int | None]]:
    """A code for each slot, as (id, amount of its own); fewer when they run out."""
    if not slots:
        return []
    if campaign.source == Source.SHARED.value:
        code_id = session.scalar(
            select(func.max(Code.id)).where(
                Code.campaign_id == campaign.id, Code.import_job_id.is_(None)
            )
        )
        return [] if code_id is None else [(code_id, None)] * len(slots)
    if campaign.source == Source.ON_DEMAND.value:
        return _minted(session, keyring, campaign, slots, now=now)
    return _claimed(session, campaign, len(slots))


def _pools(session: Session, campaign: Campaign) -> Sequence[Any]:
    """Imports whose codes are usable, oldest first."""
    return session.scalars(
        select(ImportJob.id)
        .where(ImportJob.campaign_id == campaign.id, ImportJob.status == "complete")
        .order_by(ImportJob.finished_at, ImportJob.id)
    ).all()


def _claimed(session: Session, campaign: Campaign, count: int) -> list[tuple[int, int | None]]:
    claimed: list[tuple[int, int | None]] = []
    for job_id in _pools(session, campaign):
        free = (
            select(Code.id, Code.amount_minor)
            .where(Code.import_job_id == job_id, Code.free)
            .order_by(Code.id)
            .limit(count - len(claimed))
            .with_for_update(skip_locked=True)
        )
        claimed.extend((row.id, row.amount_minor) for row in session.execute(free))
        if len(claimed) == count:
            break
    if claimed:
        session.execute(
            update(Code).where(Code.id.in_([id_ for id_, _ in claimed])).values(free=False)
        )
    return claimed


def _minted(
    session: Session,
    keyring: Keyring,
    campaign: Campaign,
    slots: Sequence[_Slot],
    *,
    now: dt.datetime,
) -> list[tuple[int, int | None]]:
    recipe = recipe_of(campaign)
    today = now.astimezone(ZoneInfo(campaign.timezone)).date()
    sealer = Sealer(
        keyring=keyring,
        expected=Expected(holds_money=False, currency=None),
        hinted=recipe.hides_40_bits,
    )
    make = sqlite.insert if _on_sqlite(session) else postgresql.insert
    minted: list[tuple[int, int | None]] = []
    for _ in range(_MINT_ROUNDS):
        left = slots[len(minted) :]
        if recipe.personal:
            texts = [
                recipe.mint(
                    1,
                    today=today,
                    recipient=slot.wanted.person.external_id if slot.wanted.person else "",
                )[0]
                for slot in left
            ]
        else:
            texts = recipe.mint(len(left), today=today)
        rows, _rejects, _count = sealer.seal((1, texts))
        found = session.execute(
            make(Code)
            .on_conflict_do_nothing(index_elements=["lookup"])
            .returning(Code.id, Code.lookup),
            [
                {
                    "lookup": row[0],
                    "sealed": row[2],
                    "key_id": keyring.newest,
                    "campaign_id": campaign.id,
                    "free": False,
                    "hint": row[3],
                }
                for row in rows
            ],
        )
        ids = {row.lookup: row.id for row in found}
        # In the order of the slots, since a code may name its recipient.
        for row in rows:
            if row[0] not in ids:
                break
            minted.append((ids[row[0]], None))
        if len(minted) == len(slots):
            return minted
    return minted


def _insert(
    session: Session,
    keyring: Keyring,
    campaign: Campaign,
    slots: Sequence[_Slot],
    codes: Sequence[tuple[int, int | None]],
    *,
    terms: Terms,
    revision_id: int,
    now: dt.datetime,
) -> None:
    """Vouchers, their opening entries and events; a slot whose row stays without id lost a race."""
    if not slots:
        return
    kind = KINDS[campaign.kind]
    zone = ZoneInfo(campaign.timezone)
    windows: dict[dt.datetime | None, Window] = {}
    by_public: dict[int, dict[str, Any]] = {}
    for slot, (code_id, amount) in zip(slots, codes, strict=True):
        sent = slot.wanted.sent_at
        own_id, own_terms = slot.wanted.granted or (revision_id, terms)
        if sent not in windows:
            windows[sent] = window(terms.validity, zone, issued_at=now, sent_at=sent)
        slot.row = {
            "public_id": new_public_id(),
            "key_id": keyring.newest,
            "campaign_id": campaign.id,
            "revision_id": own_id,
            "code_id": code_id,
            "recipient_id": slot.recipient_id,
            "occasion": slot.wanted.occasion,
            "status": "active",
            "starts_at": windows[sent].starts_at,
            "ends_at": windows[sent].ends_at,
            "uses": kind.uses(own_terms),
            "balance_minor": kind.opening_balance(own_terms, code_amount=amount),
            "variant": slot.wanted.variant,
            "events": 1,
            "issued_at": now,
        }
        by_public[slot.row["public_id"]] = slot.row
    make = sqlite.insert if _on_sqlite(session) else postgresql.insert
    inserted = session.execute(
        make(Voucher)
        .on_conflict_do_nothing(index_elements=["campaign_id", "recipient_id", "occasion"])
        .returning(Voucher.id, Voucher.public_id),
        list(by_public.values()),
    )
    for id_, public_id in inserted:
        by_public[public_id]["id"] = id_
    rows = [row for row in by_public.values() if "id" in row]
    entries = [
        {
            "id": new_id(),
            "voucher_id": row["id"],
            "campaign_id": campaign.id,
            "code_id": row["code_id"],
            "kind": EntryKind.ACTIVATE.value,
            "amount_minor": row["balance_minor"],
            "currency": campaign.currency,
            "balance_after_minor": row["balance_minor"],
            "created_at": now,
        }
        for row in rows
        if kind.holds_money
    ]
    if entries:
        session.execute(insert(Entry), entries)
    if rows:
        session.execute(
            insert(Event),
            [
                {
                    "kind": "issued",
                    "at": now,
                    "campaign_id": campaign.id,
                    "voucher_id": row["id"],
                    "number": 1,
                    "entry_id": entries[number]["id"] if entries else None,
                }
                for number, row in enumerate(rows)
            ],
        )


def _answer(
    slots: Sequence[_Slot],
    fresh: Mapping[tuple[int, str], _Slot],
    existing: Mapping[tuple[int, str], Issued],
    lost: set[int],
) -> Batch:
    issued: list[Issued] = []
    missing = 0
    for slot in slots:
        key = (slot.recipient_id or 0, slot.wanted.occasion)
        if key in existing:
            issued.append(existing[key])
            continue
        source = slot if slot.recipient_id is None else fresh[key]
        if source.row is None or id(source) in lost:
            missing += 1
            continue
        issued.append(
            Issued(
                voucher_id=source.row["id"],
                public_id=source.row["public_id"],
                key_id=source.row["key_id"],
                code_id=source.row["code_id"],
                external_id=slot.wanted.person.external_id if slot.wanted.person else None,
                occasion=slot.wanted.occasion,
                fresh=source is slot,
            )
        )
    return Batch(issued=tuple(issued), missing=missing)


def _on_sqlite(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"
