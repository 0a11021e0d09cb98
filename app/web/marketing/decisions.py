"""Decisions: vouchers given by a campaign's rules.

Every request may be repeated: a recipient has one decision for an occasion.
"""

from __future__ import annotations

from typing import Annotated

from flask import Response
from pydantic import BaseModel, Field

from app.domain import codes
from app.domain.values import Why
from app.services import decisions, issuance, links
from app.services.access import Scope
from app.services.decisions import Candidate, Decided, Tally
from app.services.deployment import Deployment
from app.services.issuance import IssueFault
from app.services.permissions import Reach
from app.store.keyring import Keyring
from app.web import access, deployment
from app.web.description import example, fails_with
from app.web.fields import Facts, Moment, Name, Occasion
from app.web.marketing.door import Body, answered, one_of, part
from app.web.marketing.recipients import RecipientBody
from app.web.problem_codes import ProblemCode
from app.web.problems import Problem

GIVEN = "given"


class CandidateBody(Body):
    """Somebody who may get something."""

    recipient: RecipientBody = Field(description="The person")
    occasion: Occasion = Field(
        "",
        description="Why: a basket's number, a mail's `message_id`. A campaign for birthdays says "
        "it itself: leave it out",
    )
    facts: Facts = Field({}, description="Of the occasion; `basket` and `lifetime` in minor units")
    sent_at: Moment | None = Field(
        None, description="When its message goes out, for validity counted from sending"
    )


class DecideBody(Body):
    """Who may get something of a campaign that decides by rules."""

    model_config = example(
        campaign="summer",
        candidates=[
            {
                "recipient": {"external_id": "customer-4711", "score": 720},
                "occasion": "basket-88",
                "facts": {"basket": 12900},
            },
            {"recipient": {"external_id": "customer-4712"}, "occasion": "basket-89"},
        ],
        dry_run=False,
    )

    campaign: Name = Field(description="Key of the campaign that decides")
    candidates: Annotated[list[CandidateBody], Field(min_length=1, max_length=10_000)] = Field(
        description="Who may get something, one entry for each person and occasion"
    )
    dry_run: bool = Field(False, description="Say what would happen; nothing is written")


class DecisionBody(BaseModel):
    """What a candidate gets, or why nothing."""

    external_id: str = Field(description="Your own id of the person")
    occasion: str = Field(description="Why it was asked")
    outcome: str = Field(
        description="given, or why not. no_tier: no tier's conditions are met. tier_of_nothing: "
        "their tier gives nothing. holdout: they belong to the group that gets nothing. capped: "
        "they got enough lately. stopped: a stop condition is met. budget, unbounded: the budget "
        "does not allow it, or nothing bounds what it costs. no_code: no code is left. "
        "forgotten: they were forgotten. not_due, no_birthday: the campaign is for birthdays, "
        "and none is due, or known",
        json_schema_extra=one_of(GIVEN, *Why),
    )
    tier: str = Field(description="The tier whose conditions they met; empty for none")
    variant: str = Field(description="The variant that they were drawn into; empty for none")
    campaign: str = Field(
        description="Key of the campaign whose voucher it is; empty where nothing is given"
    )
    most_minor: int | None = Field(
        description="The most it can cost, in minor units of the campaign's currency; null when "
        "nothing bounds it"
    )
    serial: str | None = Field(
        description="The voucher's serial number, 16 hexadecimal digits; null when none is given"
    )
    wallet_link: str | None = Field(
        description="Address at which the recipient adds the pass to a wallet; a secret of "
        "theirs; null when none is given"
    )
    fresh: bool = Field(description="Whether this request decided it")


class DecideAnswer(BaseModel):
    """Every decision, in the order asked, and what they cost at most together."""

    model_config = example(
        decisions=[
            {
                "external_id": "customer-4711",
                "occasion": "basket-88",
                "outcome": "given",
                "tier": "regulars",
                "variant": "",
                "campaign": "summer",
                "most_minor": 2000,
                "serial": "0f3a9c27d18e4b60",
                "wallet_link": "https://pass.example.com/p/AEB2c3V…",
                "fresh": True,
            },
            {
                "external_id": "customer-4712",
                "occasion": "basket-89",
                "outcome": "no_tier",
                "tier": "",
                "variant": "",
                "campaign": "",
                "most_minor": None,
                "serial": None,
                "wallet_link": None,
                "fresh": True,
            },
        ],
        given=1,
        most_minor=2000,
        unbounded=0,
        not_given={"no_tier": 1},
    )

    decisions: list[DecisionBody] = Field(description="One for each candidate, in their order")
    given: int = Field(description="Vouchers that this request gave, or would give in a dry run")
    most_minor: int = Field(
        description="The most that those can cost together, in minor units of the campaign's "
        "currency"
    )
    unbounded: int = Field(description="Given vouchers whose cost nothing bounds")
    not_given: dict[str, int] = Field(
        description="How many candidates got nothing, by the outcomes above"
    )


blueprint = part("decisions", "Vouchers given by a campaign's rules")


@blueprint.post("/decisions", responses={200: DecideAnswer})
@access.requires(Scope.ISSUE, reach=Reach.CAMPAIGNS)
@fails_with(
    ProblemCode.CAMPAIGN_UNKNOWN, ProblemCode.CAMPAIGN_KEY_REFUSED, ProblemCode.ISSUE_REFUSED
)
def decide_candidates(body: DecideBody) -> Response:
    """Give vouchers by a campaign's rules, or say in a dry run what would be given.

    For systems that send offers: the campaign's tiers, tests, holdout, frequency, stops and budget
    decide who gets which value, of up to 10,000 candidates in one request.

    A recipient has one decision for an occasion: asked again, it is answered again, and nothing
    more is given.
    """
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
        raise Problem(ProblemCode.ISSUE_REFUSED, cause=fault.cause, remedy=fault.remedy) from None
    keyring = house.keyring
    return answered(
        {
            "decisions": [_decision(each, house, keyring) for each in decided],
            "given": tally.given,
            "most_minor": tally.most_minor,
            "unbounded": tally.unbounded,
            "not_given": dict(tally.not_given),
        }
    )


def _decision(decided: Decided, house: Deployment, keyring: Keyring) -> dict[str, object]:
    issued = decided.issued
    return {
        "external_id": decided.candidate.person.external_id,
        "occasion": decided.candidate.occasion,
        "outcome": decided.why.value if decided.why else GIVEN,
        "tier": decided.tier,
        "variant": decided.variant,
        "campaign": decided.campaign,
        "most_minor": decided.most_minor,
        "serial": codes.serial(issued.public_id) if issued else None,
        "wallet_link": links.page(house.settings, keyring, [(issued.public_id, issued.key_id)])
        if issued
        else None,
        "fresh": decided.fresh,
    }
