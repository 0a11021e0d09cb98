"""Updates of a campaign: ordered, tried out, published now or at a time, held back, cancelled."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain import overrides
from app.domain.campaign import BenefitType
from app.domain.kinds import KINDS
from app.domain.overrides import Override
from app.faults import UpdateUnknown
from app.services import campaigns, changes, wallets
from app.services.campaigns import (
    DocumentFault,
    faults_of,
    latest_revision,
    presentation_of,
    terms_of,
    warnings_of,
)
from app.services.deployment import Deployment
from app.services.updates.contradictions import contradictions
from app.services.updates.overlay import PRESENTATION, laid_over
from app.services.updates.update import UpdateFault, UpdateRequest
from app.settings import Settings
from app.store.keyring import Keyring
from app.store.models import (
    Campaign,
    CampaignUpdate,
    Revision,
)


def rehearse(
    session: Session, key: str, wanted: UpdateRequest, *, settings: Settings, keyring: Keyring
) -> list[DocumentFault]:
    """Refuse what `order` would refuse, in a session for reading; returns what to be warned of.

    That is words which say another value than the update gives, and those of its own of which a
    wallet shows only the beginning.

    Pictures are resized on the way, which would hold up every till under the lock of `order`; that
    finds the answer here.

    Raises:
        UpdateFault: as `order`.
    """
    campaign = campaigns.required(session, key)
    change = _change(session, campaign, wanted, settings=settings, keyring=keyring)
    revision = latest_revision(session, campaign)
    presentation = PRESENTATION.validate_python(laid_over(revision.presentation, change))
    # What is as it was needs no word again.
    known = set(warnings_of(presentation_of(revision), kind=campaign.kind))
    override = wanted.override or Override()
    return [
        *contradictions(presentation, override, currency=campaign.currency),
        *(each for each in warnings_of(presentation, kind=campaign.kind) if each not in known),
    ]


def _change(
    session: Session,
    campaign: Campaign,
    wanted: UpdateRequest,
    *,
    settings: Settings,
    keyring: Keyring,
) -> dict[str, Any]:
    """What the history's line says of an update, of which a pass can be made."""
    change: dict[str, Any] = {}
    if wanted.presentation:
        change["presentation"] = dict(wanted.presentation)
    if wanted.message:
        change["message"] = dict(wanted.message)
    revision = latest_revision(session, campaign)
    if wanted.override:
        _check_override(wanted.override, campaign, revision)
        change["override"] = overrides.stored(wanted.override)
        change["forced"] = bool(wanted.override.forced)
    if not change:
        raise UpdateFault(
            "nothing_to_update",
            "The update changes nothing.",
            f"Give presentation, message or one of {', '.join(overrides.TERMS)}.",
        )
    # A fault is found now, not at three in the morning.
    _tried(session, campaign, revision, change, settings=settings, keyring=keyring)
    return change


def order(
    session: Session,
    key: str,
    wanted: UpdateRequest,
    *,
    settings: Settings,
    keyring: Keyring,
    now: dt.datetime,
    api_key_id: int | None = None,
) -> uuid.UUID:
    """Order an update; it is published at once unless it is for later. Returns its id.

    A pass is made of it first, so that what no pass can show is refused and never published.

    Raises:
        CampaignUnknown: there is none.
        UpdateFault: the update changes nothing or is faulty.
    """
    campaign = campaigns.required(session, key, locked=True)
    change = _change(session, campaign, wanted, settings=settings, keyring=keyring)
    row = CampaignUpdate(
        campaign_id=campaign.id,
        status="scheduled",
        change=change,
        apply_at=wanted.at or now,
        created_at=now,
        api_key_id=api_key_id,
    )
    session.add(row)
    session.flush()
    if row.apply_at <= now:
        _apply(session, campaign, row, settings=settings, keyring=keyring, now=now)
    return row.id


def apply_due(deployment: Deployment) -> None:
    """Publish the updates whose time has come; part of the clockwork."""
    _rehearse_due(deployment)
    while True:
        now = deployment.now()
        with deployment.database.write() as session:
            row = session.scalar(
                select(CampaignUpdate)
                .where(CampaignUpdate.status == "scheduled", CampaignUpdate.apply_at <= now)
                .order_by(CampaignUpdate.apply_at, CampaignUpdate.created_at)
                .limit(1)
                .with_for_update(skip_locked=True)
            )
            if row is None:
                return
            campaign = session.get_one(Campaign, row.campaign_id, with_for_update=True)
            try:
                _apply(
                    session,
                    campaign,
                    row,
                    settings=deployment.settings,
                    keyring=deployment.keyring,
                    now=now,
                )
            except UpdateFault as fault:
                row.status, row.failure = "failed", str(fault)


