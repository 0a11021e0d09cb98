r"""Google's side of the save and delete callbacks: signed as ECv2SigningOnly, sent, sent again.

Promises: every callback is signed as Google signs them, by an intermediate key that a root key
vouches for; the root keys are served in Google's form. The members' texts carry `=` as `\u003d`, as
Google's do, so that a verifier that re-serialises fails here too. Refuses: to call anything but
loopback.
"""

from __future__ import annotations

import base64
import json
import queue
import random
import struct
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import requests
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from .store import on_loopback

__all__ = ["CallbackSender", "CallbackSigner"]

_SENDER = "GooglePayPasses"
_PROTOCOL = "ECv2SigningOnly"
_ATTEMPTS = 5


def _signed_bytes(*parts: str) -> bytes:
    """Join texts as Tink does: a little-endian 4-byte length in bytes, then UTF-8, for each."""
    encoded = [part.encode() for part in parts]
    return b"".join(struct.pack("<I", len(part)) + part for part in encoded)


def _sign(key: ec.EllipticCurvePrivateKey, data: bytes) -> str:
    return base64.b64encode(key.sign(data, ec.ECDSA(hashes.SHA256()))).decode()


def _public(key: ec.EllipticCurvePrivateKey) -> str:
    spki = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return base64.b64encode(spki).decode()


def _millis(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _text(members: dict[str, object]) -> str:
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")).replace("=", "\\u003d")


class CallbackSigner:
    """Root and intermediate keys, and the bodies they sign.

    ``rotate`` makes a new root and keeps the old one published; ``replace`` withdraws the old one.
    """

    def __init__(self, *, issuer_id: str, clock: Callable[[], datetime]) -> None:
        self.issuer_id = issuer_id
        self._clock = clock
        self._roots = [ec.generate_private_key(ec.SECP256R1())]
        self._intermediate = ec.generate_private_key(ec.SECP256R1())

    def rotate(self) -> None:
        """Sign with a new root key from now on; the old one stays published."""
        self._roots.insert(0, ec.generate_private_key(ec.SECP256R1()))
        self._intermediate = ec.generate_private_key(ec.SECP256R1())

    def replace(self) -> None:
        """Sign with a new root key from now on; the old one is no longer published."""
        self.rotate()
        del self._roots[1:]

    def keys(self, *, lifetime: timedelta = timedelta(days=30)) -> bytes:
        """Return the published root keys, as ``https://pay.google.com/gp/m/issuer/keys`` does."""
        expiry = str(_millis(self._clock() + lifetime))
        keys = [
            {"keyValue": _public(root), "protocolVersion": _PROTOCOL, "keyExpiration": expiry}
            for root in self._roots
        ]
        # Google's list also carries keys of other protocols; a reader must leave them aside.
        keys.append({"keyValue": "AAAA", "protocolVersion": "ECv1", "keyExpiration": expiry})
        return json.dumps({"keys": keys}).encode()

    def body(
        self,
        *,
        class_id: str,
        object_id: str,
        event: str,
        members: Mapping[str, Any] | None = None,
        nonce: str | None = None,
        expires_in: timedelta = timedelta(hours=1),
        key_expires_in: timedelta = timedelta(days=7),
        issuer_id: str | None = None,
    ) -> bytes:
        """Return one callback's body.

        ``members`` are laid over those of a save or deletion, None leaves one out: an activation
        has ``objectIds`` and no ``objectId``. The other arguments make what must be refused.
        """
        signed_key = _text(
            {
                "keyValue": _public(self._intermediate),
                "keyExpiration": str(_millis(self._clock() + key_expires_in)),
            }
        )
        said = {
            "classId": class_id,
            "objectId": object_id,
            "eventType": event,
            "expTimeMillis": _millis(self._clock() + expires_in),
            "count": 1,
            "nonce": nonce or str(uuid.uuid4()),
            **(members or {}),
        }
        message = _text({name: each for name, each in said.items() if each is not None})
        vouched = _sign(self._roots[0], _signed_bytes(_SENDER, _PROTOCOL, signed_key))
        signature = _sign(
            self._intermediate,
            _signed_bytes(_SENDER, issuer_id or self.issuer_id, _PROTOCOL, message),
        )
        body = {
            "protocolVersion": _PROTOCOL,
            "signature": signature,
            "signedMessage": message,
            "intermediateSigningKey": {"signedKey": signed_key, "signatures": [vouched]},
        }
        return json.dumps(body, ensure_ascii=False).encode()


@dataclass
class CallbackSender:
    """A thread that delivers callbacks, doubling each when told to and retrying what fails.

    Google promises its best effort and no more: ``lose`` is the share of callbacks that never come,
    drawn by ``chance``, and ``lost`` counts them. ``answers`` holds (URL, status) of every attempt;
    status 0 means no answer came.
    """

    doubled: bool = False
    lose: float = 0.0
    lost: int = 0
    chance: random.Random = field(default_factory=random.Random)
    pause: float = 0.2
    answers: list[tuple[str, int]] = field(default_factory=list)
    _queue: queue.Queue[tuple[str, bytes, int] | None] = field(default_factory=queue.Queue)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="google-callbacks", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(10)

    def send(self, url: str, body: bytes) -> None:
        """Queue a callback; nothing is promised to the caller, as with Google."""
        if self.chance.random() < self.lose:
            self.lost += 1
            return
        for _ in range(2 if self.doubled else 1):
            self._queue.put((url, body, 1))

    def settle(self, seconds: float = 10) -> None:
        """Wait until everything queued was delivered or given up."""
        deadline = time.monotonic() + seconds
        while self._queue.unfinished_tasks and time.monotonic() < deadline:
            time.sleep(0.01)

    def _run(self) -> None:
        while (work := self._queue.get()) is not None:
            url, body, attempt = work
            status = _post(url, body)
            self.answers.append((url, status))
            if status != 200 and attempt < _ATTEMPTS:
                time.sleep(self.pause)
                self._queue.put((url, body, attempt + 1))
            self._queue.task_done()
        self._queue.task_done()


def _post(url: str, body: bytes) -> int:
    try:
        answer = requests.post(
            on_loopback(url), data=body, headers={"Content-Type": "application/json"}, timeout=5
        )
    except (requests.RequestException, ValueError):
        return 0
    return answer.status_code
