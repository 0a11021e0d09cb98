"""Records that a pass came into a wallet, which may be when its validity begins."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from app.domain.validity import begins_when_added, window
from app.services import changes, eventlog
from app.services.campaigns.stored import terms_from
from app.store.models import Campaign, Event, Revision, Voucher


def record_added(session: Session, voucher_id: int, *, now: dt.datetime, wallet: str) -> None:
    """Note that the pass came into a wallet: "apple" or "google".

    The first time a validity that counts from there begins: the voucher gets its end, and the pass
    shows it. An end that was set by hand before stays, and so does whatever the end is later: a
    pass that is removed and added again gains nothing.
    """
    number = eventlog.append(session, "added", voucher_id, now=now, data={"wallet": wallet})
    given = session.execute(
        select(Revision.terms, Campaign.timezone)
        .join(Voucher, Voucher.revision_id == Revision.id)
        .join(Campaign, Campaign.id == Voucher.campaign_id)
        .where(Voucher.id == voucher_id)
    ).one()
    validity = terms_from(given.terms).validity
    if not begins_when_added(validity):
        return
    zone = ZoneInfo(given.timezone)
    issued = window(validity, zone, issued_at=now)
    begun = window(validity, zone, issued_at=now, added_at=now)
    # The row is locked since the event was numbered: of two wallets at once, one comes first.
    earlier = exists().where(
        Event.voucher_id == voucher_id, Event.kind == "added", Event.number < number
    )
    changed = session.execute(
        update(Voucher)
        .where(
            Voucher.id == voucher_id,
            Voucher.ends_at.is_not_distinct_from(issued.ends_at),
            Voucher.ends_at.is_distinct_from(begun.ends_at),
            ~earlier,
        )
        .values(
            starts_at=begun.starts_at,
            ends_at=begun.ends_at,
            version=Voucher.version + 1,
        )
        .returning(Voucher.id)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if changed is not None:
        changes.voucher(session, voucher_id)
