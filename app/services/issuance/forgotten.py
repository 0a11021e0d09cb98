"""What people were given before they were forgotten stays given.

What a person had of a campaign for an occasion is not given again under the same id, by
whatever way it is asked for. A person who was forgotten is not stored anew because a link, a
message or another system's report still names them; they come back when the marketer's system
sends them as a recipient, and then for other occasions only.
It does not say who was forgotten to anybody who does not name them.

Nothing that is kept can be read: it is a digest under a key that the database holds sealed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.occasions import canonical
from app.store.dialects import insert_for
from app.store.keyring import Keyring
from app.store.models import Forgotten, Recipient

_BATCH = 500
_Said = TypeVar("_Said")


def note(
    session: Session,
    keyring: Keyring,
    external_id: str,
    given: Iterable[tuple[int, str]],
    *,
    now: dt.datetime,
) -> None:
    """Keep that a person is forgotten now, and which (campaign id, occasion) they were given."""
    added = insert_for(session, Forgotten)
    session.execute(
        added.on_conflict_do_update(index_elements=["digest"], set_={"at": added.excluded.at}),
        [
            {"digest": digest, "at": now}
            for digest in sorted(
                {
                    _person(keyring, external_id),
                    *(_given(keyring, id_, external_id, occasion) for id_, occasion in given),
                }
            )
        ],
    )


def gone(session: Session, keyring: Keyring, names: Collection[str]) -> set[str]:
    """Those of these external ids whose person was forgotten and did not come back."""
    known = set(
        session.scalars(select(Recipient.external_id).where(Recipient.external_id.in_(names)))
    )
    return set(since(session, keyring, [name for name in names if name not in known]))


def since(session: Session, keyring: Keyring, names: Collection[str]) -> dict[str, dt.datetime]:
    """When the people of these external ids were forgotten last, also if they came back."""
    return _found(session, {_person(keyring, name): name for name in names})


def given(
    session: Session, keyring: Keyring, campaign_id: int, asked: Collection[tuple[str, str]]
) -> set[tuple[str, str]]:
    """Those of these (external id, occasion) that were given before the person was forgotten."""
    return set(_found(session, {_given(keyring, campaign_id, *each): each for each in asked}))


def _found(session: Session, digests: Mapping[bytes, _Said]) -> dict[_Said, dt.datetime]:
    found: dict[_Said, dt.datetime] = {}
    wanted = list(digests)
    for at in range(0, len(wanted), _BATCH):
        rows = session.execute(
            select(Forgotten.digest, Forgotten.at).where(
                Forgotten.digest.in_(wanted[at : at + _BATCH])
            )
        )
        found |= {digests[row.digest]: row.at for row in rows}
    return found


def _person(keyring: Keyring, external_id: str) -> bytes:
    return keyring.forgotten("person", external_id)


def _given(keyring: Keyring, campaign_id: int, external_id: str, occasion: str) -> bytes:
    return keyring.forgotten("given", campaign_id, external_id, canonical(occasion))
