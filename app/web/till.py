"""The till page, for stores whose tills are not integrated: `/till`.

A browser reads barcodes with a wedge scanner, its camera or the keyboard and speaks to `/pos/v1`
like any till. It signs in with a key that is bound to a terminal and keeps a session instead of
the key (`till_session`). Its scripts and its barcode reader are files of this package; the page's
policy allows the reader's WebAssembly, and nothing from elsewhere.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from flask import Blueprint, Flask, Response, g, render_template, request
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from app.services import security
from app.services.access import Client, KeyRefused, Scope
from app.services.security import Actor, SecurityEventKind
from app.web import access, deployment, till_session
from app.web.problem_codes import ProblemCode
from app.web.problems import Problem, invalid_request
from app.words import DEFAULT, LANGUAGES
from passes.language import closest

blueprint = Blueprint("till", __name__)

_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; media-src 'self' blob:; manifest-src 'self'; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


class SignIn(BaseModel):
    """A terminal's key."""

    model_config = ConfigDict(extra="forbid")

    key: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


@blueprint.get("/till")
def page() -> Response:
    """The page with its words in every language; what it shows is fetched by its script."""
    answer = Response(
        render_template(
            "till.html",
            words=LANGUAGES[closest(LANGUAGES, request.accept_languages.values()) or DEFAULT],
            languages=LANGUAGES,
            texts={
                tag: {**asdict(words.till), "direction": words.direction}
                for tag, words in LANGUAGES.items()
            },
        )
    )
    answer.headers["Content-Security-Policy"] = _POLICY
    answer.headers["Permissions-Policy"] = "camera=(self), microphone=(), geolocation=()"
    answer.headers["Cache-Control"] = "no-cache"
    answer.headers["Vary"] = "Accept-Language"
    return answer


@blueprint.post("/till/session")
def sign_in() -> Response:
    """Open a session for a terminal's key."""
    _own_page()
    try:
        # A text without a key's form is never looked up: no rule needs to be asked of it.
        body = SignIn.model_validate_json(request.get_data())
    except ValidationError as error:
        return invalid_request(error)
    client = access.verify(body.key)
    if isinstance(client, KeyRefused):
        g.key_refused = client
        raise Problem(
            ProblemCode.KEY_REQUIRED,
            cause="This is no valid API key.",
            remedy="Type the terminal's key; it is not revoked or expired.",
        )
    _terminal(client)
    house = deployment()
    with house.database.write() as session:
        security.record(
            session,
            SecurityEventKind.TILL_SIGNED_IN,
            now=house.now(),
            by=Actor(key_prefix=client.prefix, address=request.remote_addr),
        )
    answer = Response(status=204)
    till_session.start(answer, client)
    return answer


@blueprint.delete("/till/session")
def sign_out() -> Response:
    """End the session, also for whoever has a copy of its cookie."""
    _own_page()
    answer = Response(status=204)
    till_session.end(answer)
    return answer


def _own_page() -> None:
    if not till_session.from_own_page():
        raise Problem(ProblemCode.FOREIGN_PAGE)


def _terminal(client: Client) -> None:
    bound = client.store_id is not None and client.terminal_id is not None
    if not bound or Scope.POS.value not in client.scopes:
        raise Problem(
            ProblemCode.TERMINAL_KEY_REQUIRED,
            cause="The key is not one of a terminal.",
            remedy="Make one with `passerelle access create NAME --scope pos --store S "
            "--terminal T`, or `passerelle stores import`.",
        )


def register(app: Flask) -> None:
    """Put the doors of this module into `app`."""
    app.register_blueprint(blueprint)
