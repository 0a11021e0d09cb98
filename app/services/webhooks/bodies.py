"""A body tells an event as a CloudEvent, made when it is sent."""

from __future__ import annotations

from typing import Any

import orjson
from sqlalchemy import Select, select

from app.domain import codes
from app.domain.explained import Explained
from app.services.eventlog import EVENT
from app.store.models import Campaign, Entry, Recipient, Store, Terminal, Voucher, Webhook

MEDIA_TYPE = "application/cloudevents+json"


class WebhookEventKind(Explained):
    """What events tell of; a name never changes its meaning."""

    ISSUED = "issued", "A voucher was issued to a recipient, or to nobody yet."
    VIEWED = (
        "viewed",
        "Somebody looked at the voucher's page. `details.device` is `iphone`, `android` or "
        "`desktop`.",
    )
    ADDED = "added", "The pass was added to a wallet. `details.wallet` is `apple` or `google`."
    REMOVED = (
        "removed",
        "The pass was removed from its last device, or from Google Wallet. `details.wallet` names "
        "the wallet.",
    )
    SCANNED = (
        "scanned",
        "A till asked what the voucher is. `reason` is the refusal that a redemption would get.",
    )
    REFUSED = "refused", "A till was refused. `reason` is the refusal."
    REDEEMED = (
        "redeemed",
        "The voucher was redeemed. `details` has the discount or the amount, and what the basket "
        "came to.",
    )
    REVERSED = "reversed", "A redemption was undone on the same day by the till that made it."
    HELD = "held", "Uses or money were set aside. `details.hold_id` names the hold."
    CAPTURED = "captured", "A hold was redeemed, in whole or in part."
    VOIDED = (
        "voided",
        "What a hold had set aside was released. `details.because` is `voided`, `lapsed`, or "
        "`captured` for the rest of a captured hold.",
    )
    ACTIVATED = "activated", "A gift card was activated."
    LOADED = "loaded", "Money was put on a gift card."
    ADJUSTED = "adjusted", "A supervisor corrected the balance of a gift card."
    BLOCKED = "blocked", "A gift card was blocked."
    UNBLOCKED = "unblocked", "A gift card was unblocked."
    DEACTIVATED = "deactivated", "A gift card was ended by order."
    REFUNDED = (
        "refunded",
        "Money or a use of a redemption was given back, or a refund was undone; then "
        "`details.amount_minor` is negative.",
    )
    UPDATED = (
        "updated",
        "The voucher changed otherwise: it was withdrawn, issued anew, given other terms, or money "
        "moved between a card and its replacement.",
    )
    EXPIRED = "expired", "The voucher's time ended, or money of an ended card expired."


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
