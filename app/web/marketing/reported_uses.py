"""Uses reported by web shops and partners: `/api/v1/redemptions`.

A web shop whose coupons it decides itself reports each use with its own id, as JSON or as a CSV
file; sending a report again changes nothing. Uses beyond a limit are booked as conflicts and
listed.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, cast

from flask import Response, current_app, request
from flask_openapi3 import APIBlueprint, OpenAPI, Tag
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from app.domain.inputs import MOST_MINOR, ONE_LINE
from app.services.access import Scope
from app.services.guesses import Guessing
from app.services.permissions import Reach
from app.services.tills import Origin
from app.services.tills import uses as used
from app.services.tills.reported_uses import Reports
from app.services.tills.uses import Outcome, Reported, Use
from app.web import access
from app.web.description import fails_with, takes
from app.web.fields import Moment
from app.web.problem_codes import ProblemCode
from app.web.problems import Problem, invalid_request

#: The largest file of uses, and the most uses of one request.
MAX_BYTES = 4 * 1024 * 1024
MAX_USES = 10_000

Text = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=ONE_LINE)]


SignedMinor = Annotated[int, Field(ge=-MOST_MINOR, le=MOST_MINOR, strict=True)]


class ReportedLine(BaseModel):
    """A line of an order; returned ones are negative and count nothing."""

    model_config = ConfigDict(extra="forbid")

    id: Text
    sku: Annotated[str, StringConstraints(max_length=64)] = ""
    category: Annotated[str, StringConstraints(max_length=64)] = ""
    amount_minor: SignedMinor


class ReportedBasket(BaseModel):
    """What an order came to, in the campaign's currency; several codes of one order repeat it."""

    model_config = ConfigDict(extra="forbid")

    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
    lines: Annotated[list[ReportedLine], Field(min_length=1, max_length=500)]


class UseBody(BaseModel):
    """A use; `id` is the shop's own and makes it count once."""

    model_config = ConfigDict(extra="forbid")

    id: Text
    code: Annotated[str, StringConstraints(min_length=1, max_length=512)]
    occurred_at: Moment | None = None
    discount_minor: SignedMinor = Field(
        0, description="Of a returned line it is negative, and counts nothing"
    )
    basket: ReportedBasket | None = None


class ReportBody(BaseModel):
    """Uses that a web shop or a partner decided."""

    model_config = ConfigDict(extra="forbid")

    store: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    uses: Annotated[list[UseBody], Field(min_length=1, max_length=1_000)]


class ReportedUse(BaseModel):
    """What became of one use."""

    id: str
    outcome: Outcome
    cause: str


class ReportAnswer(BaseModel):
    """How many uses had each outcome, and each of them."""

    counts: dict[str, int]
    uses: list[ReportedUse]


class ConflictAnswer(BaseModel):
    """A use beyond its limit."""

    entry_id: str
    reported_id: str | None
    serial: str
    campaign: str
    occurred_at: dt.datetime | None
    created_at: dt.datetime


class ConflictsAnswer(BaseModel):
    """Conflicts, the latest first."""

    count: int
    conflicts: list[ConflictAnswer]


class ConflictsQuery(BaseModel):
    """Which conflicts."""

    campaign: str | None = None
    limit: Annotated[int, Field(ge=1, le=1_000)] = 100


blueprint = APIBlueprint(
    "reports",
    __name__,
    url_prefix="/api/v1/redemptions",
    abp_tags=[Tag(name="reported uses", description="Uses that other systems decide")],
    abp_security=access.SECURITY,
)

_CSV = (
    "id,code,occurred_at,discount_minor,basket_minor,currency\r\n"
    "order-17,SUN-2026,2026-07-01T12:00:00+02:00,500,4990,EUR\r\n"
)


