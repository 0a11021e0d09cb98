"""The marketers' API: `/api/v1`, a module for each thing that its operations are about.

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
    activities,
    campaigns,
    codes,
    decisions,
    imports,
    invitations,
    messages,
    pictures,
    recipients,
    reported_uses,
    reports,
    results,
    security_events,
    sync,
    updates,
    voucher_changes,
    vouchers,
    webhooks,
)

#: Every part of the API, in the order in which the description shows them.
PARTS = (
    campaigns,
    pictures,
    imports,
    codes,
    vouchers,
    invitations,
    voucher_changes,
    messages,
    recipients,
    activities,
    decisions,
    updates,
    sync,
    results,
    reports,
    reported_uses,
    webhooks,
    security_events,
)
LARGEST_BATCH = 64 * 1024**2
#: Operations that take many recipients in one request.
_MANY = re.compile(
    r"/api/v1/(messages/render|vouchers|recipients|activities|decisions"
    r"|campaigns/[^/]+/invitations)"
)


def register(app: OpenAPI) -> None:
    """Put the operations of this package into `app`."""

    @app.before_request
    def _allow_large() -> None:
        # Read before the view can say so: these carry many recipients in one request.
        if _MANY.fullmatch(request.path):
            request.max_content_length = LARGEST_BATCH

    reported_uses.register(app)
    for part in PARTS:
        app.register_api(part.blueprint)
