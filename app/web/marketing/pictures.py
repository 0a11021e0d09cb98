"""Pictures that campaigns show."""

from __future__ import annotations

from flask import Response, request
from pydantic import BaseModel, Field

from app.services.access import Scope
from app.services.campaigns import pictures
from app.services.permissions import Reach
from app.web import access, deployment
from app.web.description import example, fails_with, takes
from app.web.heavy import takes_turns
from app.web.marketing.door import answered, part
from app.web.problem_codes import ProblemCode
from app.web.problems import Problem

LARGEST_PICTURE = 10_000_000


class PictureAnswer(BaseModel):
    """The name under which a campaign's `look` finds a picture."""

    model_config = example(
        sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    )

    sha256: str = Field(description="SHA-256 of the picture's bytes, 64 hexadecimal digits")


blueprint = part("pictures", "Pictures that campaigns show")


@blueprint.post("/pictures", responses={201: PictureAnswer})
@access.requires(Scope.CAMPAIGN, reach=Reach.CAMPAIGNS)
@takes({"application/octet-stream": b""})
@fails_with(ProblemCode.PICTURE_FAULTY)
@takes_turns("campaigns")
def add_picture() -> Response:
    """Store a logo or banner for campaigns to name.

    For systems that apply campaigns through this API: send a PNG or JPEG of at most 10 MB as the
    request's body, and write the digest that is answered as `logo` or `banner` of the campaign's
    `look`. Storing a picture again changes nothing.
    """
    request.max_content_length = LARGEST_PICTURE
    house = deployment()
    data = request.get_data()
    if (cause := pictures.fault(data)) is not None:
        raise Problem(ProblemCode.PICTURE_FAULTY, cause=f"The picture {cause}.")
    with house.database.write() as session:
        digest = pictures.store(session, data, now=house.now())
    return answered({"sha256": digest}, status=201)
