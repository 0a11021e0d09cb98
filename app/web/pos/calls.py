"""What every door of the tills does: read a call, run it, answer it over HTTP."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import ParamSpec, cast

from flask import Response, current_app, request

from app.domain import baskets
from app.services.tills import Answer, Origin, Reused, Running, ScannedItem, Tills
from app.web import deployment
from app.web.pos.bodies import BasketBody, ItemBody, OriginBody
from app.web.problem_codes import ProblemCode
from app.web.problems import Problem

Asked = ParamSpec("Asked")

_KEY = re.compile(r"[\x21-\x7e]{1,128}")

#: Problems of a call that says where it is made.
ORIGIN = (
    ProblemCode.UNKNOWN_STORE,
    ProblemCode.OTHER_STORE,
    ProblemCode.UNKNOWN_TERMINAL,
    ProblemCode.OTHER_TERMINAL,
)


def tills() -> Tills:
    """The tills of the deployment that the request belongs to."""
    return cast(Tills, current_app.extensions["passerelle.tills"])


def item_of(body: ItemBody) -> ScannedItem:
    """What was scanned or typed."""
    return ScannedItem(
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
        raise Problem(ProblemCode.IDEMPOTENCY_KEY_REQUIRED)
    return key


def fingerprint() -> bytes:
    """A digest of method, path and body: what a key was used for."""
    head = f"{request.method} {request.path}\0".encode()
    return deployment().keyring.fingerprint(head + request.get_data())


def answered(act: Callable[Asked, Answer], *args: Asked.args, **asked: Asked.kwargs) -> Response:
    """Ask the tills and answer over HTTP."""
    try:
        answer = act(*args, **asked)
    except Reused:
        raise Problem(ProblemCode.IDEMPOTENCY_KEY_REUSED) from None
    except Running:
        raise Problem(
            ProblemCode.STILL_RUNNING,
            headers={"Retry-After": "1"},
        ) from None
    response = Response(answer.body, answer.status, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    if answer.replayed:
        response.headers["Idempotency-Replayed"] = "true"
    return response
