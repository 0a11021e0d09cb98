"""Operators' door to the security events: `GET /api/v1/security-events`.

It needs the scope `admin` of a key that is bound to nothing, since events tell of every campaign
and store.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal
from urllib.parse import urlencode

import orjson
from flask import Response, request
from flask_openapi3 import APIBlueprint, OpenAPI, Tag
from pydantic import BaseModel, ConfigDict, Field

from app.domain.inputs import MOST_INTEGER
from app.services import security
from app.services.access import Scope
from app.services.closing import to_csv
from app.services.permissions import Reach
from app.services.security import Event, Kind
from app.web import access, deployment
from app.web.fields import Moment, Name


class EventsQuery(BaseModel):
    """Which events; what is left out does not choose."""

    model_config = ConfigDict(extra="forbid")

    kind: Annotated[list[Kind], Field(max_length=len(Kind))] = []
    actor: Name | None = Field(
        None, description="A key's prefix, store/terminal, operator, command or address"
    )
    object: Name | None = Field(None, description="What it was done to, such as `campaign spring`")
    since: Moment | None = None
    until: Moment | None = None
    cursor: Annotated[int, Field(ge=1, le=MOST_INTEGER)] | None = Field(
        None, description="`next` of the page before"
    )
    limit: Annotated[int, Field(ge=1, le=1_000)] = 100
    format: Literal["json", "csv"] = "json"


class EventBody(BaseModel):
    """Something that bears on security."""

    id: int
    at: str
    kind: str
    count: int = Field(description="How many: codes of one list, refusals of one minute")
    key_prefix: str | None = Field(description="Of the API key that asked")
    terminal: str | None
    operator: str | None = Field(description="Who stood at the terminal, or at the command line")
    command: str | None
    address: str | None
    object: str | None = Field(description="What it was done to")
    reason: str | None


class EventsAnswer(BaseModel):
    """Events, newest first."""

    events: list[EventBody]
    next: int | None = Field(description="`cursor` of the next page; null on the last one")


blueprint = APIBlueprint(
    "security",
    __name__,
    url_prefix="/api/v1",
    abp_tags=[Tag(name="security", description="Who did what to keys, codes and people")],
    abp_security=access.SECURITY,
)


@blueprint.get("/security-events", responses={200: EventsAnswer})
@access.requires(Scope.ADMIN, reach=Reach.DEPLOYMENT)
def events(query: EventsQuery) -> Response:
    """List security events, newest first: refused keys, disclosures, withdrawals, settings.

    CSV has the same columns; its next page is in the header `Link`, as JSON's is, too.
    """
    house = deployment()
    # Whoever looks sees what this process has counted so far.
    house.security.write()
    wanted = security.Wanted(
        kinds=query.kind,
        actor=query.actor,
        object=query.object,
        since=query.since,
        until=query.until,
        before=query.cursor,
    )
    with house.database.read() as session:
        found = security.listed(session, wanted, limit=query.limit + 1)
    more = len(found) > query.limit
    found = found[: query.limit]
    last = found[-1].id if more else None
    if query.format == "csv":
        answer = Response(to_csv(found, Event), mimetype="text/csv")
        answer.headers["Content-Disposition"] = 'attachment; filename="security-events.csv"'
    else:
        body = {"events": [asdict(each) for each in found], "next": last}
        answer = Response(orjson.dumps(body), mimetype="application/json")
    if last is not None:
        asked = [each for each in request.args.items(multi=True) if each[0] != "cursor"]
        again = urlencode([*asked, ("cursor", str(last))])
        answer.headers["Link"] = f'<{request.path}?{again}>; rel="next"'
    answer.headers["Cache-Control"] = "no-store"
    return answer


def register(app: OpenAPI) -> None:
    """Put the door of this module into `app`."""
    app.register_api(blueprint)
