"""The tills' door for money: holds and gift cards, under `/pos/v1`.

The rules of the tills' door hold here as well: a key on every write, the same answer for the same
key, refusals as HTTP 200. Whatever puts money onto a card names the operator who does it. What a
mistake could not repair (adjust, unblock, deactivate) needs a supervisor's key.
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from flask import Response
from flask_openapi3 import APIBlueprint, OpenAPI, Tag
from pydantic import BaseModel, Field, RootModel, StringConstraints

from app.domain.inputs import MOST_MINOR
from app.domain.ledger import AdjustReason
from app.services.access import Scope
from app.services.permissions import Reach
from app.services.tills import Capture, CardAction, CardCall, Refund
from app.web import access
from app.web.description import example, fails_with, idempotent
from app.web.pos.answers import (
    CARD,
    REDEEMED,
    CardAccepted,
    HoldAccepted,
    RedemptionAccepted,
    RefundAccepted,
    Refusal,
)
from app.web.pos.bodies import (
    BARCODE,
    REDEMPTION,
    Currency,
    Money,
    Note,
    Operator,
    OriginBody,
    TillBody,
)
from app.web.pos.calls import ORIGIN, answered, fingerprint, idempotency_key, origin_of, tills


class HoldPath(BaseModel):
    """A hold."""

    hold_id: UUID = Field(description="The hold's id")


class CaptureBody(OriginBody):
    """Redeem what a hold set aside."""

    model_config = example(amount={"minor": 1500, "currency": "EUR"}, final=True, operator="anna")

    amount: Money | None = Field(None, description="Of a gift card; all that is left when absent")
    final: bool = Field(True, description="Whether what is left afterwards is released")


class VoidBody(OriginBody):
    """Release a hold."""

    model_config = example(operator="anna")


class _CardBody(OriginBody):
    barcode: Annotated[str, StringConstraints(min_length=1, max_length=512)] = Field(
        description="What the scanner read, as it read it, or the code that was typed"
    )
    operator: Operator = Field(description="Who is at the till")


class ActivateBody(_CardBody):
    """Activate a card, with an amount that is paid for now."""

    model_config = example(
        barcode=BARCODE, amount={"minor": 5000, "currency": "EUR"}, operator="anna"
    )

    amount: Money | None = Field(
        None, description="What is paid for it; left out where the card brings its amount"
    )


class LoadBody(_CardBody):
    """Put money on a card."""

    model_config = example(
        barcode=BARCODE, amount={"minor": 5000, "currency": "EUR"}, operator="anna"
    )

    amount: Money = Field(description="What is put on it")


class BalanceChange(TillBody):
    """A change of a balance in minor units, up or down."""

    minor: Annotated[int, Field(ge=-MOST_MINOR, le=MOST_MINOR, strict=True)] = Field(
        description="The change in minor units; negative takes away"
    )
    currency: Currency = Field(description="Its currency (ISO 4217)")


class AdjustBody(_CardBody):
    """Correct a balance, for one of the reasons there are."""

    model_config = example(
        barcode=BARCODE,
        change={"minor": -500, "currency": "EUR"},
        reason=next(iter(AdjustReason)).value,
        because="Loaded twice by mistake",
        operator="anna",
    )

    change: BalanceChange = Field(description="By how much the balance changes")
    reason: AdjustReason = Field(description="Why, as reports tell corrections apart")
    because: Note | None = Field(None, description="Why, in words; kept in the books")


class BlockBody(_CardBody):
    """Block, unblock or end a card."""

    model_config = example(barcode=BARCODE, because="Reported as stolen", operator="anna")

    because: Note = Field(description="Why; kept in the books")


class RefundBody(OriginBody):
    """Give money of a redemption back to its card: all that is left of it, or an amount."""

    model_config = example(
        redemption_id=REDEMPTION,
        amount={"minor": 1500, "currency": "EUR"},
        because="One article came back",
        operator="anna",
    )

    redemption_id: UUID = Field(description="Id of the redemption")
    amount: Money | None = Field(
        None, description="How much goes back; left out, all that is left of the redemption"
    )
    operator: Operator = Field(description="Who is at the till")
    because: Note | None = Field(None, description="Why; kept in the books")


class CaptureAnswer(RootModel[RedemptionAccepted | Refusal]):
    """Redeemed, or refused with a reason."""

    model_config = example(**REDEEMED)


class VoidAnswer(RootModel[HoldAccepted | Refusal]):
    """Released, or refused with a reason."""

    model_config = example(
        outcome="accepted",
        holds=[
            {
                "hold_id": "0197a3c1-2b40-7d1c-9e12-5f4f4a1f6c11",
                "expires_at": "2026-06-03T16:35:00Z",
                "held_minor": 1500,
                "voucher": CARD,
                "discount": None,
            }
        ],
    )


class CardAnswer(RootModel[CardAccepted | Refusal]):
    """Done, or refused with a reason."""

    model_config = example(
        outcome="accepted",
        action=CardAction.LOAD.value,
        entry_id="0197a3c2-7e10-7a22-8c33-9d05f4a1f6c1",
        status="active",
        applied_minor=5000,
        voucher=CARD,
    )


class RefundAnswer(RootModel[RefundAccepted | Refusal]):
    """Refunded, or refused with a reason."""

    model_config = example(
        outcome="accepted",
        refund_id="0197a3c4-11d2-7f0e-8a5b-3c9d27e18b60",
        redemption_id=REDEMPTION,
        returned_minor=1500,
        left_minor=0,
        replaced_by=None,
        voucher=CARD,
    )


blueprint = APIBlueprint(
    "cards",
    __name__,
    url_prefix="/pos/v1",
    abp_tags=[Tag(name="cards", description="Tills: holds and gift cards")],
    abp_security=access.SECURITY,
)


@blueprint.post("/holds/<uuid:hold_id>/capture", responses={200: CaptureAnswer})
@access.requires(Scope.POS, reach=Reach.TILL)
@idempotent
@fails_with(*ORIGIN)
def capture_hold(path: HoldPath, body: CaptureBody) -> Response:
    """Redeem a hold; a part releases the rest unless `final` is false.

    For tills whose sale is paid later than it is scanned. A hold may be captured until its own end,
    even if its voucher lapsed meanwhile.
    """
    key = idempotency_key()
    asked = Capture(
        hold_id=path.hold_id,
        amount_minor=body.amount.minor if body.amount else None,
        currency=body.amount.currency if body.amount else None,
        final=body.final,
        origin=origin_of(body),
    )
    return answered(tills().capture, access.client(), key, asked, fingerprint=fingerprint())


@blueprint.post("/holds/<uuid:hold_id>/void", responses={200: VoidAnswer})
@access.requires(Scope.POS, reach=Reach.TILL)
@idempotent
@fails_with(*ORIGIN)
def void_hold(path: HoldPath, body: VoidBody) -> Response:
    """Release a hold.

    For a sale that is not made: what was set aside can be used again at once. A hold that nobody
    captures is released by itself at its end.
    """
    key = idempotency_key()
    origin = origin_of(body)
    return answered(
        tills().void,
        access.client(),
        key,
        path.hold_id,
        origin=origin,
        fingerprint=fingerprint(),
    )


@blueprint.post("/gift-cards/activate", responses={200: CardAnswer})
@access.requires(Scope.POS, reach=Reach.TILL)
@idempotent
@fails_with(*ORIGIN)
def activate_card(body: ActivateBody) -> Response:
    """Make a pending card spendable, with the amount that is paid for it.

    For shops that sell cards from a rack: until then a card is worth nothing to whoever takes it.
    """
    return _card(CardAction.ACTIVATE, body, amount=body.amount)


@blueprint.post("/gift-cards/load", responses={200: CardAnswer})
@access.requires(Scope.POS, reach=Reach.TILL)
@idempotent
@fails_with(*ORIGIN)
def load_card(body: LoadBody) -> Response:
    """Put money on a card.

    For cards whose holder pays at the till. A load may be at most the campaign's `load_cap`, and
    counts against what an operator may put on cards in a day.
    """
    return _card(CardAction.LOAD, body, amount=body.amount)


@blueprint.post("/gift-cards/adjust", responses={200: CardAnswer})
@access.requires(Scope.POS_SUPERVISOR, reach=Reach.TILL)
@idempotent
@fails_with(*ORIGIN)
def adjust_card(body: AdjustBody) -> Response:
    """Correct a balance; needs the scope pos:supervisor.

    For mistakes that cannot be undone any more. It is booked with its reason, and what it adds
    counts against what an operator may put on cards in a day.
    """
    return _card(
        CardAction.ADJUST, body, amount=body.change, reason=body.reason, because=body.because
    )


@blueprint.post("/gift-cards/block", responses={200: CardAnswer})
@access.requires(Scope.POS, reach=Reach.TILL)
@idempotent
@fails_with(*ORIGIN)
def block_card(body: BlockBody) -> Response:
    """Block a card, or a coupon: nothing is taken from it until it is unblocked.

    For vouchers that were reported as lost. Its pass says so.
    """
    return _card(CardAction.BLOCK, body, because=body.because)


@blueprint.post("/gift-cards/unblock", responses={200: CardAnswer})
@access.requires(Scope.POS_SUPERVISOR, reach=Reach.TILL)
@idempotent
@fails_with(*ORIGIN)
def unblock_card(body: BlockBody) -> Response:
    """Unblock a card, also after too many wrong PINs; needs the scope pos:supervisor.

    For vouchers that were found again: what was on a card is there still.
    """
    return _card(CardAction.UNBLOCK, body, because=body.because)


@blueprint.post("/gift-cards/deactivate", responses={200: CardAnswer})
@access.requires(Scope.POS_SUPERVISOR, reach=Reach.TILL)
@idempotent
@fails_with(*ORIGIN)
def deactivate_card(body: BlockBody) -> Response:
    """End a card for good; what is available on it is booked off. Needs pos:supervisor.

    It cannot be undone: a customer who has a right to the money gets another card.
    """
    return _card(CardAction.DEACTIVATE, body, because=body.because)


@blueprint.post("/refunds", responses={200: RefundAnswer})
@access.requires(Scope.POS, reach=Reach.TILL)
@idempotent
@fails_with(*ORIGIN)
def refund_redemption(body: RefundBody) -> Response:
    """Give money of a gift card's redemption back, in whole or in part.

    A card that is no more gets a replacement, which has the money and takes the place of the old
    card's pass.
    """
    key = idempotency_key()
    asked = Refund(
        redemption_id=body.redemption_id,
        amount_minor=body.amount.minor if body.amount else None,
        currency=body.amount.currency if body.amount else None,
        because=body.because,
        origin=origin_of(body),
    )
    return answered(tills().refund, access.client(), key, asked, fingerprint=fingerprint())


def register(app: OpenAPI) -> None:
    """Put the doors of this module into `app`."""
    app.register_api(blueprint)


def _card(
    action: CardAction,
    body: _CardBody,
    *,
    amount: Money | BalanceChange | None = None,
    reason: AdjustReason | None = None,
    because: str | None = None,
) -> Response:
    key = idempotency_key()
    asked = CardCall(
        action=action,
        barcode=body.barcode,
        amount_minor=amount.minor if amount else 0,
        currency=amount.currency if amount else None,
        reason=reason,
        because=because,
        origin=origin_of(body),
    )
    return answered(tills().card, access.client(), key, asked, fingerprint=fingerprint())
