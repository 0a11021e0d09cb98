"""Results: what came of campaigns, by their funnel, their people and their lift.

Results read sums that the worker keeps, and say until when everything was counted. Lists stream.
Codes in clear need the scope `codes:reveal`, and each such list is recorded.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any, Literal

from flask import Response
from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy.orm import Session

from app.domain.funnel import ESTIMATES
from app.services import campaigns, people, reports, security
from app.services.access import Scope
from app.services.permissions import Reach
from app.services.reports import Dimension
from app.store.models import Campaign
from app.web import access, deployment
from app.web.answers import CSV, NDJSON, as_json, streamed
from app.web.description import content, example, fails_with
from app.web.fields import Day
from app.web.marketing.door import Body, CampaignPath, answered, part
from app.web.problem_codes import ProblemCode


class ResultsQuery(Body):
    """How to split the results, and for which days of the campaign's zone."""

    by: Annotated[list[Dimension], Field(max_length=5)] = Field(
        [], description="What to split by; several split by their combinations. Repeat it for each"
    )
    since: Day | None = Field(
        None, description="The first day that counts, in the campaign's time zone"
    )
    until: Day | None = Field(
        None, description="The last day that counts, in the campaign's time zone"
    )


class FunnelRow(BaseModel):
    """The funnel of one part."""

    part: dict[str, str] = Field(
        description="What the part is, by what was asked to split by; a store by its key"
    )
    vouchers: dict[str, int] = Field(description="By stage: vouchers that reached it")
    times: dict[str, int] = Field(description="By stage: how often it was reached")
    refused: dict[str, int] = Field(description="By reason: how often a till refused")
    discount_minor: int = Field(
        description="Discount granted less what was taken back, in minor units"
    )
    spent_minor: int = Field(
        description="Gift money spent less what was given back, in minor units"
    )
    revenue_minor: int = Field(
        description="What the baskets came to of which a redemption stands, each once, in minor "
        "units"
    )


class ResultsAnswer(BaseModel):
    """What came of a campaign."""

    model_config = example(
        campaign="summer",
        currency="EUR",
        as_of="2026-06-10T09:30:00+00:00",
        estimates=["viewed"],
        rows=[
            {
                "part": {"store": "paris"},
                "vouchers": {"issued": 0, "scanned": 212, "redeemed": 187},
                "times": {"issued": 0, "scanned": 260, "redeemed": 187},
                "refused": {"expired": 4},
                "discount_minor": 93500,
                "spent_minor": 0,
                "revenue_minor": 841200,
            }
        ],
    )

    campaign: str = Field(description="The campaign's key")
    currency: str | None = Field(
        description="Currency of the amounts (ISO 4217); null where the campaign has none"
    )
    as_of: AwareDatetime | None = Field(
        description="Until when everything was counted; null before the first count"
    )
    estimates: list[str] = Field(description="Stages that are estimates")
    rows: list[FunnelRow] = Field(description="One for each part, or one for the whole campaign")


class PeopleQuery(Body):
    """Which people, and how they are written."""

    which: Literal["all", "redeemers", "non_redeemers", "holdout"] = Field(
        "all",
        description="redeemers: who used something and did not have all of it taken back. "
        "holdout: who was kept from getting anything, so that the campaign can be measured",
    )
    format: Literal["csv", "json"] = Field(
        "csv", description="json: one JSON object a line (application/x-ndjson)"
    )
    codes: bool = Field(False, description="With codes in clear; needs the scope codes:reveal")


