"""Campaigns applied as a marketer applies them, for tests of codes, issuing and messages."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from app.delivery.worker import IMPORTS
from app.services import campaigns
from app.services.codes import from_file, queue
from app.services.codes.jobs import ImportProgress
from app.services.deployment import Deployment


def document(**changes: Any) -> dict[str, Any]:
    """A small coupon campaign, as a parsed campaign file."""
    base: dict[str, Any] = {
        "key": "spring",
        "name": "Spring",
        "kind": "coupon",
        "timezone": "Europe/Paris",
        "currency": "EUR",
        "codes": {"source": "list"},
        "benefit": {"type": "percent", "percent": 20},
        "texts": {"en": {"title": "Spring", "offer": "−20 %"}},
    }
    return {name: value for name, value in (base | changes).items() if value is not None}


def card(**changes: Any) -> dict[str, Any]:
    """A small gift card campaign with codes made on demand."""
    changes = {
        "key": "card",
        "kind": "gift_card",
        "benefit": None,
        "codes": {"source": "on_demand"},
        "gift_card": {"amount": "15.00"},
        **changes,
    }
    return document(**changes)


def apply(deployment: Deployment, **changes: Any) -> str:
    """Apply a campaign and return its key."""
    return apply_document(deployment, document(**changes))


def apply_document(deployment: Deployment, described: dict[str, Any]) -> str:
    draft = campaigns.read_document(described)
    keyring = deployment.keyring
    with deployment.database.read() as session:
        tried = campaigns.try_out(
            session,
            draft,
            organization=deployment.settings.organization,
            keyring=deployment.keyring,
        )
    with deployment.database.write() as session:
        plan = campaigns.plan(session, tried)
        return campaigns.apply(session, plan, keyring, now=deployment.now()).key


def bring(
    deployment: Deployment, data: bytes, *, campaign: str = "spring", **options: Any
) -> ImportProgress:
    """Import a file that arrives as bytes, to the end."""
    standing = from_file.receive(
        deployment, campaign, io.BytesIO(data), filename="codes", **options
    )
    return standing if standing.known else from_file.load(deployment, standing.id)


@contextmanager
def working(deployment: Deployment) -> Iterator[None]:
    """What a worker does for imports, beside the test."""
    stop = threading.Event()
    threads = [
        threading.Thread(target=queue.run_until, args=(deployment, stop)) for _ in range(IMPORTS)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
