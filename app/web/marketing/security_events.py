"""Security events: who did what to keys, codes and people.

They need the scope `admin` of a key that is bound to nothing, since events tell of every campaign
and store.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal
from urllib.parse import urlencode

from flask import Response, request
from pydantic import AwareDatetime, BaseModel, Field, WithJsonSchema

from app.domain.inputs import MOST_INTEGER
from app.services import security
from app.services.access import Scope
from app.services.closing import to_csv
from app.services.permissions import Reach
from app.services.security import ListedEvent, SecurityEventKind
from app.web import access, deployment
from app.web.answers import CSV
from app.web.description import content, example
from app.web.fields import Moment, Name
from app.web.marketing.door import Body, answered, one_of, part, table

#: A kind of security event; webhooks have kinds of their own, so that it has no name of its own in
#: the description.
EventKind = Annotated[
    SecurityEventKind, WithJsonSchema({"type": "string", **one_of(*SecurityEventKind)})
]


class EventsQuery(Body):
    """Which events; what is left out does not choose."""

    kind: Annotated[list[EventKind], Field(max_length=len(SecurityEventKind))] = Field(
        [], description="Kinds of event; repeat it for each"
    )
    actor: Name | None = Field(
        None, description="A key's prefix, store/terminal, operator, command or address"
    )
    object: Name | None = Field(None, description="What it was done to, such as `campaign spring`")
    since: Moment | None = Field(None, description="The earliest moment")
    until: Moment | None = Field(None, description="The moment before which they happened")
    cursor: Annotated[int, Field(ge=1, le=MOST_INTEGER)] | None = Field(
        None, description="`next` of the page before"
    )
    limit: Annotated[int, Field(ge=1, le=1_000)] = Field(
        100, description="How many events a page has at most"
    )
    format: Literal["json", "csv"] = Field("json", description="How they are written")


class EventBody(BaseModel):
    """Something that bears on security."""

    id: int = Field(description="The event's number; later ones have larger numbers")
    at: AwareDatetime = Field(description="When it happened")
    kind: str = Field(description="What happened", json_schema_extra=one_of(*SecurityEventKind))
    count: int = Field(description="How many: codes of one list, refusals of one minute")
    key_prefix: str | None = Field(description="Of the API key that asked")
    terminal: str | None = Field(description="Where it was done, as store/terminal")
    operator: str | None = Field(description="Who stood at the terminal, or at the command line")
    command: str | None = Field(description="The command that did it")
    address: str | None = Field(description="The address from which it was asked")
    object: str | None = Field(description="What it was done to")
    reason: str | None = Field(description="Why, as somebody or the service worded it")


class EventsAnswer(BaseModel):
    """Events, newest first."""

    model_config = example(
        events=[
            {
                "id": 4211,
                "at": "2026-06-03T16:20:00+00:00",
                "kind": "codes_disclosed",
                "count": 1200,
                "key_prefix": "7Hc2kQ",
                "terminal": None,
                "operator": None,
                "command": None,
                "address": "203.0.113.7",
                "object": "campaign summer",
                "reason": "list of people: redeemers",
            }
        ],
        next=4211,
    )

    events: list[EventBody] = Field(description="The events, the newest first")
    next: int | None = Field(description="`cursor` of the next page; null on the last one")


_EVENTS = (
    "id,at,kind,count,key_prefix,terminal,operator,command,address,object,reason\r\n"
    "4211,2026-06-03 16:20:00+00:00,codes_disclosed,1200,7Hc2kQ,,,,203.0.113.7,campaign summer,"
    "list of people: redeemers\r\n"
)

blueprint = part("security", "Who did what to keys, codes and people")


@blueprint.get(
    "/security-events", responses={200: content({"application/json": EventsAnswer, CSV: _EVENTS})}
)
@access.requires(Scope.ADMIN, reach=Reach.DEPLOYMENT)
def list_security_events(query: EventsQuery) -> Response:
    """List security events, newest first: refused keys, disclosures, withdrawals, settings.

    For operators and their security monitoring. CSV has the same columns; its next page is in the
    header `Link`, as JSON's is, too.
    """
    house = deployment()
    # Whoever looks sees what this process has counted so far.
    house.security.write()
    wanted = security.EventFilter(
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
        answer = table(to_csv(found, ListedEvent), name="security-events")
    else:
        answer = answered({"events": [asdict(each) for each in found], "next": last})
    if last is not None:
        asked = [each for each in request.args.items(multi=True) if each[0] != "cursor"]
        again = urlencode([*asked, ("cursor", str(last))])
        answer.headers["Link"] = f'<{request.path}?{again}>; rel="next"'
    return answer
