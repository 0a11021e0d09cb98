"""The tills' doors, under `/pos/v1`: scans and redemptions, holds, gift cards, the day."""

from __future__ import annotations

from flask_openapi3 import OpenAPI

from app.web.pos import cards, day, scanning


def register(app: OpenAPI) -> None:
    """Put the doors of this package into `app`."""
    scanning.register(app)
    cards.register(app)
    day.register(app)
