"""The marketers' door for recipients and for issuing by rules: `/api/v1`.

Every request may be repeated: a recipient has one decision for an occasion, and what is reported
twice counts once.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict
from typing import Annotated, Any

from flask import Response, request
from flask_openapi3 import APIBlueprint, OpenAPI, Tag
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.domain import codes
from app.services import (
    campaigns,
    decisions,
    issuance,
    links,
    people,
    privacy,
    security,
)
from app.services.access import Scope
from app.services.decisions import Candidate, Tally
from app.services.issuance import IssueFault
from app.services.people import Did
from app.services.permissions import Reach
from app.web import access, deployment
from app.web.answers import as_json
from app.web.fields import Facts, Minor, Moment, Name
from app.web.marketing.vouchers import RecipientBody
from app.web.problem_codes import ProblemCode
from app.web.problems import Problem

LARGEST = 64 * 1024**2


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class CandidateBody(_Body):
    """Somebody who may get something."""

    recipient: RecipientBody
    occasion: Annotated[str, StringConstraints(max_length=200)] = Field(
        "",
        description="Why: a basket's number, a mail's `message_id`. A campaign for birthdays says "
        "it itself: leave it out",
    )
    facts: Facts = Field({}, description="Of the occasion; `basket` and `lifetime` in minor units")
    sent_at: Moment | None = None


class DecideBody(_Body):
    """Who may get something of a campaign that decides by rules."""

    campaign: Name
    candidates: Annotated[list[CandidateBody], Field(min_length=1, max_length=10_000)]
    dry_run: bool = Field(False, description="Say what would happen; nothing is written")


class DecisionBody(BaseModel):
    """What a candidate gets, or why nothing."""

    external_id: str
    occasion: str
    outcome: str = Field(
        description="given, or why not: no_tier, tier_of_nothing, holdout, capped, stopped, "
        "budget, unbounded, no_code, forgotten, not_due, no_birthday"
    )
    tier: str
    variant: str
    campaign: str
    most_minor: int | None = Field(description="The most it can cost; null when nothing bounds it")
    serial: str | None
    wallet_link: str | None
    fresh: bool


class DecideAnswer(BaseModel):
    """Every decision, in the order asked, and what they cost at most together."""

    decisions: list[DecisionBody]
    given: int
    most_minor: int
    unbounded: int = Field(description="Given vouchers whose cost nothing bounds")
    not_given: dict[str, int]


class RecipientsBody(_Body):
    """People as the marketer's system knows them."""

    recipients: Annotated[list[RecipientBody], Field(min_length=1, max_length=10_000)]


class StoredAnswer(BaseModel):
    """How many were stored."""

    stored: int


class ActivityBody(_Body):
    """Something that a recipient did."""

    external_id: Name
    name: Name = Field(
        description="purchase, visit or any other; purchase measures campaigns. Of redeemed, added "
        "and viewed the service has its own books: reported as well, what is more counts"
    )
    id: Name = Field(description="Your own id of it; reported twice it counts once")
    value_minor: Minor = 0
    at: Moment | None = None


class ActivitiesBody(_Body):
    """What recipients did."""

    activities: Annotated[list[ActivityBody], Field(min_length=1, max_length=1_000)]
    dry_run: bool = Field(
        False, description="Say which vouchers would be withdrawn; nothing is written"
    )


class RecordedAnswer(BaseModel):
    """How many reports were new; of a dry run also what stop conditions would take back."""

    recorded: int
    withdraws: list[str] = Field([], description="Serials of vouchers; in a dry run only")


class RecipientPath(BaseModel):
    """A recipient by the marketer's own id."""

    external_id: str


class PointsQuery(_Body):
    """Of which campaign; without one, of every campaign whose rules give points."""

    campaign: Name | None = None


class ScoredBody(BaseModel):
    """The points of one event."""

    event: str
    worth: int = Field(description="Points of each time")
    times: int = Field(description="The larger of reported and booked")
    reported: int = Field(description="Times that other systems reported it")
    booked: int = Field(
        description="Times that is in the service's own books: redeemed, added, viewed"
    )
    points: int


