"""Codes of a campaign: unused ones taken from another campaign.

The same number of codes under the same name is taken once.
"""

from __future__ import annotations

from typing import Annotated

from flask import Response
from pydantic import BaseModel, Field, StringConstraints

from app.services.access import Scope
from app.services.codes import moved
from app.services.codes.jobs import ImportFault
from app.services.permissions import Reach
from app.web import access, deployment
from app.web.description import example, fails_with
from app.web.marketing.door import Body, CampaignPath, answered, one_of, part
from app.web.problem_codes import ProblemCode
from app.web.problems import Problem


class TakeBody(Body):
    """From which campaign codes are taken, and how many."""

    model_config = example(**{"from": "spring", "count": 500, "name": "june"})

    origin: Annotated[str, StringConstraints(min_length=1, max_length=200)] = Field(
        alias="from", description="Key of the campaign that gives them"
    )
    count: Annotated[int, Field(ge=1, le=100_000_000)] | None = Field(
        None, description="At most so many; all that are unused when left out"
    )
    name: Annotated[str, StringConstraints(max_length=100)] = Field(
        "", description="Tells apart moves of the same number; each is made once"
    )


class MoveBody(BaseModel):
    """How far codes are on their way; an import of the campaign that takes them."""

    model_config = example(
        id="0197a3c0-5f6e-7c11-9a54-0d7e5c3b2a10",
        campaign="summer",
        status="loading",
        accepted=0,
        rejected=0,
        waiting=None,
        known=False,
    )

    id: str = Field(description="Id of the import; `GET /api/v1/imports/{import_id}` shows it")
    campaign: str = Field(description="Key of the campaign that takes them")
    status: str = Field(
        description="loading: codes are on their way. complete: all are usable. cancelling, "
        "cancelled, failed: none is",
        json_schema_extra=one_of("loading", "complete", "cancelling", "cancelled", "failed"),
    )
    accepted: int = Field(description="Codes that have come")
    rejected: int = Field(description="Codes that stay, because they have no amount")
    waiting: str | None = Field(description="As of an import: why nobody works on it")
    known: bool = Field(description="The same had been asked for: nothing was taken now")


blueprint = part("codes", "Codes of a campaign")


@blueprint.post("/campaigns/<key>/codes/take", responses={202: MoveBody})
@access.requires(Scope.ISSUE, reach=Reach.CAMPAIGNS)
@fails_with(ProblemCode.CAMPAIGN_UNKNOWN, ProblemCode.NOT_TAKEN)
def take_codes(path: CampaignPath, body: TakeBody) -> Response:
    """Take unused codes of another campaign into this one.

    For marketers who follow up a campaign that has codes left: their old campaign has them no
    more. Codes that vouchers have are never taken. The key needs both campaigns.

    The answer comes at once, and a worker takes them; `GET` of the import says how far it is. A
    move of a number and a name is made once, so that a request may be repeated.
    """
    access.campaign(path.key)
    access.campaign(body.origin)
    house = deployment()
    try:
        begun = moved.begin_taking(
            house,
            path.key,
            body.origin,
            count=body.count,
            name=body.name,
            api_key_id=access.client().id,
            queued=True,
        )
    except ImportFault as fault:
        raise Problem(ProblemCode.NOT_TAKEN, cause=fault.cause, remedy=fault.remedy) from None
    answer = answered(
        MoveBody(
            id=str(begun.id),
            campaign=begun.campaign,
            status=begun.status,
            accepted=begun.accepted,
            rejected=begun.rejected,
            waiting=begun.waiting,
            known=begun.known,
        ),
        status=202,
    )
    answer.headers["Location"] = f"/api/v1/imports/{begun.id}"
    return answer
