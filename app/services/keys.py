"""Master keys change over time: this module knows, rotates and retires them.

A master key never enters the database; its id and a check value do, so that a missing key, or
another key under the same id, is found at the start and not at a customer's first scan. Adding a
key makes it the one that seals and derives from then on; old keys stay good for verifying. A key
that rows still name is not retired: codes can be sealed anew (`reseal`), but a voucher keeps the
key its barcode, link and Apple token are derived from for as long as it can be used.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.domain import codes
from app.faults import Fault
from app.services import security, webhooks
from app.store import keyring as kr
from app.store.keyring import LOOKUP, Keyring
from app.store.models import Code, MasterKey, Voucher, Webhook, WrappedKey
from app.store.session import Database

BATCH = 2_000


class KeyFault(Fault):
    """The master keys do not fit the database, or a change to them is refused; says the remedy."""

    code = "misconfigured"
    retry_after = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUse:
    """A master key and how many rows still need it."""

    key_id: int
    present: bool
    newest: bool
    first_used_at: dt.datetime
    retired_at: dt.datetime | None
    codes: int
    vouchers: int
    webhooks: int = 0

    @property
    def referenced(self) -> bool:
        return bool(self.codes or self.vouchers or self.webhooks)


def open_keyring(
    database: Database, master_keys: Mapping[int, bytes], *, now: dt.datetime
) -> Keyring:
    """The keyring, after the keys have been checked against the database.

    A database that has none yet gets its lookup key; a new master key is noted, and the lookup
    key wrapped by it.

    Raises:
        KeyFault: a key that is still needed is missing, or differs from the one noted.
    """
    with database.read() as session:
        known = {key.id: key for key in session.scalars(select(MasterKey))}
        kept = {row.name: row for row in session.scalars(select(WrappedKey))}
        wrapped = kept.get(LOOKUP)
    _check(known, master_keys)
    newest = next(iter(master_keys))
    # A key may become the newest again, after the one that replaced it was given up.
    if wrapped is None or newest not in known or any(row.key_id != newest for row in kept.values()):
        kept = _note(database, master_keys, now=now)
    try:
        lookup = _unwrap(kept[LOOKUP], master_keys)
        forgotten = _unwrap(kept[kr.FORGOTTEN], master_keys) if kr.FORGOTTEN in kept else None
    except (kr.MissingKey, kr.BrokenSeal) as error:
        raise KeyFault(str(error)) from None
    return Keyring(master_keys, lookup_key=lookup, forgotten_key=forgotten)


def uses(session: Session, master_keys: Mapping[int, bytes]) -> list[KeyUse]:
    """Every key the database knows, newest first, with the rows that need it."""
    code_counts = dict(
        session.execute(select(Code.key_id, func.count()).group_by(Code.key_id)).all()
    )
    voucher_counts = dict(
        session.execute(select(Voucher.key_id, func.count()).group_by(Voucher.key_id)).all()
    )
    webhook_counts = dict(
        session.execute(select(Webhook.key_id, func.count()).group_by(Webhook.key_id)).all()
    )
    newest = next(iter(master_keys))
    return [
        KeyUse(
            key_id=key.id,
            present=key.id in master_keys,
            newest=key.id == newest,
            first_used_at=key.first_used_at,
            retired_at=key.retired_at,
            codes=code_counts.get(key.id, 0),
            vouchers=voucher_counts.get(key.id, 0),
            webhooks=webhook_counts.get(key.id, 0),
        )
        for key in session.scalars(select(MasterKey).order_by(MasterKey.first_used_at.desc()))
    ]


def reseal(
    database: Database, keyring: Keyring, *, progress: Callable[[int], None] = lambda _: None
) -> int:
    """Seal every code, PIN and webhook's secret with the newest key, in short transactions;
    returns how many codes.

    It may be stopped and started again at any time, and runs beside a working service.
    """
    done = 0
    with database.write() as session:
        webhooks.reseal(session, keyring)
    while True:
        with database.write() as session:
            rows = session.scalars(
                select(Code)
                .where(Code.key_id != keyring.newest)
                .limit(BATCH)
                .with_for_update(skip_locked=True)
            ).all()
            for code in rows:
                _reseal_code(code, keyring)
        done += len(rows)
        progress(done)
        if len(rows) < BATCH:
            return done


def retire(
    database: Database, master_keys: Mapping[int, bytes], key_id: int, *, now: dt.datetime
) -> None:
    """Note that a key is no longer needed, so that it may leave PASSERELLE_MASTER_KEYS.

    Invitations that were made with it and not accepted yet, and tills signed in with it, end when
    it leaves.

    Raises:
        KeyFault: the key is unknown, is the newest, or rows still need it.
    """
    with database.write() as session:
        use = next((use for use in uses(session, master_keys) if use.key_id == key_id), None)
        if use is None:
            raise KeyFault(
                f"No key {key_id} is known; `passerelle keys list` shows those that are."
            )
        if use.newest:
            raise KeyFault(
                f"Key {key_id} is the newest: put a new one before it in PASSERELLE_MASTER_KEYS."
            )
        if use.referenced:
            raise KeyFault(
                f"Key {key_id} is still needed by {use.codes} codes, {use.webhooks} webhooks "
                f"and {use.vouchers} vouchers. `passerelle keys reseal` moves codes and webhooks "
                "to the newest key; vouchers keep theirs, since their barcodes and links are "
                "derived from it."
            )
        if session.scalar(select(WrappedKey.name).where(WrappedKey.key_id == key_id).limit(1)):
            raise KeyFault(
                f"Key {key_id} still wraps the lookup key: restart the service with the present "
                "PASSERELLE_MASTER_KEYS first, which wraps it by the newest."
            )
        session.execute(update(MasterKey).where(MasterKey.id == key_id).values(retired_at=now))
        security.record(
            session,
            security.SecurityEventKind.MASTER_KEY_RETIRED,
            now=now,
            object=f"master key {key_id}",
        )


def reindex(database: Database, master_keys: Mapping[int, bytes], *, now: dt.datetime) -> int:
    """Make a new lookup key and every code's lookup hash anew, in one transaction.

    For when the lookup key may have leaked together with a master key. Returns the number of
    codes. Processes that are running keep the old key until they restart, so stop them first.
    What is kept of people who were forgotten stays, by the key that it was made with.
    """
    with database.write() as session:
        _note_keys(session, master_keys, now=now)
        old = session.get_one(WrappedKey, LOOKUP)
        before = Keyring(master_keys, lookup_key=_unwrap(old, master_keys))
        if session.get(WrappedKey, kr.FORGOTTEN) is None:
            key_id, sealed = kr.wrap(
                before.forgotten_key, master_keys=master_keys, name=kr.FORGOTTEN
            )
            session.add(WrappedKey(name=kr.FORGOTTEN, key_id=key_id, wrapped=sealed))
        fresh = secrets.token_bytes(32)
        old.key_id, old.wrapped = kr.wrap(fresh, master_keys=master_keys)
        after = Keyring(master_keys, lookup_key=fresh)
        count = 0
        for code in session.scalars(select(Code).execution_options(yield_per=BATCH)):
            text = before.open(code.sealed, row=code.lookup, key_id=code.key_id)
            pin = code.pin and before.open(code.pin, row=pin_row(code.lookup), key_id=code.key_id)
            code.lookup = after.lookup_normalised(codes.normalise(text))
            code.sealed = after.seal(text, row=code.lookup)
            code.pin = after.seal(pin, row=pin_row(code.lookup)) if pin else None
            code.key_id = after.newest
            count += 1
        security.record(
            session,
            security.SecurityEventKind.LOOKUP_KEY_REPLACED,
            now=now,
            object="lookup key",
            reason=f"{count} codes",
        )
        return count


def pin_row(lookup: bytes) -> bytes:
    """What a PIN's seal is bound to, so that it cannot be swapped with the code's own seal."""
    return b"pin:" + lookup


def generate(known: Mapping[int, bytes]) -> tuple[int, bytes]:
    """A free key id and 32 random bytes."""
    free = next(number for number in range(1, 256) if number not in known)
    return free, secrets.token_bytes(32)


def _check(known: Mapping[int, MasterKey], master_keys: Mapping[int, bytes]) -> None:
    faults = []
    newest = known.get(next(iter(master_keys)))
    if newest is not None and newest.retired_at is not None:
        faults.append(
            f"Master key {newest.id} is retired and cannot be the newest: put another before it."
        )
    for key_id, key in known.items():
        if key_id not in master_keys:
            if key.retired_at is None:
                faults.append(
                    f"Master key {key_id} is missing: put it back into PASSERELLE_MASTER_KEYS, or "
                    f"retire it first with `passerelle keys retire {key_id}`."
                )
        elif key.check_value != kr.check_value(master_keys[key_id]):
            faults.append(
                f"Master key {key_id} is not the one that this database was made with: put the "
                "original back, and give a new key a new id."
            )
    if faults:
        raise KeyFault("\n".join(faults))


def _note(
    database: Database, master_keys: Mapping[int, bytes], *, now: dt.datetime
) -> dict[str, WrappedKey]:
    """Note new keys and wrap the keys that are kept by the newest of them."""
    try:
        with database.write() as session:
            _note_keys(session, master_keys, now=now)
            return _wrap(session, master_keys)
    except IntegrityError:
        # Another process opened the same database at the same moment and was first.
        with database.read() as session:
            return {row.name: row for row in session.scalars(select(WrappedKey))}


def _note_keys(session: Session, master_keys: Mapping[int, bytes], *, now: dt.datetime) -> None:
    noted = set(session.scalars(select(MasterKey.id)))
    for key_id, key in master_keys.items():
        if key_id not in noted:
            session.add(MasterKey(id=key_id, check_value=kr.check_value(key), first_used_at=now))
    session.flush()


def _wrap(session: Session, master_keys: Mapping[int, bytes]) -> dict[str, WrappedKey]:
    """Wrap the keys that are kept by the newest master key; the first caller makes the lookup key.

    Raises:
        kr.MissingKey, kr.BrokenSeal: as `kr.unwrap`.
    """
    rows = {row.name: row for row in session.scalars(select(WrappedKey))}
    for row in rows.values():
        key = _unwrap(row, master_keys)
        row.key_id, row.wrapped = kr.wrap(key, master_keys=master_keys, name=row.name)
    if LOOKUP not in rows:
        key_id, wrapped = kr.wrap(secrets.token_bytes(32), master_keys=master_keys)
        rows[LOOKUP] = WrappedKey(name=LOOKUP, key_id=key_id, wrapped=wrapped)
        session.add(rows[LOOKUP])
    return rows


def _unwrap(row: WrappedKey, master_keys: Mapping[int, bytes]) -> bytes:
    return kr.unwrap(row.wrapped, key_id=row.key_id, master_keys=master_keys, name=row.name)


def _reseal_code(code: Code, keyring: Keyring) -> None:
    text = keyring.open(code.sealed, row=code.lookup, key_id=code.key_id)
    if code.pin is not None:
        pin = keyring.open(code.pin, row=pin_row(code.lookup), key_id=code.key_id)
        code.pin = keyring.seal(pin, row=pin_row(code.lookup))
    code.sealed = keyring.seal(text, row=code.lookup)
    code.key_id = keyring.newest