class CampaignPointsBody(BaseModel):
    """Points by the rules of one campaign."""

    campaign: str
    points: int
    within_days: int | None = Field(description="How long an event counts; null is for ever")
    since: str | None = Field(description="What is later than this counts; null is everything")
    events: list[ScoredBody]


class PointsAnswer(BaseModel):
    """A recipient's points, as a decision would have them now."""

    external_id: str
    as_of: str
    campaigns: list[CampaignPointsBody]


class CampaignPath(BaseModel):
    """A campaign by its key."""

    key: str


class LiftAnswer(BaseModel):
    """Each arm against the holdout; the arm `*` is all of them together."""

    campaign: str
    days: int = Field(description="How long after a decision a purchase counts")
    arms: list[dict[str, Any]]


class ForgottenAnswer(BaseModel):
    """A person is forgotten."""

    vouchers: int = Field(description="Vouchers that stay, belonging to nobody known")


blueprint = APIBlueprint(
    "decisions",
    __name__,
    url_prefix="/api/v1",
    abp_tags=[Tag(name="recipients", description="People, values by rule, and lift")],
    abp_security=access.SECURITY,
)


@blueprint.post("/decisions", responses={200: DecideAnswer})
@access.requires(Scope.ISSUE, reach=Reach.CAMPAIGNS)
def decide(body: DecideBody) -> Response:
    """Issue by the campaign's rules, or say in a dry run what would be issued."""
    house = deployment()
    access.giving(body.campaign)
    candidates = [
        Candidate(
            person=each.recipient.person(),
            occasion=each.occasion,
            facts=each.facts,
            sent_at=each.sent_at,
        )
        for each in body.candidates
    ]
    tally = Tally()
    try:
        issuance.refuse_occasions(house, body.campaign, {each.occasion for each in body.candidates})
        decided = list(
            decisions.decide(house, body.campaign, candidates, tally, dry_run=body.dry_run)
        )
    except IssueFault as fault:
        raise Problem(
            ProblemCode.ISSUE_REFUSED, cause=str(fault), remedy="Mend the campaign and ask again."
        ) from None
    keyring = house.keyring
    return _json(
        {
            "decisions": [
                {
                    "external_id": each.candidate.person.external_id,
                    "occasion": each.candidate.occasion,
                    "outcome": each.why.value if each.why else "given",
                    "tier": each.tier,
                    "variant": each.variant,
                    "campaign": each.campaign,
                    "most_minor": each.most_minor,
                    "serial": codes.serial(each.issued.public_id) if each.issued else None,
                    "wallet_link": links.page(
                        house.settings, keyring, [(each.issued.public_id, each.issued.key_id)]
                    )
                    if each.issued
                    else None,
                    "fresh": each.fresh,
                }
                for each in decided
            ],
            "given": tally.given,
            "most_minor": tally.most_minor,
            "unbounded": tally.unbounded,
            "not_given": dict(tally.not_given),
        }
    )


@blueprint.post("/recipients", responses={200: StoredAnswer})
@access.requires(Scope.ISSUE, Scope.CAMPAIGN, reach=Reach.DEPLOYMENT)
def remember(body: RecipientsBody) -> Response:
    """Store recipients; what is left out stays as it is stored.

    Somebody who was forgotten comes back this way, as a customer of whom nothing is known; what
    they had of a campaign for an occasion is not given to them again.
    """
    house = deployment()
    stored = people.remember(
        house.database, (each.person() for each in body.recipients), now=house.now()
    )
    return _json({"stored": stored})


