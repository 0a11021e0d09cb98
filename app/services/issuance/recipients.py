"""This module stores recipients as marketers name them, and changes what changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.domain.birthdays import day_number
from app.services.issuance import forgotten
from app.services.issuance.requests import Person
from app.services.wallets.holdings import home_changed, show_home
from app.store.dialects import insert_for
from app.store.keyring import Keyring
from app.store.models import Recipient

_TABLE = Recipient.metadata.tables[Recipient.__tablename__]


@dataclass(frozen=True, slots=True)
class Stored:
    """Ids by external id, and those of them that this transaction made."""

    ids: dict[str, int]
    new: frozenset[int]
    #: External ids of those who were forgotten, of whom nothing was stored.
    gone: frozenset[str] = frozenset()


def store(
    session: Session, people: Iterable[Person], *, now: dt.datetime, keyring: Keyring | None
) -> Stored:
    """Store people who are new, and changes of the others; see `Person.shared`. The rows are kept
    until the end.

    Whoever issues to a recipient follows one another so: a voucher that one of them writes would
    else wait for the recipient's row, for which the other waits with the voucher that it wrote.

    Args:
        keyring: recognises people who were forgotten, who are left out; None lets them come back,
            because their marketer says that they are customers.
    """
    by_id = {person.external_id: person for person in people}
    if not by_id:
        return Stored({}, frozenset())
    columns = (
        Recipient.id,
        Recipient.external_id,
        Recipient.language,
        Recipient.birth_date,
        Recipient.segment,
        Recipient.score,
        Recipient.attributes,
    )
    statement = (
        select(*columns)
        .where(Recipient.external_id.in_(list(by_id)))
        .order_by(Recipient.id)
        .with_for_update(key_share=True)
    )
    known = {row.external_id: row for row in session.execute(statement)}
    new = [person for key, person in by_id.items() if key not in known]
    gone: frozenset[str] = frozenset()
    if new and keyring is not None:
        gone = frozenset(forgotten.since(session, keyring, [person.external_id for person in new]))
        new = [person for person in new if person.external_id not in gone]
    made: dict[str, int] = {}
    if new:
        inserted = session.execute(
            insert_for(session, _TABLE)
            .on_conflict_do_nothing(index_elements=["external_id"])
            .returning(Recipient.external_id, Recipient.id),
            [
                {
                    "external_id": person.external_id,
                    "language": person.language,
                    # What decides about the vouchers of other campaigns is for all of them.
                    "birth_date": person.birth_date if person.shared else None,
                    "segment": person.segment if person.shared else None,
                    "score": person.score if person.shared else None,
                    "attributes": dict(person.attributes),
                    "created_at": now,
                    "updated_at": now,
                }
                # One order everywhere, so that two transactions cannot wait for each other.
                for person in sorted(new, key=lambda person: person.external_id)
            ],
        )
        made = {str(key): id_ for key, id_ in inserted}
    ids = {key: row.id for key, row in known.items()} | made
    for key, row in sorted(known.items()):
        if changes := _changes(by_id[key], row):
            session.execute(
                update(Recipient)
                # Who was forgotten while the row was awaited has nothing stored any more.
                .where(Recipient.id == row.id, Recipient.forgotten_at.is_(None))
                .values(**changes, updated_at=now)
            )
            if home_changed(row.attributes, changes.get("attributes", row.attributes)):
                show_home(session, row.id)
    if lacking := by_id.keys() - ids.keys() - gone:
        # Another transaction stored them at the same moment.
        found = session.execute(
            select(Recipient.external_id, Recipient.id).where(Recipient.external_id.in_(lacking))
        )
        ids.update({str(key): id_ for key, id_ in found})
    return Stored(ids, frozenset(made.values()), gone)


def _changes(person: Person, row: Any) -> dict[str, Any]:
    if not person.shared:
        return {}
    changes = {
        name: value
        for name in ("language", "birth_date", "segment", "score")
        if (value := getattr(person, name)) is not None and value != getattr(row, name)
    }
    if "segment" in changes and row.segment is not None:
        changes["previous_segment"] = row.segment
    if "birth_date" in changes:
        changes["birth_day"] = day_number(changes["birth_date"])
    merged = {**row.attributes, **person.attributes}
    if merged != row.attributes:
        changes["attributes"] = merged
    return changes
