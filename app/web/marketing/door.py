"""What the operations of the marketers' API share: their parts, their bodies, their answers."""

from __future__ import annotations

from typing import Annotated, Any

from flask import Response
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.web import access
from app.web.answers import CSV, as_json

Attribute = Annotated[str, StringConstraints(max_length=2_000)] | int | float | bool | None


class Body(BaseModel):
    """What a request says; a member that is not known is a fault."""

    model_config = ConfigDict(extra="forbid")


class ByWallet(BaseModel):
    """An answer to which every wallet adds members of its own, by its name or its counts."""

    model_config = ConfigDict(extra="allow")


class CampaignPath(BaseModel):
    """A campaign by its key."""

    key: str = Field(description="The campaign's key")


def part(name: str, says: str) -> APIBlueprint:
    """A part of the API: the operations of one module, under a heading of the description."""
    return APIBlueprint(
        f"api_{name.replace(' ', '_')}",
        __name__,
        url_prefix="/api/v1",
        abp_tags=[Tag(name=name, description=says)],
        abp_security=access.SECURITY,
    )


def one_of(*values: str | None) -> dict[str, Any]:
    """The schema's list of the values that a member of an answer has.

    A member is described so, and not by an enum's class, because components of the description have
    one name each, and enums of several parts are called the same.
    """
    return {"enum": [None if value is None else str(value) for value in values]}


def answered(body: Any, *, status: int = 200) -> Response:
    """A model, a list of models or plain data as JSON that nobody keeps.

    Models are for answers of one object. Where an answer has thousands of them it is plain data,
    which no run of the service validates; the tests hold it to its description.
    """
    if isinstance(body, BaseModel):
        body = body.model_dump(mode="json")
    elif isinstance(body, list):
        body = [item.model_dump(mode="json") for item in body]
    answer = Response(as_json(body), status, mimetype="application/json")
    answer.headers["Cache-Control"] = "no-store"
    return answer


def table(text: str, *, name: str) -> Response:
    """A CSV file of that name, which nobody keeps."""
    answer = Response(text, mimetype=CSV)
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    answer.headers["Cache-Control"] = "no-store"
    return answer
