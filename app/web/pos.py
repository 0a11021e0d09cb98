"""The tills' door: `/pos/v1`.

Every write carries an `Idempotency-Key`; the same key and body get the same answer byte for byte,
with `Idempotency-Replayed: true`. A refusal is HTTP 200 with `outcome: "refused"`, because tills
read every other status as "offline"; problems are for requests that could not be worked on.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, cast
from uuid import UUID

from flask import Response, current_app, request
from flask_openapi3 import APIBlueprint, OpenAPI, Tag
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    StringConstraints,
    model_validator,
)

from app.domain import baskets
from app.domain.refusals import Reason
from app.services import redeeming
from app.services.access import Scope
from app.services.guessing import Guessing
from app.services.redeeming import Answer, CallFault, Tills
from app.web import access, deployment
from app.web.problems import Problem, ProblemBody

Key = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]
#: Text that goes to the books: anything printable, but no control characters.
Note = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")
]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Minor = Annotated[int, Field(ge=0, le=10**12, strict=True)]

_KEY = re.compile(r"[\x21-\x7e]{1,128}")


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Money(_Body):
    """An amount in minor units of a currency (ISO 4217)."""

    minor: Annotated[int, Field(gt=0, le=10**12, strict=True)]
    currency: Currency


class BasketLine(_Body):
    """A line of the receipt; `amount_minor` is for its whole quantity, taxes included."""

    id: Key
    sku: Annotated[str, StringConstraints(max_length=64)] = ""
    category: Annotated[str, StringConstraints(max_length=64)] = ""
    amount_minor: Minor


class BasketBody(_Body):
    """What is being bought."""

    currency: Currency
    lines: Annotated[list[BasketLine], Field(max_length=500)] = []


class ItemBody(_Body):
    """A voucher: what was scanned or typed, and for a gift card the amount to take."""

    barcode: Annotated[str, StringConstraints(min_length=1, max_length=512)]
    amount: Money | None = None
    allow_partial: bool = Field(
        False, description="Whether less than the amount may be taken when the card holds less"
    )

    pin: Annotated[str, StringConstraints(min_length=1, max_length=32)] | None = Field(
        None, description="What the customer typed; asked for with the reason pin_required"
    )


class OriginBody(_Body):
    """Where and by whom; store and terminal only when the API key is bound to none."""

    store: Key | None = None
    terminal: Key | None = None
    operator: Note | None = None
    receipt: Note | None = None
    occurred_at: AwareDatetime | None = Field(
        None, description="The till's clock; recorded, the server's clock decides"
    )


class OverrideBody(_Body):
    """A supervisor sets named refusals aside; needs the scope pos:supervisor."""

    reasons: Annotated[list[Reason], Field(min_length=1, max_length=20)]
    because: Note


class ScanBody(OriginBody, ItemBody):
    """What is this, and what would happen?"""

    basket: BasketBody | None = None


class RedemptionBody(OriginBody):
    """One to ten vouchers of a receipt, redeemed all or not at all, in order."""

    mode: Literal["commit", "hold"] = "commit"
    ttl_seconds: Annotated[int, Field(ge=1, le=604_800, strict=True)] = Field(
        900, description="How long a hold lasts; released by itself afterwards"
    )
    items: Annotated[list[ItemBody], Field(min_length=1, max_length=10)]
    basket: BasketBody | None = None
    override: OverrideBody | None = None


class LineDiscount(BaseModel):
    """What comes off one line."""

    id: str
    minor: int


class Discount(BaseModel):
    """What comes off the basket; lines add up to `minor` exactly."""

    minor: int
    currency: str
    lines: list[LineDiscount]


class BenefitAnswer(BaseModel):
    """What the coupon grants."""

    type: str
    percent: str | None
    minor: int | None


class VoucherAnswer(BaseModel):
    """A voucher after the call."""

    serial: str | None
    campaign: str
    name: str
    kind: str
    uses_left: int | None
    balance_minor: int | None
    available_minor: int | None
    currency: str | None
    ends_at: dt.datetime | None
    benefit: BenefitAnswer | None


class Refusal(BaseModel):
    """A business refusal."""

    outcome: Literal["refused"]
    reason: Reason
    item: int | None = Field(description="Index of the refused item")
    cashier_text: str
    customer_text: str
    retryable: bool
    overridable: bool
    details: dict[str, Any]


class Scanned(BaseModel):
    """What a scan found."""

    outcome: Literal["accepted"]
    voucher: VoucherAnswer
    discount: Discount | None


class Redeemed(BaseModel):
    """One voucher's part of an accepted call."""

    redemption_id: str
    voucher: VoucherAnswer
    applied_minor: int | None
    discount: Discount | None
    hold_id: str | None = Field(None, description="The hold that was captured")
    released_minor: int | None = Field(None, description="What a capture gave back")


