"""The marketers' systems' door: `/api/v1`, a module for each thing that its operations are about.

Keys need the scope that each operation names, and a key that is bound to campaigns touches no
other: an unknown campaign and a forbidden one get the same answer. What is issued is idempotent by
recipient, campaign and occasion, so that no request needs an Idempotency-Key. Files of codes are
read as they arrive and are never stored in clear.
"""

from __future__ import annotations

import re

from flask import request
from flask_openapi3 import OpenAPI

from app.web.marketing import (
    campaigns,
    codes,
    decisions,
    imports,
    messages,
    reported_uses,
    reports,
    results,
    security_events,
    updates,
    vouchers,
    webhooks,
)
from app.web.marketing.door import blueprint

__all__ = ["campaigns", "imports", "messages", "register", "vouchers"]

LARGEST_BATCH = 64 * 1024**2
#: Doors that take many recipients in one request.
_MANY = re.compile(r"/api/v1/(messages/render|vouchers|campaigns/[^/]+/invitations)")


def register(app: OpenAPI) -> None:
    """Put the doors of this package into `app`."""

    @app.before_request
    def _allow_large() -> None:
        # Read before the view can say so: these carry many recipients in one request.
        if _MANY.fullmatch(request.path):
            request.max_content_length = LARGEST_BATCH

    app.register_api(blueprint)
    for part in (
        reports,
        reported_uses,
        results,
        decisions,
        codes,
        updates,
        webhooks,
        security_events,
    ):
        part.register(app)
