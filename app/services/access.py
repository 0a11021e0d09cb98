"""API keys open the service: this module makes, checks, changes and revokes them.

A key is `pk_<prefix>_<secret>`; the prefix finds the row, the secret is compared by its SHA-256
in constant time (it is 160 random bits, so a slow hash protects it no better). It is shown once.
A server process believes a key that it verified for FRESH seconds, so that a till's calls do not
each ask the database for the same row; what a key may do, and that it was revoked, is noticed
after that. Refusals are never remembered. That a key was made, changed or ended is a security
event; when it was last used is written now and then, by a thread of its own.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.domain.explained import Explained
from app.faults import Fault, StoreUnknown
from app.services import security
from app.store.dialects import insert_for
from app.store.models import ApiKey, Campaign, Store, Terminal, TillSignOut
from app.store.session import Database

#: How long a verified key is believed without asking the database again.
FRESH = dt.timedelta(seconds=5)
#: Verified keys that a process remembers at most.
MOST_REMEMBERED = 1_000

_KEY = re.compile(r"pk_([a-z2-7]{8})_([a-z2-7]{32})")
#: What an unknown prefix is compared with, so that it takes as long as a known one.
_NOBODY = hashlib.sha256(b"nobody").digest()


class Scope(Explained):
    """What a key may do; `admin` may do everything."""

    POS = "pos", "Scan, redeem and take back at a till; activate, load and block gift cards."
    POS_SUPERVISOR = (
        "pos:supervisor",
        "What only a supervisor does at a till: set refusals aside, adjust, unblock and deactivate "
        "gift cards.",
    )
    ISSUE = (
        "issue",
        "Bring codes in, issue, decide, invite, render messages, withdraw vouchers and issue them "
        "anew.",
    )
    CAMPAIGN = (
        "campaign",
        "Create and change campaigns, change what holders have, and register webhooks.",
    )
    REPORT = "report", "Read results, lists, the close of a day and the state of wallets."
    CODES_REVEAL = "codes:reveal", "Read codes in clear in lists, beside `report`."
    ADMIN = "admin", "Everything."


class KeyRefusal(StrEnum):
    """Why a key opens nothing; for the log, never for whoever sent it."""

    MISSING = "missing"
    SIGNED_OUT = "signed out"
    MALFORMED = "malformed"
    UNKNOWN = "unknown"
    REVOKED = "revoked"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class KeyRefused:
    """A key that opens nothing: why, and its prefix where its secret was right."""

    reason: KeyRefusal
    prefix: str | None = None


class AccessFault(Fault):
    """A key cannot be made as asked; says the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Who is asking: a verified key, what it may do and where it stands."""

    id: int
    name: str
    scopes: frozenset[str]
    #: What `passerelle access list` shows of the key.
    prefix: str = ""
    #: `store/terminal` or `store` that the key is bound to, for people.
    place: str | None = None
    store_id: int | None = None
    terminal_id: int | None = None
    #: Campaign keys it may touch; None is every campaign.
    campaigns: frozenset[str] | None = None
    #: Whether the till page asks, with a session that stands for the key.
    from_page: bool = False

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
        expires_at: from when on it opens nothing; never when left out.

    Raises:
        AccessFault: no scope, an end that is over, or the store, terminal or a campaign does not
            exist.
    """
    _refuse_past(expires_at, now=now)
    if not scopes:
        raise AccessFault(f"Name at least one scope: {', '.join(scope.value for scope in Scope)}.")
    store_id = terminal_id = None
    if store is not None:
        store_id = session.scalar(select(Store.id).where(Store.key == store))
        if store_id is None:
            raise StoreUnknown(store)
    if terminal is not None:
        if store_id is None:
            raise AccessFault("A terminal is named within its store.", "Name the store too.")
        terminal_id = session.scalar(
            select(Terminal.id).where(Terminal.store_id == store_id, Terminal.key == terminal)
        )
        if terminal_id is None:
            raise AccessFault(f"Store {store!r} has no terminal {terminal!r}.", "Create it first.")
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
    security.record(
        session,
        security.SecurityEventKind.KEY_CREATED,
        now=now,
        object=f"key pk_{prefix}",
        reason=f"{name}: {', '.join(sorted({scope.value for scope in scopes}))}",
    )
    return f"pk_{prefix}_{secret}"


def change(
    session: Session,
    prefix: str,
    *,
    now: dt.datetime,
    name: str | None = None,
    scopes: Sequence[Scope] | None = None,
    expires_at: dt.datetime | None = None,
    endless: bool = False,
) -> None:
    """Change what is given of a key; processes that know it notice within FRESH.

    Args:
        endless: take its end away.

    Raises:
        AccessFault: no key has that prefix, it is revoked, or the end is over.
    """
    _refuse_past(expires_at, now=now)
    row = _by_prefix(session, prefix)
    if row.revoked_at is not None:
        raise AccessFault(f"pk_{prefix}_… is revoked for good.", "Create another key.")
    told = []
    if name is not None:
        row.name = name
        told.append(f"name {name}")
    if scopes:
        row.scopes = sorted({scope.value for scope in scopes})
        told.append(f"scopes {', '.join(row.scopes)}")
    if expires_at is not None or endless:
        row.expires_at = expires_at
        told.append(f"ends {expires_at.isoformat()}" if expires_at else "ends never")
    if not told:
        raise AccessFault("Nothing to change.", "Name --name, --scope or --expires.")
    security.record(
        session,
        security.SecurityEventKind.KEY_CHANGED,
        now=now,
        object=f"key pk_{prefix}",
        reason="; ".join(told),
    )