class PersonLine(BaseModel):
    """A voucher with its holder, or somebody of the holdout, in a list of people.

    Of the holdout a line has `external_id`, `occasion`, `tier`, `segment`, `attributes` and what
    is said to be of the holdout; of the others it has everything else.
    """

    model_config = example(
        external_id="customer-4711",
        occasion="",
        serial="0f3a9c27d18e4b60",
        campaign="summer",
        given_by="summer",
        issued_at="2026-06-01T07:00:00+00:00",
        ends_at="2026-09-30T22:00:00+00:00",
        status="active",
        variant="",
        tier="regulars",
        segment="regulars",
        stages=["issued", "added", "added_apple", "redeemed"],
        used=1,
        balance_minor=None,
        redeemed_at="2026-06-03T16:20:00+00:00",
        store="paris",
        discount_minor=500,
        spent_minor=0,
        code_ends_in="7KQ2",
        language="fr",
        score=720,
        attributes={"first_name": "Amélie"},
    )

    external_id: str | None = Field(
        description="Your own id of the person; null: it is nobody's, or they were forgotten"
    )
    occasion: str = Field(description="Why they got it, or were asked for")
    serial: str = Field("", description="The voucher's serial number, 16 hexadecimal digits")
    campaign: str = Field("", description="Key of the campaign from which the voucher is")
    given_by: str = Field("", description="Key of the campaign whose rules gave it")
    issued_at: AwareDatetime | None = Field(None, description="When it was issued")
    ends_at: AwareDatetime | None = Field(None, description="Until when it is good; null: no end")
    status: str = Field("", description="What state it is in, such as active or expired")
    variant: str = Field("", description="The variant of a test; empty for none")
    tier: str = Field("", description="The tier whose conditions they met; empty for none")
    segment: str = Field("", description="Their segment when it was decided; empty for none")
    stages: list[str] = Field([], description="Stages that the voucher has reached")
    used: int = Field(0, description="How often it was used")
    balance_minor: int | None = Field(
        None, description="What a gift card holds, in minor units; null of a coupon"
    )
    redeemed_at: AwareDatetime | None = Field(None, description="When it was used first")
    store: str | None = Field(None, description="Key of the store where it was used first")
    discount_minor: int = Field(0, description="Discount granted, in minor units")
    spent_minor: int = Field(0, description="Gift money spent, in minor units")
    code_ends_in: str | None = Field(None, description="The last characters of its code")
    language: str | None = Field(None, description="Tag of the language in which they read")
    score: int | None = Field(None, description="The number that rules compare")
    attributes: dict[str, Any] = Field(
        {}, description="What else is known of them; in CSV one column of JSON"
    )
    code: str | None = Field(None, description="The code in clear, where it was asked for")
    decided_at: AwareDatetime | None = Field(
        None, description="Of the holdout: when it was decided"
    )
    acted_at: AwareDatetime | None = Field(
        None, description="Of the holdout: when they bought something first, within 30 days"
    )
    bought_minor: int = Field(
        0, description="Of the holdout: what purchases within 30 days came to, in minor units"
    )


class ArmBody(BaseModel):
    """A group of people whom a campaign decided about."""

    people: int = Field(description="How many they are")
    acted: int = Field(description="How many of them bought something within `days`")
    spent_minor: int = Field(description="What they spent together, in minor units")
    spent_squared: float = Field(
        description="Sum of the squares of what each spent, for statistics of your own"
    )


class DifferenceBody(BaseModel):
    """A difference, and the interval in which the true one lies."""

    value: float = Field(description="The difference that was measured")
    low: float = Field(description="The interval's lower end")
    high: float = Field(description="The interval's upper end")
    confidence: float = Field(description="How surely the interval has the true one; 0.95 is 95 %")


class LiftBody(BaseModel):
    """One arm of a campaign against the holdout."""

    variant: str = Field(description="The arm's variant; `*` is all of them together")
    treated: ArmBody = Field(description="Those who got something")
    held_out: ArmBody = Field(description="Those who were kept from it")
    share: DifferenceBody | None = Field(
        description="How much larger the share is that bought: 0.02 is two of a hundred; null when "
        "a group is empty"
    )
    spending: DifferenceBody | None = Field(
        description="How much more each spent on average, in minor units; null when a group has "
        "fewer than two people"
    )


class LiftAnswer(BaseModel):
    """Each arm against the holdout; the arm `*` is all of them together."""

    model_config = example(
        campaign="summer",
        days=30,
        arms=[
            {
                "variant": "*",
                "treated": {
                    "people": 9000,
                    "acted": 1080,
                    "spent_minor": 5400000,
                    "spent_squared": 39600000000.0,
                },
                "held_out": {
                    "people": 1000,
                    "acted": 90,
                    "spent_minor": 441000,
                    "spent_squared": 2900000000.0,
                },
                "share": {"value": 0.03, "low": 0.0099, "high": 0.0479, "confidence": 0.95},
                "spending": {"value": 159.0, "low": 50.4, "high": 267.6, "confidence": 0.95},
            }
        ],
    )

    campaign: str = Field(description="The campaign's key")
    days: int = Field(description="How many days after a decision a purchase counts")
    arms: list[LiftBody] = Field(description="All together first, then each variant")


_PEOPLE = (
    "external_id,occasion,serial,campaign,given_by,issued_at,ends_at,status,variant,tier,segment,"
    "stages,used,balance_minor,redeemed_at,store,discount_minor,spent_minor,code_ends_in,language,"
    "score,attributes\r\n"
    "customer-4711,,0f3a9c27d18e4b60,summer,summer,2026-06-01T07:00:00+00:00,"
    "2026-09-30T22:00:00+00:00,active,,regulars,regulars,issued|added|redeemed,1,,"
    "2026-06-03T16:20:00+00:00,paris,500,0,7KQ2,fr,720,\r\n"
)

blueprint = part("results", "What came of campaigns")


