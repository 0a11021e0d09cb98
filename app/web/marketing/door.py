"""What the doors of this package share: the blueprint, who may touch what, answers."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from flask import Response
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, ConfigDict, StringConstraints

from app.services.issuance import IssueFault
from app.web import access
from app.web.problems import Problem, problem_of

blueprint = APIBlueprint(
    "marketing",
    __name__,
    url_prefix="/api/v1",
    abp_tags=[Tag(name="Marketing", description="Campaigns, codes, vouchers and messages")],
    abp_security=access.SECURITY,
)

Attribute = Annotated[str, StringConstraints(max_length=2_000)] | int | float | bool | None


class Body(BaseModel):
    """A request's body; a member that is not known is a fault."""

    model_config = ConfigDict(extra="forbid")


class CampaignPath(BaseModel):
    """A campaign's key."""

    key: str


def refused(fault: IssueFault) -> Problem:
    """The answer when nothing can be issued or taken back."""
    return problem_of(fault)


def answered(body: Any, *, status: int = 200) -> Response:
    """A model, a list of models or plain data as JSON that nobody keeps."""
    plain = (
        body.model_dump(mode="json")
        if isinstance(body, BaseModel)
        else [item.model_dump(mode="json") for item in body]
        if isinstance(body, list)
        else body
    )
    answer = Response(orjson.dumps(plain), status, mimetype="application/json")
    answer.headers["Cache-Control"] = "no-store"
    return answer
