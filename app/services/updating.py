"""The marketer's trigger: change what holders see and get, now or at a time, and watch it arrive.

Promises: an update of a campaign writes the campaign's row, one revision and one line of history,
whether it has ten holders or a million; the phones are told by the workers, paced, and how far
they are is counted from what each phone was told. Vouchers one by one are updated, prolonged or
withdrawn in a transaction of their own.
Refuses: to take terms away from holders unless that is asked for by name (`forced`); to cancel
what was published: another update takes it back.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import Session

from app.domain import codes, overrides
from app.domain.campaign import BenefitType, Presentation
from app.domain.kinds import KINDS
from app.domain.overrides import Override
from app.services import changes, events
from app.services.campaigns import faults_of, find, latest_revision, terms_of
from app.services.campaigns.shared import MESSAGE_FIELD
from app.services.deployment import Deployment
from app.services.installations import FETCHED, LISTED, PUSHED, Told
from app.settings import Settings
from app.store.models import (
    AppleDevice,
    AppleRegistration,
    Campaign,
    CampaignUpdate,
    GoogleObject,
    Revision,
    Voucher,
)

_PRESENTATION: TypeAdapter[Presentation] = TypeAdapter(Presentation)

#: Vouchers that one call may change one by one.
MOST_VOUCHERS = 1_000


class UpdateFault(Exception):
    """An update that cannot be made; `code` is its stable name, the text says cause and remedy."""

    def __init__(self, code: str, cause: str, remedy: str) -> None:
        super().__init__(f"{cause} {remedy}")
        self.code = code
        self.cause = cause
        self.remedy = remedy


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What an update changes.

    Args:
        presentation: members of the presentation, to be laid over the latest one.
        message: a text by language, shown on the pass and announced by the phone.
        override: terms for all holders, where those are better than their own or forced.
        at: when it is published; None is now.
    """

    presentation: Mapping[str, Any] | None = None
    message: Mapping[str, str] | None = None
    override: Override | None = None
    at: dt.datetime | None = None

    @property
    def changes(self) -> list[str]:
        """What it changes, as dotted names of a campaign's members."""
        found = [f"presentation.{name}" for name in self.presentation or ()]
        return [*found, "override"] if self.override else found


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How many an update touches: passes in wallets, Apple's devices, Google's objects."""

    passes: int
    devices: int
    objects: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """An update and how far it has come; counts are of passes in Apple's wallets."""

    id: uuid.UUID
    campaign: str
    status: str
    apply_at: dt.datetime
    applied_at: dt.datetime | None
    version: int | None
    paused: bool
    installed: int
    pushed: int
    listed: int
    fetched: int
    failure: str | None


class Action(StrEnum):
    """What is done to single vouchers."""

    UPDATE = "update"
    PROLONG = "prolong"
    WITHDRAW = "withdraw"


def reach(session: Session, key: str) -> Reach:
    """How many an update of the campaign would touch."""
    campaign = _campaign(session, key)
    row = session.execute(
        select(func.count(), func.count(AppleRegistration.device_id.distinct()))
        .select_from(AppleRegistration)
        .join(Voucher, Voucher.id == AppleRegistration.voucher_id)
        .where(Voucher.campaign_id == campaign.id)
    ).one()
    objects = session.scalar(
        select(func.count())
        .select_from(GoogleObject)
        .join(Voucher, Voucher.id == GoogleObject.voucher_id)
        .where(Voucher.campaign_id == campaign.id, GoogleObject.status == "inserted")
    )
    return Reach(passes=row[0] + (objects or 0), devices=row[1], objects=objects or 0)


def rehearse(session: Session, key: str, wanted: Wanted, *, settings: Settings) -> None:
    """Refuse what `order` would refuse, in a session for reading.

    Pictures are resized on the way, which would hold up every till under the lock of `order`; that
    finds the answer here.

    Raises:
        UpdateFault: as `order`.
    """
    _change(session, _campaign(session, key), wanted, settings=settings)


