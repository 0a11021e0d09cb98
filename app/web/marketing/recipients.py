"""Recipients: stored, shown with all that is held about them, and forgotten."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict
from typing import Annotated, Any

from flask import Response
from pydantic import AwareDatetime, BaseModel, Field, StringConstraints

from app.services import campaigns, decisions, people, permissions, privacy, security
from app.services.access import Scope
from app.services.issuance import Person
from app.services.permissions import Reach
from app.web import access, deployment
from app.web.description import example, fails_with
from app.web.fields import Name
from app.web.marketing.door import Attribute, Body, answered, part
from app.web.problem_codes import ProblemCode

#: What is said of a recipient.
_SAID = {"external_id", "language", "birth_date", "segment", "score", "attributes"}

Language = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
Attributes = Annotated[dict[str, Attribute], Field(max_length=50)]


class RecipientBody(Body):
    """The person a voucher is for; what is left out stays as it is stored."""

    model_config = example(
        external_id="customer-4711",
        language="fr",
        birth_date="1990-06-17",
        segment="regulars",
        score=720,
        attributes={"first_name": "Amélie", "home_store": "paris"},
    )

    external_id: Name = Field(description="Your own id of the person")
    language: Language | None = Field(
        None, description="Tag of the language in which they read (BCP 47), such as fr or pt-BR"
    )
    birth_date: dt.date | None = Field(
        None, description="The day of birth, for campaigns that give vouchers for birthdays"
    )
    segment: Annotated[str, StringConstraints(max_length=200)] | None = Field(
        None, description="The group that you count them to; rules and reports tell groups apart"
    )
    score: Annotated[int, Field(ge=-(10**15), le=10**15)] | None = Field(
        None, description="A whole number that rules compare, on a scale of your own"
    )
    attributes: Attributes = Field(
        {}, description="What else rules, messages and passes may use, by names of your own"
    )

    def person(self) -> Person:
        """The person; what a key that is bound says of them counts for what it asks alone."""
        shared = permissions.speaks_for_all(access.client())
        return Person(**self.model_dump(include=_SAID), shared=shared)


class RecipientsBody(Body):
    """People as the marketer's system knows them."""

    model_config = example(
        recipients=[
            {"external_id": "customer-4711", "language": "fr", "segment": "regulars"},
            {"external_id": "customer-4712", "birth_date": "1984-02-29", "score": 90},
        ],
    )

    recipients: Annotated[list[RecipientBody], Field(min_length=1, max_length=10_000)] = Field(
        description="One entry for each person"
    )


class StoredAnswer(BaseModel):
    """How many were stored."""

    model_config = example(
        stored=2,
    )

    stored: int = Field(description="Recipients that were stored, new and known ones")


class RecipientPath(BaseModel):
    """A recipient by the marketer's own id."""

    external_id: str = Field(description="Your own id of the person")


class PersonVoucher(BaseModel):
    """A voucher that a person has or had."""

    serial: str = Field(description="The voucher's serial number, 16 hexadecimal digits")
    campaign: str = Field(description="Key of its campaign")
    occasion: str = Field(description="Why they got it; empty where there is one reason only")
    variant: str | None = Field(description="The variant of a test that it belongs to")
    status: str = Field(description="What state it is in, such as active, blocked or expired")
    issued_at: AwareDatetime = Field(description="When it was issued")
    used: int = Field(description="How often it was used; 0 of a gift card")
    balance_minor: int | None = Field(
        description="What a gift card holds, in minor units of the campaign's currency; null of "
        "a coupon"
    )


class PersonDecision(BaseModel):
    """What a campaign's rules decided for a person."""

    campaign: str = Field(description="Key of the campaign that decided")
    occasion: str = Field(description="Why it was asked")
    held_out: bool = Field(description="Whether they belong to the holdout, which gets nothing")
    tier: str = Field(description="The tier whose conditions they met; empty for none")
    variant: str = Field(description="The variant that they were drawn into; empty for none")
    segment: str = Field(description="Their segment at that time; empty for none")
    bought_minor: int = Field(
        description="What purchases within 30 days came to, in minor units of the campaign's "
        "currency"
    )
    created_at: AwareDatetime = Field(description="When it was decided")


