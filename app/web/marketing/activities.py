"""Activities: what recipients did, as other systems report it."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from flask import Response
from pydantic import BaseModel, Field

from app.services import decisions, people
from app.services.access import Scope
from app.services.people import Did
from app.services.permissions import Reach
from app.web import access, deployment
from app.web.description import example
from app.web.fields import Minor, Moment, Name
from app.web.marketing.door import Body, answered, part


class ActivityBody(Body):
    """Something that a recipient did."""

    external_id: Name = Field(description="Your own id of the person")
    name: Name = Field(
        description="purchase, visit or any other; purchase measures campaigns. Of redeemed, added "
        "and viewed the service has its own books: reported as well, what is more counts"
    )
    id: Name = Field(description="Your own id of it; reported twice it counts once")
    value_minor: Minor = Field(
        0, description="What it was worth, in minor units of the campaigns' currency"
    )
    at: Moment | None = Field(None, description="When it was done; left out, it is now")


class ActivitiesBody(Body):
    """What recipients did."""

    model_config = example(
        activities=[
            {
                "external_id": "customer-4711",
                "name": "purchase",
                "id": "order-1017",
                "value_minor": 4990,
                "at": "2026-06-03T18:20:00+02:00",
            }
        ],
        dry_run=False,
    )

    activities: Annotated[list[ActivityBody], Field(min_length=1, max_length=1_000)] = Field(
        description="One entry for each thing that somebody did"
    )
    dry_run: bool = Field(
        False, description="Say which vouchers would be withdrawn; nothing is written"
    )


class RecordedAnswer(BaseModel):
    """How many reports were new; of a dry run also what stop conditions would take back."""

    model_config = example(
        recorded=1,
    )

    recorded: int = Field(description="Activities that had not been reported before")
    withdraws: list[str] = Field(
        [],
        description="Serials of the vouchers that stop conditions would take back; in a dry run "
        "only",
    )


blueprint = part("activities", "What recipients did: for points, stop conditions and lift")


@blueprint.post("/activities", responses={200: RecordedAnswer})
@access.requires(Scope.ISSUE, Scope.CAMPAIGN, reach=Reach.CAMPAIGNS)
def report_activities(body: ActivitiesBody) -> Response:
    """Report what recipients did: for points, stop conditions, and the lift of campaigns.

    For web shops, tills and marketing clouds: send purchases, visits and whatever else rules ask
    about, up to 1,000 in one request. Each `id` counts once, so that a request may be repeated.

    A stop condition that says `withdraw` takes back what the recipient got and did not use, by
    rules or before the campaign had any. `dry_run` says what that is and writes nothing. Of
    people who were forgotten nothing is recorded. What a key that is bound to campaigns reports
    counts for them alone.
    """
    house, only = deployment(), access.client().campaigns
    now = house.now()
    done = [
        Did(
            external_id=each.external_id,
            name=each.name,
            key=each.id,
            value_minor=each.value_minor,
            at=(each.at or now).astimezone(dt.UTC),
        )
        for each in body.activities
    ]
    if body.dry_run:
        recorded, taken = people.rehearse(house.database, house.keyring, done, now=now, only=only)
        return answered({"recorded": recorded, "withdraws": taken})
    keyring = house.keyring
    with house.database.write() as session:
        recorded = people.report(session, keyring, done, now=now, only=only)
    # Repeated by the clock, should this process end here.
    decisions.withdraw(house.database, now=now)
    return answered({"recorded": recorded})
