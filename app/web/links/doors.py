"""How the customer's doors are put into the application, with their error pages and robots.txt."""

from __future__ import annotations

from flask import Flask, Response

from app.web import problems
from app.web.links import answers, invitations, vouchers

#: Search engines stay out of personal pages; Google's wallet services fetch pictures and read this
#: file before they call back (Google Wallet, Callbacks), so everything else stays open.
_ROBOTS = "User-agent: *\nDisallow: /p/\nDisallow: /c/\n"


def register(app: Flask) -> None:
    """Put the doors of this folder into `app`."""
    app.register_blueprint(vouchers.blueprint)
    vouchers.add_doors(app)
    app.register_blueprint(invitations.blueprint)
    problems.shown_as_page(app, answers.fault_page)

    @app.get("/robots.txt", doc_ui=False)
    def robots() -> Response:
        answer = Response(_ROBOTS, mimetype="text/plain")
        answer.headers["Cache-Control"] = "public, max-age=86400"
        return answer
