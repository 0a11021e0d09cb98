"""The marketer's trigger and sync health over HTTP, under `/api/v1`.

An update answers 202 with how many phones it touches and how long that takes at Google; its
progress is read at its own address. `dry_run` says the same, refuses the same, and orders nothing.
"""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Annotated, Any, Literal

from flask import Response
from flask_openapi3 import APIBlueprint, OpenAPI, Tag
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy.orm import Session

from app.domain import overrides
from app.domain.inputs import MOST_MINOR
from app.domain.overrides import Override
from app.services import updates
from app.services.access import Scope
from app.services.issuance import Left
from app.services.permissions import Reach
from app.services.updates import Action, Wanted
from app.services.wallets.apple.complaints import newest_complaints
from app.services.wallets.health import assess
from app.services.wallets.wallet import Forecast
from app.web import access, deployment
from app.web.fields import Moment
from app.web.heavy import takes_turns

_TAG = Tag(name="updates", description="Change what holders see, and watch it reach their phones")

blueprint = APIBlueprint(
    "updates",
    __name__,
    url_prefix="/api/v1",
    abp_tags=[_TAG],
    abp_security=access.SECURITY,
)


class CampaignPath(BaseModel):
    """A campaign."""

    key: str = Field(description="The campaign's key")


class UpdatePath(BaseModel):
    """An update."""

    update_id: uuid.UUID


class UpdateBody(BaseModel):
    """What changes for all holders of a campaign."""

    model_config = ConfigDict(extra="forbid")

    presentation: dict[str, Any] | None = Field(
        None, description="Members of the presentation to lay over the latest one"
    )
    message: dict[str, Annotated[str, StringConstraints(min_length=1, max_length=500)]] | None = (
        Field(None, description="A message by language; phones announce it")
    )
    ends_at: Moment | None = Field(
        None, description="Until when all vouchers are good, where that is later than their own"
    )
    uses: int | None = Field(
        None,
        ge=1,
        le=overrides.MOST_USES,
        description="How often each voucher may be used, where that is more than its own",
    )
    percent: Decimal | None = Field(
        None,
        gt=0,
        le=100,
        decimal_places=4,
        description="The percentage, where that is higher than their own",
    )
    amount_minor: int | None = Field(
        None,
        ge=1,
        le=MOST_MINOR,
        description="The amount off in minor units, where that is higher than their own",
    )
    min_basket_minor: int | None = Field(
        None,
        ge=0,
        le=MOST_MINOR,
        description="The basket needed in minor units, where that is less than their own; 0: none",
    )
    forced: bool = Field(False, description="Let these terms take away from holders, too")
    at: Moment | None = Field(None, description="When to publish; absent is now")
    dry_run: bool = Field(
        False, description="Say what it would touch and how long that takes, and order nothing"
    )


class TouchesBody(BaseModel):
    """What an update touches."""

    # Each wallet counts its own.
    model_config = ConfigDict(extra="allow")

    passes: int = Field(description="Passes in wallets")
    devices: int = Field(description="Apple's devices that are told")
    objects: int = Field(description="Passes at Google")


class GoogleBody(BaseModel):
    """What an edit costs at Google, where passes are changed at a limited rate."""

    passes: int = Field(description="Passes that are updated one by one; 0: one call updates all")
    seconds: float = Field(description="How long that takes at the rate, if nothing else is owed")

    @classmethod
    def of(cls, forecast: Forecast) -> GoogleBody:
        return cls(passes=forecast.passes, seconds=forecast.takes.total_seconds())


class RehearsedBody(BaseModel):
    """What an update would touch; `dry_run` ordered nothing."""

    # Another wallet whose rate is limited says what it costs there.
    model_config = ConfigDict(extra="allow")

    touches: TouchesBody
    google: GoogleBody
    warnings: list[str] = Field(
        description="Words that say another value than the update gives: send them as well; and"
        " texts of the update of which a wallet shows only the beginning"
    )


class OrderedBody(RehearsedBody):
    """An update that was ordered, and how far it has come."""

    id: uuid.UUID
    campaign: str
    status: str
    apply_at: AwareDatetime
    applied_at: AwareDatetime | None
    version: int | None
    paused: bool
    installed: int
    pushed: int
    listed: int
    fetched: int
    failure: str | None


