"""Imports: codes that arrive as files, which are read as they come and never stored in clear, and
codes that are made by a campaign's pattern.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any, BinaryIO, cast

from flask import Response, request
from pydantic import BaseModel, Field, RootModel, StringConstraints

from app.services.access import Scope
from app.services.codes import from_file, generated, jobs
from app.services.codes.formats.records import ColumnsUnclear, CouponUnclear
from app.services.codes.jobs import ImportFault, ImportProgress
from app.services.permissions import Reach
from app.web import access, deployment
from app.web.answers import CSV, streamed
from app.web.description import content, example, fails_with, takes
from app.web.fields import Name
from app.web.heavy import takes_turns
from app.web.marketing.door import Body, CampaignPath, answered, one_of, part
from app.web.problem_codes import ProblemCode
from app.web.problems import Problem, ProblemBody, problem_of

LARGEST_FILE = 16 * 1024**3


class ImportQuery(Body):
    """Which campaign a file of codes is for, and how it is read."""

    campaign: Name = Field(description="Key of the campaign that gets the codes")
    filename: Annotated[str, StringConstraints(max_length=200)] = Field(
        "upload", description="The file's name, by which people find the import again"
    )
    column: list[Annotated[str, StringConstraints(max_length=150)]] = Field(
        [],
        max_length=50,
        description="Which column holds what, as `code=3` or `amount=Balance`: a number from 1 or "
        "a heading; told by headings and values when left out. Repeat it for each",
    )
    coupon: Annotated[str, StringConstraints(max_length=256)] | None = Field(
        None, description="In coupon XML, the coupon-id whose codes are taken"
    )


_IMPORT: dict[str, Any] = {
    "id": "0197a3c0-5f6e-7c11-9a54-0d7e5c3b2a10",
    "campaign": "summer",
    "status": "complete",
    "filename": "codes.csv",
    "read": 10_000,
    "accepted": 9_998,
    "repeated": 1,
    "rejected": 2,
    "reasons": {"duplicate": 1, "too_short": 1},
    "error": None,
    "waiting": None,
    "known": False,
}


class ImportBody(BaseModel):
    """How far an import is."""

    model_config = example(**_IMPORT)

    id: str = Field(description="The import's id")
    campaign: str = Field(description="Key of the campaign that gets the codes")
    status: str = Field(
        description="reading: records are being checked. loading: codes go into the campaign, "
        "and none is usable yet. complete: all of them are usable. cancelling, cancelled, failed: "
        "none is",
        json_schema_extra=one_of(
            "reading", "loading", "complete", "cancelling", "cancelled", "failed"
        ),
    )
    filename: str = Field(description="The file's name, or where the codes come from")
    read: int = Field(description="Records that were read")
    accepted: int = Field(description="Codes that the campaign gets")
    repeated: int = Field(description="Of the rejected, those whose code the campaign has")
    rejected: int = Field(description="Records refused; with the accepted ones, all that were read")
    reasons: dict[str, int] = Field(description="By reason, how many records were refused")
    error: str | None = Field(description="Why it failed, and what to do")
    waiting: str | None = Field(
        description="Why it is queued and nobody works on it, and what to do where no worker can; "
        "null once one does"
    )
    known: bool = Field(description="The same file had been imported: nothing was added")


class ImportsAnswer(RootModel[list[ImportBody]]):
    """Imports, the newest first, at most 200."""

    model_config = {"json_schema_extra": {"example": [_IMPORT]}}


class ColumnBody(BaseModel):
    """A column of a file, to be chosen."""

    number: int = Field(description="From 1")
    heading: str = Field(description="Its heading; empty where the file has none")
    meaning: str | None = Field(description="What it was taken for, or most likely is")
    cells: list[str] = Field(description="Its first cells, as in the file that was sent")


class ImportProblemBody(ProblemBody):
    """Why a file was not taken; with what there is to choose from, where an answer is needed."""

    columns: list[ColumnBody] | None = Field(
        None, description="With the code columns_unclear: send the file again with `column`"
    )
    coupons: list[str] | None = Field(
        None, description="With the code coupon_unclear: send the file again with `coupon`"
    )


class ImportPath(BaseModel):
    """An import by its id."""

    import_id: uuid.UUID = Field(description="The import's id")


class GenerateBody(Body):
    """How many codes to make."""

    model_config = example(count=10_000)

    count: Annotated[int, Field(ge=1, le=1_000_000)] = Field(description="How many codes to make")


_FILE = "code,amount\r\nSUN-7KQ2,15.00\r\nSUN-9MXT,15.00\r\n"
_REJECTS = 'line,reason,text\n7,duplicate,"An earlier line of the file has the same code."\n'

blueprint = part("imports", "Codes of a campaign: from files, and made by its pattern")


@blueprint.post("/imports", responses={202: ImportBody, 422: ImportProblemBody})
@access.requires(Scope.ISSUE, reach=Reach.CAMPAIGNS)
@takes({CSV: _FILE, "application/octet-stream": b""})
@fails_with(
    ProblemCode.CAMPAIGN_UNKNOWN,
    ProblemCode.IMPORT_REFUSED,
    ProblemCode.COLUMNS_UNCLEAR,
    ProblemCode.COUPON_UNCLEAR,
)
@takes_turns("imports")
def import_codes(query: ImportQuery) -> Response:
    """Import codes: the file is the request's body, in any format that the guide names.

    For marketers and shops whose codes exist already: one code a line, CSV, coupon XML or a shop's
    export, plain or gzipped, up to 16 GB. What a file is, is told by its content, whatever its
    media type says.

    The answer comes when the file has been read; a worker loads it then, and `GET` says how far it
    is. An import of which nothing can be used has the status `failed`, and says why. Where it
    cannot be told which columns hold codes and money, nothing is stored: the problem
    `columns_unclear` has the columns and their first cells, and the file is sent again with
    `column`. The same file sent again adds nothing.
    """
    request.max_content_length = LARGEST_FILE
    access.campaign(query.campaign)
    house = deployment()
    with _Faults():
        found = from_file.receive(
            house,
            query.campaign,
            cast(BinaryIO, request.stream),
            filename=query.filename,
            columns=from_file.columns_from(query.column),
            coupon=query.coupon,
        )
    answer = answered(_import(found), status=202)
    answer.headers["Location"] = f"/api/v1/imports/{found.id}"
    return answer


@blueprint.get("/imports", responses={200: ImportsAnswer})
@access.requires(Scope.ISSUE, Scope.REPORT, reach=Reach.CAMPAIGNS)
def list_imports() -> Response:
    """List the newest 200 imports of the campaigns that the key may touch.

    The header `X-Total-Count` counts those that are not listed any more, too.
    """
    total, found = jobs.listed(deployment(), access.client().campaigns)
    answer = answered([_import(item) for item in found])
    # Those that are no longer listed are counted all the same.
    answer.headers["X-Total-Count"] = str(total)
    return answer


@blueprint.get("/imports/<import_id>", responses={200: ImportBody})
@access.requires(Scope.ISSUE, Scope.REPORT, reach=Reach.CAMPAIGNS)
@fails_with(ProblemCode.IMPORT_UNKNOWN)
def show_import(path: ImportPath) -> Response:
    """Show how far an import is, or a move of codes, or a generation.

    For whoever waits for the codes: they are usable, all at once, when it is `complete`.
    """
    return answered(_import(_known_import(path.import_id)))


@blueprint.get(
    "/imports/<import_id>/rejects", responses={200: content({CSV: _REJECTS}, "The refused rows")}
)
@access.requires(Scope.ISSUE, Scope.REPORT, reach=Reach.CAMPAIGNS)
@fails_with(ProblemCode.IMPORT_UNKNOWN)
def list_import_rejects(path: ImportPath) -> Response:
    """Stream the refused rows as CSV: line, reason for programs, and the reason's text.

    For whoever mends the file. Codes are not among it, since they are never stored in clear.
    """
    _known_import(path.import_id)
    house = deployment()

    def lines() -> Iterator[bytes]:
        yield b"line,reason,text\n"
        for line, reason, text in jobs.rejects(house, path.import_id):
            yield f'{line},{reason},"{text}"\n'.encode()

    return streamed(lines(), mimetype=CSV)


@blueprint.post("/imports/<import_id>/cancel", responses={200: ImportBody})
@access.requires(Scope.ISSUE, reach=Reach.CAMPAIGNS)
@fails_with(ProblemCode.IMPORT_UNKNOWN, ProblemCode.IMPORT_REFUSED)
def cancel_import(path: ImportPath) -> Response:
    """Stop an import that is not complete, and take its codes away again.

    One that is complete is refused: its codes are in use.
    """
    _known_import(path.import_id)
    with _Faults():
        return answered(_import(jobs.cancel(deployment(), path.import_id)))


@blueprint.post("/campaigns/<key>/codes", responses={200: ImportBody})
@access.requires(Scope.ISSUE, reach=Reach.CAMPAIGNS)
@fails_with(ProblemCode.CAMPAIGN_UNKNOWN, ProblemCode.IMPORT_REFUSED)
@takes_turns("imports")
def generate_codes(path: CampaignPath, body: GenerateBody) -> Response:
    """Make codes by the campaign's pattern, up to 1,000,000 in one request.

    For campaigns whose codes are `generated`. Each request makes as many again: it is not to be
    repeated because an answer was lost; `GET /api/v1/imports` lists what was made.
    """
    access.campaign(path.key)
    with _Faults():
        return answered(_import(generated.generate(deployment(), path.key, body.count)))


class _Faults:
    """Turns an ImportFault into a problem."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: object, _: object) -> None:
        if isinstance(error, ImportFault):
            raise _problem(error) from None


def _problem(fault: ImportFault) -> Problem:
    problem = problem_of(fault.asked or fault)
    if isinstance(fault.asked, ColumnsUnclear):
        problem.more = {"columns": [asdict(column) for column in fault.asked.columns]}
    elif isinstance(fault.asked, CouponUnclear):
        problem.more = {"coupons": list(fault.asked.ids)}
    return problem


def _known_import(import_id: uuid.UUID) -> ImportProgress:
    found = jobs.progress(deployment(), import_id)
    if not access.client().may_touch(found.campaign):
        raise access.unknown("import")
    return found


def _import(found: ImportProgress) -> ImportBody:
    return ImportBody(
        id=str(found.id),
        campaign=found.campaign,
        status=found.status,
        filename=found.filename,
        read=found.read,
        accepted=found.accepted,
        repeated=found.repeated,
        rejected=found.rejected,
        reasons=found.reasons,
        error=found.error,
        waiting=found.waiting,
        known=found.known,
    )
