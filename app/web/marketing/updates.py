"""Updates: what changes for all holders of a campaign, and how far it has reached their phones.

An update answers 202 with how many phones it touches and how long that takes at Google; its
progress is read at its own address. `dry_run` says the same, refuses the same, and orders nothing.
"""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Annotated, Any

from flask import Response
from pydantic import AwareDatetime, BaseModel, Field, StringConstraints
from sqlalchemy.orm import Session

from app.domain import overrides
from app.domain.inputs import MOST_MINOR
from app.domain.overrides import Override
from app.services import updates
from app.services.access import Scope
from app.services.permissions import Reach
from app.services.updates import UpdateRequest
from app.services.wallets.wallet import Forecast
from app.web import access, deployment
from app.web.description import example, fails_with
from app.web.fields import Moment
from app.web.heavy import takes_turns
from app.web.marketing.door import Body, ByWallet, CampaignPath, answered, part
from app.web.problem_codes import ProblemCode


class UpdatePath(BaseModel):
    """An update by its id."""

    update_id: uuid.UUID = Field(description="The update's id")


class UpdateBody(Body):
    """What changes for all holders of a campaign."""

    model_config = example(
        presentation={"texts": {"en": {"offer": "20 % off everything"}}},
        message={"en": "We raised your discount to 20 %.", "fr": "Votre remise : 20 %."},
        percent="20",
        ends_at="2026-09-30T23:59:59+02:00",
        dry_run=False,
    )

    presentation: dict[str, Any] | None = Field(
        None,
        description="Members of the campaign's presentation (texts, look, fields, links, places) "
        "to lay over the latest one, as the campaign file has them",
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
        description="The percentage off, where that is higher than their own",
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


class TouchesBody(ByWallet):
    """What an update touches."""

    passes: int = Field(description="Passes in wallets")
    devices: int = Field(description="Apple's devices that are told")
    objects: int = Field(description="Passes at Google")


class GoogleBody(BaseModel):
    """What an edit costs at Google, where passes are changed at a limited rate."""

    passes: int = Field(description="Passes that are updated one by one; 0: one call updates all")
    seconds: float = Field(
        description="How many seconds that takes at the rate, if nothing else is owed"
    )

    @classmethod
    def of(cls, forecast: Forecast) -> GoogleBody:
        return cls(passes=forecast.passes, seconds=forecast.takes.total_seconds())


REHEARSED: dict[str, Any] = {
    "touches": {"passes": 5210, "devices": 3100, "objects": 2090},
    "google": {"passes": 2090, "seconds": 104.5},
    "warnings": [],
}
PROGRESS: dict[str, Any] = {
    "id": "4b0f4f0e-6a52-4a57-9d05-5f4f4a1f6c11",
    "campaign": "summer",
    "status": "delivering",
    "apply_at": "2026-08-14T08:00:00+00:00",
    "applied_at": "2026-08-14T08:00:00+00:00",
    "version": 7,
    "paused": False,
    "installed": 3120,
    "pushed": 2480,
    "listed": 2105,
    "fetched": 2098,
    "failure": None,
}


class RehearsedBody(ByWallet):
    """What an update would touch; `dry_run` ordered nothing."""

    model_config = example(**REHEARSED)

    touches: TouchesBody = Field(description="How many passes and devices are told")
    google: GoogleBody = Field(description="What it costs at Google")
    warnings: list[str] = Field(
        description="Words that say another value than the update gives: send them as well; and"
        " texts of the update of which a wallet shows only the beginning"
    )


class ProgressBody(ByWallet):
    """An update, and how far it has come; counts are of passes in Apple's wallets."""

    model_config = example(**PROGRESS)

    id: uuid.UUID = Field(description="The update's id")
    campaign: str = Field(description="The campaign's key")
    status: str = Field(
        description="scheduled: it is published at `apply_at`. delivering, delivered: phones are "
        "being told, or all were. paused: deliveries of the campaign are held back. failed: "
        "`failure` says why it could not be published. cancelled: it was taken back",
    )
    apply_at: AwareDatetime = Field(description="When it is, or was to be, published")
    applied_at: AwareDatetime | None = Field(description="When it was published; null before that")
    version: int | None = Field(
        description="The campaign's version that it made; null before it is published"
    )
    paused: bool = Field(description="Whether deliveries of the campaign are held back")
    installed: int = Field(description="Passes of the campaign in Apple's wallets")
    pushed: int = Field(description="Passes whose device was told")
    listed: int = Field(description="Passes whose device asked what had changed")
    fetched: int = Field(description="Passes whose device holds the update")
    failure: str | None = Field(description="Why it could not be published, and what to do")


class OrderedBody(RehearsedBody, ProgressBody):
    """An update that was ordered, what it touches, and how far it has come."""

    model_config = example(**REHEARSED, **(PROGRESS | {"pushed": 0, "listed": 0, "fetched": 0}))


class UpdatesAnswer(BaseModel):
    """A campaign's updates, newest first, at most 50."""

    model_config = example(
        updates=[PROGRESS],
    )

    updates: list[ProgressBody] = Field(description="The updates with their progress")


blueprint = part("updates", "Change what holders of a campaign see, and watch it reach them")


@blueprint.post("/campaigns/<key>/updates", responses={200: RehearsedBody, 202: OrderedBody})
@access.requires(Scope.CAMPAIGN, reach=Reach.CAMPAIGNS)
@fails_with(
    ProblemCode.CAMPAIGN_UNKNOWN,
    ProblemCode.NOTHING_TO_UPDATE,
    ProblemCode.INVALID_PRESENTATION,
    ProblemCode.INVALID_OVERRIDE,
)
@takes_turns("campaigns")
def order_update(path: CampaignPath, body: UpdateBody) -> Response:
    """Order an update for all holders of a campaign, now or at a time.

    For marketers who change how a campaign looks, tell its holders something, or give them other
    terms. Terms count for each holder where they are better than the holder's own; `forced` lets
    them take away, too. It is answered with 202 and what it touches; with `dry_run` with 200 and
    the same, and nothing is ordered.
    """
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
    wanted = UpdateRequest(
        presentation=body.presentation, message=body.message, override=override, at=body.at
    )
    with house.database.read() as session:
        touches = updates.reach(session, path.key)
        warnings = updates.rehearse(
            session, path.key, wanted, settings=house.settings, keyring=house.keyring
        )
        costs = updates.forecast(session, path.key, wanted, settings=house.settings)
    rehearsed = RehearsedBody(
        touches=TouchesBody(**touches.counts),
        warnings=[str(each) for each in warnings],
        **{name: GoogleBody.of(cost) for name, cost in costs.items()},
    ).model_dump()
    if body.dry_run:
        return answered(rehearsed)
    with house.database.write() as session:
        ordered = updates.order(
            session,
            path.key,
            wanted,
            settings=house.settings,
            keyring=house.keyring,
            now=now,
            api_key_id=access.client().id,
        )
        progress = updates.progress(session, ordered)
    return answered(rehearsed | progress.as_dict(), status=202)


@blueprint.get("/campaigns/<key>/updates", responses={200: UpdatesAnswer})
@access.requires(Scope.CAMPAIGN, Scope.REPORT, reach=Reach.CAMPAIGNS)
@fails_with(ProblemCode.CAMPAIGN_UNKNOWN)
def list_updates(path: CampaignPath) -> Response:
    """List the campaign's updates, newest first, with their progress.

    For marketers who look back: the newest 50.
    """
    access.campaign(path.key)
    with deployment().database.read() as session:
        found = updates.history(session, path.key)
    return answered({"updates": [each.as_dict() for each in found]})


@blueprint.get("/updates/<update_id>", responses={200: ProgressBody})
@access.requires(Scope.CAMPAIGN, Scope.REPORT, reach=Reach.CAMPAIGNS)
@fails_with(ProblemCode.UPDATE_UNKNOWN)
def show_update(path: UpdatePath) -> Response:
    """Show how far an update has come.

    For whoever waits until phones hold it. A pass that was listed to a device and not fetched
    counts as not fetched; what Google is owed is in `GET /api/v1/sync`.
    """
    with deployment().database.read() as session:
        return answered(_found(session, path).as_dict())


@blueprint.delete("/updates/<update_id>", responses={200: ProgressBody})
@access.requires(Scope.CAMPAIGN, reach=Reach.CAMPAIGNS)
@fails_with(ProblemCode.UPDATE_UNKNOWN, ProblemCode.ALREADY_PUBLISHED)
def cancel_update(path: UpdatePath) -> Response:
    """Take back an update that is not published yet.

    For marketers who changed their mind. What is published is refused with 409: another update
    takes it back.
    """
    with deployment().database.write() as session:
        _found(session, path)
        updates.cancel(session, path.update_id)
        return answered(updates.progress(session, path.update_id).as_dict())


@blueprint.post("/campaigns/<key>/deliveries/pause", responses={204: None})
@access.requires(Scope.CAMPAIGN, reach=Reach.CAMPAIGNS)
@fails_with(ProblemCode.CAMPAIGN_UNKNOWN)
def pause_deliveries(path: CampaignPath) -> Response:
    """Hold deliveries of the campaign's edits back; redemptions still reach their phones.

    For marketers who found a mistake in an update that is on its way. Pausing again changes
    nothing.
    """
    return _pause(path.key, paused=True)


@blueprint.post("/campaigns/<key>/deliveries/resume", responses={204: None})
@access.requires(Scope.CAMPAIGN, reach=Reach.CAMPAIGNS)
@fails_with(ProblemCode.CAMPAIGN_UNKNOWN)
def resume_deliveries(path: CampaignPath) -> Response:
    """Let deliveries of the campaign's edits go on.

    Phones are told the latest state alone, however often it changed meanwhile. Resuming what is
    not paused changes nothing.
    """
    return _pause(path.key, paused=False)


def _pause(key: str, *, paused: bool) -> Response:
    access.campaign(key)
    with deployment().database.write() as session:
        updates.pause(session, key, paused=paused)
    return Response(status=204)


def _found(session: Session, path: UpdatePath) -> updates.UpdateProgress:
    """The update, if it is of a campaign that the key may touch."""
    found = updates.progress(session, path.update_id)
    if not access.client().may_touch(found.campaign):
        raise access.unknown("update")
    return found