class RedemptionAccepted(BaseModel):
    """Every item was redeemed."""

    outcome: Literal["accepted"]
    redemptions: list[Redeemed]
    discount_minor: int


class Held(BaseModel):
    """What a hold sets aside, or set aside before it was released."""

    hold_id: str
    expires_at: dt.datetime
    held_minor: int | None = Field(description="Money of a gift card")
    voucher: VoucherAnswer
    discount: Discount | None


class HoldAccepted(BaseModel):
    """Every item was set aside, or released."""

    outcome: Literal["accepted"]
    holds: list[Held]


class ScanAnswer(RootModel[Annotated[Scanned | Refusal, Field(discriminator="outcome")]]):
    """What a scan found, or why it would be refused."""


class RedemptionAnswer(RootModel[RedemptionAccepted | HoldAccepted | Refusal]):
    """Redeemed or set aside, or refused with a reason."""


_IDEMPOTENCY: dict[str, Any] = {
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


class ReversalBody(OriginBody):
    """Take back one redemption by its id, or all that a call under an idempotency key took."""

    redemption_id: UUID | None = None
    key: Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,128}$")] | None = Field(
        None, description="The Idempotency-Key of the call to take back"
    )
    because: Note | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> ReversalBody:
        if (self.redemption_id is None) == (self.key is None):
            raise ValueError("name either redemption_id or key")
        return self


class ReversedPart(BaseModel):
    """One redemption that was taken back."""

    redemption_id: str
    reversal_id: str
    kind: Literal["undo", "refund"]
    returned_minor: int | None = Field(description="Money given back to a gift card")
    replaced_by: str | None = Field(
        None, description="Serial of the card that has the money now, when this one is no more"
    )
    voucher: VoucherAnswer


class ReversalAccepted(BaseModel):
    """Everything was taken back; `before_original` when the call to take back never arrived."""

    outcome: Literal["accepted"]
    reversals: list[ReversedPart]
    before_original: bool


class ReversalAnswer(
    RootModel[Annotated[ReversalAccepted | Refusal, Field(discriminator="outcome")]]
):
    """Taken back, or refused with a reason."""


class CardAccepted(BaseModel):
    """The card as it is now; `applied_minor` is what its balance changed by."""

    outcome: Literal["accepted"]
    action: redeeming.CardAction
    entry_id: str
    status: str
    applied_minor: int | None
    voucher: VoucherAnswer


class RefundAccepted(BaseModel):
    """Money went back to the card, or to the card that replaces it."""

    outcome: Literal["accepted"]
    refund_id: str
    redemption_id: str
    returned_minor: int
    left_minor: int = Field(description="What of the redemption can still be refunded")
    replaced_by: str | None = Field(description="Serial of the card that has the money now")
    voucher: VoucherAnswer


class KeptAnswer(
    RootModel[
        RedemptionAccepted
        | HoldAccepted
        | ReversalAccepted
        | CardAccepted
        | RefundAccepted
        | Refusal
    ]
):
    """The answer that a call got."""


class KeyPath(BaseModel):
    """An Idempotency-Key in the path."""

    key: Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,128}$")]


blueprint = APIBlueprint(
    "pos",
    __name__,
    url_prefix="/pos/v1",
    abp_tags=[Tag(name="pos", description="Tills: scan and redeem")],
    abp_security=access.SECURITY,
    abp_responses=dict.fromkeys((400, 401, 403, 409, 413, 415, 422, 429, 503), ProblemBody),
)


@blueprint.post("/scans", responses={200: ScanAnswer})
@access.requires(Scope.POS)
def scan(body: ScanBody) -> Response:
    """Say what a voucher is and what a redemption would answer now; changes no entitlement."""
    return _answered(
        lambda: _tills().scan(
            access.client(), _item(body), origin=_origin(body), basket=_basket(body.basket)
        )
    )