@blueprint.post("/report", responses={200: ReportAnswer})
@access.requires(Scope.POS, Scope.CAMPAIGN, reach=Reach.TILL)
@takes({"application/json": ReportBody, "text/csv": _CSV})
@fails_with(
    ProblemCode.UNSUPPORTED_MEDIA_TYPE,
    ProblemCode.UNKNOWN_STORE,
    ProblemCode.OTHER_STORE,
    ProblemCode.NOT_UTF8,
    ProblemCode.FAULTY_FILE,
)
def report() -> Response:
    """Book uses that another system decided, as JSON or as a CSV file; each id counts once."""
    store: str | None = request.args.get("store")
    faulty: list[Reported] = []
    if request.mimetype == "text/csv":
        uses, faulty = _from_csv()
    elif request.mimetype == "application/json":
        try:
            body = ReportBody.model_validate(request.get_json())
        except ValidationError as error:
            return invalid_request(error)
        store = body.store or store
        uses = [
            Use(
                id=use.id,
                code=use.code,
                occurred_at=use.occurred_at,
                discount_minor=use.discount_minor,
                basket_minor=sum(max(0, line.amount_minor) for line in use.basket.lines)
                if use.basket
                else None,
                currency=use.basket.currency if use.basket else None,
            )
            for use in body.uses
        ]
    else:
        raise Problem(
            ProblemCode.UNSUPPORTED_MEDIA_TYPE,
            cause="A report is JSON or CSV.",
            remedy="Send application/json or text/csv.",
        )
    origin = Origin(store=store, address=request.remote_addr or "")
    try:
        done = _reports().report(access.client(), uses, origin=origin)
    except Guessing as guessing:
        raise Problem(
            ProblemCode.GUESSING,
            cause="Too many codes that do not exist were reported from here.",
            remedy="Wait for the seconds in Retry-After and send the report again, or report with "
            "a key of scope campaign; what was booked counts once.",
            headers={"Retry-After": str(guessing.retry_after)},
        ) from None
    every = [*done, *faulty]
    answer = ReportAnswer(
        counts=used.counts(every),
        uses=[ReportedUse(id=each.id, outcome=each.outcome, cause=each.cause) for each in every],
    )
    return Response(answer.model_dump_json(), mimetype="application/json")


@blueprint.get("/conflicts", responses={200: ConflictsAnswer})
@access.requires(Scope.REPORT, Scope.CAMPAIGN, reach=Reach.FIGURES)
def conflicts(query: ConflictsQuery) -> Response:
    """Uses that were reported although none was left."""
    count, found = _reports().conflicts(access.client(), campaign=query.campaign, limit=query.limit)
    answer = ConflictsAnswer(
        count=count,
        conflicts=[
            ConflictAnswer(
                entry_id=each.entry_id,
                reported_id=each.reported_id,
                serial=each.serial,
                campaign=each.campaign,
                occurred_at=each.occurred_at,
                created_at=each.created_at,
            )
            for each in found
        ],
    )
    return Response(answer.model_dump_json(), mimetype="application/json")


def register(app: OpenAPI) -> None:
    """Put the doors of this module into `app`."""
    app.extensions["passerelle.reports"] = Reports(
        app.extensions["passerelle"], app.extensions["passerelle.tills"]
    )
    app.register_api(blueprint)


def _reports() -> Reports:
    return cast(Reports, current_app.extensions["passerelle.reports"])


def _from_csv() -> tuple[list[Use], list[Reported]]:
    request.max_content_length = MAX_BYTES
    try:
        uses, faulty = used.read_csv(request.get_data().decode("utf-8"))
    except UnicodeDecodeError:
        raise Problem(ProblemCode.NOT_UTF8) from None
    except ValueError as fault:
        raise Problem(
            ProblemCode.FAULTY_FILE,
            cause=str(fault),
            remedy=f"Name the columns in the first line: {', '.join(used.COLUMNS)}.",
        ) from None
    if len(uses) > MAX_USES:
        raise Problem(
            ProblemCode.TOO_LARGE,
            cause=f"The file has more than {MAX_USES} uses.",
            remedy="Send it in several files.",
        )
    return uses, faulty
