"""Reads a voucher with all that its pass is made of, at one moment by one statement.

Where a recipient lives decides which of many shops a pass names, so that a move is shown, too.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, bindparam, select, update
from sqlalchemy.orm import Session, aliased

from app.domain import codes, overrides
from app.domain.campaign import Presentation, Source
from app.domain.kinds import KINDS
from app.domain.nearby import MOST_PLACES
from app.services import campaigns, changes
from app.services.deployment import Deployment
from app.store.models import Campaign, Code, Recipient, Revision, Voucher
from passes.content import Status, Uses

#: What a voucher's own status says, whatever its counters and dates do.
_STATES = {
    "revoked": Status.WITHDRAWN,
    "deactivated": Status.WITHDRAWN,
    "replaced": Status.WITHDRAWN,
    "expired": Status.EXPIRED,
    "pending": Status.NOT_ACTIVATED,
    "blocked": Status.BLOCKED,
}
#: The attributes that say where a recipient lives, in degrees; the marketer gives them.
HOME = ("latitude", "longitude")


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
        return _override(self.campaign)

    @property
    def uses(self) -> int | None:
        """How often the voucher may be used, the campaign's override included."""
        return _uses(self.voucher, self.campaign)

    def status(self, now: dt.datetime) -> Status:
        """What the voucher is good for at `now`: what its pass says, as the till would."""
        return status(self.voucher, self.campaign, now)

    @property
    def uses_left(self) -> Uses | None:
        """How many of several uses are left; None for a card, or where uses are not counted."""
        uses = self.uses
        if KINDS[self.campaign.kind].holds_money or uses is None or uses < 2:
            return None
        return Uses(max(0, uses - self.voucher.used), uses)


def status(voucher: Voucher, campaign: Campaign, now: dt.datetime) -> Status:
    """Say what a voucher is good for at `now`, as its pass and the till do."""
    if voucher.status in _STATES:
        return _STATES[voucher.status]
    if voucher.replaced_by_id is not None:
        return Status.WITHDRAWN
    uses = _uses(voucher, campaign)
    if uses is not None and voucher.used >= uses:
        return Status.USED
    if KINDS[campaign.kind].holds_money and voucher.balance_minor == 0:
        return Status.USED
    ends_at = overrides.end_for(voucher.ends_at, _override(campaign))
    if ends_at is not None and ends_at <= now:
        return Status.EXPIRED
    if campaign.status != "live":
        return Status.PAUSED
    if voucher.starts_at is not None and voucher.starts_at > now:
        return Status.NOT_YET_VALID
    return Status.ACTIVE


def _override(campaign: Campaign) -> overrides.Override | None:
    return overrides.read(campaign.override, forced=campaign.override_forced)


def _uses(voucher: Voucher, campaign: Campaign) -> int | None:
    if campaign.source == Source.SHARED and voucher.recipient_id is None:
        return voucher.uses
    return overrides.uses_for(voucher.uses, _override(campaign))


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
