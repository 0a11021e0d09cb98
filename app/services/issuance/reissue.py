"""A reissue gives a voucher another public id, because its link, barcode or code leaked.

The voucher stays the row that it is, with its ledger, holder and occasion, so that nothing of the
books moves; it gets a new public id, hence another link, barcode and pass. What it was called
before goes on in a row of its own that is worth nothing: tills refuse its barcode as replaced, its
link answers that it was withdrawn and never where the new one is, and the passes that phones and
Google hold under it are told that they are over. A code that belongs to the voucher alone is
readable on every page and pass, so it is given up for a fresh one, unless the caller knows that
nobody has read it.

Refuses a voucher that is over, one of which a till holds a part, and one whose barcode is the code
that should be kept.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.domain import codes
from app.domain.campaign import Authority, BarcodeProfile, Source
from app.domain.ledger import REPLACED
from app.services import (
    campaigns,
    changes,
    eventlog,
    security,
    wallets,
)
from app.services.issuance.requests import (
    IssueFault,
    Person,
    Slot,
    VoucherRequest,
)
from app.services.issuance.stock import claim
from app.services.issuance.withdrawal import ENDED, locked
from app.services.security import SecurityEventKind
from app.store.keyring import Keyring
from app.store.models import (
    Campaign,
    Recipient,
    Voucher,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reissued:
    """A voucher under its new public id."""

    public_id: int
    key_id: int
    #: Whether its code is another one since.
    new_code: bool
    #: Whether this call did it; the old id was asked for again otherwise.
    fresh: bool


def reissue(
    session: Session,
    keyring: Keyring,
    public_id: int,
    *,
    now: dt.datetime,
    keep_code: bool = False,
    reason: str | None = None,
) -> Reissued:
    """Give the voucher a new public id, and a new code where it has one of its own.

    Asked again for the old id it answers with the voucher as it is called now.

    Args:
        keep_code: the code was not seen by others; a recipient who wrote it down keeps it.
        reason: why, as somebody worded it; kept with the fact.

    Raises:
        IssueFault: no such voucher, it is over or was replaced by another, a till holds a part of
            it, there is no code left to give it, or its barcode is the code that should be kept.
    """
    voucher = locked(session, public_id)
    if voucher.status == REPLACED:
        newest = _followed(session, voucher)
        security.record(
            session,
            SecurityEventKind.LINKS_DISCLOSED,
            now=now,
            object=f"voucher {codes.serial(newest.public_id)}",
            reason="asked for again",
        )
        return Reissued(
            public_id=newest.public_id, key_id=newest.key_id, new_code=False, fresh=False
        )
    campaign = session.get_one(Campaign, voucher.campaign_id)
    own_code = voucher.code_id is not None and campaign.source != Source.SHARED
    _refuse(session, campaign, voucher, keeps=own_code and keep_code)
    old_code, new_code = voucher.code_id, own_code and not keep_code
    if new_code:
        voucher.code_id = _another_code(session, keyring, campaign, voucher, now=now)
        # Whoever had the old number may have guessed at its PIN; the new one has its own.
        voucher.pin_tries = 0
    former = Voucher(
        public_id=voucher.public_id,
        key_id=voucher.key_id,
        campaign_id=voucher.campaign_id,
        revision_id=voucher.revision_id,
        # A code that was given up is found here, where it is refused; one that was kept is not.
        code_id=old_code if new_code else None,
        recipient_id=None,
        occasion=REPLACED,
        status=REPLACED,
        starts_at=voucher.starts_at,
        ends_at=voucher.ends_at,
        uses=voucher.uses,
        variant=voucher.variant,
        # What phones were told of the old pass differs from this, whatever it was.
        version=voucher.version + 1,
        link_withdrawn_at=now,
        replaced_by_id=voucher.id,
        issued_at=voucher.issued_at,
    )
    voucher.public_id = codes.new_public_id()
    voucher.key_id = keyring.newest
    voucher.link_withdrawn_at = None
    voucher.viewed_at = None
    voucher.version += 1
    session.flush()
    session.add(former)
    session.flush()
    # Cards that it replaced lead to it by their links, which may be what leaked.
    leading = session.scalars(
        update(Voucher)
        .where(
            Voucher.replaced_by_id == voucher.id,
            Voucher.id != former.id,
            Voucher.link_withdrawn_at.is_(None),
        )
        .values(link_withdrawn_at=now, version=Voucher.version + 1)
        .returning(Voucher.id)
        .execution_options(synchronize_session=False)
    ).all()
    for wallet in wallets.WALLETS:
        wallet.hand_over(session, voucher.id, to=former.id)
    answer = Reissued(
        public_id=voucher.public_id, key_id=voucher.key_id, new_code=new_code, fresh=True
    )
    eventlog.append(
        session,
        "updated",
        voucher.id,
        now=now,
        reason=reason,
        data={"status": "reissued", "replaces": codes.serial(public_id)},
    )
    for each in (*sorted(leading), former.id, voucher.id):
        changes.voucher(session, each)
    security.record(
        session,
        SecurityEventKind.VOUCHER_REISSUED,
        now=now,
        object=f"voucher {codes.serial(public_id)}",
        reason=f"now {codes.serial(voucher.public_id)}" + (f": {reason}" if reason else ""),
    )
    return answer


def _refuse(session: Session, campaign: Campaign, voucher: Voucher, *, keeps: bool) -> None:
    if voucher.replaced_by_id is not None:
        newest = codes.serial(_followed(session, voucher).public_id)
        raise IssueFault(f"The card was replaced by {newest}.", "Issue that one anew.")
    if voucher.status in ENDED:
        raise IssueFault(f"The voucher is {voucher.status}.", "Issue another one.")
    if voucher.held or voucher.held_minor:
        raise IssueFault(
            "A till holds a part of the voucher.",
            "Capture or void the hold first, then issue anew.",
        )
    if keeps:
        presentation = campaigns.presentation_of(campaigns.latest_revision(session, campaign))
        if (
            presentation.barcode is BarcodeProfile.CODE
            or campaign.authority == Authority.PARTNER.value
        ):
            raise IssueFault(
                "The barcode of the pass is its code, which would still be good.",
                "Give it a new one.",
            )


def _another_code(
    session: Session, keyring: Keyring, campaign: Campaign, voucher: Voucher, *, now: dt.datetime
) -> int:
    name = session.scalar(select(Recipient.external_id).where(Recipient.id == voucher.recipient_id))
    wanted = VoucherRequest(person=None if name is None else Person(external_id=name))
    claimed = claim(session, keyring, campaign, [Slot(wanted, voucher.recipient_id)], now=now)
    if not claimed:
        raise IssueFault(
            f"The campaign {campaign.key} has no code left to give.",
            "Import or generate more, or keep the code if nobody has read it.",
        )
    return claimed[0].id


def _followed(session: Session, voucher: Voucher) -> Voucher:
    """The voucher that holds now what this one held."""
    while voucher.replaced_by_id is not None:
        voucher = session.get_one(Voucher, voucher.replaced_by_id)
    return voucher
