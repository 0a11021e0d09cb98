"""Campaigns: offers and their rules, applied as the campaign file describes them."""

from __future__ import annotations

from typing import Any

from flask import Response, request
from pydantic import BaseModel, Field

from app.services import campaigns, permissions, wallets
from app.services.access import Scope
from app.services.campaigns import CampaignFault, CampaignFile
from app.services.permissions import Reach
from app.services.wallets.wallet import Edit
from app.web import access, deployment
from app.web.description import example, fails_with, takes
from app.web.gate import parse_json
from app.web.heavy import takes_turns
from app.web.marketing.door import Body, ByWallet, answered, part
from app.web.marketing.updates import GoogleBody
from app.web.problem_codes import ProblemCode
from app.web.problems import FaultyMember, Problem


class CampaignBody(CampaignFile):
    """A campaign as its file describes it, as JSON; pictures are digests of stored ones."""

    model_config = example(
        key="summer",
        name="Summer 2026",
        kind="coupon",
        timezone="Europe/Paris",
        currency="EUR",
        default_language="en",
        codes={"source": "on_demand"},
        benefit={"type": "percent", "percent": "15", "cap": "20.00"},
        validity={"starts": "2026-06-01", "ends": "2026-09-30"},
        limits={"uses": 1, "min_basket": "30.00"},
        texts={
            "en": {"title": "Summer", "offer": "15 % off", "terms": "Once, from 30 €."},
            "fr": {"title": "Été", "offer": "-15 %", "terms": "Une fois, dès 30 €."},
        },
        look={"background": "#1f3a5f", "foreground": "#ffffff"},
    )


class ApplyQuery(Body):
    """Whether to apply or only to show the difference."""

    dry_run: bool = Field(False, description="Check it and show the difference; nothing is stored")


class ChangeBody(BaseModel):
    """One value that differs."""

    at: str = Field(description="Where, as names joined by dots")
    before: Any = Field(description="The value that is stored; null where there is none")
    after: Any = Field(description="The value that was sent; null where there is none")


class WarningBody(BaseModel):
    """Something that will not show as it may be meant, and what to write instead."""

    at: str = Field(description="Where, as names joined by dots")
    cause: str = Field(description="What will not show as it may be meant")
    remedy: str = Field(description="What to write instead")


class ApplyAnswer(ByWallet):
    """What applying a campaign changed, or would change."""

    model_config = example(
        key="summer",
        created=False,
        applied=True,
        changes=[{"at": "terms.benefit.percent", "before": "10", "after": "15"}],
        revision=4,
        version=7,
        warnings=[],
        google={"passes": 2090, "seconds": 104.5},
    )

    key: str = Field(description="The campaign's key")
    created: bool = Field(description="Whether the campaign is new")
    applied: bool = Field(description="Whether it was stored; false in a dry run")
    changes: list[ChangeBody] = Field(description="What differs from what is stored")
    revision: int | None = Field(
        description="Number of the revision that new vouchers get; null in a dry run"
    )
    version: int | None = Field(
        description="The campaign's version, which grows when passes change; null in a dry run"
    )
    warnings: list[WarningBody] = Field(
        description="What is applied all the same, and will not show as it may be meant"
    )
    google: GoogleBody | None = Field(
        None, description="What it costs at Google; null where no pass in a wallet changes"
    )


blueprint = part("campaigns", "Offers and their rules")


@blueprint.post("/campaigns", responses={200: ApplyAnswer})
@access.requires(Scope.CAMPAIGN, reach=Reach.CAMPAIGNS)
@takes({"application/json": CampaignBody})
@fails_with(ProblemCode.CAMPAIGN_UNKNOWN, ProblemCode.CAMPAIGN_FAULTY)
@takes_turns("campaigns")
def apply_campaign(query: ApplyQuery) -> Response:
    """Create or revise a campaign: the shape of the campaign file, as JSON.

    For systems in which marketers plan campaigns. A campaign is known by its `key`: applying it
    again changes what differs, and `changes` says what. Whoever has a voucher keeps the terms
    that they were given; everybody sees the latest texts and look. At most 1 MB.

    It is tried out first: every fault is named with a place and a remedy, and nothing is stored
    while there is one. Pictures are named by the digests that `POST /api/v1/pictures` answers.
    """
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
