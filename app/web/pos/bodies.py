"""What tills send and are answered, as the description shows it."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    StringConstraints,
    model_validator,
)

from app.domain import codes
from app.domain.inputs import MOST_MINOR, ONE_LINE
from app.domain.refusals import Reason
from app.services.tills import CardAction
from app.web.fields import Moment

Key = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=ONE_LINE)]
#: Text that goes to the books: anything printable, but no control characters.
Note = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=ONE_LINE)]


def _is_no_pass(name: str) -> str:
    """A pass that is scanned into the wrong field would stand in books and reports as a name."""
    if codes.looks_like_token(name):
        raise ValueError("looks like what a pass shows: say who is at the till")
    return name


Operator = Annotated[Note, AfterValidator(_is_no_pass)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Minor = Annotated[int, Field(ge=0, le=MOST_MINOR, strict=True)]


class Body(BaseModel):
    """What a till sends; names that are not known are refused."""

    model_config = ConfigDict(extra="forbid")


class Money(Body):
    """An amount in minor units of a currency (ISO 4217)."""

    minor: Annotated[int, Field(gt=0, le=MOST_MINOR, strict=True)]
    currency: Currency


class BasketLine(Body):
    """A line of the receipt; `amount_minor` is for its whole quantity, taxes included."""

    id: Key
    sku: Annotated[str, StringConstraints(max_length=64)] = ""
    category: Annotated[str, StringConstraints(max_length=64)] = ""
    amount_minor: Minor


class BasketBody(Body):
    """What is being bought."""

    currency: Currency
    lines: Annotated[list[BasketLine], Field(max_length=500)] = []


class ItemBody(Body):
    """A voucher: what was scanned or typed, and for a gift card the amount to take."""

    barcode: Annotated[str, StringConstraints(min_length=1, max_length=512)]
    amount: Money | None = None
    allow_partial: bool = Field(
        False, description="Whether less than the amount may be taken when the card holds less"
    )

    pin: Annotated[str, StringConstraints(min_length=1, max_length=32)] | None = Field(
        None, description="What the customer typed; asked for with the reason pin_required"
    )


class OriginBody(Body):
    """Where and by whom; store and terminal only when the API key is bound to none."""

    store: Key | None = None
    terminal: Key | None = None
    operator: Operator | None = None
    receipt: Note | None = None
    occurred_at: Moment | None = Field(
        None, description="The till's clock; recorded, the server's clock decides"
    )


class OverrideBody(Body):
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
    load_cap_minor: int | None = Field(None, description="The most that one load may add")
    currency: str | None
    ends_at: dt.datetime | None
    benefit: BenefitAnswer | None


class Refusal(BaseModel):
    """A business refusal."""

    outcome: Literal["refused"]
    reason: Reason
    item: int | None = Field(description="Index of the refused item")
    cashier_text: str = Field(description="In the store's language")
    customer_text: str = Field(description="In the recipient's language, else the store's")
    customer_language: str = Field(description="The language of the customer's text, such as fr")
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
    returned_minor: int | None = Field(
        description="Money given back to a gift card; negative when a load or refund is undone"
    )
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
    action: CardAction
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
