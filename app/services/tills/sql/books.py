"""The inserts of the books: entries, events, and answers under their idempotency keys."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, bindparam, cast, func, insert, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from app.services.tills.sql.tables import ENTRY, EVENT, RECORD, E, R

ENTRY_NAMES = tuple(column.name for column in ENTRY.columns)
EVENT_NAMES = tuple(
    column.name for column in EVENT.columns if column.name not in ("id", "transaction")
)
_RECORD_NAMES = tuple(column.name for column in RECORD.columns)

INSERT_ENTRY = insert(ENTRY).values({name: bindparam(f"entry_{name}") for name in ENTRY_NAMES})

_TRANSACTION = cast(cast(func.pg_current_xact_id(), E.kind.type), BigInteger)


def _event_values(*, postgresql: bool) -> dict[str, ColumnElement[Any]]:
    values: dict[str, ColumnElement[Any]] = {
        name: bindparam(f"event_{name}") for name in EVENT_NAMES
    }
    if postgresql:
        values["transaction"] = _TRANSACTION
    return values


INSERT_EVENT = {
    postgresql: insert(EVENT).values(_event_values(postgresql=postgresql))
    for postgresql in (False, True)
}

_RECORD_VALUES: dict[str, ColumnElement[Any]] = {
    name: bindparam(f"record_{name}") for name in _RECORD_NAMES
}

#: Keep an answer under its key; no row when the key was used meanwhile.
INSERT_RECORD = {
    False: sqlite_insert(RECORD).values(_RECORD_VALUES).on_conflict_do_nothing().returning(R.key),
    True: postgresql_insert(RECORD)
    .values(_RECORD_VALUES)
    .on_conflict_do_nothing()
    .returning(R.key),
}

#: PostgreSQL: an entry, its event and the kept answer in one round trip.
BOOK = (
    postgresql_insert(RECORD)
    .values(_RECORD_VALUES)
    .on_conflict_do_nothing()
    .add_cte(
        postgresql_insert(ENTRY)
        .values({name: bindparam(f"entry_{name}") for name in ENTRY_NAMES})
        .cte("booked"),
        postgresql_insert(EVENT).values(_event_values(postgresql=True)).cte("noted"),
    )
    .returning(R.key)
)

READ_RECORD = select(R.status, R.fingerprint, R.body).where(
    R.api_key_id == bindparam("client_id"), R.key == bindparam("key")
)
