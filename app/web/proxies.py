"""Whether a proxy stands in front of the service that its settings do not declare.

Behind one, every caller seems to come from the proxy's address: what is counted by address counts
all of them together, and links are made for the wrong scheme.
"""

from __future__ import annotations

import structlog
from flask import Flask, request

from app.services.deployment import Deployment

#: Headers that proxies add to what they pass on.
FORWARDED = ("X-Forwarded-For", "Forwarded", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-Ip")


def register(app: Flask) -> None:
    """Note forwarded requests where no proxy is declared, for `/readyz` and once in the log."""
    house: Deployment = app.extensions["passerelle"]
    if house.settings.trusted_proxies:
        return

    @app.before_request
    def _note() -> None:
        if house.undeclared_proxy is None:
            headers = request.headers
            found = next((name for name in FORWARDED if name in headers), None)
            if found is not None:
                house.undeclared_proxy = found
                structlog.get_logger().warning(
                    "undeclared_proxy", header=found, setting="PASSERELLE_TRUSTED_PROXIES"
                )
