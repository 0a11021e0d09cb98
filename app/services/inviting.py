"""Invitations: signed links that let one recipient take one voucher of a campaign, once.

An invitation carries whom it is for and why, encrypted and authenticated (AES-256-GCM under a key
of its own purpose, bound to the campaign), so that a mail tool can send an offer before anything
is issued, and neither the address nor a log of it says who got it. It cannot be guessed or
altered; the text has exactly one spelling. It ends by itself, and with its campaign; once it is
accepted, the voucher's own link can be withdrawn. Nothing of it is stored. One that was made
before its recipient was forgotten has ended, whether it was accepted or not: what was given stays
given, and nothing that the invitation says of them is stored.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.validity import end_of_day
from app.services import campaigns, issuing
from app.services.issuing import IssueFault, Person, Wanted
from app.settings import Settings
from app.store.keyring import NONCE_BYTES, Keyring
from app.store.models import Campaign, Recipient, Revision, Voucher

FORM = 1
PURPOSE = "invitation"
#: Contents are filled up to a multiple of this, so that a length tells little about a name.
_BLOCK = 48
_TAG_BYTES = 16
#: Longest address part that is looked at; real ones are a quarter of it.
_LONGEST = 4096


class InvitationFault(Exception):
    """An invitation cannot be made as asked; says the remedy."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What an invitation shows: the campaign as it is now, and the voucher if it was taken."""

    campaign: Campaign
    latest: Revision
    invitation: Invitation
    #: (public id, key id) of the voucher that the recipient has of this occasion.
    taken: tuple[int, int] | None
    #: Whether it can be accepted at this moment.
    open: bool


@dataclass(frozen=True, slots=True)
class Accepted:
    """The recipient has the voucher: its (public id, key id)."""

    voucher: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Refused:
    """No voucher: `ended` or `sold_out`."""

    reason: str


def expiry(session: Session, campaign_key: str, *, days: int, now: dt.datetime) -> dt.datetime:
    """When invitations end: with the day `days` after today, in the campaign's time zone.

    Raises:
        InvitationFault: there is no such campaign.
    """
    campaign = campaigns.find(session, campaign_key)
    if campaign is None:
        raise InvitationFault(
            f"There is no campaign {campaign_key}: `passerelle campaign list` shows all."
        )
    return end_of_day(now, ZoneInfo(campaign.timezone), days=days)


def forgotten(
    session: Session, keyring: Keyring, campaign_key: str, names: Collection[str], occasion: str
) -> set[str]:
    """Those whom no invitation would serve: they were forgotten, or had this before they were."""
    found = issuing.forgotten.gone(session, keyring, names)
    campaign = campaigns.find(session, campaign_key)
    if campaign is not None:
        asked = {(name, occasion) for name in names}
        before = issuing.forgotten.given(session, keyring, campaign.id, asked)
        found |= {name for name, _ in before}
    return found


def link(settings: Settings, keyring: Keyring, campaign_key: str, invitation: Invitation) -> str:
    """The address of the offer for that recipient; each call spells another one.

    Raises:
        InvitationFault: it has no recipient, or too much to say for an address.
    """
    if not invitation.external_id:
        raise InvitationFault("An invitation is for somebody: give the recipient's external id.")
    text = _write(keyring, campaign_key, invitation)
    if len(text) > _LONGEST // 4:
        raise InvitationFault(
            "The invitation is too long for an address: give fewer or shorter attributes."
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


def offer(
    session: Session, keyring: Keyring, campaign_key: str, text: str, *, now: dt.datetime
) -> Offer | None:
    """What the link shows; None when it is not genuine. Reads only: nothing is issued."""
    invitation = read(keyring, campaign_key, text)
    campaign = campaigns.find(session, campaign_key) if invitation is not None else None
    if invitation is None or campaign is None:
        return None
    latest = campaigns.latest_revision(session, campaign)
    taken = session.execute(
        select(Voucher.public_id, Voucher.key_id)
        .join(Recipient, Recipient.id == Voucher.recipient_id)
        .where(
            Voucher.campaign_id == campaign.id,
            Recipient.external_id == invitation.external_id,
            Voucher.occasion == invitation.occasion,
        )
    ).one_or_none()
    ends = campaigns.issues_until(campaign, campaigns.terms_of(latest))
    return Offer(
        campaign=campaign,
        latest=latest,
        invitation=invitation,
        taken=(taken.public_id, taken.key_id) if taken is not None else None,
        open=campaign.status == "live"
        and now < invitation.expires_at
        and not _forgotten(session, keyring, campaign, invitation)
        and (ends is None or now < ends),
    )


def accept(
    session: Session, keyring: Keyring, campaign_key: str, text: str, *, now: dt.datetime
) -> Accepted | Refused | None:
    """Let the recipient have the voucher; again, the one that exists. None: not genuine."""
    found = offer(session, keyring, campaign_key, text, now=now)
    if found is None:
        return None
    if found.taken is not None:
        return Accepted(found.taken)
    if not found.open:
        return Refused("ended")
    invitation = found.invitation
    wanted = Wanted(
        person=Person(
            external_id=invitation.external_id,
            language=invitation.language,
            attributes=invitation.attributes,
            shared=invitation.shared,
        ),
        occasion=invitation.occasion,
    )
    try:
        batch = issuing.issue(session, keyring, found.campaign, [wanted], now=now)
    except IssueFault:
        return Refused("ended")
    if batch.forgotten:
        return Refused("ended")
    if not batch.issued:
        return Refused("sold_out")
    return Accepted((batch.issued[0].public_id, batch.issued[0].key_id))


def _forgotten(
    session: Session, keyring: Keyring, campaign: Campaign, invitation: Invitation
) -> bool:
    """Whether it names somebody as they were before they were forgotten."""
    name = invitation.external_id
    since = issuing.forgotten.since(session, keyring, [name]).get(name)
    if since is None:
        return False
    if invitation.made_at is None or invitation.made_at <= since:
        return True
    asked = {(name, invitation.occasion)}
    return bool(
        issuing.forgotten.gone(session, keyring, [name])
        or issuing.forgotten.given(session, keyring, campaign.id, asked)
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
