"""Apple's devices as rows: found and locked, created once, dropped with their last pass."""

from __future__ import annotations

import datetime as dt
import secrets

from sqlalchemy import delete, exists, select
from sqlalchemy.orm import Session

from app.store.dialects import insert_for
from app.store.models import (
    AppleDevice,
    AppleRegistration,
)


def lock(session: Session, library_id: str) -> AppleDevice | None:
    """The device as it is now, its row locked; None if it is not known."""
    return session.scalar(
        select(AppleDevice)
        .where(AppleDevice.library_id == library_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def create(session: Session, library_id: str, *, push_token: str, now: dt.datetime) -> AppleDevice:
    """Create the device unless another request does so at the same moment; return it locked.

    Its generations start at random, so that a tag from an earlier life of the same device (it
    removed its last pass, then added one again) is never mistaken for one of this life.
    """
    session.execute(
        insert_for(session, AppleDevice)
        .values(
            library_id=library_id,
            push_token=push_token,
            generation=secrets.randbelow(2**40) + 1,
            attempts=0,
            reminders=0,
            created_at=now,
            updated_at=now,
        )
        .on_conflict_do_nothing(index_elements=["library_id"])
    )
    device = lock(session, library_id)
    if device is None:
        raise LookupError("The device was removed while it registered; it will try again.")
    return device


def forget_if_empty(session: Session, device_id: int) -> None:
    """Drop a device that holds no pass any more."""
    session.execute(
        delete(AppleDevice).where(
            AppleDevice.id == device_id,
            ~exists().where(AppleRegistration.device_id == AppleDevice.id),
        )
    )
