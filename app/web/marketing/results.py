"""The marketers' door for what came of campaigns: `/api/v1/campaigns/<key>/…`.

Reports read sums that the worker keeps, and say until when everything was counted. Lists stream.
Codes in clear need the scope `codes:reveal`, and each such list is recorded.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import orjson
from flask import Response
from flask_openapi3 import APIBlueprint, OpenAPI, Tag
from pydantic import BaseModel, ConfigDict, Field

from app.domain.funnel import ESTIMATES
from app.services import (
    campaigns,
    reports,
    security,
)
from app.services.access import Scope
from app.services.permissions import Reach
from app.services.reports import Dimension
from app.store.models import Campaign
from app.web import access, deployment
from app.web.answers import CSV, NDJSON, as_json, streamed
from app.web.fields import Day


class CampaignPath(BaseModel):
    """A campaign by its key."""

    key: str


class ResultsQuery(BaseModel):
    """How to split a report, and for which days of the campaign's zone."""

    model_config = ConfigDict(extra="forbid")

    by: Annotated[list[Dimension], Field(max_length=5)] = []
    since: Day | None = None
    until: Day | None = None


class PeopleQuery(BaseModel):
    """Which people, and how they are written."""

    model_config = ConfigDict(extra="forbid")

    which: Literal["all", "redeemers", "non_redeemers", "holdout"] = "all"
    format: Literal["csv", "json"] = "csv"
    codes: bool = Field(False, description="With codes in clear; needs the scope codes:reveal")


class FunnelRow(BaseModel):
    """The funnel of one part."""

    part: dict[str, str]
    vouchers: dict[str, int] = Field(description="By stage: vouchers that reached it")
    times: dict[str, int] = Field(description="By stage: how often it was reached")
    refused: dict[str, int] = Field(description="Refusals by reason")
    discount_minor: int
    spent_minor: int
    revenue_minor: int


class ResultsAnswer(BaseModel):
    """A campaign's report."""

    campaign: str
    currency: str | None
    as_of: str | None = Field(description="Until when everything was counted")
    estimates: list[str] = Field(description="Stages that are estimates")
    rows: list[FunnelRow]


blueprint = APIBlueprint(
    "results",
    __name__,
    url_prefix="/api/v1/campaigns",
    abp_tags=[Tag(name="results", description="What came of campaigns")],
    abp_security=access.SECURITY,
)


@blueprint.get("/<key>/results", responses={200: ResultsAnswer})
@access.requires(Scope.REPORT, reach=Reach.FIGURES)
def results(path: CampaignPath, query: ResultsQuery) -> Response:
    """Report the funnel of a campaign, split by variant, tier, segment, store or day."""
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
    body = {
        "campaign": campaign.key,
        "currency": campaign.currency,
        "as_of": found.as_of.isoformat() if found.as_of else None,
        "estimates": sorted(ESTIMATES),
        "rows": [
            {
                "part": row.part,
                "vouchers": row.vouchers,
                "times": row.times,
                "refused": row.refused,
                "discount_minor": row.discount_minor,
                "spent_minor": row.spent_minor,
                "revenue_minor": row.revenue_minor,
            }
            for row in found.rows
        ],
    }
    return _private(Response(orjson.dumps(body), mimetype="application/json"))


@blueprint.get("/<key>/people")
@access.requires(Scope.REPORT, reach=Reach.CAMPAIGNS)
def people(path: CampaignPath, query: PeopleQuery) -> Response:
    """Stream who has a voucher, why, and what became of it: CSV, or one JSON object a line."""
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
                security.Kind.CODES_DISCLOSED,
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


def _found(session: Any, path: CampaignPath) -> Campaign:
    access.campaign(path.key)
    campaign = campaigns.find(session, path.key)
    if campaign is None:
        raise access.unknown("campaign")
    return campaign


def _private(answer: Response) -> Response:
    answer.headers["Cache-Control"] = "no-store"
    return answer


def register(app: OpenAPI) -> None:
    """Put the doors of this module into `app`."""
    app.register_api(blueprint)
