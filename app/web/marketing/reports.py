"""The reports that close the day: `/api/v1/reports`.

Every figure is a sum over the ledger. Reports answer JSON, or CSV with `format=csv`.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

import orjson
from flask import Response
from flask_openapi3 import APIBlueprint, OpenAPI, Tag
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.services import closing
from app.services.access import Scope
from app.services.closing import Liability, Line, Oddity
from app.services.permissions import Reach
from app.web import access, deployment
from app.web.fields import Day, Moment


class _Query(BaseModel):
    model_config = ConfigDict(extra="forbid")

    format: Literal["json", "csv"] = "json"


class DayQuery(_Query):
    """A day, of one store or of all."""

    date: Day
    store: (
        Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f]+$")]
        | None
    ) = None


class LiabilityQuery(_Query):
    """A moment, and optionally the one from which movements are shown."""

    until: Moment
    since: Moment | None = None


class OddQuery(_Query):
    """A day."""

    date: Day


class DayReport(BaseModel):
    """What each operator did at each terminal."""

    lines: list[dict[str, Any]] = Field(description="One for each terminal, operator, currency")


class LiabilityReport(BaseModel):
    """What the cards of each campaign owe."""

    campaigns: list[dict[str, Any]]


class OddReport(BaseModel):
    """What is worth a look."""

    oddities: list[dict[str, Any]]


def _either(report: type[BaseModel]) -> dict[str, Any]:
    """The description of a report that comes as JSON or as CSV."""
    return {
        "description": report.__doc__ or "",
        "content": {
            "application/json": {"schema": report.model_json_schema()},
            "text/csv": {"schema": {"type": "string"}},
        },
    }


blueprint = APIBlueprint(
    "closing",
    __name__,
    url_prefix="/api/v1/reports",
    abp_tags=[Tag(name="reports", description="Closing the day, liability, odd days")],
    abp_security=access.SECURITY,
)


@blueprint.get("/day", responses={200: _either(DayReport)})
@access.requires(Scope.REPORT, reach=Reach.FIGURES)
def day(query: DayQuery) -> Response:
    """Close a day: per store, terminal, operator and currency, as far as the key may see."""
    asking = access.client()
    with deployment().database.read() as session:
        lines = closing.day(
            session,
            query.date,
            store=query.store,
            store_id=asking.store_id,
            terminal_id=asking.terminal_id,
            campaigns=asking.campaigns,
        )
    return _report(lines, Line, name="lines", form=query.format)


@blueprint.get("/liability", responses={200: _either(LiabilityReport)})
@access.requires(Scope.REPORT, reach=Reach.CAMPAIGNS)
def liability(query: LiabilityQuery) -> Response:
    """What gift cards owe just before a moment, with movements, breakage and adjustments."""
    with deployment().database.read() as session:
        found = closing.liability(
            session, until=query.until, since=query.since, campaigns=access.client().campaigns
        )
    return _report(found, Liability, name="campaigns", form=query.format)


@blueprint.get("/odd-days", responses={200: _either(OddReport)})
@access.requires(Scope.REPORT, reach=Reach.FIGURES)
def odd(query: OddQuery) -> Response:
    """What about a day is worth a look, as far as the key may see."""
    asking = access.client()
    with deployment().database.read() as session:
        found = closing.odd(
            session,
            query.date,
            store_id=asking.store_id,
            terminal_id=asking.terminal_id,
            campaigns=asking.campaigns,
        )
    return _report(found, Oddity, name="oddities", form=query.format)


def register(app: OpenAPI) -> None:
    """Put the doors of this module into `app`."""
    app.register_api(blueprint)


def _report(rows: list[Any], kind: type[Any], *, name: str, form: str) -> Response:
    if form == "csv":
        answer = Response(closing.to_csv(rows, kind), mimetype="text/csv")
        answer.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
        answer.headers["Cache-Control"] = "no-store"
        return answer
    return _json({name: [asdict(row) for row in rows]})


def _json(content: Any) -> Response:
    answer = Response(orjson.dumps(content), mimetype="application/json")
    answer.headers["Cache-Control"] = "no-store"
    return answer