@blueprint.post("/activities", responses={200: RecordedAnswer})
@access.requires(Scope.ISSUE, Scope.CAMPAIGN, reach=Reach.CAMPAIGNS)
def report(body: ActivitiesBody) -> Response:
    """Report what recipients did: for points, stop conditions, and the lift of campaigns.

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
        return _json({"recorded": recorded, "withdraws": taken})
    keyring = house.keyring
    with house.database.write() as session:
        recorded = people.report(session, keyring, done, now=now, only=only)
    # Repeated by the clock, should this process end here.
    decisions.withdraw(house.database, now=now)
    return _json({"recorded": recorded})


@blueprint.get("/campaigns/<key>/lift", responses={200: LiftAnswer})
@access.requires(Scope.REPORT, reach=Reach.CAMPAIGNS)
def lift(path: CampaignPath) -> Response:
    """Compare those who got something with the holdout, with 95 % intervals."""
    access.campaign(path.key)
    with deployment().database.read() as session:
        campaign = campaigns.find(session, path.key)
        if campaign is None:
            raise access.unknown("campaign")
        arms = [asdict(each) for each in people.lift(session, campaign.id)]
    return _json({"campaign": path.key, "days": people.ATTRIBUTION.days, "arms": arms})


@blueprint.get("/recipients/<external_id>")
@access.requires(Scope.ADMIN, reach=Reach.DEPLOYMENT)
def held(path: RecipientPath) -> Response:
    """Everything that is held about a person, for the person; the request is recorded."""
    house = deployment()
    with house.database.write() as session:
        recipient = people.find(session, path.external_id)
        if recipient is None:
            raise access.unknown("recipient")
        security.record(
            session,
            security.Kind.PERSON_DISCLOSED,
            now=house.now(),
            object=f"recipient {recipient.id}",
        )
        return _json(privacy.held(session, recipient))


@blueprint.get("/recipients/<external_id>/points", responses={200: PointsAnswer})
@access.requires(Scope.ISSUE, Scope.REPORT, reach=Reach.DEPLOYMENT)
def points(path: RecipientPath, query: PointsQuery) -> Response:
    """Say what a recipient's points are by the rules of each campaign, and what they come from.

    What was reported counts, and what the service booked of the recipient's vouchers of all
    campaigns: redemptions that were not taken back, and vouchers added to a wallet or looked at.
    """
    house = deployment()
    now = house.now()
    with house.database.read() as session:
        recipient = people.find(session, path.external_id)
        if recipient is None:
            raise access.unknown("recipient")
        if query.campaign is not None and campaigns.find(session, query.campaign) is None:
            raise access.unknown("campaign")
        found = decisions.points_of(
            session, recipient.id, path.external_id, now=now, campaign=query.campaign
        )
    return _json(
        {
            "external_id": path.external_id,
            "as_of": now.isoformat(),
            "campaigns": [
                {**asdict(each), "since": each.since.isoformat() if each.since else None}
                for each in found
            ],
        }
    )


@blueprint.delete("/recipients/<external_id>", responses={200: ForgottenAnswer})
@access.requires(Scope.ADMIN, reach=Reach.DEPLOYMENT)
def forget(path: RecipientPath) -> Response:
    """Forget a person: nothing that is left says whose it was; the books stay whole.

    What was given stays given: it is not given again under the same id, and neither a link nor a
    request that still names the person stores them again. `POST /api/v1/recipients` does.
    """
    house = deployment()
    keyring = house.keyring
    with house.database.write() as session:
        recipient = people.find(session, path.external_id)
        if recipient is None:
            raise access.unknown("recipient")
        return _json({"vouchers": privacy.forget(session, keyring, recipient, now=house.now())})


def _json(body: dict[str, Any]) -> Response:
    answer = Response(as_json(body), mimetype="application/json")
    answer.headers["Cache-Control"] = "no-store"
    return answer


def register(app: OpenAPI) -> None:
    """Put the doors of this module into `app`."""

    @app.before_request
    def _allow_many() -> None:
        # Read before the view can say so: these carry many recipients in one request.
        if request.path in ("/api/v1/decisions", "/api/v1/recipients", "/api/v1/activities"):
            request.max_content_length = LARGEST

    app.register_api(blueprint)
