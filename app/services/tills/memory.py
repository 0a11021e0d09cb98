"""Tills remember what they read again and again: the terms of revisions, and places."""

from __future__ import annotations

import time
from typing import NamedTuple

from pydantic import TypeAdapter
from sqlalchemy import BigInteger, Connection, String, and_, bindparam, or_, select

from app.domain.campaign import Terms
from app.domain.rules import PlaceOfUse
from app.services.access import Client
from app.services.tills.requests import CallFault, Origin, Where
from app.services.tills.tables import REVISION, STORE, TERMINAL, RowId, S
from app.store.statements import Query

#: How long a store and terminal are believed to be as they were read (seconds): a shop that closes
#: is noticed after that.
FRESH = 5.0
MOST_PLACES = 10_000

_TERMS: TypeAdapter[Terms] = TypeAdapter(Terms)


class _PlaceRow(NamedTuple):
    id: int
    key: str
    channel: str
    timezone: str
    language: str
    terminal_id: int | None
    terminal_key: str | None


class _TermsRow(NamedTuple):
    terms: object


_READ_TERMS = Query(
    _TermsRow, select(REVISION.c.terms).where(REVISION.c.id == bindparam("revision_id"))
)
_READ_REVISION = Query(
    RowId,
    select(REVISION.c.id).where(
        REVISION.c.campaign_id == bindparam("campaign_id"),
        REVISION.c.number == bindparam("number"),
    ),
)
#: A store, by id or key, with one of its terminals.
_READ_PLACE = Query(
    _PlaceRow,
    select(
        S.id,
        S.key,
        S.channel,
        S.timezone,
        S.language,
        TERMINAL.c.id.label("terminal_id"),
        TERMINAL.c.key.label("terminal_key"),
    )
    .select_from(
        STORE.outerjoin(
            TERMINAL,
            and_(
                TERMINAL.c.store_id == S.id,
                or_(
                    TERMINAL.c.id == bindparam("terminal_id", type_=BigInteger),
                    TERMINAL.c.key == bindparam("terminal", type_=String),
                ),
                TERMINAL.c.closed_at.is_(None),
            ),
        )
    )
    .where(
        or_(
            S.id == bindparam("store_id", type_=BigInteger),
            S.key == bindparam("store", type_=String),
        ),
        S.closed_at.is_(None),
    ),
)


class Memory:
    """What the tills of one deployment remember; safe to share between threads."""

    def __init__(self) -> None:
        #: Terms by revision: a revision never changes.
        self._terms: dict[int, Terms] = {}
        self._places: dict[tuple[object, ...], tuple[float, Where]] = {}

    def terms_of(self, connection: Connection, revision_id: int) -> Terms:
        """The terms of a revision."""
        terms = self._terms.get(revision_id)
        if terms is None:
            stored = _READ_TERMS.one(connection, revision_id=revision_id).terms
            terms = self._terms[revision_id] = _TERMS.validate_python(stored)
        return terms

    def revision_of(self, connection: Connection, campaign_id: int, number: int) -> int:
        """The row of a campaign's revision, whose terms a voucher made now would keep."""
        return _READ_REVISION.one(connection, campaign_id=campaign_id, number=number).id

    def where(self, connection: Connection, client: Client, origin: Origin) -> Where:
        """Where a call comes from: what the API key is bound to, else what the call names.

        Raises:
            CallFault: store or terminal do not exist, are closed, or are not the key's.
        """
        if client.store_id is None and origin.store is None:
            return Where()
        asked = (client.store_id, client.terminal_id, origin.store, origin.terminal)
        known = self._places.get(asked)
        if known is not None and time.monotonic() - known[0] < FRESH:
            return known[1]
        where = _where(connection, client, origin)
        if len(self._places) >= MOST_PLACES:
            self._places.clear()
        self._places[asked] = (time.monotonic(), where)
        return where


def _where(connection: Connection, client: Client, origin: Origin) -> Where:
    row = _READ_PLACE.first(
        connection,
        store_id=client.store_id,
        store=None if client.store_id else origin.store,
        terminal_id=client.terminal_id,
        terminal=None if client.terminal_id else origin.terminal,
    )
    if row is None:
        raise CallFault(
            "unknown_store",
            "The store does not exist or is closed.",
            remedy="Name a store that exists, by its key.",
        )
    if origin.store is not None and origin.store != row.key:
        raise CallFault(
            "other_store",
            "The API key is bound to another store.",
            remedy="Leave the store out, or use that store's API key.",
        )
    if row.terminal_id is None and (client.terminal_id or origin.terminal) is not None:
        raise CallFault(
            "unknown_terminal",
            "The terminal does not exist in that store, or is closed.",
            remedy="Name a terminal of the store, by its key.",
        )
    if origin.terminal is not None and origin.terminal != row.terminal_key:
        raise CallFault(
            "other_terminal",
            "The API key is bound to another terminal.",
            remedy="Leave the terminal out, or use that terminal's API key.",
        )
    return Where(
        store_id=row.id,
        terminal_id=row.terminal_id,
        place=PlaceOfUse(store=row.key, terminal=row.terminal_key or "", channel=row.channel),
        timezone=row.timezone,
        language=row.language,
    )
