"""Why a webhook cannot be made or changed."""

from __future__ import annotations


class WebhookFault(Exception):
    """A webhook cannot be made or changed as asked; says the remedy."""
