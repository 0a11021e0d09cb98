"""Codes that arrive as files, which are read as they come and never stored in clear."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, BinaryIO, cast

from flask import Response, request
from pydantic import BaseModel, Field, StringConstraints

from app.services.access import Scope
from app.services.codes import from_file, generated, jobs, load
from app.services.codes.formats import ColumnsUnclear, CouponUnclear
from app.services.codes.jobs import ImportFault, Standing
from app.services.permissions import Reach
from app.web import access, deployment
from app.web.answers import CSV, streamed
from app.web.fields import Name
from app.web.heavy import afterwards, takes_turns
from app.web.marketing.door import Body, CampaignPath, answered, blueprint
from app.web.problems import Problem, ProblemBody, problem_of

LARGEST_FILE = 16 * 1024**3


class ImportQuery(Body):
    """Which campaign a file of codes is for, and how it is read."""

    campaign: Name
    filename: Annotated[str, StringConstraints(max_length=200)] = "upload"
    column: list[Annotated[str, StringConstraints(max_length=150)]] = Field(
        [],
        max_length=50,
        description="Which column holds what, as `code=3` or `amount=Balance`: a number from 1 or "
        "a heading; told by headings and values when left out. Repeat it for each",
    )
    coupon: Annotated[str, StringConstraints(max_length=256)] | None = Field(
        None, description="In coupon XML, the coupon-id whose codes are taken"
    )


class ImportBody(BaseModel):
    """How far an import is."""

    id: str
    campaign: str
    status: str
    filename: str
    read: int
    accepted: int
    repeated: int = Field(description="Of the rejected, those whose code the campaign has")
    rejected: int = Field(description="Records refused; with the accepted ones, all that were read")
    reasons: dict[str, int]
    error: str | None = Field(description="Why it failed, and what to do")
    known: bool = Field(description="The same file had been imported: nothing was added")


class ColumnBody(BaseModel):
    """A column of a file, to be chosen."""

    number: int = Field(description="From 1")
    heading: str
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
    """An import's id."""

    import_id: uuid.UUID


class GenerateBody(Body):
    """How many codes to make."""

    count: Annotated[int, Field(ge=1, le=1_000_000)]


@blueprint.post("/imports", responses={"202": ImportBody, "422": ImportProblemBody})
@access.requires(Scope.ISSUE, reach=Reach.CAMPAIGNS)
@takes_turns("imports")
def import_codes(query: ImportQuery) -> Response:
    """Import codes: the file is the request's body, in any format that the guide names.

    The answer comes when the file has been read; loading goes on, and `GET` says how far it is. An
    import of which nothing can be used has the status `failed`, and says why. Where it cannot be
    told which columns hold codes and money, nothing is stored: the problem `columns_unclear` has
    the columns and their first cells, and the file is sent again with `column`.
    """
    request.max_content_length = LARGEST_FILE
    access.campaign(query.campaign)
    house = deployment()
    with _Faults():
        standing = from_file.receive(
            house,
            query.campaign,
            cast(BinaryIO, request.stream),
            filename=query.filename,
            columns=from_file.columns_from(query.column),
            coupon=query.coupon,
        )
    if standing.status == "loading":
        afterwards(load.load, house, standing.id)
    answer = answered(_import(standing), status=202)
    answer.headers["Location"] = f"/api/v1/imports/{standing.id}"
    return answer


@blueprint.get("/imports", responses={"200": ImportBody})
@access.requires(Scope.ISSUE, Scope.REPORT, reach=Reach.CAMPAIGNS)
def list_imports() -> Response:
    """List the newest imports of the campaigns that the key may touch."""
    total, found = jobs.listed(deployment(), access.client().campaigns)
    answer = answered([_import(item) for item in found])
    # Those that are no longer listed are counted all the same.
    answer.headers["X-Total-Count"] = str(total)
    return answer


@blueprint.get("/imports/<import_id>", responses={"200": ImportBody})
@access.requires(Scope.ISSUE, Scope.REPORT, reach=Reach.CAMPAIGNS)
def show_import(path: ImportPath) -> Response:
    """Say how far an import is."""
    return answered(_import(_known_import(path.import_id)))


@blueprint.get("/imports/<import_id>/rejects")
@access.requires(Scope.ISSUE, Scope.REPORT, reach=Reach.CAMPAIGNS)
def import_rejects(path: ImportPath) -> Response:
    """The refused rows as CSV: line, reason and its text."""
    _known_import(path.import_id)
    house = deployment()

    def lines() -> Iterator[bytes]:
        yield b"line,reason,text\n"
        for line, reason, text in jobs.rejects(house, path.import_id):
            yield f'{line},{reason},"{text}"\n'.encode()

    return streamed(lines(), mimetype=CSV)


@blueprint.post("/imports/<import_id>/cancel", responses={"200": ImportBody})
@access.requires(Scope.ISSUE, reach=Reach.CAMPAIGNS)
def cancel_import(path: ImportPath) -> Response:
    """Stop an import that is not complete, and take its codes away again."""
    _known_import(path.import_id)
    with _Faults():
        return answered(_import(jobs.cancel(deployment(), path.import_id)))


@blueprint.post("/campaigns/<key>/codes", responses={"200": ImportBody})
@access.requires(Scope.ISSUE, reach=Reach.CAMPAIGNS)
@takes_turns("imports")
def generate_codes(path: CampaignPath, body: GenerateBody) -> Response:
    """Generate codes by the campaign's pattern."""
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


def _known_import(import_id: uuid.UUID) -> Standing:
    try:
        standing = jobs.standing(deployment(), import_id)
    except ImportFault:
        raise access.unknown("import") from None
    if not access.client().may_touch(standing.campaign):
        raise access.unknown("import")
    return standing


def _import(standing: Standing) -> ImportBody:
    return ImportBody(
        id=str(standing.id),
        campaign=standing.campaign,
        status=standing.status,
        filename=standing.filename,
        read=standing.read,
        accepted=standing.accepted,
        repeated=standing.repeated,
        rejected=standing.rejected,
        reasons=standing.reasons,
        error=standing.error,
        known=standing.known,
    )
