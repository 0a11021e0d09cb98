"""A webhook is an address that is told events.

A webhook hears every event of the kinds and campaigns that it wants, those of one
voucher in order, each with the same id however often it is tried; its secret is shown once and
kept sealed; after a rotation both secrets sign until the old one ends. Bodies are made when they
are sent and never stored, so that a person who is forgotten is in none of them.
It does not tell a code, a PIN or a token.

Signatures follow Standard Webhooks (github.com/standard-webhooks/standard-webhooks), bodies are
CloudEvents 1.0 in structured JSON (github.com/cloudevents/spec).
"""

from app.services.webhooks.bodies import (
    MEDIA_TYPE,
    WebhookEventKind,
    body,
    described,
    message_id,
    wants,
)
from app.services.webhooks.signing import (
    OVERLAP,
    WebhookFault,
    reseal,
    rotate,
    sign,
    signing_secrets,
    verify,
)
from app.services.webhooks.subscriptions import (
    LATE,
    SCHEDULE,
    Untold,
    change,
    counts,
    dead_letters,
    describe,
    find,
    oldest_untold,
    register,
    remove,
    replay,
    untold,
)

__all__ = [
    "LATE",
    "MEDIA_TYPE",
    "OVERLAP",
    "SCHEDULE",
    "Untold",
    "WebhookEventKind",
    "WebhookFault",
    "body",
    "change",
    "counts",
    "dead_letters",
    "describe",
    "described",
    "find",
    "message_id",
    "oldest_untold",
    "register",
    "remove",
    "replay",
    "reseal",
    "rotate",
    "sign",
    "signing_secrets",
    "untold",
    "verify",
    "wants",
]