class PersonActivity(BaseModel):
    """Something that a person did, as it was reported."""

    name: str = Field(description="What they did, such as purchase")
    id: str = Field(description="The reporting system's own id of it")
    value_minor: int = Field(description="What it was worth, in minor units; 0 for nothing")
    at: AwareDatetime = Field(description="When they did it")


class PersonEvent(BaseModel):
    """Something that happened to one of a person's vouchers."""

    kind: str = Field(description="What happened, such as issued, viewed or redeemed")
    at: AwareDatetime = Field(description="When it happened")
    voucher: int = Field(description="The service's own number of the voucher")


class PersonAnswer(BaseModel):
    """Everything that is held about a person; never a code."""

    model_config = example(
        external_id="customer-4711",
        language="fr",
        birth_date="1990-06-17",
        segment="regulars",
        previous_segment="newcomers",
        score=720,
        attributes={"first_name": "Amélie"},
        created_at="2026-03-02T08:15:00+00:00",
        updated_at="2026-05-20T10:00:00+00:00",
        vouchers=[
            {
                "serial": "0f3a9c27d18e4b60",
                "campaign": "summer",
                "occasion": "",
                "variant": None,
                "status": "active",
                "issued_at": "2026-06-01T07:00:00+00:00",
                "used": 0,
                "balance_minor": None,
            }
        ],
        decisions=[
            {
                "campaign": "summer",
                "occasion": "",
                "held_out": False,
                "tier": "regulars",
                "variant": "",
                "segment": "regulars",
                "bought_minor": 4990,
                "created_at": "2026-06-01T07:00:00+00:00",
            }
        ],
        activities=[
            {
                "name": "purchase",
                "id": "order-1017",
                "value_minor": 4990,
                "at": "2026-06-03T16:20:00+00:00",
            }
        ],
        events=[{"kind": "issued", "at": "2026-06-01T07:00:00+00:00", "voucher": 184467}],
    )

    external_id: str = Field(description="Your own id of the person")
    language: str | None = Field(description="Tag of the language in which they read")
    birth_date: dt.date | None = Field(description="The day of birth")
    segment: str | None = Field(description="The group that you count them to")
    previous_segment: str | None = Field(description="The group before this one")
    score: int | None = Field(description="The number that rules compare")
    attributes: dict[str, Any] = Field(description="What else is known, by names of your own")
    created_at: AwareDatetime = Field(description="When they were stored first")
    updated_at: AwareDatetime = Field(description="When something about them changed last")
    vouchers: list[PersonVoucher] = Field(description="Their vouchers, the oldest first")
    decisions: list[PersonDecision] = Field(
        description="What campaigns' rules decided for them, the oldest first"
    )
    activities: list[PersonActivity] = Field(
        description="What was reported of them, the oldest first"
    )
    events: list[PersonEvent] = Field(description="What happened to their vouchers")


class PointsQuery(Body):
    """Of which campaign; without one, of every campaign whose rules give points."""

    campaign: Name | None = Field(
        None, description="Key of the only campaign to answer for, whether or not it gives points"
    )


class ScoredBody(BaseModel):
    """The points of one event."""

    event: str = Field(description="What the recipient did")
    worth: int = Field(description="Points of each time")
    times: int = Field(description="The larger of reported and booked")
    reported: int = Field(description="Times that other systems reported it")
    booked: int = Field(
        description="Times that is in the service's own books: redeemed, added, viewed"
    )
    points: int = Field(description="Points of all times together: worth × times")


class CampaignPointsBody(BaseModel):
    """Points by the rules of one campaign."""

    campaign: str = Field(description="The campaign's key")
    points: int = Field(description="Points of all its events together")
    within_days: int | None = Field(description="How many days an event counts; null is for ever")
    since: AwareDatetime | None = Field(
        description="What is later than this counts; null is everything"
    )
    events: list[ScoredBody] = Field(description="Each event to which the campaign gives points")