class VouchersBody(BaseModel):
    """What is done to single vouchers."""

    model_config = ConfigDict(extra="forbid")

    serials: Annotated[
        list[Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]],
        Field(min_length=1, max_length=updates.MOST_VOUCHERS),
    ]
    action: Literal["update", "prolong", "withdraw"]
    ends_at: Moment | None = None
    reason: Annotated[str, StringConstraints(max_length=200)] | None = Field(
        None, description="Why it is withdrawn; kept with the voucher"
    )


class LeftBody(BaseModel):
    """A voucher that was left as it was, or was found by another serial than it has now."""

    serial: str = Field(description="As it was asked for")
    voucher: str = Field(description="What the voucher is called now")
    why: Left = Field(
        description="held: by a till, ask again later; redeemed, expired or withdrawn: it was "
        "over; kept: it is as asked already"
    )


class ChangedBody(BaseModel):
    """What was done to single vouchers; each that is in no list was changed under its serial."""

    changed: int = Field(description="Vouchers that this request changed")
    unknown: list[str] = Field(description="Serials that no voucher ever had")
    left: list[LeftBody] = Field(
        [], description="Vouchers that were left as they were, and why; absent when there are none"
    )
    reissued: dict[str, str] = Field(
        {},
        description="Present serials by those asked for, where they differ; absent when none does",
    )


@blueprint.post("/campaigns/<key>/updates", responses={200: RehearsedBody, 202: OrderedBody})
@access.requires(Scope.CAMPAIGN, reach=Reach.CAMPAIGNS)
@takes_turns("campaigns")
def order(path: CampaignPath, body: UpdateBody) -> tuple[dict[str, Any], int]:
    """Order an update: now, or at a time."""
    access.campaign(path.key)
    house = deployment()
    now = house.now()
    override = Override(
        ends_at=body.ends_at,
        uses=body.uses,
        percent=body.percent,
        amount_minor=body.amount_minor,
        min_basket_minor=body.min_basket_minor,
        forced=frozenset(overrides.TERMS) if body.forced else frozenset(),
    )
    wanted = Wanted(
        presentation=body.presentation,
        message=body.message,
        override=override,
        at=body.at,
    )

    def told(session: Session) -> dict[str, Any]:
        touches = updates.reach(session, path.key)
        warnings = updates.rehearse(
            session, path.key, wanted, settings=house.settings, keyring=house.keyring
        )
        costs = updates.forecast(session, path.key, wanted, settings=house.settings)
        return RehearsedBody(
            touches=TouchesBody(**touches.counts),
            warnings=warnings,
            **{name: GoogleBody.of(cost) for name, cost in costs.items()},
        ).model_dump()

    def work(session: Session) -> dict[str, Any]:
        ordered = updates.order(
            session,
            path.key,
            wanted,
            settings=house.settings,
            keyring=house.keyring,
            now=now,
            api_key_id=access.client().id,
        )
        return _shown(updates.progress(session, ordered))

    with house.database.read() as session:
        rehearsed = told(session)
    if body.dry_run:
        return rehearsed, 200
    with house.database.write() as session:
        return rehearsed | work(session), 202


@blueprint.get("/campaigns/<key>/updates")
@access.requires(Scope.CAMPAIGN, Scope.REPORT, reach=Reach.CAMPAIGNS)
def history(path: CampaignPath) -> dict[str, Any]:
    """The campaign's updates, newest first, with their progress."""
    access.campaign(path.key)
    with deployment().database.read() as session:
        found = updates.history(session, path.key)
        return {"updates": [_shown(each) for each in found]}


@blueprint.get("/updates/<update_id>")
@access.requires(Scope.CAMPAIGN, Scope.REPORT, reach=Reach.CAMPAIGNS)
def standing(path: UpdatePath) -> dict[str, Any]:
    """How far an update has come."""
    with deployment().database.read() as session:
        return _shown(_found(session, path))


