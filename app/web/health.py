"""What operators and engineers ask: is it alive, is it ready, what does it count, how is it used.

`/healthz` says that the process answers. `/readyz` says whether it should get requests, and to
operators why not: database, migrations, keys and certificates, each in words. `/metrics` is
Prometheus text, for operators. Operators show PASSERELLE_METRICS_TOKEN; where development has none,
whoever asks from this machine is one. `/docs` is the API
documentation, from files of installed packages only.
"""

from __future__ import annotations

import hmac
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import flask_openapi3_swagger
from flask import (
    Blueprint,
    Flask,
    Response,
    current_app,
    jsonify,
    render_template,
    request,
    send_from_directory,
)
from prometheus_client import Gauge, generate_latest

from app.services import readiness
from app.services.certificates import CertificateFault
from app.services.metrics import REGISTRY
from app.services.wallets.health import Meter
from app.store.session import Unavailable
from app.web import deployment
from app.web.problem_codes import ProblemCode
from app.web.problems import Problem
from app.web.proxies import FORWARDED

blueprint = Blueprint("health", __name__)

CERTIFICATE_DAYS = Gauge(
    "passerelle_certificate_days_left",
    "Days until the certificate ends and no pass can be signed",
    registry=REGISTRY,
)

#: A request that carries one of these came through a proxy, which is on this machine itself.
_FORWARDED = (*FORWARDED, "Via")
_SWAGGER = Path(flask_openapi3_swagger.__file__).parent / "templates" / "swagger"


@blueprint.get("/healthz")
def healthz() -> Response:
    """Answer while the process can answer at all."""
    return jsonify(status="alive")


@blueprint.get("/readyz")
def readyz() -> Response:
    """Answer 200 when every check passes, else 503; operators are told the checks."""
    checks = readiness.checks(deployment())
    ready = all(check.passed for check in checks)
    told: dict[str, Any] = {"status": "ready" if ready else "not ready"}
    if _is_operator():
        told["checks"] = [
            {
                "name": check.name,
                "passed": check.passed,
                "warning": check.warning,
                "detail": check.detail,
            }
            for check in checks
        ]
    answer = jsonify(told)
    answer.status_code = 200 if ready else 503
    answer.headers["Cache-Control"] = "no-store"
    return answer


@blueprint.get("/metrics")
def metrics() -> Response:
    """Counters, durations and what is left of the certificate, in Prometheus' text format."""
    house = deployment()
    if not _is_operator():
        raise Problem(
            ProblemCode.OPERATORS_ONLY,
            headers={"WWW-Authenticate": "Bearer"},
        )
    with suppress(CertificateFault):
        CERTIFICATE_DAYS.set(house.certificates.signer.days_left(house.now()))
    with suppress(Unavailable):
        current_app.extensions["passerelle_meter"].measure(house)
    return Response(generate_latest(REGISTRY), mimetype="text/plain; version=0.0.4")


def _is_operator() -> bool:
    """Whether who asks may know how the business goes and what is broken.

    The views ask, not a list of paths: whatever spelling of a path leads to them, they answer
    nobody else.
    """
    settings = deployment().settings
    if settings.metrics_token is not None:
        scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(
            shown.strip().encode(), settings.metrics_token.encode()
        )
    if settings.production or any(request.headers.get(name) for name in _FORWARDED):
        return False
    try:
        return ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        return False


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
    app.extensions["passerelle_meter"] = Meter()
    app.register_blueprint(blueprint)