class PointsAnswer(BaseModel):
    """A recipient's points, as a decision would have them now."""

    model_config = example(
        external_id="customer-4711",
        as_of="2026-06-10T09:30:00+00:00",
        campaigns=[
            {
                "campaign": "summer",
                "points": 30,
                "within_days": 90,
                "since": "2026-03-12T09:30:00+00:00",
                "events": [
                    {
                        "event": "purchase",
                        "worth": 10,
                        "times": 3,
                        "reported": 3,
                        "booked": 0,
                        "points": 30,
                    }
                ],
            }
        ],
    )

    external_id: str = Field(description="Your own id of the person")
    as_of: AwareDatetime = Field(description="The moment for which the points are")
    campaigns: list[CampaignPointsBody] = Field(description="Points by campaign, ordered by key")


class ForgottenAnswer(BaseModel):
    """A person is forgotten."""

    model_config = example(
        vouchers=2,
    )

    vouchers: int = Field(description="Vouchers that stay, belonging to nobody known")


blueprint = part("recipients", "The people for whom vouchers are, what is held of them, points")


@blueprint.post("/recipients", responses={200: StoredAnswer})
@access.requires(Scope.ISSUE, Scope.CAMPAIGN, reach=Reach.DEPLOYMENT)
def store_recipients(body: RecipientsBody) -> Response:
    """Store recipients, or change what is stored of them.

    For the system that knows your customers: send whoever is new or has changed, up to 10,000 in
    one request. What is left out stays as it is stored. Repeating a request changes nothing.

    Somebody who was forgotten comes back this way, as a customer of whom nothing is known; what
    they had of a campaign for an occasion is not given to them again.
    """
    house = deployment()
    stored = people.remember(
        house.database, (each.person() for each in body.recipients), now=house.now()
    )
    return answered({"stored": stored})


@blueprint.get("/recipients/<external_id>", responses={200: PersonAnswer})
@access.requires(Scope.ADMIN, reach=Reach.DEPLOYMENT)
@fails_with(ProblemCode.RECIPIENT_UNKNOWN)
def show_recipient(path: RecipientPath) -> Response:
    """Show everything that is held about a person.

    For whoever answers a person's question what is known about them (GDPR, article 15). Codes are
    never among it. Each request is recorded as the security event `person_disclosed`.
    """
    house = deployment()
    with house.database.write() as session:
        recipient = people.required(session, path.external_id)
        security.record(
            session,
            security.SecurityEventKind.PERSON_DISCLOSED,
            now=house.now(),
            object=f"recipient {recipient.id}",
        )
        return answered(privacy.held(session, recipient))


@blueprint.get("/recipients/<external_id>/points", responses={200: PointsAnswer})
@access.requires(Scope.ISSUE, Scope.REPORT, reach=Reach.DEPLOYMENT)
@fails_with(ProblemCode.RECIPIENT_UNKNOWN, ProblemCode.CAMPAIGN_UNKNOWN)
def show_points(path: RecipientPath, query: PointsQuery) -> Response:
    """Show a recipient's points by the rules of each campaign, and what they come from.

    For whoever wants to know why somebody is, or is not, in a tier that asks for points. What was
    reported counts, and what the service booked of the recipient's vouchers of all campaigns:
    redemptions that were not taken back, and vouchers added to a wallet or looked at.
    """
    house = deployment()
    now = house.now()
    with house.database.read() as session:
        recipient = people.required(session, path.external_id)
        if query.campaign is not None:
            campaigns.required(session, query.campaign)
        found = decisions.points_of(
            session, recipient.id, path.external_id, now=now, campaign=query.campaign
        )
    return answered(
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
@fails_with(ProblemCode.RECIPIENT_UNKNOWN)
def forget_recipient(path: RecipientPath) -> Response:
    """Forget a person: nothing that is left says whose it was; the books stay whole.

    For whoever answers a person's wish to be forgotten (GDPR, article 17). It cannot be undone.
    Money on a card can still be spent by whoever has the card.

    What was given stays given: it is not given again under the same id, and neither a link nor a
    request that still names the person stores them again. `POST /api/v1/recipients` does.
    """
    house = deployment()
    keyring = house.keyring
    with house.database.write() as session:
        recipient = people.required(session, path.external_id)
        return answered({"vouchers": privacy.forget(session, keyring, recipient, now=house.now())})
