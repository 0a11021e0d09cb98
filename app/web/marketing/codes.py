"""The marketers' door for what went wrong with codes: taken into another campaign, issued anew.

Both are idempotent by what is asked: the same number of codes under the same name is taken once,
and a serial that was issued anew already answers with what it is called now.
"""

from __future__ import annotations

from typing import Annotated

import orjson
from flask import Response
from flask_openapi3 import APIBlueprint, OpenAPI, Tag
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.domain import codes
from app.services import issuance, links
from app.services.access import Scope
from app.services.codes import moved
from app.services.codes.jobs import ImportFault
from app.services.issuance import IssueFault
from app.services.permissions import Reach
from app.web import access, deployment
from app.web.heavy import afterwards
from app.web.problem_codes import ProblemCode
from app.web.problems import Problem

blueprint = APIBlueprint(
    "codes",
    __name__,
    url_prefix="/api/v1",
    abp_tags=[Tag(name="Marketing", description="Campaigns, codes, vouchers and messages")],
    abp_security=access.SECURITY,
)

_Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class CampaignPath(BaseModel):
    """The campaign that takes the codes."""

    key: str


class VoucherPath(BaseModel):
    """A voucher's serial."""

    serial: str


class TakeBody(BaseModel):
    """From which campaign codes are taken, and how many."""

    model_config = ConfigDict(extra="forbid")

    origin: _Name = Field(alias="from", description="Key of the campaign that gives them")
    count: Annotated[int, Field(ge=1, le=100_000_000)] | None = Field(
        None, description="At most so many; all that are unused when left out"
    )
    name: Annotated[str, StringConstraints(max_length=100)] = Field(
        "", description="Tells apart moves of the same number; each is made once"
    )


class MoveBody(BaseModel):
    """How far codes are on their way; an import of the campaign that takes them."""

    id: str
    campaign: str
    status: str
    accepted: int = Field(description="Codes that have come")
    rejected: int = Field(description="Codes that stay, because they have no amount")
    known: bool = Field(description="The same had been asked for: nothing was taken now")


class ReissueBody(BaseModel):
    """Why a voucher is issued anew, and whether its code goes on."""

    model_config = ConfigDict(extra="forbid")

    keep_code: bool = Field(False, description="Nobody else has read its code")
    reason: Annotated[str, StringConstraints(max_length=500)] | None = None


class ReissuedBody(BaseModel):
    """A voucher under its new serial."""

    serial: str
    replaces: str = Field(description="The serial that was asked for, which is no good any more")
    wallet_link: str
    new_code: bool = Field(description="Whether its code is another one since")
    fresh: bool = Field(description="Whether this request did it")


@blueprint.post("/campaigns/<key>/codes/take", responses={"202": MoveBody})
@access.requires(Scope.ISSUE, reach=Reach.CAMPAIGNS)
def take_codes(path: CampaignPath, body: TakeBody) -> Response:
    """Take unused codes of another campaign into this one.

    The answer comes at once; `GET` of the import says how far it is.
    """
    access.campaign(path.key)
    access.campaign(body.origin)
    house = deployment()
    try:
        standing = moved.begin_taking(
            house,
            path.key,
            body.origin,
            count=body.count,
            name=body.name,
            api_key_id=access.client().id,
        )
    except ImportFault as fault:
        raise Problem(
            ProblemCode.NOT_TAKEN,
            cause=fault.cause,
            remedy=fault.remedy,
        ) from None
    if not standing.known:
        afterwards(moved.go_on, house, standing.id)
    answer = _json(
        MoveBody(
            id=str(standing.id),
            campaign=standing.campaign,
            status=standing.status,
            accepted=standing.accepted,
            rejected=standing.rejected,
            known=standing.known,
        ),
        status=202,
    )
    answer.headers["Location"] = f"/api/v1/imports/{standing.id}"
    return answer


@blueprint.post("/vouchers/<serial>/reissue", responses={"200": ReissuedBody})
@access.requires(Scope.ISSUE, reach=Reach.CAMPAIGNS)
def reissue(path: VoucherPath, body: ReissueBody) -> Response:
    """Give a voucher another serial, link and barcode, because the old ones leaked.

    Tills refuse the old barcode, the old link answers that it was withdrawn, and old passes in
    wallets become invalid.
    """
    house = deployment()
    public_id = codes.from_serial(path.serial)
    if public_id is None or (key := issuance.campaign_of(house, public_id)) is None:
        raise access.unknown("voucher")
    if not access.client().may_touch(key):
        raise access.unknown("voucher")
    keyring = house.keyring
    try:
        with house.database.write() as session:
            made = issuance.reissue(
                session,
                keyring,
                public_id,
                now=house.now(),
                keep_code=body.keep_code,
                reason=body.reason,
            )
    except IssueFault as fault:
        raise Problem(
            ProblemCode.NOT_ISSUED,
            cause=fault.cause,
            remedy=fault.remedy,
        ) from None
    return _json(
        ReissuedBody(
            serial=codes.serial(made.public_id),
            replaces=path.serial,
            wallet_link=links.page(house.settings, keyring, [(made.public_id, made.key_id)]),
            new_code=made.new_code,
            fresh=made.fresh,
        )
    )


def register(app: OpenAPI) -> None:
    """Open the door."""
    app.register_api(blueprint)


def _json(body: BaseModel, *, status: int = 200) -> Response:
    answer = Response(
        orjson.dumps(body.model_dump(mode="json")), status, mimetype="application/json"
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer
