"""What Google calls back: passes saved and deleted.

A callback counts once, and is believed only when Google signed it for this issuer and one
of our classes; what is genuine and nothing is done for is kept to be seen; Google's keys come from
the database, where the worker puts them. It does not fetch anything because of what was posted, and
to take a deletion for the end of an object that others may hold: who holds it is asked at Google,
later.

https://developers.google.com/wallet/retail/offers/use-cases/use-callbacks-for-saves-and-deletions
"""

from __future__ import annotations

import datetime as dt
import threading
import time

from sqlalchemy import delete, exists, select, update
from sqlalchemy.orm import Session

from app.domain import inputs
from app.services.deployment import Deployment
from app.store.dialects import insert_for
from app.store.models import (
    GoogleCallback,
    GoogleClass,
    GoogleNonce,
    GoogleObject,
    GoogleRootKeys,
    Voucher,
)
from app.store.session import Database
from passes.errors import CallbackError
from passes.google import Callback, CallbackVerifier, RootKeys

#: Events that something is done for: Google is asked who holds the objects.
_ACTED_UPON = ("save", "del")
#: Callbacks that nothing was done for, and that are kept.
KEPT = 1_000

_KEYS_KEPT = 30.0
_KEYS_MISSED = 1.0


class KeysMissing(Exception):
    """Google's root keys were not fetched yet: no callback can be judged."""


def take_callback(deployment: Deployment, body: bytes, *, now: dt.datetime) -> str:
    """Judge a callback's bytes as received; returns what became of it, in a word.

    ``taken`` (Google will be asked later who holds the objects), ``repeated`` (the nonce was seen),
    ``ignored`` (genuine, but an event that nothing is done for, or none of our objects: it is kept
    for operators to see).

    Raises:
        KeysMissing: Google's keys are not here yet; it may be sent again.
        CallbackError: it is not genuine, or out of date.
    """
    keys = _root_keys(deployment, now)
    callback = CallbackVerifier(deployment.settings.google_issuer_id).verify(
        body, keys=keys, now=now
    )
    with deployment.database.write() as session:
        return _record(session, callback, now=now)


def _record(session: Session, callback: Callback, *, now: dt.datetime) -> str:
    if callback.event not in _ACTED_UPON:
        return _keep(session, callback, reason="event", now=now)
    ours = (
        exists()
        .where(GoogleClass.class_id == callback.class_id)
        .where(GoogleClass.campaign_id == Voucher.campaign_id)
    )
    rows = session.scalars(
        select(GoogleObject.id)
        .join(Voucher, Voucher.id == GoogleObject.voucher_id)
        .where(GoogleObject.object_id.in_(callback.object_ids), ours)
        .order_by(GoogleObject.id)
    ).all()
    if not rows:
        return _keep(session, callback, reason="object", now=now)
    fresh = session.execute(
        insert_for(session, GoogleNonce)
        .values(nonce=callback.nonce[:200], expires_at=callback.expires)
        .on_conflict_do_nothing()
        .returning(GoogleNonce.nonce)
    ).scalar_one_or_none()
    if fresh is None:
        return "repeated"
    session.execute(
        update(GoogleObject).where(GoogleObject.id.in_(rows)).values(ask_users_at=now, due_at=now)
    )
    return "taken"


def _keep(session: Session, callback: Callback, *, reason: str, now: dt.datetime) -> str:
    """Keep a genuine callback that nothing is done for, once; only the newest `KEPT` stay."""
    kept = session.execute(
        insert_for(session, GoogleCallback)
        .values(
            nonce=_printable(callback.nonce)[:200],
            received_at=now,
            event=_printable(callback.event)[:100],
            reason=reason,
            message=_printable(callback.message),
        )
        .on_conflict_do_nothing(index_elements=["nonce"])
        .returning(GoogleCallback.id)
    ).scalar_one_or_none()
    if kept is None:
        return "repeated"
    session.execute(delete(GoogleCallback).where(GoogleCallback.id <= kept - KEPT))
    return "ignored"


def _printable(text: str) -> str:
    """Google's words, without what no database stores and terminals obey."""
    return "".join(each for each in text if inputs.text_fault(each) is None)


def kept(session: Session, *, limit: int = 100) -> list[GoogleCallback]:
    """The genuine callbacks that nothing was done for, the newest first."""
    return list(
        session.scalars(select(GoogleCallback).order_by(GoogleCallback.id.desc()).limit(limit))
    )


def store_root_keys(database: Database, document: bytes, *, now: dt.datetime) -> RootKeys:
    """Keep Google's key list, if it is one.

    Raises:
        CallbackError: it holds no usable key; the list kept so far stays.
    """
    keys = RootKeys.read(document, now=now)
    with database.write() as session:
        row = session.get(GoogleRootKeys, 1)
        if row is None:
            row = GoogleRootKeys(id=1)
            session.add(row)
        row.document, row.fetched_at = document.decode(), now
    return keys


def root_keys_age(database: Database, *, now: dt.datetime) -> tuple[dt.timedelta, RootKeys] | None:
    """Return how old the kept key list is, and its keys that are in date; None when useless."""
    with database.read() as session:
        row = session.get(GoogleRootKeys, 1)
    if row is None:
        return None
    try:
        return now - row.fetched_at, RootKeys.read(row.document.encode(), now=now)
    except CallbackError:
        return None


def forget_lapsed_nonces(deployment: Deployment) -> None:
    """Drop the nonces of callbacks that would be refused as out of date anyway."""
    with deployment.database.write() as session:
        session.execute(delete(GoogleNonce).where(GoogleNonce.expires_at < deployment.now()))


_keys_guard = threading.Lock()
_keys: dict[str, tuple[float, RootKeys | None]] = {}


def _root_keys(deployment: Deployment, now: dt.datetime) -> RootKeys:
    """Return the keys from this process's memory or the database, never from the network.

    The database is looked at every few seconds at most, whatever is posted.
    """
    place = deployment.settings.database_url
    with _keys_guard:
        read, kept = _keys.get(place, (float("-inf"), None))
        stale = time.monotonic() - read > (_KEYS_KEPT if kept else _KEYS_MISSED)
        if stale or (kept is not None and kept.expires <= now):
            found = root_keys_age(deployment.database, now=now)
            kept = found[1] if found else None
            _keys[place] = (time.monotonic(), kept)
    if kept is None:
        raise KeysMissing("Google's callback keys were not fetched yet.")
    return kept
