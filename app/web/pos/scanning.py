"""The tills' door: `/pos/v1`.

Every write carries an `Idempotency-Key`; the same key and body get the same answer byte for byte,
with `Idempotency-Replayed: true`. A refusal is HTTP 200 with `outcome: "refused"`, because tills
read every other status as "offline"; problems are for requests that could not be worked on.
"""

from __future__ import annotations

import datetime as dt

from flask import Response
from flask_openapi3 import APIBlueprint, OpenAPI, Tag

from app.services.access import Scope
from app.services.permissions import Reach
from app.services.tills import Answer, Redemption, Reversal, SupervisorOverride, Tills
from app.web import access
from app.web.description import fails_with, idempotent
from app.web.pos.answers import KeptAnswer, RedemptionAnswer, ReversalAnswer, ScanAnswer
from app.web.pos.bodies import KeyPath, RedemptionBody, ReversalBody, ScanBody
from app.web.pos.calls import (
    ORIGIN,
    answered,
    basket_of,
    fingerprint,
    idempotency_key,
    item_of,
    origin_of,
    tills,
)
from app.web.problem_codes import ProblemCode
from app.web.problems import Problem

blueprint = APIBlueprint(
    "pos",
    __name__,
    url_prefix="/pos/v1",
    abp_tags=[Tag(name="pos", description="Tills: scan and redeem")],
    abp_security=access.SECURITY,
)


@blueprint.post("/scans", responses={200: ScanAnswer})
@access.requires(Scope.POS, reach=Reach.TILL)
@fails_with(*ORIGIN)
def scan_voucher(body: ScanBody) -> Response:
    """Say what a voucher is and what a redemption would answer now; changes no entitlement.

    For tills that show a voucher before they take it. It may be asked as often as wanted, and
    needs no Idempotency-Key; codes that do not exist count as guesses.
    """
    item, origin, basket = item_of(body), origin_of(body), basket_of(body.basket)
    return answered(tills().scan, access.client(), item, origin=origin, basket=basket)


@blueprint.post("/redemptions", responses={200: RedemptionAnswer})
@access.requires(Scope.POS, reach=Reach.TILL)
@idempotent
@fails_with(*ORIGIN)
def redeem_vouchers(body: RedemptionBody) -> Response:
    """Redeem one to ten vouchers of a receipt: all of them, in order, or none.

    For tills, when the sale is made. With `"mode": "hold"` the vouchers are set aside instead, for
    `ttl_seconds`. A refusal is HTTP 200, too: `outcome` says which of the two it is.
    """
    key = idempotency_key()
    override = None
    if body.override is not None:
        if not access.client().may(Scope.POS_SUPERVISOR):
            raise access.scope_missing(
                Scope.POS_SUPERVISOR, cause="Only a supervisor may override a refusal."
            )
        override = SupervisorOverride(
            reasons=frozenset(body.override.reasons), because=body.override.because
        )
    redemption = Redemption(
        items=tuple(item_of(item) for item in body.items),
        origin=origin_of(body),
        basket=basket_of(body.basket),
        override=override,
        hold=dt.timedelta(seconds=body.ttl_seconds) if body.mode == "hold" else None,
    )
    return answered(tills().redeem, access.client(), key, redemption, fingerprint=fingerprint())


@blueprint.post("/reversals", responses={200: ReversalAnswer})
@access.requires(Scope.POS, reach=Reach.TILL)
@idempotent
@fails_with(*ORIGIN)
def reverse_call(body: ReversalBody) -> Response:
    """Take a redemption back: an undo on the same day by the same till, else a refund.

    A load, an activation or a refund is undone by its key on the same day by the same till, if the
    money is still there.
    A key that was never seen leaves a tombstone: the late original is refused.
    """
    key = idempotency_key()
    if body.key == key:
        raise Problem(
            ProblemCode.IDEMPOTENCY_KEY_REUSED,
            cause="The reversal carries the Idempotency-Key of the call it takes back.",
            remedy="Use a fresh key for the reversal.",
        )
    reversal = Reversal(
        redemption_id=body.redemption_id, key=body.key, because=body.because, origin=origin_of(body)
    )
    return answered(tills().reverse, access.client(), key, reversal, fingerprint=fingerprint())


@blueprint.get("/redemptions/by-key/<key>", responses={200: KeptAnswer})
@access.requires(Scope.POS, reach=Reach.TILL)
@fails_with(ProblemCode.KEY_UNKNOWN)
def show_call(path: KeyPath) -> Response:
    """Show the answer that a call under an Idempotency-Key got.

    For a till that did not hear it. Answers are kept for 90 days; a key belongs to the API key that
    sent it.
    """
    return answered(_by_key, path.key)


def register(app: OpenAPI) -> None:
    """Put the doors of this module into `app`."""
    app.extensions["passerelle.tills"] = Tills(app.extensions["passerelle"])
    app.register_api(blueprint)


def _by_key(key: str) -> Answer:
    answer = tills().by_key(access.client(), key)
    if answer is None:
        raise Problem(ProblemCode.KEY_UNKNOWN)
    return answer
