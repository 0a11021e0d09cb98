"""What every door of the tills does: read a call, run it, answer it over HTTP."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, cast

from flask import Response, current_app, request

from app.domain import baskets
from app.services.guessing import Guessing
from app.services.tills import Answer, CallFault, Item, Origin, Reused, Running, Tills
from app.web import deployment
from app.web.pos.bodies import BasketBody, ItemBody, OriginBody
from app.web.problems import Problem

_KEY = re.compile(r"[\x21-\x7e]{1,128}")

#: What the description says of the header.
IDEMPOTENCY: dict[str, Any] = {
    "parameters": [
        {
            "in": "header",
            "name": "Idempotency-Key",
            "required": True,
            "description": "1 to 128 visible ASCII characters; a new attempt needs a new key",
            "schema": {"type": "string", "pattern": "^[\\x21-\\x7e]{1,128}$"},
        }
    ]
}


def tills() -> Tills:
    """The tills of the deployment that the request belongs to."""
    return cast(Tills, current_app.extensions["passerelle.tills"])


def item_of(body: ItemBody) -> Item:
    """What was scanned or typed."""
    return Item(
        barcode=body.barcode,
        amount_minor=body.amount.minor if body.amount else None,
        currency=body.amount.currency if body.amount else None,
        allow_partial=body.allow_partial,
        pin=body.pin,
    )


def origin_of(body: OriginBody) -> Origin:
    """Where and by whom the call is made."""
    return Origin(
        store=body.store,
        terminal=body.terminal,
        operator=body.operator,
        receipt=body.receipt,
        occurred_at=body.occurred_at,
        address=request.remote_addr or "",
    )


def basket_of(body: BasketBody | None) -> baskets.Basket | None:
    """What is being bought, if the call says."""
    if body is None:
        return None
    return baskets.Basket(
        currency=body.currency,
        lines=tuple(
            baskets.Line(
                id=line.id, sku=line.sku, category=line.category, amount_minor=line.amount_minor
            )
            for line in body.lines
        ),
    )


def idempotency_key() -> str:
    """The request's Idempotency-Key.

    Raises:
        Problem: 400, it has none, or not a usable one.
    """
    key = request.headers.get("Idempotency-Key", "")
    if not _KEY.fullmatch(key):
        raise Problem(
            400,
            "idempotency_key_required",
            cause="The request carries no Idempotency-Key of 1 to 128 visible ASCII characters.",
            remedy="Send a fresh random key with each new attempt, and the same one to repeat it.",
        )
    return key


def fingerprint() -> bytes:
    """A digest of method, path and body: what a key was used for."""
    head = f"{request.method} {request.path}\0".encode()
    return deployment().keyring.fingerprint(head + request.get_data())


def answered(call: Callable[[], Answer]) -> Response:
    """Run a call of the tills and answer over HTTP."""
    try:
        answer: Answer = call()
    except CallFault as fault:
        raise Problem(422, fault.code, cause=str(fault), remedy=fault.remedy) from None
    except Reused:
        raise Problem(
            422,
            "idempotency_key_reused",
            cause="The Idempotency-Key was used for another request.",
            remedy="Use a fresh key for a new attempt.",
        ) from None
    except Running:
        raise Problem(
            409,
            "still_running",
            cause="A request with the same Idempotency-Key or receipt is still at work.",
            remedy="Wait and send the same request again.",
            headers={"Retry-After": "1"},
        ) from None
    except Guessing as guessing:
        raise Problem(
            429,
            "guessing",
            cause="Too many codes that do not exist were tried from here.",
            remedy="Wait for the seconds in Retry-After; genuine passes still scan.",
            headers={"Retry-After": str(guessing.retry_after)},
        ) from None
    response = Response(answer.body, answer.status, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    if answer.replayed:
        response.headers["Idempotency-Replayed"] = "true"
    return response
