"""The stock hands codes to vouchers: the shared one, imported ones oldest first, or new ones.

Codes that others are claiming are passed over (SKIP LOCKED on PostgreSQL), and a code is claimed
in the transaction of its voucher, so that a voucher that is not issued leaves its code free.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.domain.campaign import Source
from app.services.codes.generated import recipe_of
from app.services.codes.reasons import Expected
from app.services.codes.sealing import Sealer
from app.services.issuance.requests import Slot
from app.services.keys import pin_row
from app.store.dialects import insert_for
from app.store.keyring import Keyring
from app.store.models import Campaign, Code, ImportJob

_MINT_ROUNDS = 10


class Claimed(NamedTuple):
    """A code that a voucher gets, and what it brings of its own."""

    id: int
    amount_minor: int | None = None
    #: Uses that it has left, where they are fewer than the campaign's.
    limit: int | None = None


def code_of(keyring: Keyring, code: Code) -> str:
    """A code in clear: for its holder, never for a log."""
    return keyring.open(code.sealed, row=code.lookup, key_id=code.key_id)


def pin_of(keyring: Keyring, code: Code) -> str | None:
    """A gift card's PIN in clear, for its holder."""
    if code.pin is None:
        return None
    return keyring.open(code.pin, row=pin_row(code.lookup), key_id=code.key_id)


@dataclass(frozen=True, slots=True)
class Stock:
    """How many codes wait for vouchers.

    Args:
        threshold: below this many the campaign wants to be told.
        exact: whether all were counted; else there are `left` at least.
    """

    left: int
    threshold: int | None
    exact: bool = True

    def __str__(self) -> str:
        codes = "code" if self.left == 1 else "codes"
        return f"{'' if self.exact else 'at least '}{self.left} {codes} left"

    @property
    def low(self) -> bool:
        return self.threshold is not None and self.left < self.threshold


def stock(
    session: Session, campaign: Campaign, *, exact: bool = False, most: int | None = None
) -> Stock | None:
    """Codes left; None when the campaign cannot run out.

    Args:
        exact: count all of them, also above the threshold; else no further than that, which is
            quick however many there are.
        most: count no further than this, where more are not needed.
    """
    if campaign.source not in (Source.LIST.value, Source.GENERATED.value):
        return None
    threshold = campaign.source_options.get("low_stock")
    limit = most if threshold is None or exact else int(threshold) + 1
    left = 0
    for job_id in pools(session, campaign):
        free = select(Code.id).where(Code.import_job_id == job_id, Code.free)
        if limit is not None:
            free = free.limit(limit - left)
        left += session.scalar(select(func.count()).select_from(free.subquery())) or 0
        if limit is not None and left >= limit:
            break
    return Stock(left, threshold, exact=limit is None or left < limit)


def claim(
    session: Session,
    keyring: Keyring,
    campaign: Campaign,
    slots: Sequence[Slot],
    *,
    now: dt.datetime,
) -> list[Claimed]:
    """A code for each slot; fewer when they run out."""
    if not slots:
        return []
    if campaign.source == Source.SHARED.value:
        code_id = session.scalar(
            select(func.max(Code.id)).where(
                Code.campaign_id == campaign.id, Code.import_job_id.is_(None)
            )
        )
        return [] if code_id is None else [Claimed(code_id)] * len(slots)
    if campaign.source == Source.ON_DEMAND.value:
        return _minted(session, keyring, campaign, slots, now=now)
    return _claimed(session, campaign, len(slots))


def pools(session: Session, campaign: Campaign) -> Sequence[Any]:
    """Imports whose codes are usable, oldest first."""
    return session.scalars(
        select(ImportJob.id)
        .where(ImportJob.campaign_id == campaign.id, ImportJob.status == "complete")
        .order_by(ImportJob.finished_at, ImportJob.id)
    ).all()


def _claimed(session: Session, campaign: Campaign, count: int) -> list[Claimed]:
    claimed: list[Claimed] = []
    for job_id in pools(session, campaign):
        free = (
            select(Code.id, Code.amount_minor, Code.limit)
            .where(Code.import_job_id == job_id, Code.free)
            .order_by(Code.id)
            .limit(count - len(claimed))
            .with_for_update(skip_locked=True)
        )
        claimed.extend(Claimed(*row) for row in session.execute(free))
        if len(claimed) == count:
            break
    if claimed:
        session.execute(
            update(Code).where(Code.id.in_([code.id for code in claimed])).values(free=False)
        )
    return claimed


def _minted(
    session: Session,
    keyring: Keyring,
    campaign: Campaign,
    slots: Sequence[Slot],
    *,
    now: dt.datetime,
) -> list[Claimed]:
    recipe = recipe_of(campaign)
    today = now.astimezone(ZoneInfo(campaign.timezone)).date()
    sealer = Sealer(
        keyring=keyring,
        expected=Expected(holds_money=False, currency=None),
        hinted=recipe.hides_40_bits,
    )
    minted: list[Claimed] = []
    for _ in range(_MINT_ROUNDS):
        left = slots[len(minted) :]
        if recipe.personal:
            texts = [
                recipe.mint(
                    1,
                    today=today,
                    recipient=slot.wanted.person.external_id if slot.wanted.person else "",
                )[0]
                for slot in left
            ]
        else:
            texts = recipe.mint(len(left), today=today)
        rows, _rejects, _count = sealer.seal((1, texts))
        found = session.execute(
            insert_for(session, Code)
            .on_conflict_do_nothing(index_elements=["lookup"])
            .returning(Code.id, Code.lookup),
            [
                {
                    "lookup": row[0],
                    "sealed": row[2],
                    "key_id": keyring.newest,
                    "campaign_id": campaign.id,
                    "free": False,
                    "hint": row[3],
                }
                for row in rows
            ],
        )
        ids = {row.lookup: row.id for row in found}
        # In the order of the slots, since a code may name its recipient.
        for row in rows:
            if row[0] not in ids:
                break
            minted.append(Claimed(ids[row[0]]))
        if len(minted) == len(slots):
            return minted
    return minted
