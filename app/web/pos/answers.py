"""What tills are answered, as the description shows it."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, RootModel

from app.domain.refusals import Reason
from app.services.tills import CardAction
from app.web.description import example
from app.web.pos.bodies import REDEMPTION

#: What the examples of the description are made of.
DISCOUNT: dict[str, Any] = {
    "minor": 500,
    "currency": "EUR",
    "lines": [{"id": "1", "minor": 500}],
}
COUPON: dict[str, Any] = {
    "serial": "0f3a9c27d18e4b60",
    "campaign": "summer",
    "name": "Summer 2026",
    "kind": "coupon",
    "uses_left": 0,
    "balance_minor": None,
    "available_minor": None,
    "load_cap_minor": None,
    "currency": "EUR",
    "ends_at": "2026-09-30T22:00:00Z",
    "benefit": {"type": "amount", "percent": None, "minor": 500},
}
CARD: dict[str, Any] = {
    "serial": "7be1402f9ac35d18",
    "campaign": "gift-card",
    "name": "Gift card",
    "kind": "gift_card",
    "uses_left": None,
    "balance_minor": 5000,
    "available_minor": 5000,
    "load_cap_minor": 15000,
    "currency": "EUR",
    "ends_at": None,
    "benefit": None,
}
REDEEMED: dict[str, Any] = {
    "outcome": "accepted",
    "redemptions": [
        {
            "redemption_id": REDEMPTION,
            "voucher": COUPON,
            "applied_minor": None,
            "discount": DISCOUNT,
        }
    ],
    "discount_minor": 500,
}


class LineDiscount(BaseModel):
    """What comes off one line."""

    id: str = Field(description="The till's own id of the line")
    minor: int = Field(description="What comes off it, in minor units")


class Discount(BaseModel):
    """What comes off the basket; lines add up to `minor` exactly."""

    minor: int = Field(description="What comes off in all, in minor units")
    currency: str = Field(description="Its currency (ISO 4217)")
    lines: list[LineDiscount] = Field(description="What comes off each line")


class BenefitAnswer(BaseModel):
    """What the coupon grants."""

    type: str = Field(description="What it is: percent, amount, free_shipping or another")
    percent: str | None = Field(description="The percentage; null of another type")
    minor: int | None = Field(description="The amount in minor units; null of another type")


class VoucherAnswer(BaseModel):
    """A voucher after the call."""

    serial: str | None = Field(
        description="The voucher's serial number; null of a code that nobody has yet"
    )
    campaign: str = Field(description="The campaign's key")
    name: str = Field(description="The campaign's name")
    kind: str = Field(description="coupon or gift_card")
    uses_left: int | None = Field(
        description="How often a coupon may still be used; null: without limit, or a card"
    )
    balance_minor: int | None = Field(
        description="What a card holds, in minor units; null of a coupon"
    )
    available_minor: int | None = Field(
        description="What of it is not set aside by a hold, in minor units"
    )
    load_cap_minor: int | None = Field(None, description="The most that one load may add")
    currency: str | None = Field(description="Currency of the amounts (ISO 4217)")
    ends_at: dt.datetime | None = Field(description="Until when it is good; null: no end")
    benefit: BenefitAnswer | None = Field(description="What a coupon grants; null of a card")


class Refusal(BaseModel):
    """A business refusal."""

    outcome: Literal["refused"] = Field(description="It was refused, and nothing was taken")
    reason: Reason = Field(description="Why, as programs read it")
    item: int | None = Field(description="Index of the refused item")
    cashier_text: str = Field(description="Why, for the cashier, in the store's language")
    customer_text: str = Field(
        description="Why, for the customer, in the recipient's language, else the store's"
    )
    customer_language: str = Field(description="The language of the customer's text, such as fr")
    retryable: bool = Field(description="Whether the same may be accepted later")
    overridable: bool = Field(description="Whether a supervisor may set the reason aside")
    details: dict[str, Any] = Field(description="What the reason says more, by its own names")


class Scanned(BaseModel):
    """What a scan found."""

    outcome: Literal["accepted"] = Field(description="A redemption would be accepted now")
    voucher: VoucherAnswer = Field(description="The voucher")
    discount: Discount | None = Field(description="What would come off; null without a basket")


class Redeemed(BaseModel):
    """One voucher's part of an accepted call."""

    redemption_id: str = Field(description="Id of the redemption, by which it is taken back")
    voucher: VoucherAnswer = Field(description="The voucher after the call")
    applied_minor: int | None = Field(
        description="What was taken from a card, in minor units; null of a coupon"
    )
    discount: Discount | None = Field(description="What a coupon takes off the basket")
    hold_id: str | None = Field(None, description="The hold that was captured")
    released_minor: int | None = Field(None, description="What a capture gave back")