@blueprint.post("/redemptions", responses={200: RedemptionAnswer}, openapi_extensions=_IDEMPOTENCY)
@access.requires(Scope.POS)
def redeem(body: RedemptionBody) -> Response:
    """Redeem one to ten vouchers of a receipt: all of them, in order, or none."""
    key = _idempotency_key()
    override = None
    if body.override is not None:
        if not access.client().may(Scope.POS_SUPERVISOR):
            raise Problem(
                403,
                "scope_missing",
                cause="Only a supervisor may override a refusal.",
                remedy=f"Use a key with the scope {Scope.POS_SUPERVISOR}.",
            )
        override = redeeming.Override(
            reasons=frozenset(body.override.reasons), because=body.override.because
        )
    redemption = redeeming.Redemption(
        items=tuple(_item(item) for item in body.items),
        origin=_origin(body),
        basket=_basket(body.basket),
        override=override,
        hold=dt.timedelta(seconds=body.ttl_seconds) if body.mode == "hold" else None,
    )
    return _answered(
        lambda: _tills().redeem(access.client(), key, redemption, fingerprint=_fingerprint())
    )


@blueprint.post("/reversals", responses={200: ReversalAnswer}, openapi_extensions=_IDEMPOTENCY)
@access.requires(Scope.POS)
def reverse(body: ReversalBody) -> Response:
    """Take a redemption back: an undo on the same day by the same till, else a refund.

    A key that was never seen leaves a tombstone: the late original is refused.
    """
    key = _idempotency_key()
    if body.key == key:
        raise Problem(
            422,
            "idempotency_key_reused",
            cause="The reversal carries the Idempotency-Key of the call it takes back.",
            remedy="Use a fresh key for the reversal.",
        )
    reversal = redeeming.Reversal(
        redemption_id=body.redemption_id, key=body.key, because=body.because, origin=_origin(body)
    )
    return _answered(
        lambda: _tills().reverse(access.client(), key, reversal, fingerprint=_fingerprint())
    )


@blueprint.get("/redemptions/by-key/<key>", responses={200: KeptAnswer, 404: ProblemBody})
@access.requires(Scope.POS)
def by_key(path: KeyPath) -> Response:
    """The answer that a call under this Idempotency-Key got, for a till that did not hear it."""

    def call() -> Answer:
        answer = _tills().by_key(access.client(), path.key)
        if answer is None:
            raise Problem(
                404,
                "key_unknown",
                cause="No call under this Idempotency-Key was worked on.",
                remedy="Send the call again with the same key, or reverse it by key.",
            )
        return answer

    return _answered(call)


def register(app: OpenAPI) -> None:
    """Put the doors of this module into `app`."""
    app.extensions["passerelle.tills"] = Tills(app.extensions["passerelle"])
    app.register_api(blueprint)


def _tills() -> Tills:
    return cast(Tills, current_app.extensions["passerelle.tills"])


def _item(body: ItemBody) -> redeeming.Item:
    return redeeming.Item(
        barcode=body.barcode,
        amount_minor=body.amount.minor if body.amount else None,
        currency=body.amount.currency if body.amount else None,
        allow_partial=body.allow_partial,
        pin=body.pin,
    )


def _origin(body: OriginBody) -> redeeming.Origin:
    return redeeming.Origin(
        store=body.store,
        terminal=body.terminal,
        operator=body.operator,
        receipt=body.receipt,
        occurred_at=body.occurred_at,
        address=request.remote_addr or "",
    )


def _basket(body: BasketBody | None) -> baskets.Basket | None:
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


def _idempotency_key() -> str:
    key = request.headers.get("Idempotency-Key", "")
    if not _KEY.fullmatch(key):
        raise Problem(
            400,
            "idempotency_key_required",
            cause="The request carries no Idempotency-Key of 1 to 128 visible ASCII characters.",
            remedy="Send a fresh random key with each new attempt, and the same one to repeat it.",
        )
    return key


def _fingerprint() -> bytes:
    """A digest of method, path and body: what a key was used for."""
    head = f"{request.method} {request.path}\0".encode()
    return deployment().keyring.fingerprint(head + request.get_data())


def _answered(call: Callable[[], Answer]) -> Response:
    """Run a call of the tills and answer over HTTP."""
    try:
        answer: Answer = call()
    except CallFault as fault:
        raise Problem(422, fault.code, cause=str(fault), remedy=fault.remedy) from None
    except redeeming.Reused:
        raise Problem(
            422,
            "idempotency_key_reused",
            cause="The Idempotency-Key was used for another request.",
            remedy="Use a fresh key for a new attempt.",
        ) from None
    except redeeming.Running:
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