def _refuse_past(expires_at: dt.datetime | None, *, now: dt.datetime) -> None:
    if expires_at is not None and expires_at <= now:
        raise AccessFault("The key would be over already.", "Name a later end.")


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

    def __init__(self, database: Database, counting: security.Counting) -> None:
        self._database = database
        self._counting = counting
        self._verified: dict[str, _Verified] = {}

    def identify(self, key: str, *, now: dt.datetime) -> Client | KeyRefused:
        """The client that `key` belongs to, or why it opens nothing.

        A key that was verified in the last FRESH is believed; a wrong secret never is, whatever
        was verified under its prefix.
        """
        parts = _parts(key)
        if isinstance(parts, KeyRefused):
            return parts
        prefix, given = parts
        known = self._verified.get(prefix)
        if known is not None and known.counts(given, now):
            return known.client
        with self._database.read() as session:
            read = _row(session, prefix, given)
            if read is None:
                return KeyRefused(KeyRefusal.UNKNOWN)
            found, expires_at = _client(read, now=now), read.ApiKey.expires_at
            last = read.ApiKey.last_used_at
        if isinstance(found, KeyRefused):
            return found
        self._counting.used(found.id, last)
        if len(self._verified) >= MOST_REMEMBERED:
            self._verified.clear()
        self._verified[prefix] = _Verified(
            secret_hash=given, client=found, at=now, expires_at=expires_at
        )
        return found

    def signed_in(self, key_id: int, digest: bytes, *, now: dt.datetime) -> Client | KeyRefused:
        """The client of a till page's session, or why there is none.

        Args:
            digest: of the session, as `sign_out` ended it.
        """
        with self._database.read() as session:
            ended = select(TillSignOut.digest).where(TillSignOut.digest == digest).exists()
            read = session.execute(_READ.where(ApiKey.id == key_id, ~ended)).first()
            if read is None:
                return KeyRefused(KeyRefusal.SIGNED_OUT)
            found, last = _client(read, now=now), read.ApiKey.last_used_at
        if isinstance(found, Client):
            self._counting.used(found.id, last)
        return found


def authenticate(session: Session, key: str, *, now: dt.datetime) -> Client | None:
    """The client that `key` belongs to, by the database; None when it opens nothing."""
    parts = _parts(key)
    read = None if isinstance(parts, KeyRefused) else _row(session, *parts)
    found = None if read is None else _client(read, now=now)
    return found if isinstance(found, Client) else None


def _parts(key: str) -> tuple[str, bytes] | KeyRefused:
    """A key's prefix, and the hash of its secret."""
    if not key:
        return KeyRefused(KeyRefusal.MISSING)
    match = _KEY.fullmatch(key)
    if match is None:
        return KeyRefused(KeyRefusal.MALFORMED)
    return match[1], hashlib.sha256(match[2].encode()).digest()


def _row(session: Session, prefix: str, given: bytes) -> Any:
    """The row of `_READ` of a key, if the hash of the secret that was given is its own."""
    read = session.execute(_READ.where(ApiKey.prefix == prefix)).first()
    right = hmac.compare_digest(given, read.ApiKey.secret_hash if read is not None else _NOBODY)
    return read if right else None


def sign_out(
    session: Session, key_id: int, digest: bytes, *, ends_at: dt.datetime, now: dt.datetime
) -> None:
    """End a till page's session before `ends_at`, for every process; ending it again is right."""
    added = session.scalar(
        insert_for(session, TillSignOut)
        .values(digest=digest, ends_at=ends_at)
        .on_conflict_do_nothing()
        .returning(TillSignOut.digest)
    )
    if added is not None:
        prefix = session.scalar(select(ApiKey.prefix).where(ApiKey.id == key_id))
        by = replace(security.acting(), key_prefix=prefix)
        security.record(session, security.SecurityEventKind.TILL_SIGNED_OUT, now=now, by=by)


def forget_sign_outs(session: Session, *, now: dt.datetime) -> None:
    """Remove what is kept of sessions whose time is over anyway."""
    session.execute(delete(TillSignOut).where(TillSignOut.ends_at < now))


#: A key, and what the store and the terminal that it is bound to are called.
_READ = (
    select(ApiKey, Store.key.label("store"), Terminal.key.label("terminal"))
    .outerjoin(Store, Store.id == ApiKey.store_id)
    .outerjoin(Terminal, Terminal.id == ApiKey.terminal_id)
)


def _client(read: Any, *, now: dt.datetime) -> Client | KeyRefused:
    """The client of a row of `_READ`."""
    row: ApiKey = read.ApiKey
    if row.revoked_at is not None:
        return KeyRefused(KeyRefusal.REVOKED, row.prefix)
    if row.expires_at is not None and row.expires_at <= now:
        return KeyRefused(KeyRefusal.EXPIRED, row.prefix)
    return Client(
        id=row.id,
        name=row.name,
        prefix=row.prefix,
        place="/".join(filter(None, (read.store, read.terminal))) or None,
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
    row = _by_prefix(session, prefix)
    if row.revoked_at is None:
        row.revoked_at = now
        security.record(
            session, security.SecurityEventKind.KEY_REVOKED, now=now, object=f"key pk_{row.prefix}"
        )


def _by_prefix(session: Session, prefix: str) -> ApiKey:
    row = session.scalar(select(ApiKey).where(ApiKey.prefix == prefix).with_for_update())
    if row is None:
        raise AccessFault(
            f"No key starts with pk_{prefix}_.", "`passerelle access list` shows them."
        )
    return row
