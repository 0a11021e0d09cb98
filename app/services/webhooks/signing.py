"""A webhook has a secret, kept sealed and shown once; after a rotation it has two."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import hmac
import secrets
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.faults import Fault
from app.services import security
from app.store.keyring import Keyring
from app.store.models import Webhook

#: How long the old secret signs beside the new one.
OVERLAP = dt.timedelta(hours=24)
_PREFIX = "whsec_"


def rotate(
    session: Session,
    keyring: Keyring,
    webhook: Webhook,
    *,
    now: dt.datetime,
    overlap: dt.timedelta = OVERLAP,
) -> str:
    """Give a webhook a new secret and return it; the present one signs beside it for `overlap`."""
    present = keyring.open(webhook.secret, row=bound_to(webhook), key_id=webhook.key_id)
    secret = new_secret()
    webhook.secret = keyring.seal(secret, row=bound_to(webhook))
    webhook.previous_secret = keyring.seal(present, row=bound_to(webhook))
    webhook.previous_until = now + overlap
    webhook.key_id = keyring.newest
    webhook.updated_at = now
    session.flush()
    security.record(
        session,
        security.SecurityEventKind.WEBHOOK_SECRET_ROTATED,
        now=now,
        object=f"webhook {webhook.public_id}",
    )
    return secret


def reseal(session: Session, keyring: Keyring) -> int:
    """Seal every secret with the newest master key; returns how many webhooks changed."""
    rows = session.scalars(
        select(Webhook).where(Webhook.key_id != keyring.newest).with_for_update()
    ).all()
    for webhook in rows:
        row = bound_to(webhook)
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


def signing_secrets(keyring: Keyring, webhook: Webhook, *, now: dt.datetime) -> tuple[bytes, ...]:
    """What signs at `now`, the newest first."""
    sealed = [webhook.secret]
    if webhook.previous_secret is not None and (
        webhook.previous_until is not None and now < webhook.previous_until
    ):
        sealed.append(webhook.previous_secret)
    return tuple(
        _secret_bytes(keyring.open(each, row=bound_to(webhook), key_id=webhook.key_id))
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


def new_secret() -> str:
    """A fresh secret, as receivers write it."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def _secret_bytes(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        raise WebhookFault("The secret is not whsec_ and base64.") from None


def bound_to(webhook: Webhook) -> bytes:
    """What a webhook's secrets are bound to."""
    return b"webhook:" + webhook.public_id.bytes


class WebhookFault(Fault):
    """A webhook cannot be made or changed as asked; says the remedy."""

    code = "webhook_faulty"
