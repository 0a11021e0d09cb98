"""The customer's door: the page behind a personal link, its pass for each wallet, its barcode.

A GET issues nothing and changes nothing: mail scanners open links. A link that is malformed,
altered or unknown gets one and the same answer.
"""

from __future__ import annotations

from flask import Blueprint, Flask, Response, abort, redirect, render_template
from werkzeug.wrappers import Response as BaseResponse

from app.domain.codes import Purpose
from app.services import presenting
from app.services.presenting import Holding
from app.web import deployment
from passes import barcode

blueprint = Blueprint("links", __name__)


@blueprint.get("/p/<token>")
def page(token: str) -> Response:
    """The voucher as a page, with the buttons of both wallets."""
    house = deployment()
    now = house.now()
    holding = _holding(token)
    content = presenting.pass_content(house, holding, now=now)
    language = holding.recipient.language if holding.recipient else None
    texts = holding.presentation.in_language(language or holding.presentation.default_language)
    return _private(
        Response(
            render_template(
                "pass.html",
                token=token,
                content=content,
                texts=texts,
                language=language or holding.presentation.default_language,
            )
        )
    )


@blueprint.get("/p/<token>/apple")
def apple(token: str) -> Response:
    """The signed pass; a phone opens it in Wallet."""
    house = deployment()
    holding = _holding(token)
    built = presenting.apple_pass(house, holding, now=house.now())
    answer = Response(built, mimetype="application/vnd.apple.pkpass")
    answer.headers["Content-Disposition"] = f'attachment; filename="{holding.serial}.pkpass"'
    return _private(answer)


@blueprint.get("/p/<token>/google")
def google(token: str) -> BaseResponse:
    """On to Google's page that saves the pass."""
    house = deployment()
    answer = redirect(presenting.google_link(house, _holding(token), now=house.now()))
    answer.headers["Cache-Control"] = "no-store"
    return answer


@blueprint.get("/p/<token>/code.png")
def picture(token: str) -> Response:
    """The barcode as a picture, for people without a wallet."""
    house = deployment()
    content = presenting.pass_content(house, _holding(token), now=house.now())
    if content.barcode is None or content.status.spent:
        abort(404)
    drawn = barcode.png(content.barcode.payload, content.barcode.symbology)
    return _private(Response(drawn, mimetype="image/png"))


def _holding(token: str) -> Holding:
    house = deployment()
    genuine = house.keyring.verify(token, Purpose.LINK)
    holding = None
    if genuine is not None:
        with house.database.read() as session:
            holding = presenting.find(session, genuine.public_id)
    if holding is None or holding.voucher.link_withdrawn_at is not None:
        abort(404)
    return holding


def _private(answer: Response) -> Response:
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["X-Robots-Tag"] = "noindex"
    return answer


def register(app: Flask) -> None:
    """Put the doors of this module into `app`."""
    app.register_blueprint(blueprint)
