"""Campaigns and the pictures that they show."""

from __future__ import annotations

from typing import Any

from flask import Response, request
from pydantic import BaseModel, ConfigDict, Field

from app.services import campaigns, permissions, wallets
from app.services.access import Scope
from app.services.campaigns import CampaignFault, pictures
from app.services.permissions import Reach
from app.services.wallets.wallet import Edit
from app.web import access, deployment
from app.web.gate import parse_json
from app.web.heavy import takes_turns
from app.web.marketing.door import Body, answered, blueprint
from app.web.marketing.updates import GoogleBody
from app.web.problem_codes import ProblemCode
from app.web.problems import FaultyMember, Problem

LARGEST_PICTURE = 10_000_000


class ApplyQuery(Body):
    """Whether to apply or only to show the difference."""

    dry_run: bool = False


class ChangeBody(BaseModel):
    """One value that differs."""

    at: str
    before: Any
    after: Any


class WarningBody(BaseModel):
    """Something that will not show as it may be meant, and what to write instead."""

    at: str
    cause: str
    remedy: str


class ApplyAnswer(BaseModel):
    """What applying a campaign changed, or would change."""

    # Another wallet whose rate is limited says what it costs there.
    model_config = ConfigDict(extra="allow")

    key: str
    created: bool
    applied: bool
    changes: list[ChangeBody]
    revision: int | None
    version: int | None
    warnings: list[WarningBody] = Field(
        description="What is applied all the same, and will not show as it may be meant"
    )
    google: GoogleBody | None = Field(
        None, description="What it costs at Google; null where no pass in a wallet changes"
    )


class PictureAnswer(BaseModel):
    """The name under which `look` finds a picture."""

    sha256: str


@blueprint.post("/campaigns", responses={"200": ApplyAnswer})
@access.requires(Scope.CAMPAIGN, reach=Reach.CAMPAIGNS)
@takes_turns("campaigns")
def apply_campaign(query: ApplyQuery) -> Response:
    """Create or revise a campaign: the shape of the campaign file, as JSON; pictures by digest."""
    request.max_content_length = campaigns.LARGEST_FILE
    house = deployment()
    document = parse_json(request.get_data())
    if not isinstance(document, dict):
        raise Problem(
            ProblemCode.INVALID_REQUEST, cause="The body is no object.", remedy="Send the campaign."
        )
    key = document.get("key")
    if isinstance(key, str):
        access.campaign(key)
    keyring = house.keyring
    stored = None
    try:
        draft = campaigns.read_document(document)
        with house.database.read() as session:
            if beyond := permissions.faults_of(session, access.client(), draft):
                raise CampaignFault(beyond)
            tried = campaigns.try_out(
                session, draft, organization=house.settings.organization, keyring=keyring
            )
            # Counted here, so that no till waits for it under the lock.
            costs = wallets.forecast(session, draft.key, Edit.of(draft), settings=house.settings)
        with house.database.write() as session:
            plan = campaigns.plan(session, tried)
            if not query.dry_run:
                stored = campaigns.apply(
                    session, plan, keyring, now=house.now(), api_key_id=access.client().id
                )
    except CampaignFault as fault:
        raise Problem(
            ProblemCode.CAMPAIGN_FAULTY,
            errors=[
                FaultyMember(at=item.at, cause=f"{item.cause} {item.remedy}")
                for item in fault.faults
            ],
        ) from None
    return answered(
        ApplyAnswer(
            key=draft.key,
            created=plan.creates,
            applied=stored is not None,
            changes=[ChangeBody(at=c.at, before=c.before, after=c.after) for c in plan.changes],
            revision=stored.revision if stored else None,
            version=stored.version if stored else None,
            warnings=[
                WarningBody(at=each.at, cause=each.cause, remedy=each.remedy)
                for each in campaigns.warnings_of(
                    draft.presentation, kind=draft.kind, rules=draft.rules
                )
            ],
            **{
                name: GoogleBody.of(cost)
                for name, cost in costs.items()
                if plan.shows and not plan.creates
            },
        )
    )


@blueprint.post("/pictures", responses={"201": PictureAnswer})
@access.requires(Scope.CAMPAIGN, reach=Reach.CAMPAIGNS)
@takes_turns("campaigns")
def add_picture() -> Response:
    """Store a logo or banner (PNG or JPEG, the request's body) for campaigns to name."""
    request.max_content_length = LARGEST_PICTURE
    house = deployment()
    data = request.get_data()
    if (cause := pictures.fault(data)) is not None:
        raise Problem(
            ProblemCode.PICTURE_FAULTY,
            cause=f"The picture {cause}.",
        )
    with house.database.write() as session:
        digest = pictures.store(session, data, now=house.now())
    return answered(PictureAnswer(sha256=digest), status=201)
