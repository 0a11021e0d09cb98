"""The keyring: what makes a stolen database worthless.

Codes and PINs are sealed with AES-256-GCM bound to their row and found by a keyed hash; barcode
payloads, links and Apple tokens are derived with a keyed MAC and never stored. Every secret comes
from a master key, which is never in the database; rows name the id of the key they used. The
lookup key is separate: a random key kept in the database wrapped by the newest master key, so
that rotating master keys leaves every lookup hash as it is. So is the key by which people who were
forgotten are recognised; it comes of the first lookup key and stays when that is changed, since
nothing is left of them that a digest could be made of again.

Opening with a key that the deployment no longer has raises `MissingKey`; a sealed value that was
changed or moved to another row raises `BrokenSeal`.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterable, Iterator, Mapping

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.domain import codes
from app.domain.codes import Purpose
from app.faults import Fault

NONCE_BYTES = 12
#: By how much a seal is longer than what it seals: nonce and GCM tag.
SEAL_BYTES = NONCE_BYTES + 16
LOOKUP_BYTES = 16
#: Names of the keys that are kept wrapped.
LOOKUP = "lookup"
FORGOTTEN = "forgotten"


class MissingKey(Fault):
    """A row names a master key that PASSERELLE_MASTER_KEYS does not hold."""

    code = "misconfigured"
    retry_after = 30

    def __init__(self, key_id: int) -> None:
        self.key_id = key_id
        super().__init__(
            f"Master key {key_id} is missing: add it back to PASSERELLE_MASTER_KEYS; "
            "`passerelle keys list` shows which rows still need it."
        )


class BrokenSeal(Fault):
    """A sealed value does not belong to its row: it was changed, moved, or sealed by another key
    that carries the same id.
    """


class Keyring:
    """Derives, seals and opens with a deployment's master keys.

    Args:
        master_keys: key id to 32 bytes, newest first.
        lookup_key: 32 bytes, unwrapped from the database; `unwrap` opens it.
        forgotten_key: the same, where the lookup key was changed since the first.
    """

    def __init__(
        self,
        master_keys: Mapping[int, bytes],
        *,
        lookup_key: bytes,
        forgotten_key: bytes | None = None,
    ) -> None:
        self._masters = dict(master_keys)
        self._lookup_key = lookup_key
        self.forgotten_key = forgotten_key or hmac.digest(
            lookup_key, b"passerelle/forgotten", hashlib.sha256
        )
        self.newest = next(iter(self._masters))
        self._derived: dict[tuple[int, str], bytes] = {}
        self._ciphers: dict[int, AESGCM] = {}

    def __repr__(self) -> str:
        return f"Keyring(ids={sorted(self._masters)})"

    @property
    def ids(self) -> frozenset[int]:
        return frozenset(self._masters)

    def derive(self, purpose: str, *, key_id: int | None = None) -> bytes:
        """32 bytes for one purpose: HMAC-SHA256 of the master key over the purpose's name."""
        return _derive(
            self._masters, self._derived, self.newest if key_id is None else key_id, purpose
        )

    def lookup(self, code: str) -> bytes:
        """The 16 bytes under which a code is found: keyed BLAKE2b of its normalised form."""
        return self.lookup_normalised(codes.normalise(code))

    def lookup_normalised(self, normalised: str) -> bytes:
        """As `lookup`, for a code that is normalised already (imports)."""
        return hashlib.blake2b(
            normalised.encode(), digest_size=LOOKUP_BYTES, key=self._lookup_key
        ).digest()

    def seal(self, text: str, *, row: bytes, key_id: int | None = None) -> bytes:
        """Seal `text` for the row that `row` names (a code's lookup hash, say): nonce + GCM."""
        nonce = os.urandom(NONCE_BYTES)
        cipher = self._cipher(self.newest if key_id is None else key_id)
        return nonce + cipher.encrypt(nonce, text.encode(), row)

    def seal_many(self, items: Iterable[tuple[str, bytes]], *, count: int) -> Iterator[bytes]:
        """As `seal` for `count` (text, row) pairs, with their nonces from one call."""
        nonces = os.urandom(NONCE_BYTES * count)
        encrypt = self._cipher(self.newest).encrypt
        at = 0
        for text, row in items:
            nonce = nonces[at : at + NONCE_BYTES]
            at += NONCE_BYTES
            yield nonce + encrypt(nonce, text.encode(), row)

    def lookup_many(self, normalised: Iterable[str]) -> Iterator[bytes]:
        """As `lookup_normalised` for many codes: the key is taken in once, then copied."""
        keyed = hashlib.blake2b(digest_size=LOOKUP_BYTES, key=self._lookup_key)
        for text in normalised:
            digest = keyed.copy()
            digest.update(text.encode())
            yield digest.digest()

    def open(self, sealed: bytes, *, row: bytes, key_id: int) -> str:
        """The sealed text.

        Raises:
            MissingKey: the deployment no longer has the key.
            BrokenSeal: the value was changed, or belongs to another row or key.
        """
        try:
            plain = self._cipher(key_id).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], row)
        except InvalidTag:
            raise BrokenSeal(
                f"A sealed value does not open with key {key_id} for its row."
            ) from None
        return plain.decode()

    def token(self, purpose: Purpose, *, key_id: int, public_id: int) -> str:
        """The barcode payload, link token or Apple token of a voucher; derived, never stored."""
        key = self.derive(purpose.value, key_id=key_id)
        return codes.write_token(key, purpose, key_id=key_id, public_id=public_id)

    def verify(self, text: str, purpose: Purpose) -> codes.Token | None:
        """The token's parts if it is genuine, else None; compared in constant time."""
        token = codes.parse_token(text, purpose)
        if token is None or token.key_id not in self._masters:
            return None
        expected = codes.token_mac(
            self.derive(purpose.value, key_id=token.key_id),
            purpose,
            key_id=token.key_id,
            public_id=token.public_id,
        )
        return token if hmac.compare_digest(expected, token.mac) else None

    def forgotten(self, *said: str | int) -> bytes:
        """The 16 bytes that stay of something said of a person who is forgotten."""
        return hashlib.blake2b(
            orjson.dumps(said), digest_size=LOOKUP_BYTES, key=self.forgotten_key
        ).digest()

    def fingerprint(self, body: bytes) -> bytes:
        """A keyed digest of a request, so that a stored one reveals no code or PIN by guessing."""
        return hashlib.blake2b(body, digest_size=16, key=self._lookup_key).digest()

    def _cipher(self, key_id: int) -> AESGCM:
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            cipher = self._ciphers[key_id] = AESGCM(self.derive("seal", key_id=key_id))
        return cipher


