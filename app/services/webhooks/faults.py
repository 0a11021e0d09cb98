"""Why a webhook cannot be made or changed."""

from __future__ import annotations

from app.faults import Fault


class WebhookFault(Fault):
    """A webhook cannot be made or changed as asked; says the remedy."""

    code = "webhook_faulty"
