"""A voucher with all that its pass is made of, read at one moment by one statement."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Select, bindparam, select
from sqlalchemy.orm import Session, aliased

from app.domain import codes, overrides
from app.domain.campaign import Presentation, Source
from app.domain.kinds import KINDS
from app.services import campaigns
from app.services.deployment import Deployment
from app.store.models import Campaign, Code, Recipient, Revision, Voucher
from passes.content import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A voucher with all that its pass is made of, read at one moment."""

    voucher: Voucher
    campaign: Campaign
    #: The revision whose terms the holder keeps.
    own: Revision
    #: The campaign's revision that `own` is a value by rule of; itself, where it is none.
    base: Revision
    #: The revision that shows.
    latest: Revision
    code: Code | None
    recipient: Recipient | None

    @property
    def serial(self) -> str:
        return codes.serial(self.voucher.public_id)

    @property
    def pair(self) -> tuple[int, int]:
        """The pass's state: (voucher version, campaign version)."""
        return self.voucher.version, self.campaign.version

    @property
    def presentation(self) -> Presentation:
        return campaigns.presentation_of(self.latest)

    @property
    def ends_at(self) -> dt.datetime | None:
        """When the voucher ends, the campaign's override included."""
        return overrides.end_for(self.voucher.ends_at, self.override)

    @property
    def override(self) -> overrides.Override | None:
        """The terms that the campaign sets for all holders."""
        return overrides.read(self.campaign.override, forced=self.campaign.override_forced)

    @property
    def uses(self) -> int | None:
        """How often the voucher may be used, the campaign's override included."""
        if self.campaign.source == Source.SHARED and self.voucher.recipient_id is None:
            return self.voucher.uses
        return overrides.uses_for(self.voucher.uses, self.override)

    def status(self, now: dt.datetime) -> Status:
        """What the voucher is good for at `now`."""
        voucher = self.voucher
        if voucher.status in ("revoked", "deactivated") or voucher.replaced_by_id is not None:
            return Status.WITHDRAWN
        uses = self.uses
        if uses is not None and voucher.used >= uses:
            return Status.USED
        if KINDS[self.campaign.kind].holds_money and voucher.balance_minor == 0:
            return Status.USED
        if voucher.status == "expired" or (self.ends_at is not None and self.ends_at <= now):
            return Status.EXPIRED
        if voucher.starts_at is not None and voucher.starts_at > now:
            return Status.NOT_YET_VALID
        return Status.ACTIVE


def _holdings() -> Select[Voucher, Campaign, Code, Recipient, int]:
    latest = aliased(Revision)
    return (
        select(Voucher, Campaign, Code, Recipient, latest.id)
        .join(Campaign, Campaign.id == Voucher.campaign_id)
        .join(latest, (latest.campaign_id == Campaign.id) & (latest.number == Campaign.revision))
        .outerjoin(Code, Code.id == Voucher.code_id)
        .outerjoin(Recipient, Recipient.id == Voucher.recipient_id)
        .where(Voucher.public_id.in_(bindparam("public_ids", expanding=True)))
    )


#: Composed once: composing it takes longer than everything else that a pass needs together.
_HOLDINGS = _holdings()


def find(session: Session, public_id: int) -> Holding | None:
    """The voucher with that public id, with everything its pass is made of."""
    return next(iter(find_all(session, [public_id])), None)


def find_all(session: Session, public_ids: Sequence[int]) -> list[Holding]:
    """The vouchers with those public ids, in their order, without the ids that nobody has; one
    statement, and others for revisions that the process has not seen yet.
    """
    rows = session.execute(_HOLDINGS, {"public_ids": list(public_ids)}).all()
    known = campaigns.revisions(
        session, {id_ for voucher, *_, latest in rows for id_ in (voucher.revision_id, latest)}
    )
    known |= campaigns.revisions(
        session, {each.of_id for each in known.values() if each.of_id is not None} - known.keys()
    )
    found = {
        voucher.public_id: Holding(
            voucher=voucher,
            campaign=campaign,
            own=known[voucher.revision_id],
            base=known[known[voucher.revision_id].of_id or voucher.revision_id],
            latest=known[latest],
            code=code,
            recipient=recipient,
        )
        for voucher, campaign, code, recipient, latest in rows
    }
    return [found[public_id] for public_id in public_ids if public_id in found]


def current(session: Session, holding: Holding) -> Holding:
    """The voucher that holds now what this one held: itself, unless it was replaced."""
    while holding.voucher.replaced_by_id is not None:
        public_id = session.scalars(
            select(Voucher.public_id).where(Voucher.id == holding.voucher.replaced_by_id)
        ).one()
        (holding,) = find_all(session, [public_id])
    return holding


def code_text(deployment: Deployment, holding: Holding) -> str | None:
    """The code in clear, for the holder's own eyes."""
    code = holding.code
    if code is None:
        return None
    return deployment.keyring.open(code.sealed, row=code.lookup, key_id=code.key_id)
