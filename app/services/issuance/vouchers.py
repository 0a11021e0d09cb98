"""This module issues a voucher for each recipient and occasion, once.

One call is one transaction, given its session by the caller, so that a page that issues and
records something else commits both or neither. Asked again for the same recipient, campaign and
occasion it answers with the voucher that exists; a campaign for birthdays says the occasion
itself. When codes run out it issues as many as there are, in the order asked, and says how many
are missing; nothing is half issued. What somebody had before they were forgotten is not issued
again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from app.domain import occasions
from app.domain.campaign import Terms
from app.domain.codes import new_public_id
from app.domain.kinds import KINDS
from app.domain.ledger import EntryKind
from app.domain.validity import Window, window
from app.services import campaigns
from app.services.issuance import forgotten
from app.services.issuance.recipients import store
from app.services.issuance.requests import (
    Batch,
    Issued,
    IssueFault,
    NotDue,
    Occasion,
    Slot,
    VoucherRequest,
    occasions_of,
)
from app.services.issuance.stock import Claimed, claim
from app.store.dialects import insert_for
from app.store.keyring import Keyring
from app.store.models import Campaign, Code, Entry, Event, Recipient, Voucher, new_id

#: Vouchers of one transaction: few enough that a till beside it does not wait.
CHUNK = 200


def issue(
    session: Session,
    keyring: Keyring,
    campaign: Campaign,
    wanted: Sequence[VoucherRequest],
    *,
    now: dt.datetime,
    people: Mapping[str, int] | None = None,
) -> Batch:
    """Let each of `wanted` have its voucher of `campaign`.

    Args:
        people: ids by external id of recipients that the caller stored already, having decided by
            the campaign's rules.

    Raises:
        IssueFault: the campaign is not live, its validity is over, its rules decide who gets
            something and were not asked, or it says the occasion itself and another one is asked.
    """
    revision = campaigns.latest_revision(session, campaign)
    terms = campaigns.terms_of(revision)
    refuse(campaign, terms, now=now)
    if people is None:
        if campaign.rules is not None:
            raise IssueFault(
                f"The campaign {campaign.key} decides by rules.",
                "Issue with `passerelle decide` or POST /api/v1/decisions.",
            )
        people = store(
            session,
            [item.person for item in wanted if item.person],
            now=now,
            keyring=keyring,
        ).ids
    people = _kept(session, people)
    kept = [item for item in wanted if item.person is None or item.person.external_id in people]
    found = occasions_of(
        session, campaign, [(each.person, each.occasion) for each in kept], now=now
    )
    asked = [
        Slot(
            replace(item, occasion=occasion.text),
            people[item.person.external_id] if item.person else None,
        )
        for item, occasion in zip(kept, found, strict=True)
    ]
    existing = _existing(session, campaign, asked)
    before = _given_before(session, keyring, campaign, asked, existing)
    slots, not_due = _due(asked, found, existing, before)
    fresh: dict[tuple[int, str], Slot] = {}
    needed: list[Slot] = []
    for slot in slots:
        if slot.recipient_id is None:
            needed.append(slot)
            continue
        key = slot.key
        if key not in existing and key not in fresh:
            fresh[key] = slot
            needed.append(slot)
    codes = claim(session, keyring, campaign, needed, now=now)
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
    gone = [item for item in wanted if item.person and item.person.external_id not in people]
    return replace(
        _answer(slots, fresh, existing, set(map(id, lost))),
        forgotten=(*gone, *(slot.wanted for slot in asked if slot.key in before)),
        not_due=not_due,
    )


def _kept(session: Session, people: Mapping[str, int]) -> dict[str, int]:
    """Those who are not forgotten, and are not before this transaction ends."""
    ids = sorted(set(people.values()))
    kept: set[int] = set()
    for at in range(0, len(ids), CHUNK):
        kept.update(
            session.scalars(
                select(Recipient.id)
                .where(Recipient.id.in_(ids[at : at + CHUNK]), Recipient.forgotten_at.is_(None))
                .order_by(Recipient.id)
                .with_for_update(read=True, key_share=True)
            )
        )
    return {name: id_ for name, id_ in people.items() if id_ in kept}


def _given_before(
    session: Session,
    keyring: Keyring,
    campaign: Campaign,
    slots: Sequence[Slot],
    existing: Mapping[tuple[int, str], Issued],
) -> set[tuple[int, str]]:
    """What somebody who came back had before they were forgotten, by the slots' keys."""
    asked = {
        (slot.wanted.person.external_id, slot.wanted.occasion): slot.key
        for slot in slots
        if slot.wanted.person is not None and slot.key not in existing
    }
    found = forgotten.given(session, keyring, campaign.id, asked.keys())
    return {asked[each] for each in found}


