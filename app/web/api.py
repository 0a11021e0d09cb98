"""The application: every door, observed, with its errors as problems and its description.

`Description` is the OpenAPI 3.1 application that doors register with; doors that machines use are
`APIBlueprint`s and so describe themselves, pages are plain blueprints.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from flask import Flask, Response
from flask.json.provider import DefaultJSONProvider
from flask_openapi3 import Info, OpenAPI
from werkzeug.middleware.proxy_fix import ProxyFix

from app.services.deployment import Deployment
from app.web import (
    access,
    apple,
    description,
    gate,
    google,
    guide,
    health,
    heavy,
    links,
    marketing,
    observing,
    policy,
    pos,
    problems,
    proxies,
    till,
)

#: Every door registers itself with the application.
DOORS: tuple[Callable[[OpenAPI], None], ...] = (
    health.register,
    guide.register,
    links.register,
    apple.register,
    pos.register,
    google.register,
    till.register,
    marketing.register,
)


def build(deployment: Deployment) -> Flask:
    """The WSGI application of a deployment."""
    settings = deployment.settings
    app = OpenAPI(
        "app.web",
        info=Info(title="Passerelle", version="0.1.0"),
        security_schemes=access.SECURITY_SCHEMES,
        validation_error_status=422,
        validation_error_model=problems.ProblemBody,
        validation_error_callback=problems.invalid_request,
        doc_ui=False,
        static_folder="static",
        template_folder="templates",
    )
    app.extensions["passerelle"] = deployment
    app.config.update(
        MAX_CONTENT_LENGTH=64 * 1024,
        SECRET_KEY=None,
        PREFERRED_URL_SCHEME="https" if settings.production else "http",
    )
    if isinstance(app.json, DefaultJSONProvider):
        app.json.sort_keys = False
    # Clients append /v1 to addresses that end in a slash; a redirect would lose their key.
    app.url_map.merge_slashes = False
    if settings.trusted_proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=settings.trusted_proxies, x_proto=1, x_host=1
        )
    observing.register(app)
    access.register(app)
    gate.register(app)
    proxies.register(app)
    heavy.register(app)
    problems.register(app)
    for door in DOORS:
        door(app)

    @cache
    def openapi() -> bytes:
        # Worked out once: it takes a tenth of a second, and whoever wants may ask for it.
        made = description.completed(app, app.api_doc, server=settings.base_url)
        return app.json.dumps(made).encode()

    @app.get("/openapi.json", doc_ui=False)
    def openapi_json() -> Response:
        return Response(openapi(), mimetype="application/json")

    drawn = Path(app.root_path, "static", "icon.png").read_bytes()

    @app.get("/favicon.ico", doc_ui=False)
    def icon() -> Response:
        # Browsers ask for it by this name whatever a page says; it is nobody's brand.
        answer = Response(drawn, mimetype="image/png")
        answer.headers["Cache-Control"] = "public, max-age=86400"
        return answer

    transport = policy.transport(subdomains=settings.hsts_subdomains)

    @app.after_request
    def _protect(response: Response) -> Response:
        headers = response.headers
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("Referrer-Policy", "no-referrer")
        headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        headers.setdefault("Cross-Origin-Resource-Policy", policy.resource_policy(response))
        headers.setdefault("Permissions-Policy", policy.NO_FEATURES)
        # What does not say how long it may be kept is kept by nobody: most answers hold secrets.
        headers.setdefault("Cache-Control", "no-store")
        if response.mimetype == "text/html":
            headers.setdefault("Content-Security-Policy", policy.STRICT)
        if settings.production:
            headers.setdefault("Strict-Transport-Security", transport)
        return response

    return app
