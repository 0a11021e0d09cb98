"""A store has terminals, where vouchers are redeemed; a CSV file names many at once."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain import inputs
from app.domain.campaign import Channel
from app.faults import Fault, StoreUnknown
from app.services import access
from app.services.access import Scope
from app.store.models import ApiKey, Store, Terminal

#: The time zone of a store for which none was given.
UTC = "UTC"
#: Keys, the newest, that are compared with one that does not exist.
COMPARED = 200


class StoreFault(Fault):
    """A store cannot be added as asked; says the remedy."""


def add(
    session: Session,
    key: str,
    *,
    now: dt.datetime,
    name: str | None = None,
    terminals: Sequence[str] = (),
    timezone: str | None = None,
    language: str = "en",
    online: bool = False,
    position: tuple[float, float] | None = None,
) -> Store:
    """Add a store with its terminals; one that exists gets the terminals that it lacks.

    Args:
        timezone: also of a store that exists; None leaves that one's, and is UTC for a new one.
        position: latitude and longitude in degrees.

    Raises:
        StoreFault: the time zone is unknown.
    """
    try:
        ZoneInfo(timezone or UTC)
    except (KeyError, ValueError, OSError):
        raise StoreFault(f"{timezone!r} is no time zone: write one such as Europe/Paris.") from None
    store = session.scalar(select(Store).where(Store.key == key))
    if store is None:
        store = Store(
            key=key,
            name=name or key,
            channel="online" if online else "store",
            timezone=timezone or UTC,
            language=language,
            latitude=position[0] if position else None,
            longitude=position[1] if position else None,
            created_at=now,
        )
        session.add(store)
        session.flush()
    elif timezone is not None:
        store.timezone = timezone
    known = set(session.scalars(select(Terminal.key).where(Terminal.store_id == store.id)))
    for terminal in terminals:
        if terminal not in known:
            session.add(Terminal(store_id=store.id, key=terminal, name=terminal, created_at=now))
    session.flush()
    return store


def exists(session: Session, key: str) -> bool:
    """Tell whether there is a store of that key."""
    return session.scalar(select(Store.id).where(Store.key == key)) is not None


def required(session: Session, key: str) -> Store:
    """The store of that key.

    Raises:
        StoreUnknown: there is none; the fault names one whose key looks like it.
    """
    store = session.scalar(select(Store).where(Store.key == key))
    if store is None:
        keys = session.scalars(select(Store.key).order_by(Store.id.desc()).limit(COMPARED))
        raise StoreUnknown(key, next(iter(get_close_matches(key[:200], keys, n=1)), None))
    return store


REQUIRED = ("store", "terminal")
OPTIONAL = ("name", "timezone", "language", "channel", "latitude", "longitude")

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalRow:
    """A terminal and its store, as a line says them."""

    store: str
    terminal: str
    name: str = ""
    #: None where the line says none.
    timezone: str | None = None
    language: str = "en"
    channel: str = Channel.STORE
    latitude: float | None = None
    longitude: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import added; `keys` are store, terminal and the key, which is shown once.

    Attributes:
        unsaid: keys of the new stores that have UTC because the file says no time zone of theirs.
    """

    stores: int
    terminals: int
    keys: tuple[tuple[str, str, str], ...]
    unsaid: tuple[str, ...]


def read(content: str) -> list[TerminalRow]:
    """Return the file's lines.

    Raises:
        StoreFault: names every faulty line.
    """
    sample = content[:4096]
    delimiter = ";" if sample.count(";") > sample.count(",") else ","
    reader = csv.DictReader(io.StringIO(content.lstrip("\ufeff"), newline=""), delimiter=delimiter)
    columns = [name.strip().lower() for name in reader.fieldnames or ()]
    missing = [name for name in REQUIRED if name not in columns]
    unknown = [name for name in columns if name not in (*REQUIRED, *OPTIONAL)]
    if missing or unknown:
        raise StoreFault(
            f"The file's first line names its columns: {', '.join(REQUIRED)} are needed, "
            f"{', '.join(OPTIONAL)} are possible."
            + (f" Missing: {', '.join(missing)}." if missing else "")
            + (f" Unknown: {', '.join(unknown)}." if unknown else "")
        )
    reader.fieldnames = columns
    rows, faults = [], []
    seen: set[tuple[str, str]] = set()
    for number, line in enumerate(reader, start=2):
        values = {name: (line.get(name) or "").strip() for name in columns}
        if not any(values.values()):
            continue
        try:
            row = _row(values)
            if (row.store, row.terminal) in seen:
                raise ValueError(f"terminal {row.terminal} of store {row.store} came before")
        except ValueError as fault:
            faults.append(f"line {number}: {fault}")
            continue
        seen.add((row.store, row.terminal))
        rows.append(row)
    if faults:
        shown = "; ".join(faults[:20])
        more = f"; and {len(faults) - 20} more" if len(faults) > 20 else ""
        raise StoreFault(f"Nothing was imported: {shown}{more}.")
    return rows