class RedemptionAccepted(BaseModel):
    """Every item was redeemed."""

    outcome: Literal["accepted"] = Field(description="It was done")
    redemptions: list[Redeemed] = Field(description="One for each item, in their order")
    discount_minor: int = Field(description="What comes off the basket in all, in minor units")


class Held(BaseModel):
    """What a hold sets aside, or set aside before it was released."""

    hold_id: str = Field(description="Id of the hold, by which it is captured or voided")
    expires_at: dt.datetime = Field(description="When it is released by itself")
    held_minor: int | None = Field(description="Money of a gift card, in minor units")
    voucher: VoucherAnswer = Field(description="The voucher after the call")
    discount: Discount | None = Field(description="What a coupon takes off the basket")


class HoldAccepted(BaseModel):
    """Every item was set aside, or released."""

    outcome: Literal["accepted"] = Field(description="It was done")
    holds: list[Held] = Field(description="One for each item, in their order")


class ScanAnswer(RootModel[Annotated[Scanned | Refusal, Field(discriminator="outcome")]]):
    """What a scan found, or why it would be refused."""

    model_config = example(outcome="accepted", voucher=COUPON, discount=DISCOUNT)


class RedemptionAnswer(RootModel[RedemptionAccepted | HoldAccepted | Refusal]):
    """Redeemed or set aside, or refused with a reason."""

    model_config = example(**REDEEMED)


class ReversedPart(BaseModel):
    """One redemption that was taken back."""

    redemption_id: str = Field(description="Id of the redemption that was taken back")
    reversal_id: str = Field(description="Id of the entry that took it back")
    kind: Literal["undo", "refund"] = Field(
        description="undo: on the same day by the same till; refund: later"
    )
    returned_minor: int | None = Field(
        description="Money given back to a gift card; negative when a load or refund is undone"
    )
    replaced_by: str | None = Field(
        None, description="Serial of the card that has the money now, when this one is no more"
    )
    voucher: VoucherAnswer = Field(description="The voucher after the call")


class ReversalAccepted(BaseModel):
    """Everything was taken back; `before_original` when the call to take back never arrived."""

    outcome: Literal["accepted"] = Field(description="It was taken back")
    reversals: list[ReversedPart] = Field(description="One for each redemption of the call")
    before_original: bool = Field(
        description="Whether the call to take back never arrived; it will be refused"
    )


class ReversalAnswer(
    RootModel[Annotated[ReversalAccepted | Refusal, Field(discriminator="outcome")]]
):
    """Taken back, or refused with a reason."""

    model_config = example(
        outcome="accepted",
        reversals=[
            {
                "redemption_id": REDEMPTION,
                "reversal_id": "0197a3c4-11d2-7f0e-8a5b-3c9d27e18b60",
                "kind": "undo",
                "returned_minor": None,
                "voucher": COUPON,
            }
        ],
        before_original=False,
    )


class CardAccepted(BaseModel):
    """The card as it is now; `applied_minor` is what its balance changed by."""

    outcome: Literal["accepted"] = Field(description="It was done")
    action: CardAction = Field(description="What was done")
    entry_id: str = Field(description="Id of the entry in the ledger")
    status: str = Field(description="What state the card is in now, such as active or blocked")
    applied_minor: int | None = Field(
        description="What its balance changed by, in minor units; negative where it fell"
    )
    voucher: VoucherAnswer = Field(description="The card after the call")


class RefundAccepted(BaseModel):
    """Money went back to the card, or to the card that replaces it."""

    outcome: Literal["accepted"] = Field(description="It was done")
    refund_id: str = Field(description="Id of the refund")
    redemption_id: str = Field(description="Id of the redemption that it is of")
    returned_minor: int = Field(description="What went back to the card, in minor units")
    left_minor: int = Field(description="What of the redemption can still be refunded")
    replaced_by: str | None = Field(description="Serial of the card that has the money now")
    voucher: VoucherAnswer = Field(description="The card after the call")


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

    model_config = example(**REDEEMED)
