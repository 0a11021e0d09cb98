"""The address of an invitation: whom it is for and why, sealed for one campaign, and read back."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy.orm import Session

from app.domain.validity import end_of_day
from app.faults import Fault
from app.services import campaigns, issuance
from app.settings import Settings
from app.store.keyring import NONCE_BYTES, Keyring

FORM = 1
PURPOSE = "invitation"
#: Contents are filled up to a multiple of this, so that a length tells little about a name.
_BLOCK = 48
_TAG_BYTES = 16
#: Longest address part that is looked at; real ones are a quarter of it.
_LONGEST = 4096


class InvitationFault(Fault):
    """An invitation cannot be made as asked; says the remedy."""

    code = "not_invited"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """Whom an offer is for, why, and until when it can be accepted."""

    external_id: str = field(repr=False)
    occasion: str = ""
    language: str | None = None
    #: What is stored with the recipient when the offer is accepted, such as an address to write to.
    attributes: Mapping[str, Any] = field(default_factory=dict, repr=False)
    #: As of a `Person`: whether what is said of somebody who is known is stored.
    shared: bool = True
    expires_at: dt.datetime
    #: When it was made, in whole seconds; None for one of a release that did not say.
    made_at: dt.datetime | None = None


def expiry(
    session: Session, campaign_key: str, *, days: int, now: dt.datetime, occasion: str = ""
) -> dt.datetime:
    """When invitations end: with the day `days` after today, in the campaign's time zone.

    Raises:
        CampaignUnknown: there is none.
        IssueFault: the campaign says the occasion itself, and the invitations have another one.
    """
    campaign = campaigns.required(session, campaign_key)
    issuance.refuse_occasion(campaign, occasion)
    return end_of_day(now, ZoneInfo(campaign.timezone), days=days)


def link(settings: Settings, keyring: Keyring, campaign_key: str, invitation: Invitation) -> str:
    """The address of the offer for that recipient; each call spells another one.

    Raises:
        InvitationFault: it has no recipient, or too much to say for an address.
    """
    if not invitation.external_id:
        raise InvitationFault("An invitation is for somebody.", "Give the recipient's external id.")
    text = _write(keyring, campaign_key, invitation)
    if len(text) > _LONGEST // 4:
        raise InvitationFault(
            "The invitation is too long for an address.", "Give fewer or shorter attributes."
        )
    return f"{settings.base_url}/c/{campaign_key}/{text}"


def read(keyring: Keyring, campaign_key: str, text: str) -> Invitation | None:
    """The invitation if it is genuine and for that campaign, expired or not; else None."""
    if len(text) > _LONGEST:
        return None
    try:
        raw = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return None
    # Base64 has spare bits, and Python ignores strange letters: only our own spelling counts.
    if _encode(raw) != text or len(raw) < 2 + NONCE_BYTES + _TAG_BYTES:
        return None
    form, key_id = raw[0], raw[1]
    if form != FORM or key_id not in keyring.ids:
        return None
    cipher = AESGCM(keyring.derive(PURPOSE, key_id=key_id))
    nonce, sealed = raw[2 : 2 + NONCE_BYTES], raw[2 + NONCE_BYTES :]
    try:
        said = orjson.loads(cipher.decrypt(nonce, sealed, _bound(raw[:2], campaign_key)))
    except InvalidTag:
        return None
    return Invitation(
        external_id=said["r"],
        occasion=said.get("o", ""),
        language=said.get("l"),
        attributes=said.get("a", {}),
        shared=not said.get("b"),
        expires_at=dt.datetime.fromtimestamp(said["x"], dt.UTC),
        made_at=dt.datetime.fromtimestamp(said["m"], dt.UTC) if "m" in said else None,
    )


def _write(keyring: Keyring, campaign_key: str, invitation: Invitation) -> str:
    said: dict[str, Any] = {
        "r": invitation.external_id,
        "x": int(invitation.expires_at.timestamp()),
    }
    if invitation.made_at is not None:
        said["m"] = int(invitation.made_at.timestamp())
    for name, value in (
        ("o", invitation.occasion),
        ("l", invitation.language),
        ("a", dict(invitation.attributes)),
        # Made with a key that is bound: named only then, so that other links stay as short.
        ("b", int(not invitation.shared)),
    ):
        if value:
            said[name] = value
    plain = orjson.dumps(said)
    plain += b" " * (-len(plain) % _BLOCK)
    key_id = keyring.newest
    head = bytes((FORM, key_id))
    nonce = os.urandom(NONCE_BYTES)
    cipher = AESGCM(keyring.derive(PURPOSE, key_id=key_id))
    return _encode(head + nonce + cipher.encrypt(nonce, plain, _bound(head, campaign_key)))


def _bound(head: bytes, campaign_key: str) -> bytes:
    return head + campaign_key.encode()


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