@blueprint.delete("/updates/<update_id>")
@access.requires(Scope.CAMPAIGN, reach=Reach.CAMPAIGNS)
def cancel(path: UpdatePath) -> dict[str, Any]:
    """Take back an update that is not published yet."""
    with deployment().database.write() as session:
        _found(session, path)
        updates.cancel(session, path.update_id)
        return _shown(updates.progress(session, path.update_id))


@blueprint.post("/campaigns/<key>/deliveries/pause")
@access.requires(Scope.CAMPAIGN, reach=Reach.CAMPAIGNS)
def pause(path: CampaignPath) -> Response:
    """Hold deliveries of the campaign's edits back; redemptions still reach their phones."""
    return _pause(path.key, paused=True)


@blueprint.post("/campaigns/<key>/deliveries/resume")
@access.requires(Scope.CAMPAIGN, reach=Reach.CAMPAIGNS)
def resume(path: CampaignPath) -> Response:
    """Let the deliveries go on."""
    return _pause(path.key, paused=False)


@blueprint.post("/vouchers/updates", responses={200: ChangedBody})
@access.requires(Scope.CAMPAIGN, reach=Reach.CAMPAIGNS)
def change_vouchers(body: VouchersBody) -> dict[str, Any]:
    """Update, prolong or withdraw up to 1,000 vouchers by their serial numbers.

    A serial that a voucher had before it was issued anew means that voucher.
    """
    answers = updates.change_vouchers(
        deployment(),
        body.serials,
        Action(body.action),
        ends_at=body.ends_at,
        reason=body.reason,
        only=access.client().campaigns,
    )
    known = [each for each in answers if each.left is not Left.UNKNOWN]
    found = ChangedBody(
        changed=len({each.now for each in known if each.left is None}),
        unknown=[each.serial for each in answers if each.left is Left.UNKNOWN],
        left=[
            LeftBody(serial=each.serial, voucher=each.now, why=each.left)
            for each in known
            if each.left is not None
        ],
        reissued={each.serial: each.now for each in known if each.serial != each.now},
    )
    return found.model_dump(mode="json", exclude_defaults=True)


@blueprint.get("/sync")
@access.requires(Scope.REPORT, Scope.CAMPAIGN, reach=Reach.CAMPAIGNS)
def health() -> dict[str, Any]:
    """What phones are owed, were told and hold, by campaign; failures and alarms.

    A key that is bound to campaigns sees theirs and the service's own alarms; what is counted over
    all campaigns is left out.
    """
    found = assess(deployment())
    only = access.client().campaigns
    shown = found.as_dict()
    if only is not None:
        return {
            "campaigns": [each for each in shown["campaigns"] if each["campaign"] in only],
            "workers": found.workers,
            "alarms": [each.as_dict() for each in found.alarms if each.of_service],
        }
    shown["oldest"] = {wallet: since.isoformat() for wallet, since in found.oldest.items()}
    shown["oldest_owed"] = found.oldest_owed.isoformat() if found.oldest_owed else None
    return shown


@blueprint.get("/sync/complaints")
@access.requires(Scope.REPORT, reach=Reach.CAMPAIGNS)
def complaints() -> dict[str, Any]:
    """What devices complained about lately, newest first."""
    with deployment().database.read() as session:
        return {
            "complaints": [
                {
                    "at": each.at.isoformat(),
                    "kind": each.kind,
                    "serial": each.serial,
                    "message": each.message,
                }
                for each in newest_complaints(session, only=access.client().campaigns)
            ]
        }


def _pause(key: str, *, paused: bool) -> Response:
    access.campaign(key)
    with deployment().database.write() as session:
        updates.pause(session, key, paused=paused)
    return Response(status=204)


def _found(session: Session, path: UpdatePath) -> updates.Progress:
    """The update, if it is of a campaign that the key may touch."""
    found = updates.progress(session, path.update_id)
    if not access.client().may_touch(found.campaign):
        raise access.unknown("update")
    return found


def _shown(found: updates.Progress) -> dict[str, Any]:
    return {
        name: value.isoformat() if hasattr(value, "isoformat") else value
        for name, value in (found.as_dict() | {"id": str(found.id)}).items()
    }


def register(app: OpenAPI) -> None:
    """Put the doors of this module into `app`."""
    app.register_api(blueprint)