def _change(
    session: Session, campaign: Campaign, wanted: Wanted, *, settings: Settings
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
    _tried(session, campaign, revision, change, settings=settings)
    return change


def order(
    session: Session,
    key: str,
    wanted: Wanted,
    *,
    settings: Settings,
    now: dt.datetime,
    api_key_id: int | None = None,
) -> uuid.UUID:
    """Order an update; it is published at once unless it is for later. Returns its id.

    A pass is made of it first, so that what no pass can show is refused and never published.

    Raises:
        UpdateFault: there is no such campaign, or the update changes nothing or is faulty.
    """
    campaign = _campaign(session, key, lock=True)
    change = _change(session, campaign, wanted, settings=settings)
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
        _apply(session, campaign, row, settings=settings, now=now)
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
                _apply(session, campaign, row, settings=deployment.settings, now=now)
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
                _tried(session, campaign, revision, row.change, settings=deployment.settings)


def progress(session: Session, update_id: uuid.UUID) -> Progress:
    """How far an update has come.

    Raises:
        UpdateFault: there is no such update.
    """
    row = session.get(CampaignUpdate, update_id)
    if row is None:
        raise _no_update()
    campaign = session.get_one(Campaign, row.campaign_id)

    def reached(told: Told) -> ColumnElement[int]:
        return func.coalesce(func.sum(case((told[1] >= (row.version or 0), 1), else_=0)), 0)

    counts = session.execute(
        select(func.count(), reached(PUSHED), reached(LISTED), reached(FETCHED))
        .select_from(AppleRegistration)
        .join(Voucher, Voucher.id == AppleRegistration.voucher_id)
        .where(Voucher.campaign_id == row.campaign_id)
    ).one()
    applied = row.status == "applied"
    status = row.status
    if applied:
        status = "delivered" if counts[1] == counts[0] else "delivering"
        if campaign.delivery_paused and status == "delivering":
            status = "paused"
    return Progress(
        id=row.id,
        campaign=campaign.key,
        status=status,
        apply_at=row.apply_at,
        applied_at=row.applied_at,
        version=row.version,
        paused=campaign.delivery_paused,
        installed=counts[0],
        pushed=int(counts[1]) if applied else 0,
        listed=int(counts[2]) if applied else 0,
        fetched=int(counts[3]) if applied else 0,
        failure=row.failure,
    )


def history(session: Session, key: str, *, limit: int = 50) -> list[Progress]:
    """The campaign's updates, newest first."""
    campaign = _campaign(session, key)
    ids = session.scalars(
        select(CampaignUpdate.id)
        .where(CampaignUpdate.campaign_id == campaign.id)
        .order_by(CampaignUpdate.created_at.desc(), CampaignUpdate.id.desc())
        .limit(limit)
    ).all()
    return [progress(session, each) for each in ids]


def pause(session: Session, key: str, *, paused: bool) -> None:
    """Hold the deliveries of the campaign's edits back, or let them go on."""
    campaign = _campaign(session, key, lock=True)
    campaign.delivery_paused = paused
    if not paused:
        changes.campaign(session, campaign.id)


def cancel(session: Session, update_id: uuid.UUID) -> None:
    """Take back an update that is not published yet.

    Raises:
        UpdateFault: it is unknown, or published already.
    """
    row = session.get(CampaignUpdate, update_id, with_for_update=True)
    if row is None:
        raise _no_update()
    if row.status == "cancelled":
        return
    if row.status != "scheduled":
        raise UpdateFault(
            "already_published",
            f"The update is {row.status}.",
            "Order another update that says what holders should see instead, or pause deliveries.",
        )
    row.status = "cancelled"


def change_vouchers(
    session: Session,
    serials: Sequence[str],
    action: Action,
    *,
    now: dt.datetime,
    ends_at: dt.datetime | None = None,
    only: frozenset[str] | None = None,
) -> list[str]:
    """Update, prolong or withdraw single vouchers; returns the serials that are unknown.

    Args:
        serials: serial numbers of passes.
        ends_at: the new end, for PROLONG; an earlier end is refused.
        only: keys of the campaigns that may be touched; None is every campaign.
    """
    if len(serials) > MOST_VOUCHERS:
        raise UpdateFault(
            "too_many_vouchers",
            f"{len(serials)} vouchers are more than {MOST_VOUCHERS}.",
            "Send several calls, or update the campaign.",
        )
    if (action is Action.PROLONG) != (ends_at is not None):
        raise UpdateFault(
            "ends_at_mismatch", "ends_at is for prolonging.", "Give it with prolong, and only then."
        )
    wanted = {codes.from_serial(serial): serial for serial in serials}
    rows = session.execute(
        select(Voucher, Campaign.key)
        .join(Campaign, Campaign.id == Voucher.campaign_id)
        .where(Voucher.public_id.in_([each for each in wanted if each is not None]))
        .order_by(Voucher.id)
        .with_for_update(of=Voucher)
    ).all()
    known = set()
    for voucher, key in rows:
        if only is not None and key not in only:
            continue
        known.add(wanted[voucher.public_id])
        if action is Action.PROLONG:
            # A voucher without an end would get one.
            if ends_at is None or voucher.ends_at is None or ends_at < voucher.ends_at:
                raise UpdateFault(
                    "would_shorten",
                    f"Voucher {codes.serial(voucher.public_id)} has no end, or a later one.",
                    "Prolong to a later time, or withdraw it.",
                )
            voucher.ends_at = ends_at
        elif action is Action.WITHDRAW:
            voucher.status = "revoked"
        voucher.version += 1
        session.flush()
        events.append(session, "updated", voucher.id, now=now)
        changes.voucher(session, voucher.id)
    return [serial for serial in serials if serial not in known]


def _apply(
    session: Session,
    campaign: Campaign,
    row: CampaignUpdate,
    *,
    settings: Settings,
    now: dt.datetime,
) -> None:
    """Publish: the campaign's row, a revision if words or looks change, and the history line."""
    revision = latest_revision(session, campaign)
    # The campaign may have been revised since the update was ordered.
    presentation = _tried(session, campaign, revision, row.change, settings=settings)
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
    after = overrides.read(row.change.get("override"), forced=bool(row.change.get("forced")))
    if after is not None:
        before = overrides.read(campaign.override, forced=campaign.override_forced)
        override = overrides.laid_over(before, after)
        campaign.override = overrides.stored(override)
        campaign.override_forced = bool(override.forced)
    campaign.version += 1
    campaign.updated_at = now
    row.status = "applied"
    row.applied_at = now
    row.version = campaign.version
    row.installed = (
        session.scalar(
            select(func.count())
            .select_from(AppleRegistration)
            .join(AppleDevice, AppleDevice.id == AppleRegistration.device_id)
            .join(Voucher, Voucher.id == AppleRegistration.voucher_id)
            .where(Voucher.campaign_id == campaign.id)
        )
        or 0
    )
    session.flush()
    changes.campaign(session, campaign.id)


def _tried(
    session: Session,
    campaign: Campaign,
    revision: Revision,
    change: Mapping[str, Any],
    *,
    settings: Settings,
) -> dict[str, Any]:
    """The stored presentation with a change laid over it, of which a pass can be made."""
    found = _laid_over(revision.presentation, change)
    if found == revision.presentation:
        return found
    presentation = _PRESENTATION.validate_python(found)
    faults = faults_of(session, campaign, presentation, organization=settings.organization)
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


def _laid_over(presentation: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """The stored presentation with a change laid over it, checked."""
    patch = change.get("presentation") or {}
    merged = _merge(presentation, patch)
    if message := change.get("message"):
        others = [each for each in merged.get("fields", ()) if each.get("key") != MESSAGE_FIELD]
        merged["fields"] = [{"key": MESSAGE_FIELD, "value": dict(message)}, *others]
    try:
        found: dict[str, Any] = _PRESENTATION.dump_python(
            _PRESENTATION.validate_python(merged), mode="json"
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise UpdateFault(
            "invalid_presentation",
            f"presentation.{'.'.join(map(str, first['loc']))}: {first['msg']}.",
            "Write it as the campaign's own presentation is written.",
        ) from None
    if unknown := _unknown(patch, found):
        raise UpdateFault(
            "invalid_presentation",
            f"presentation.{unknown} does not exist.",
            "Write it as the campaign's own presentation is written.",
        )
    return found


def _merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for name, value in over.items():
        below = merged.get(name)
        merged[name] = (
            _merge(below, value)
            if isinstance(below, Mapping) and isinstance(value, Mapping)
            else value
        )
    return merged


def _unknown(patch: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """The path of the first member of the patch that the checked result does not have."""
    for name, value in patch.items():
        if name not in found:
            return name
        below = found[name]
        if (
            isinstance(value, Mapping)
            and isinstance(below, Mapping)
            and (inner := _unknown(value, below))
        ):
            return f"{name}.{inner}"
    return ""


def _campaign(session: Session, key: str, *, lock: bool = False) -> Campaign:
    campaign = find(session, key)
    if campaign is None:
        raise UpdateFault(
            "campaign_unknown",
            f"There is no campaign {key!r}.",
            "`passerelle campaign list` shows those there are.",
        )
    if lock:
        session.refresh(campaign, with_for_update=True)
    return campaign


def _no_update() -> UpdateFault:
    return UpdateFault(
        "update_unknown", "There is no such update.", "The campaign's updates list their ids."
    )
