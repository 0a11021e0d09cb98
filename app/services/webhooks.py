"""Webhooks: addresses that are told every event, and what they are told.

Promises: a webhook hears every event of the kinds and campaigns that it wants, those of one
voucher in order, each with the same id however often it is tried; its secret is shown once and
kept sealed; after a rotation both secrets sign until the old one ends. Bodies are made when they
are sent and never stored, so that a person who is forgotten is in none of them.
Refuses: to tell a code, a PIN or a token.

Signatures follow Standard Webhooks (github.com/standard-webhooks/standard-webhooks), bodies are
CloudEvents 1.0 in structured JSON (github.com/cloudevents/spec).
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import hmac
import secrets
import uuid
from collections.abc import Sequence
from enum import StrEnum
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import orjson
from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.orm import Session

from app.domain import codes
from app.services import eventlog
from app.services.eventlog import EVENT
from app.store.keyring import Keyring
from app.store.models import (
    Campaign,
    Entry,
    Event,
    Recipient,
    Store,
    Terminal,
    Voucher,
    Webhook,
    WebhookDelivery,
)

#: When an event is tried again after its first attempt and each later one (Standard Webhooks).
SCHEDULE = tuple(
    dt.timedelta(seconds=seconds)
    for seconds in (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
#: How long the old secret signs beside the new one.
OVERLAP = dt.timedelta(hours=24)
MEDIA_TYPE = "application/cloudevents+json"
_PREFIX = "whsec_"


class Kind(StrEnum):
    """What events tell of; a name never changes its meaning."""

    ISSUED = "issued"
    VIEWED = "viewed"
    ADDED = "added"
    REMOVED = "removed"
    SCANNED = "scanned"
    REFUSED = "refused"
    REDEEMED = "redeemed"
    REVERSED = "reversed"
    HELD = "held"
    CAPTURED = "captured"
    VOIDED = "voided"
    LOADED = "loaded"
    REFUNDED = "refunded"
    UPDATED = "updated"
    EXPIRED = "expired"


class WebhookFault(Exception):
    """A webhook cannot be made or changed as asked; says the remedy."""


def register(
    session: Session,
    keyring: Keyring,
    url: str,
    *,
    now: dt.datetime,
    kinds: Sequence[str] = (),
    campaigns: Sequence[str] = (),
) -> tuple[Webhook, str]:
    """Make a webhook that hears what happens from now on; returns it and its secret.

    Args:
        kinds: kinds of event that it wants; empty is every one.
        campaigns: keys of the campaigns whose events it wants; empty is every one.

    Raises:
        WebhookFault: the address is none, or a kind or campaign is not known.
    """
    _check(session, url, kinds, campaigns)
    secret = _new_secret()
    webhook = Webhook(
        public_id=uuid.uuid4(),
        url=url,
        kinds=sorted(set(kinds)),
        campaigns=sorted(set(campaigns)),
        key_id=keyring.newest,
        secret=b"",
        position=str(eventlog.present(session)),
        created_at=now,
        updated_at=now,
    )
    webhook.secret = keyring.seal(secret, row=_row(webhook))
    session.add(webhook)
    session.flush()
    return webhook, secret


def change(
    session: Session,
    webhook: Webhook,
    *,
    now: dt.datetime,
    url: str | None = None,
    kinds: Sequence[str] | None = None,
    campaigns: Sequence[str] | None = None,
    active: bool | None = None,
) -> None:
    """Change what is given. One that is made active again is told what it missed meanwhile.

    Raises:
        WebhookFault: as `register`.
    """
    _check(session, url or webhook.url, kinds or (), campaigns or ())
    webhook.url = url or webhook.url
    if kinds is not None:
        webhook.kinds = sorted(set(kinds))
    if campaigns is not None:
        webhook.campaigns = sorted(set(campaigns))
    if active is not None:
        webhook.status = "active" if active else "disabled"
        webhook.due_at = None
        webhook.failure = None if active else webhook.failure
    webhook.updated_at = now


def rotate(
    session: Session,
    keyring: Keyring,
    webhook: Webhook,
    *,
    now: dt.datetime,
    overlap: dt.timedelta = OVERLAP,
) -> str:
    """Give a webhook a new secret and return it; the present one signs beside it for `overlap`."""
    present = keyring.open(webhook.secret, row=_row(webhook), key_id=webhook.key_id)
    secret = _new_secret()
    webhook.secret = keyring.seal(secret, row=_row(webhook))
    webhook.previous_secret = keyring.seal(present, row=_row(webhook))
    webhook.previous_until = now + overlap
    webhook.key_id = keyring.newest
    webhook.updated_at = now
    session.flush()
    return secret


def reseal(session: Session, keyring: Keyring) -> int:
    """Seal every secret with the newest master key; returns how many webhooks changed."""
    rows = session.scalars(
        select(Webhook).where(Webhook.key_id != keyring.newest).with_for_update()
    ).all()
    for webhook in rows:
        row = _row(webhook)
        webhook.secret = keyring.seal(
            keyring.open(webhook.secret, row=row, key_id=webhook.key_id), row=row
        )
        if webhook.previous_secret is not None:
            webhook.previous_secret = keyring.seal(
                keyring.open(webhook.previous_secret, row=row, key_id=webhook.key_id), row=row
            )
        webhook.key_id = keyring.newest
    session.flush()
    return len(rows)


def remove(session: Session, webhook: Webhook) -> None:
    """Forget a webhook and all that waits for it."""
    session.execute(delete(WebhookDelivery).where(WebhookDelivery.webhook_id == webhook.id))
    session.delete(webhook)


def find(session: Session, public_id: str, *, locked: bool = False) -> Webhook | None:
    """The webhook of that id."""
    try:
        wanted = uuid.UUID(public_id)
    except ValueError:
        return None
    statement = select(Webhook).where(Webhook.public_id == wanted)
    return session.scalar(statement.with_for_update() if locked else statement)


def counts(session: Session, webhook: Webhook) -> dict[str, int]:
    """How many events wait for another attempt, and how many are dead."""
    rows = session.execute(
        select(WebhookDelivery.status, func.count().label("count"))
        .where(WebhookDelivery.webhook_id == webhook.id)
        .group_by(WebhookDelivery.status)
    )
    found = {row.status: int(row[1]) for row in rows}
    return {"waiting": found.get("waiting", 0), "dead": found.get("dead", 0)}


def replay(session: Session, webhook: Webhook, *, now: dt.datetime) -> int:
    """Try every dead event again from the start of the schedule; returns how many.

    They arrive later than younger events of their voucher that were delivered meanwhile; their
    `sequence` says where they belong.
    """
    replayed = session.scalars(
        update(WebhookDelivery)
        .where(WebhookDelivery.webhook_id == webhook.id, WebhookDelivery.status == "dead")
        .values(status="waiting", attempts=0, due_at=now)
        .returning(WebhookDelivery.id)
    ).all()
    webhook.due_at = None
    return len(replayed)


def signing_secrets(keyring: Keyring, webhook: Webhook, *, now: dt.datetime) -> tuple[bytes, ...]:
    """What signs at `now`, the newest first."""
    sealed = [webhook.secret]
    if webhook.previous_secret is not None and (
        webhook.previous_until is not None and now < webhook.previous_until
    ):
        sealed.append(webhook.previous_secret)
    return tuple(
        _secret_bytes(keyring.open(each, row=_row(webhook), key_id=webhook.key_id))
        for each in sealed
    )


def sign(
    signing: Sequence[bytes], *, message_id: str, at: dt.datetime, body: bytes
) -> dict[str, str]:
    """The three headers of Standard Webhooks: HMAC-SHA256 over id, time and body."""
    stamp = str(int(at.timestamp()))
    signed = f"{message_id}.{stamp}.".encode() + body
    signatures = [
        "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
        for secret in signing
    ]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": stamp,
        "webhook-signature": " ".join(signatures),
    }


def verify(secret: str, *, headers: dict[str, str], body: bytes) -> bool:
    """Whether a request is signed with `secret`; as a receiver checks it, time aside."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = hmac.digest(_secret_bytes(secret), signed, hashlib.sha256)
    given = [part.partition(",") for part in headers["webhook-signature"].split()]
    return any(
        version == "v1" and hmac.compare_digest(base64.b64decode(signature), expected)
        for version, _, signature in given
    )