def _due(
    asked: Sequence[Slot],
    found: Sequence[Occasion],
    existing: Mapping[tuple[int, str], Issued],
    before: Collection[tuple[int, str]],
) -> tuple[list[Slot], tuple[NotDue, ...]]:
    """Those that have a voucher or are given one now, and those whose occasion is not now."""
    due: list[Slot] = []
    not_due: list[NotDue] = []
    for slot, occasion in zip(asked, found, strict=True):
        if slot.key in before:
            continue
        if occasion.why is None or slot.key in existing:
            due.append(slot)
        else:
            person = slot.wanted.person
            not_due.append(
                NotDue(
                    external_id=person.external_id if person else None,
                    why=occasion.why,
                    cause=occasion.cause,
                )
            )
    return due, tuple(not_due)


def refuse(campaign: Campaign, terms: Terms, *, now: dt.datetime) -> None:
    """Refuse a campaign that issues nothing now.

    Raises:
        IssueFault: it is not live, its validity is over, or all it issued was ended by force.
    """
    if campaign.status != "live":
        raise IssueFault(
            f"The campaign {campaign.key} is {campaign.status}.", "Set it live to issue vouchers."
        )
    ends = campaigns.issues_until(campaign, terms)
    if ends is not None and ends <= now:
        remedy = "Give it a later end to issue vouchers."
        if ends != terms.validity.ends_at:
            remedy = (
                "That end was forced on all its vouchers, so that a new one would be over at once; "
                "force a later one with `passerelle campaign update` to issue vouchers."
            )
        raise IssueFault(f"The campaign {campaign.key} ended on {ends:%Y-%m-%d %H:%M} UTC.", remedy)


def _existing(
    session: Session, campaign: Campaign, slots: Sequence[Slot]
) -> dict[tuple[int, str], Issued]:
    ids = {slot.recipient_id for slot in slots if slot.recipient_id is not None}
    if not ids:
        return {}
    names = {
        slot.recipient_id: slot.wanted.person.external_id for slot in slots if slot.wanted.person
    }
    asked = {slot.wanted.occasion for slot in slots}
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
            Voucher.occasion.in_(occasions.spellings(asked)),
        )
    )
    return {
        (row.recipient_id, occasions.canonical(row.occasion)): Issued(
            voucher_id=row.id,
            public_id=row.public_id,
            key_id=row.key_id,
            code_id=row.code_id,
            external_id=names[row.recipient_id],
            occasion=row.occasion,
            fresh=False,
        )
        # Of two that an earlier release issued for one mail, the one that is asked by its name.
        for row in sorted(found, key=lambda row: row.occasion in asked)
    }


def _insert(
    session: Session,
    keyring: Keyring,
    campaign: Campaign,
    slots: Sequence[Slot],
    codes: Sequence[Claimed],
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
    for slot, code in zip(slots, codes, strict=True):
        sent = slot.wanted.sent_at
        own_id, own_terms = slot.wanted.granted or (revision_id, terms)
        if sent not in windows:
            windows[sent] = window(terms.validity, zone, issued_at=now, sent_at=sent)
        slot.row = {
            "public_id": new_public_id(),
            "key_id": keyring.newest,
            "campaign_id": campaign.id,
            "revision_id": own_id,
            "code_id": code.id,
            "recipient_id": slot.recipient_id,
            "occasion": slot.wanted.occasion,
            "status": "active",
            "starts_at": windows[sent].starts_at,
            "ends_at": windows[sent].ends_at,
            "uses": kind.uses(own_terms, code_uses=code.limit),
            "balance_minor": kind.opening_balance(own_terms, code_amount=code.amount_minor),
            "variant": slot.wanted.variant,
            "events": 1,
            "issued_at": now,
        }
        by_public[slot.row["public_id"]] = slot.row
    inserted = session.execute(
        insert_for(session, Voucher)
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
    slots: Sequence[Slot],
    fresh: Mapping[tuple[int, str], Slot],
    existing: Mapping[tuple[int, str], Issued],
    lost: set[int],
) -> Batch:
    issued: list[Issued] = []
    missing = 0
    for slot in slots:
        key = slot.key
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
