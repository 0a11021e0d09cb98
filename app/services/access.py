"""API keys: who may ask what, from where, for which campaigns.

A key is `pk_<prefix>_<secret>`; the prefix finds the row, the secret is compared by its SHA-256
in constant time (it is 160 random bits, so a slow hash protects it no better). It is shown once.
A server process believes a key that it verified for FRESH seconds, so that a till's calls do not
each ask the database for the same row; what a key may do, and that it was revoked, is noticed
after that. Refusals are never remembered.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.store.models import ApiKey, Campaign, Store, Terminal
from app.store.session import Database

#: How long a verified key is believed without asking the database again.
FRESH = dt.timedelta(seconds=5)
#: Verified keys that a process remembers at most.
MOST_REMEMBERED = 1_000

_KEY = re.compile(r"pk_([a-z2-7]{8})_([a-z2-7]{32})")
#: What an unknown prefix is compared with, so that it takes as long as a known one.
_NOBODY = hashlib.sha256(b"nobody").digest()


class Scope(StrEnum):
    """What a key may do; `admin` may do everything."""

    POS = "pos"
    POS_SUPERVISOR = "pos:supervisor"
    ISSUE = "issue"
    CAMPAIGN = "campaign"
    REPORT = "report"
    CODES_REVEAL = "codes:reveal"
    ADMIN = "admin"


class AccessFault(Exception):
    """A key cannot be made as asked; says the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Who is asking: a verified key, what it may do and where it stands."""

    id: int
    name: str
    scopes: frozenset[str]
    store_id: int | None = None
    terminal_id: int | None = None
    #: Campaign keys it may touch; None is every campaign.
    campaigns: frozenset[str] | None = None

    def may(self, scope: Scope) -> bool:
        return scope.value in self.scopes or Scope.ADMIN.value in self.scopes

    def may_touch(self, campaign_key: str) -> bool:
        return self.campaigns is None or campaign_key in self.campaigns


def create(
    session: Session,
    name: str,
    scopes: Sequence[Scope],
    *,
    now: dt.datetime,
    store: str | None = None,
    terminal: str | None = None,
    campaigns: Sequence[str] | None = None,
    expires_at: dt.datetime | None = None,
) -> str:
    """Make a key and return it, the only time it can be read.

    Args:
        store: key of the store it is bound to.
        terminal: key of the terminal, in that store.
        campaigns: keys of the campaigns it is bound to.

    Raises:
        AccessFault: no scope, or the store, terminal or a campaign does not exist.
    """
    if not scopes:
        raise AccessFault(f"Name at least one scope: {', '.join(scope.value for scope in Scope)}.")
    store_id = terminal_id = None
    if store is not None:
        store_id = session.scalar(select(Store.id).where(Store.key == store))
        if store_id is None:
            raise AccessFault(f"No store {store!r} exists: create it first.")
    if terminal is not None:
        if store_id is None:
            raise AccessFault("A terminal is named within its store: name the store too.")
        terminal_id = session.scalar(
            select(Terminal.id).where(Terminal.store_id == store_id, Terminal.key == terminal)
        )
        if terminal_id is None:
            raise AccessFault(f"Store {store!r} has no terminal {terminal!r}: create it first.")
    if campaigns is not None:
        known = set(session.scalars(select(Campaign.key).where(Campaign.key.in_(campaigns))))
        if missing := sorted(set(campaigns) - known):
            raise AccessFault(f"No such campaign: {', '.join(missing)}.")
    prefix = base64.b32encode(secrets.token_bytes(5)).decode().lower()
    secret = base64.b32encode(secrets.token_bytes(20)).decode().lower()
    session.add(
        ApiKey(
            prefix=prefix,
            secret_hash=hashlib.sha256(secret.encode()).digest(),
            name=name,
            scopes=sorted({scope.value for scope in scopes}),
            store_id=store_id,
            terminal_id=terminal_id,
            campaigns=None if campaigns is None else sorted(campaigns),
            created_at=now,
            expires_at=expires_at,
        )
    )
    session.flush()
    return f"pk_{prefix}_{secret}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verified:
    """A key that was right: the hash of its secret, whose it is, and until when that counts."""

    secret_hash: bytes
    client: Client
    at: dt.datetime
    expires_at: dt.datetime | None

    def counts(self, given: bytes, now: dt.datetime) -> bool:
        """Whether `given` is the same secret, and the key need not be asked for again yet."""
        return (
            hmac.compare_digest(given, self.secret_hash)
            # A clock that was set back makes nothing last longer.
            and dt.timedelta() <= now - self.at < FRESH
            and (self.expires_at is None or now < self.expires_at)
        )


class Doorkeeper:
    """Verifies the keys of requests for one deployment; safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._verified: dict[str, _Verified] = {}

    def identify(self, key: str, *, now: dt.datetime) -> Client | None:
        """The client that `key` belongs to; None when it is wrong, revoked or expired.

        A key that was verified in the last FRESH is believed; a wrong secret never is, whatever
        was verified under its prefix.
        """
        match = _KEY.fullmatch(key)
        if match is None:
            return None
        prefix, given = match[1], hashlib.sha256(match[2].encode()).digest()
        known = self._verified.get(prefix)
        if known is not None and known.counts(given, now):
            return known.client
        with self._database.read() as session:
            row = _row(session, prefix, given)
            found = None if row is None else _client(row, now=now)
            expires_at = None if row is None else row.expires_at
        if found is None:
            return None
        if len(self._verified) >= MOST_REMEMBERED:
            self._verified.clear()
        self._verified[prefix] = _Verified(
            secret_hash=given, client=found, at=now, expires_at=expires_at
        )
        return found


def authenticate(session: Session, key: str, *, now: dt.datetime) -> Client | None:
    """The client that `key` belongs to, by the database; None when it is wrong, revoked or
    expired.
    """
    match = _KEY.fullmatch(key)
    if match is None:
        return None
    row = _row(session, match[1], hashlib.sha256(match[2].encode()).digest())
    return None if row is None else _client(row, now=now)


def _row(session: Session, prefix: str, given: bytes) -> ApiKey | None:
    """The key's row, if the hash of the secret that was given is its own."""
    row = session.scalar(select(ApiKey).where(ApiKey.prefix == prefix))
    if not hmac.compare_digest(given, row.secret_hash if row else _NOBODY):
        return None
    return row


def client(session: Session, key_id: int, *, now: dt.datetime) -> Client | None:
    """The client of a key that was verified before; None when it is revoked or expired by now."""
    row = session.get(ApiKey, key_id)
    return None if row is None else _client(row, now=now)


def _client(row: ApiKey, *, now: dt.datetime) -> Client | None:
    if row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= now):
        return None
    return Client(
        id=row.id,
        name=row.name,
        scopes=frozenset(row.scopes),
        store_id=row.store_id,
        terminal_id=row.terminal_id,
        campaigns=None if row.campaigns is None else frozenset(row.campaigns),
    )


def revoke(session: Session, prefix: str, *, now: dt.datetime) -> None:
    """Make a key worthless, once every process has forgotten it (FRESH); revoking it again
    changes nothing.

    Raises:
        AccessFault: no key has that prefix.
    """
    row = session.scalar(select(ApiKey).where(ApiKey.prefix == prefix))
    if row is None:
        raise AccessFault(f"No key starts with pk_{prefix}_: `passerelle access list` shows them.")
    row.revoked_at = row.revoked_at or now
