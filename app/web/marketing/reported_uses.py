"""Reported uses: coupons that web shops and partners decided themselves.

A web shop whose coupons it decides itself reports each use with its own id, as JSON or as a CSV
file; sending a report again changes nothing. Uses beyond a limit are booked as conflicts and
listed.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, cast

from flask import Response, current_app, request
from flask_openapi3 import OpenAPI
from pydantic import AwareDatetime, BaseModel, Field, StringConstraints, ValidationError

from app.domain.inputs import MOST_MINOR, ONE_LINE
from app.services.access import Scope
from app.services.guesses import Guessing
from app.services.permissions import Reach
from app.services.tills import Origin
from app.services.tills import uses as used
from app.services.tills.reported_uses import Reports
from app.services.tills.uses import Reported, Use, UseOutcome
from app.web import access
from app.web.answers import CSV
from app.web.description import example, fails_with, takes
from app.web.fields import Moment
from app.web.marketing.door import Body, answered, one_of, part
from app.web.problem_codes import ProblemCode
from app.web.problems import Problem, invalid_request

#: The largest file of uses, and the most uses of one request.
MAX_BYTES = 4 * 1024 * 1024
MAX_USES = 10_000

Text = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=ONE_LINE)]
Sku = Annotated[str, StringConstraints(max_length=64)]
SignedMinor = Annotated[int, Field(ge=-MOST_MINOR, le=MOST_MINOR, strict=True)]


class ReportedLine(Body):
    """A line of an order; returned ones are negative and count nothing."""

    id: Text = Field(description="The shop's own id of the line")
    sku: Sku = Field("", description="The article's number")
    category: Sku = Field("", description="The article's category")
    amount_minor: SignedMinor = Field(
        description="What the line came to, in minor units, taxes included"
    )


class ReportedBasket(Body):
    """What an order came to, in the campaign's currency; several codes of one order repeat it."""

    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] = Field(
        description="Currency of the amounts (ISO 4217)"
    )
    lines: Annotated[list[ReportedLine], Field(min_length=1, max_length=500)] = Field(
        description="The lines of the order"
    )


class UseBody(Body):
    """A use; `id` is the shop's own and makes it count once."""

    id: Text = Field(description="The shop's own id of the use, such as the order's number")
    code: Annotated[str, StringConstraints(min_length=1, max_length=512)] = Field(
        description="The code that was used"
    )
    occurred_at: Moment | None = Field(None, description="When it was used; left out, it is now")
    discount_minor: SignedMinor = Field(
        0,
        description="What the code took off, in minor units. Of a returned line it is negative, "
        "and counts nothing",
    )
    basket: ReportedBasket | None = Field(None, description="What the order came to")


_USE: dict[str, Any] = {
    "id": "order-17",
    "code": "SUN-2026",
    "occurred_at": "2026-07-01T12:00:00+02:00",
    "discount_minor": 500,
    "basket": {
        "currency": "EUR",
        "lines": [{"id": "1", "sku": "SHOE-9", "category": "shoes", "amount_minor": 4990}],
    },
}


class ReportBody(Body):
    """Uses that a web shop or a partner decided."""

    model_config = example(
        store="online",
        uses=[_USE],
    )

    store: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = Field(
        None, description="Key of the store where they were used; a key that is bound knows its own"
    )
    uses: Annotated[list[UseBody], Field(min_length=1, max_length=1_000)] = Field(
        description="One entry for each use; a CSV file may have 10,000"
    )


class ReportQuery(BaseModel):
    """Where uses of a file were made."""

    store: str | None = Field(
        None, description="Key of the store where they were used, for a CSV file"
    )


class ReportedUse(BaseModel):
    """What became of one use."""

    id: str = Field(description="As it was reported")
    outcome: str = Field(
        description="applied: it took a use. duplicate: it was booked before. conflict: no use "
        "was left, and it is booked as a conflict. unknown_code: no such code is known. "
        "not_reportable: tills here decide about it, so that it has to be redeemed. faulty: the "
        "line cannot be read. returned: its amount is negative, so that it takes no use",
        json_schema_extra=one_of(*UseOutcome),
    )
    cause: str = Field(description="Why, in a sentence; empty where nothing is to be said")