@blueprint.get("/campaigns/<key>/results", responses={200: ResultsAnswer})
@access.requires(Scope.REPORT, reach=Reach.FIGURES)
@fails_with(ProblemCode.CAMPAIGN_UNKNOWN)
def show_results(path: CampaignPath, query: ResultsQuery) -> Response:
    """Show the funnel of a campaign, split by variant, tier, segment, store or day.

    For marketers and their dashboards: from issue over views, wallets and scans to redemptions,
    refusals and money. It reads sums that a worker keeps, whatever the campaign's size; `as_of`
    says until when everything is in them.
    """
    house = deployment()
    with house.database.read() as session:
        campaign = _found(session, path)
        found = reports.funnel(
            session,
            campaign.id,
            by=tuple(dict.fromkeys(query.by)),
            since=query.since,
            until=query.until,
            store_id=access.client().store_id,
            now=house.now(),
        )
    return answered(
        {
            "campaign": campaign.key,
            "currency": campaign.currency,
            "as_of": found.as_of,
            "estimates": sorted(ESTIMATES),
            "rows": [asdict(row) for row in found.rows],
        }
    )


@blueprint.get(
    "/campaigns/<key>/people", responses={200: content({CSV: _PEOPLE, NDJSON: PersonLine})}
)
@access.requires(Scope.REPORT, reach=Reach.CAMPAIGNS)
@fails_with(ProblemCode.CAMPAIGN_UNKNOWN)
def list_people(path: CampaignPath, query: PeopleQuery) -> Response:
    """Stream who has a voucher, why, and what became of it: CSV, or one JSON object a line.

    For marketers who write to redeemers or to those who are not, and for customer service. A list
    has as many lines as the campaign has vouchers, in the order of issue; it is sent as it is
    read.

    With `codes` each line has the code in clear: the key needs the scope `codes:reveal`, and the
    list is recorded as the security event `codes_disclosed`.
    """
    house, client = deployment(), access.client()
    keyring = None
    if query.codes:
        if not client.may(Scope.CODES_REVEAL):
            raise access.scope_missing(
                Scope.CODES_REVEAL, cause="The key may not read codes in clear; leave codes out."
            )
        keyring = house.keyring
    with house.database.read() as session:
        campaign = _found(session, path)
        campaign_id = campaign.id
        # Counted before a writer's turn is taken: tills wait for that.
        count = 0
        if keyring is not None:
            count = reports.count_people(
                session, campaign_id, which=query.which, only=client.campaigns
            )
    if count:
        with house.database.write() as session:
            security.record(
                session,
                security.SecurityEventKind.CODES_DISCLOSED,
                now=house.now(),
                object=f"campaign {path.key}",
                reason=f"list of people: {query.which}",
                count=count,
            )
    rows = reports.people(
        house.database, campaign_id, which=query.which, keyring=keyring, only=client.campaigns
    )
    if query.format == "json":
        return streamed((as_json(row) + b"\n" for row in rows), mimetype=NDJSON)
    return streamed(_csv(rows), mimetype=CSV)


@blueprint.get("/campaigns/<key>/lift", responses={200: LiftAnswer})
@access.requires(Scope.REPORT, reach=Reach.CAMPAIGNS)
@fails_with(ProblemCode.CAMPAIGN_UNKNOWN)
def show_lift(path: CampaignPath) -> Response:
    """Compare those who got something with the holdout, with 95 % intervals.

    For marketers who ask what a campaign really brought. Purchases that were reported within 30
    days of a decision count; without a holdout there is nothing to compare with.
    """
    with deployment().database.read() as session:
        campaign = _found(session, path)
        arms = [asdict(each) for each in people.lift(session, campaign.id)]
    return answered({"campaign": path.key, "days": people.ATTRIBUTION.days, "arms": arms})


def _csv(rows: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    """Rows as CSV; attributes are one column of JSON, lists are joined by a bar."""
    buffer = io.StringIO()
    writer: csv.DictWriter[str] | None = None
    for row in rows:
        if writer is None:
            writer = csv.DictWriter(buffer, list(row))
            writer.writeheader()
        writer.writerow({name: _cell(value) for name, value in row.items()})
        yield buffer.getvalue().encode(errors="replace")
        buffer.seek(0)
        buffer.truncate()


def _cell(value: Any) -> Any:
    """A value as a spreadsheet may open it: text that starts like a formula is quoted."""
    if isinstance(value, dict):
        return as_json(value).decode() if value else ""
    if isinstance(value, list):
        return "|".join(map(str, value))
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return "'" + value
    return value


def _found(session: Session, path: CampaignPath) -> Campaign:
    access.campaign(path.key)
    return campaigns.required(session, path.key)