def described() -> Select[Any]:
    """What `body` needs of events, for `eventlog.read`."""
    return (
        select(
            EVENT.c.id,
            EVENT.c.kind,
            EVENT.c.at,
            EVENT.c.voucher_id,
            EVENT.c.number,
            EVENT.c.reason,
            EVENT.c.data,
            Voucher.public_id,
            Voucher.occasion,
            Voucher.variant,
            Campaign.key.label("campaign"),
            Campaign.kind.label("campaign_kind"),
            Recipient.external_id.label("recipient"),
            Store.key.label("store"),
            Terminal.key.label("terminal"),
            Entry.id.label("entry_id"),
            Entry.kind.label("entry_kind"),
            Entry.uses,
            Entry.amount_minor,
            Entry.currency,
            Entry.discount_minor,
            Entry.balance_after_minor,
            Entry.receipt,
        )
        .select_from(EVENT)
        .outerjoin(Voucher, Voucher.id == EVENT.c.voucher_id)
        .outerjoin(Campaign, Campaign.id == EVENT.c.campaign_id)
        .outerjoin(Recipient, Recipient.id == Voucher.recipient_id)
        .outerjoin(Store, Store.id == EVENT.c.store_id)
        .outerjoin(Terminal, Terminal.id == EVENT.c.terminal_id)
        .outerjoin(Entry, Entry.id == EVENT.c.entry_id)
    )


