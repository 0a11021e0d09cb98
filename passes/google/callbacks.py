"""What Google posts when a pass is saved or deleted (protocol ECv2SigningOnly).

Promises that a `Callback` which exists was signed by Google for this issuer and is in date. Checks
the bytes as they were received. Duplicates are Google's right: the caller remembers the nonce.

https://developers.google.com/wallet/retail/offers/use-cases/use-callbacks-for-saves-and-deletions
"""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from passes.errors import CallbackError

PROTOCOL = "ECv2SigningOnly"
SENDER = "GooglePayPasses"
LARGEST = 16_384
"""The most bytes a callback may have; real ones have under two thousand."""
MOST_SIGNATURES = 8
"""The most signatures of the intermediate key that are tried; real ones have one or two."""


@dataclass(frozen=True, slots=True)
class RootKeys:
    """Google's public root keys (https://pay.google.com/gp/m/issuer/keys) that are in date."""

    keys: tuple[EllipticCurvePublicKey, ...] = field(repr=False)
    expires: datetime

    @classmethod
    def read(cls, data: bytes, *, now: datetime) -> Self:
        """Read the document as Google serves it; keep it until `expires` at most.

        Keys of other protocols and past keys are left out, as Google's Tink does. Raises
        CallbackError when none remains.
        """
        keys, ends = [], []
        try:
            for each in json.loads(data)["keys"]:
                if each.get("protocolVersion") != PROTOCOL:
                    continue
                end = _moment(each["keyExpiration"])
                if end > now:
                    keys.append(_public_key(each["keyValue"]))
                    ends.append(end)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise CallbackError(
                "keys", "Google's key document cannot be read.", "Fetch it again later."
            ) from error
        if not keys:
            raise CallbackError(
                "keys", f"It has no {PROTOCOL} key that is in date.", "Fetch it again later."
            )
        return cls(tuple(keys), min(ends))


@dataclass(frozen=True, slots=True)
class Callback:
    """What happened: `event` is `save`, `del`, or another word of Google's.

    A save or deletion names one object; an activation (`activate`) names its objects in a list, and
    an event that Google adds later may name none. `message` is the signed text, so that what the
    service does not act upon can be kept whole.

    https://developers.google.com/wallet/tickets/transit-passes/qr-code/resources/activation
    """

    event: str
    class_id: str
    object_ids: tuple[str, ...]
    nonce: str
    count: int
    expires: datetime
    message: str = field(default="", repr=False)

    @property
    def object_id(self) -> str:
        """The object, or the first of several; empty without one."""
        return self.object_ids[0] if self.object_ids else ""


@dataclass(frozen=True, slots=True)
class CallbackVerifier:
    """Verifies callbacks for one issuer: the one that is configured, not the one they name."""

    issuer_id: str

    def verify(self, body: bytes, *, keys: RootKeys, now: datetime) -> Callback:
        """Return what the body says, or raise CallbackError. `now` is aware."""
        if len(body) > LARGEST:
            raise _refused("body", "It is too large.")
        try:
            envelope = json.loads(body)
            protocol = envelope["protocolVersion"]
            signature = b64decode(envelope["signature"], validate=True)
            message: str = envelope["signedMessage"]
            intermediate = envelope["intermediateSigningKey"]
            signed_key: str = intermediate["signedKey"]
            key_signatures = [b64decode(each, validate=True) for each in intermediate["signatures"]]
            signed = _signed_bytes(SENDER, PROTOCOL, signed_key)
            message_bytes = _signed_bytes(SENDER, self.issuer_id, PROTOCOL, message)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise _refused("body", "It is not a callback.") from error
        if protocol != PROTOCOL:
            raise _refused("protocolVersion", "It uses another protocol.")
        if len(key_signatures) > MOST_SIGNATURES:
            # Each costs a verification for each root key, before anything is known as genuine.
            raise _refused("intermediateSigningKey", "It has too many signatures.")
        if not any(_verifies(root, each, signed) for root in keys.keys for each in key_signatures):
            raise _refused("intermediateSigningKey", "No root key of Google's signed it.")
        try:
            key_document = json.loads(signed_key)
            key_end = _moment(key_document["keyExpiration"])
            key = _public_key(key_document["keyValue"])
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise _refused("intermediateSigningKey", "It cannot be read.") from error
        if key_end <= now:
            raise _refused("intermediateSigningKey", "It is out of date.")
        if not _verifies(key, signature, message_bytes):
            raise _refused("signature", "It was not signed for this issuer.")
        return self._read(message, now)

    def _read(self, message: str, now: datetime) -> Callback:
        try:
            said: dict[str, Any] = json.loads(message)
            callback = Callback(
                event=str(said["eventType"]),
                class_id=str(said.get("classId", "")),
                object_ids=_object_ids(said),
                # One that Google does not name is known by what it says.
                nonce=str(said.get("nonce") or sha256(message.encode()).hexdigest()),
                count=int(said.get("count", 1)),
                expires=_moment(said["expTimeMillis"]),
                message=message,
            )
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise _refused("signedMessage", "It cannot be read.") from error
        if callback.expires <= now:
            raise _refused("signedMessage.expTimeMillis", "It is out of date.")
        if not all(each.startswith(f"{self.issuer_id}.") for each in callback.object_ids):
            raise _refused("signedMessage.objectId", "It is another issuer's.")
        return callback


def _object_ids(said: dict[str, Any]) -> tuple[str, ...]:
    """The objects that a message names, in either form, each once."""
    several = said.get("objectIds") or []
    if not isinstance(several, list):
        raise TypeError("objects are named in a list")
    named = [said["objectId"]] if said.get("objectId") is not None else []
    return tuple(dict.fromkeys(str(each) for each in (*named, *several)))


def _refused(field: str, cause: str) -> CallbackError:
    return CallbackError(
        field, cause, "Answer with an error; if it was real, Google sends it again."
    )


def _signed_bytes(*parts: str) -> bytes:
    """Join texts as Tink does: each as UTF-8 behind its length in bytes, little-endian."""
    encoded = [part.encode() for part in parts]
    return b"".join(len(each).to_bytes(4, "little") + each for each in encoded)


def _verifies(key: EllipticCurvePublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify(signature, signed, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def _public_key(value: str) -> EllipticCurvePublicKey:
    key = load_der_public_key(b64decode(value))
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise ValueError("not a key on the curve P-256")
    return key


def _moment(milliseconds: object) -> datetime:
    if not isinstance(milliseconds, (int, str)):
        raise TypeError("a time is a number of milliseconds")
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
