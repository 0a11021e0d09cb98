"""What operators and engineers ask: is it alive, is it ready, what does it count, how is it used.

`/healthz` says that the process answers. `/readyz` says whether it should get requests: database,
migrations, keys and certificates, each in words. `/metrics` is Prometheus text. `/docs` is the API
documentation, from files of installed packages only.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import flask_openapi3_swagger
from flask import (
    Blueprint,
    Flask,
    Response,
    current_app,
    jsonify,
    render_template,
    send_from_directory,
)
from prometheus_client import Gauge, generate_latest

from app.services import readiness, sync
from app.services.certificates import CertificateFault
from app.services.metrics import REGISTRY
from app.store.session import Unavailable
from app.web import deployment

blueprint = Blueprint("health", __name__)

CERTIFICATE_DAYS = Gauge(
    "passerelle_certificate_days_left", "Days until nothing can be signed", registry=REGISTRY
)

_SWAGGER = Path(flask_openapi3_swagger.__file__).parent / "templates" / "swagger"


@blueprint.get("/healthz")
def healthz() -> Response:
    """Answer while the process can answer at all."""
    return jsonify(status="alive")


@blueprint.get("/readyz")
def readyz() -> Response:
    """Answer 200 when every check passes, else 503; both list the checks."""
    checks = readiness.checks(deployment())
    ready = all(check.passed for check in checks)
    answer = jsonify(
        status="ready" if ready else "not ready",
        checks=[
            {"name": check.name, "passed": check.passed, "detail": check.detail} for check in checks
        ],
    )
    answer.status_code = 200 if ready else 503
    answer.headers["Cache-Control"] = "no-store"
    return answer


@blueprint.get("/metrics")
def metrics() -> Response:
    """Counters, durations and what is left of the certificate, in Prometheus' text format."""
    house = deployment()
    with suppress(CertificateFault):
        CERTIFICATE_DAYS.set(house.certificates.signer.days_left(house.now()))
    with suppress(Unavailable):
        current_app.extensions["passerelle_meter"].measure(house)
    return Response(generate_latest(REGISTRY), mimetype="text/plain; version=0.0.4")


@blueprint.get("/docs")
def docs() -> Response:
    """The API's documentation as a page."""
    return Response(render_template("docs.html"))


@blueprint.get("/docs/swagger/<path:name>")
def swagger(name: str) -> Response:
    """Files of the documentation page, from the installed package."""
    return send_from_directory(_SWAGGER, name, max_age=86_400)


def register(app: Flask) -> None:
    """Put the doors of this module into `app`."""
    app.extensions["passerelle_meter"] = sync.Meter()
    app.register_blueprint(blueprint)