def apply(
    session: Session, rows: Sequence[TerminalRow], *, now: dt.datetime, with_keys: bool
) -> Imported:
    """Add what is not there yet.

    Args:
        with_keys: make a key for every terminal of the file that has no good one.

    Raises:
        StoreFault: a time zone is unknown.
    """
    known_stores = set(session.scalars(select(Store.key)))
    known = {
        (store, terminal)
        for store, terminal in session.execute(
            select(Store.key, Terminal.key).join(Store, Store.id == Terminal.store_id)
        )
    }
    by_store: dict[str, list[TerminalRow]] = {}
    for row in rows:
        by_store.setdefault(row.store, []).append(row)
    zones = {
        key: next((line.timezone for line in lines if line.timezone), None)
        for key, lines in by_store.items()
    }
    for key, lines in by_store.items():
        first = lines[0]
        position = None
        if first.latitude is not None and first.longitude is not None:
            position = (first.latitude, first.longitude)
        add(
            session,
            key,
            now=now,
            name=first.name or None,
            terminals=[line.terminal for line in lines],
            timezone=None if key in known_stores else zones[key],
            language=first.language,
            online=first.channel == Channel.ONLINE,
            position=position,
        )
    keys = _make_keys(session, rows, now=now) if with_keys else []
    return Imported(
        stores=len(set(by_store) - known_stores),
        terminals=len({(row.store, row.terminal) for row in rows} - known),
        keys=tuple(keys),
        unsaid=tuple(
            key for key, zone in zones.items() if zone is None and key not in known_stores
        ),
    )


def _make_keys(
    session: Session, rows: Sequence[TerminalRow], *, now: dt.datetime
) -> list[tuple[str, str, str]]:
    good = set(
        session.scalars(
            select(ApiKey.terminal_id).where(
                ApiKey.terminal_id.is_not(None), ApiKey.revoked_at.is_(None)
            )
        )
    )
    ids = {
        (store, terminal): terminal_id
        for store, terminal, terminal_id in session.execute(
            select(Store.key, Terminal.key, Terminal.id).join(Store, Store.id == Terminal.store_id)
        )
    }
    return [
        (
            row.store,
            row.terminal,
            access.create(
                session,
                f"till {row.store}/{row.terminal}",
                [Scope.POS],
                now=now,
                store=row.store,
                terminal=row.terminal,
            ),
        )
        for row in rows
        if ids[row.store, row.terminal] not in good
    ]


def _row(values: dict[str, str]) -> TerminalRow:
    for name, value in values.items():
        if (cause := inputs.text_fault(value)) is not None:
            raise ValueError(f"{name} {cause}")
    for name in REQUIRED:
        if not _KEY.fullmatch(values[name]):
            raise ValueError(
                f"{name} {values[name]!r} is no key: 1 to 64 letters, digits, dots, - and _"
            )
    zone = values.get("timezone") or None
    try:
        ZoneInfo(zone or UTC)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{zone!r} is no time zone: write one such as Europe/Paris") from None
    channel = values.get("channel") or Channel.STORE.value
    if channel not in tuple(Channel):
        raise ValueError(f"channel {channel!r} is neither store nor online")
    return TerminalRow(
        store=values["store"],
        terminal=values["terminal"],
        name=values.get("name", ""),
        timezone=zone,
        language=values.get("language") or "en",
        channel=channel,
        latitude=_degrees(values.get("latitude", ""), 90),
        longitude=_degrees(values.get("longitude", ""), 180),
    )


def _degrees(text: str, most: int) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is no number of degrees") from None
    if not -most <= value <= most:
        raise ValueError(f"{text} degrees are not between -{most} and {most}")
    return value