def derived(master_key: bytes, purpose: str) -> bytes:
    """32 bytes of a master key for one purpose."""
    return hmac.digest(master_key, b"passerelle/" + purpose.encode(), hashlib.sha256)


def check_value(master_key: bytes) -> bytes:
    """Eight bytes that tell whether two deployments mean the same key by one id."""
    return hmac.digest(master_key, b"passerelle/check", hashlib.sha256)[:8]


def wrap(key: bytes, *, master_keys: Mapping[int, bytes], name: str = LOOKUP) -> tuple[int, bytes]:
    """The newest master key's id, and the key called `name` sealed by it."""
    key_id = next(iter(master_keys))
    nonce = os.urandom(NONCE_BYTES)
    cipher = AESGCM(_derive(master_keys, {}, key_id, "wrap"))
    return key_id, nonce + cipher.encrypt(nonce, key, name.encode())


def unwrap(
    wrapped: bytes, *, key_id: int, master_keys: Mapping[int, bytes], name: str = LOOKUP
) -> bytes:
    """The key called `name`.

    Raises:
        MissingKey: the wrapping key is not among `master_keys`.
        BrokenSeal: another key carries that id.
    """
    cipher = AESGCM(_derive(master_keys, {}, key_id, "wrap"))
    try:
        return cipher.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], name.encode())
    except InvalidTag:
        raise BrokenSeal(
            f"Master key {key_id} is not the one that this database was made with: "
            "put the original back into PASSERELLE_MASTER_KEYS."
        ) from None


def _derive(
    masters: Mapping[int, bytes], cache: dict[tuple[int, str], bytes], key_id: int, purpose: str
) -> bytes:
    key = cache.get((key_id, purpose))
    if key is None:
        master = masters.get(key_id)
        if master is None:
            raise MissingKey(key_id)
        key = cache[key_id, purpose] = derived(master, purpose)
    return key
