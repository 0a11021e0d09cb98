"""A recipient's home decides which of many shops their passes name; a move is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.domain.nearby import MOST_PLACES
from app.services import changes
from app.services.wallets.holdings import find_all
from app.store.models import Voucher

#: The attributes that say where a recipient lives, in degrees; the marketer gives them.
HOME = ("latitude", "longitude")


def home_changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Say whether a recipient's attributes name another home than before."""
    return any(before.get(name) != after.get(name) for name in HOME)


def show_home(session: Session, recipient_id: int) -> None:
    """Grow the version of a recipient's vouchers whose passes choose among places by their home."""
    public_ids = session.scalars(
        select(Voucher.public_id).where(Voucher.recipient_id == recipient_id).order_by(Voucher.id)
    ).all()
    for holding in find_all(session, public_ids):
        if len(holding.presentation.places) > MOST_PLACES:
            session.execute(
                update(Voucher)
                .where(Voucher.id == holding.voucher.id)
                .values(version=Voucher.version + 1)
                .execution_options(synchronize_session=False)
            )
            changes.voucher(session, holding.voucher.id)