def wants(webhook: Webhook, row: Any) -> bool:
    """Whether a webhook wants the event of a `described` row."""
    return (not webhook.kinds or row.kind in webhook.kinds) and (
        not webhook.campaigns or row.campaign in webhook.campaigns
    )


def message_id(row: Any) -> str:
    """What names an event for ever: the voucher's serial and the event's number."""
    if row.public_id is None:
        return f"event-{row.id}"
    return f"{codes.serial(row.public_id)}-{row.number}"


def body(row: Any, *, source: str) -> bytes:
    """The CloudEvent of a `described` row.

    Args:
        source: the deployment's public address.
    """
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": message_id(row),
        "source": source,
        "type": f"passerelle.voucher.{row.kind}",
        "time": row.at.isoformat(),
        "datacontenttype": "application/json",
    }
    if row.public_id is not None:
        event |= {"subject": codes.serial(row.public_id), "sequence": f"{row.number:010d}"}
    entry = None
    if row.entry_id is not None:
        entry = {
            "id": str(row.entry_id),
            "kind": row.entry_kind,
            "uses": row.uses,
            "amount_minor": row.amount_minor,
            "discount_minor": row.discount_minor,
            "balance_after_minor": row.balance_after_minor,
            "currency": row.currency,
            "receipt": row.receipt,
        }
    event["data"] = {
        "kind": row.kind,
        "number": row.number,
        "campaign": row.campaign,
        "campaign_kind": row.campaign_kind,
        "recipient": row.recipient,
        "occasion": row.occasion,
        "variant": row.variant,
        "store": row.store,
        "terminal": row.terminal,
        "reason": row.reason,
        "entry": entry,
        "details": row.data or {},
    }
    return orjson.dumps(event)


def _check(session: Session, url: str, kinds: Sequence[str], campaigns: Sequence[str]) -> None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise WebhookFault("The address is none: write https://host/path.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or len(url) > 2_000:
        raise WebhookFault("The address is none: write https://host/path.")
    if parts.username or parts.password or parts.fragment:
        raise WebhookFault("The address holds a password or fragment: leave those out.")
    try:
        ip_address(parts.hostname)
    except ValueError:
        if parts.hostname.isascii() is False:
            raise WebhookFault(
                "The host has letters beyond ASCII: write it in its xn-- form."
            ) from None
    known = [kind.value for kind in Kind]
    if unknown := sorted(set(kinds) - set(known)):
        raise WebhookFault(f"No such kind: {', '.join(unknown)}. There are {', '.join(known)}.")
    if campaigns:
        found = set(session.scalars(select(Campaign.key).where(Campaign.key.in_(campaigns))))
        if missing := sorted(set(campaigns) - found):
            raise WebhookFault(f"No such campaign: {', '.join(missing)}.")


def _new_secret() -> str:
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def _secret_bytes(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        raise WebhookFault("The secret is not whsec_ and base64.") from None


def _row(webhook: Webhook) -> bytes:
    """What a webhook's secrets are bound to."""
    return b"webhook:" + webhook.public_id.bytes


def describe(session: Session, webhook: Webhook) -> dict[str, Any]:
    """A webhook as its owner sees it; never its secret."""
    return {
        "id": str(webhook.public_id),
        "url": webhook.url,
        "kinds": webhook.kinds,
        "campaigns": webhook.campaigns,
        "status": webhook.status,
        "failure": webhook.failure,
        "rotating_until": webhook.previous_until.isoformat() if webhook.previous_until else None,
        "created_at": webhook.created_at.isoformat(),
        **counts(session, webhook),
    }


def dead_letters(session: Session, webhook: Webhook, *, limit: int = 1_000) -> list[dict[str, Any]]:
    """Events that were given up, oldest first."""
    rows = session.execute(
        select(WebhookDelivery, Event.kind, Event.number, Voucher.public_id)
        .join(Event, Event.id == WebhookDelivery.event_id)
        .outerjoin(Voucher, Voucher.id == WebhookDelivery.voucher_id)
        .where(WebhookDelivery.webhook_id == webhook.id, WebhookDelivery.status == "dead")
        .order_by(WebhookDelivery.event_id)
        .limit(limit)
    ).all()
    return [
        {
            "id": f"{codes.serial(row.public_id)}-{row.number}"
            if row.public_id is not None
            else f"event-{row.WebhookDelivery.event_id}",
            "kind": row.kind,
            "attempts": row.WebhookDelivery.attempts,
            "failure": row.WebhookDelivery.failure,
        }
        for row in rows
    ]