class ReportAnswer(BaseModel):
    """How many uses had each outcome, and each of them."""

    model_config = example(
        counts={**dict.fromkeys((each.value for each in UseOutcome), 0), "applied": 1},
        uses=[{"id": "order-17", "outcome": "applied", "cause": ""}],
    )

    counts: dict[str, int] = Field(description="How many uses had each outcome")
    uses: list[ReportedUse] = Field(description="Each use, in the order reported")


class ConflictAnswer(BaseModel):
    """A use beyond its limit."""

    entry_id: str = Field(description="Id of the entry in the ledger")
    reported_id: str | None = Field(description="The shop's own id of the use")
    serial: str = Field(description="Serial number of the voucher, 16 hexadecimal digits")
    campaign: str = Field(description="Key of its campaign")
    occurred_at: AwareDatetime | None = Field(description="When it was used, as it was reported")
    created_at: AwareDatetime = Field(description="When it was reported")


class ConflictsAnswer(BaseModel):
    """Conflicts, the latest first."""

    model_config = example(
        count=1,
        conflicts=[
            {
                "entry_id": "0197a3c0-5f6e-7c11-9a54-0d7e5c3b2a10",
                "reported_id": "order-18",
                "serial": "0f3a9c27d18e4b60",
                "campaign": "web-only",
                "occurred_at": "2026-07-01T10:05:00Z",
                "created_at": "2026-07-02T03:00:12Z",
            }
        ],
    )

    count: int = Field(description="How many there are")
    conflicts: list[ConflictAnswer] = Field(description="The latest of them")


class ConflictsQuery(BaseModel):
    """Which conflicts."""

    campaign: str | None = Field(None, description="Key of the only campaign")
    limit: Annotated[int, Field(ge=1, le=1_000)] = Field(
        100, description="How many are listed at most; `count` counts all"
    )


_CSV = (
    "id,code,occurred_at,discount_minor,basket_minor,currency\r\n"
    "order-17,SUN-2026,2026-07-01T12:00:00+02:00,500,4990,EUR\r\n"
)

blueprint = part("reported uses", "Uses that other systems decide")


@blueprint.post("/redemptions/report", responses={200: ReportAnswer})
@access.requires(Scope.POS, Scope.CAMPAIGN, reach=Reach.TILL)
@takes({"application/json": ReportBody, CSV: _CSV})
@fails_with(
    ProblemCode.UNSUPPORTED_MEDIA_TYPE,
    ProblemCode.UNKNOWN_STORE,
    ProblemCode.OTHER_STORE,
    ProblemCode.NOT_UTF8,
    ProblemCode.FAULTY_FILE,
)
def report_uses(query: ReportQuery) -> Response:
    """Book uses that another system decided, as JSON or as a CSV file; each id counts once.

    For web shops and partners whose coupons they decide themselves (`authority = "external"` or
    `"partner"`): up to 1,000 uses as JSON, or 10,000 and 4 MB as CSV. A use is a fact and is booked
    whatever the campaign's rules say; one that no limit has room for is a conflict. Each use is
    booked by itself: a report that broke off is sent again as a whole.

    Codes that do not exist count as guesses, but for keys of the scope `campaign`.
    """
    store = query.store
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
    return answered({"counts": used.counts(every), "uses": [asdict(each) for each in every]})


@blueprint.get("/redemptions/conflicts", responses={200: ConflictsAnswer})
@access.requires(Scope.REPORT, Scope.CAMPAIGN, reach=Reach.FIGURES)
def list_conflicts(query: ConflictsQuery) -> Response:
    """List uses that were reported although none was left, the latest first.

    For whoever settles with a web shop or a partner: two customers may have used one code at two
    places before either was reported. A key that is bound to a store sees what was reported there.
    """
    count, found = _reports().conflicts(access.client(), campaign=query.campaign, limit=query.limit)
    return answered(
        ConflictsAnswer(
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
    )


def register(app: OpenAPI) -> None:
    """Make what books reports, for the application."""
    app.extensions["passerelle.reports"] = Reports(
        app.extensions["passerelle"], app.extensions["passerelle.tills"]
    )


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
