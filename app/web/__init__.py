"""The doors: Flask blueprints, which translate HTTP into use cases and back.

No door talks to the network or commits: it calls a use case and answers. Each module is one door;
`DOORS` lists them for the factory.
"""

from __future__ import annotations

from typing import cast

from flask import current_app

from app.services.deployment import Deployment


def deployment() -> Deployment:
    """The deployment that the present request belongs to."""
    return cast(Deployment, current_app.extensions["passerelle"])