def _rehearse_due(deployment: Deployment) -> None:
    """Make the passes of what is due before the lock under which it is published."""
    with deployment.database.read() as session:
        rows = session.scalars(
            select(CampaignUpdate).where(
                CampaignUpdate.status == "scheduled", CampaignUpdate.apply_at <= deployment.now()
            )
        ).all()
        for row in rows:
            campaign = session.get_one(Campaign, row.campaign_id)
            revision = latest_revision(session, campaign)
            # What is wrong is told where it is published.
            with suppress(UpdateFault):
                _tried(
                    session,
                    campaign,
                    revision,
                    row.change,
                    settings=deployment.settings,
                    keyring=deployment.keyring,
                )


def pause(session: Session, key: str, *, paused: bool) -> None:
    """Hold the deliveries of the campaign's edits back, or let them go on."""
    campaign = campaigns.required(session, key, locked=True)
    campaign.delivery_paused = paused
    if not paused:
        changes.campaign(session, campaign.id)


def cancel(session: Session, update_id: uuid.UUID) -> None:
    """Take back an update that is not published yet.

    Raises:
        UpdateUnknown: there is none.
        UpdateFault: it is published already.
    """
    row = session.get(CampaignUpdate, update_id, with_for_update=True)
    if row is None:
        raise UpdateUnknown
    if row.status == "cancelled":
        return
    if row.status != "scheduled":
        raise UpdateFault(
            "already_published",
            f"The update is {row.status}.",
            "Order another update that says what holders should see instead, or pause deliveries.",
        )
    row.status = "cancelled"


def _apply(
    session: Session,
    campaign: Campaign,
    row: CampaignUpdate,
    *,
    settings: Settings,
    keyring: Keyring,
    now: dt.datetime,
) -> None:
    """Publish: the campaign's row, a revision if words or looks change, and the history line."""
    revision = latest_revision(session, campaign)
    # The campaign may have been revised since the update was ordered.
    presentation = _tried(
        session, campaign, revision, row.change, settings=settings, keyring=keyring
    )
    if presentation != revision.presentation:
        campaign.revision += 1
        session.add(
            Revision(
                campaign_id=campaign.id,
                number=campaign.revision,
                terms=revision.terms,
                presentation=presentation,
                created_at=now,
                api_key_id=row.api_key_id,
            )
        )
    shows = presentation != revision.presentation or bool(row.change.get("message"))
    after = overrides.read(row.change.get("override"), forced=bool(row.change.get("forced")))
    if after is not None:
        before = overrides.read(campaign.override, forced=campaign.override_forced)
        override = overrides.laid_over(before, after)
        campaign.override = overrides.stored(override)
        campaign.override_forced = bool(override.forced)
        shows = shows or _shows(session, campaign, before, override)
    # No phone is woken for what it shows already.
    campaign.version += shows
    campaign.updated_at = now
    row.status = "applied"
    row.applied_at = now
    row.version = campaign.version
    row.installed = sum(
        wallet.progress(session, campaign.id, campaign.version).installed
        for wallet in wallets.WALLETS
    )
    session.flush()
    changes.campaign(session, campaign.id)


def _shows(session: Session, campaign: Campaign, before: Override | None, after: Override) -> bool:
    """Say whether any pass shows something else under another override.

    An end and uses show. A benefit does not by itself: it decides whose words show, where vouchers
    were issued with other benefits than the campaign's latest.
    """
    old, new = overrides.shown(before), overrides.shown(after)
    if old == new:
        return False
    if any(old.get(name) != new.get(name) for name in ("ends_at", "uses", "forced")):
        return True
    revisions = session.scalars(select(Revision).where(Revision.campaign_id == campaign.id))
    return len({terms_of(each).benefit for each in revisions}) > 1


def _tried(
    session: Session,
    campaign: Campaign,
    revision: Revision,
    change: Mapping[str, Any],
    *,
    settings: Settings,
    keyring: Keyring,
) -> dict[str, Any]:
    """The stored presentation with a change laid over it, of which a pass can be made."""
    found = laid_over(revision.presentation, change)
    if found == revision.presentation:
        return found
    presentation = PRESENTATION.validate_python(found)
    faults = faults_of(
        session, campaign, presentation, organization=settings.organization, keyring=keyring
    )
    if faults:
        raise UpdateFault(
            "invalid_presentation",
            " ".join(f"{fault.at}: {fault.cause}" for fault in faults),
            " ".join(dict.fromkeys(fault.remedy for fault in faults)),
        )
    return found


def _check_override(override: Override, campaign: Campaign, revision: Revision) -> None:
    """Refuse terms that no holder of the campaign has, so that no override does nothing."""
    faults = override.faults()
    terms, money = terms_of(revision), KINDS[campaign.kind].holds_money
    names = [name for name in overrides.TERMS if getattr(override, name) is not None]
    if money and (others := [name for name in names if name != "ends_at"]):
        faults.append(f"{', '.join(others)}: a gift card has an end and no other of these terms.")
    for name, kind in (("percent", BenefitType.PERCENT), ("amount_minor", BenefitType.AMOUNT)):
        if name in names and not money and terms.benefit.type is not kind:
            faults.append(f"{name}: the campaign's benefit is {terms.benefit.type}, not {kind}.")
    if faults:
        raise UpdateFault(
            "invalid_override",
            " ".join(faults),
            "Override terms that the campaign's vouchers have.",
        )
