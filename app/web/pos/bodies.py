"""What tills send, as the description shows it."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from app.domain import codes
from app.domain.inputs import MOST_MINOR, ONE_LINE
from app.domain.refusals import Reason
from app.web.description import example
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


#: What the examples of the description are made of.
BARCODE = "AEB2c3VtbWVyLWNvdXBvbi00NzEx"
REDEMPTION = "0197a3c0-5f6e-7c11-9a54-0d7e5c3b2a10"
BASKET: dict[str, Any] = {
    "currency": "EUR",
    "lines": [{"id": "1", "sku": "SHOE-9", "category": "shoes", "amount_minor": 4990}],
}


class TillBody(BaseModel):
    """What a till sends; names that are not known are refused."""

    model_config = ConfigDict(extra="forbid")


class Money(TillBody):
    """An amount in minor units of a currency (ISO 4217)."""

    minor: Annotated[int, Field(gt=0, le=MOST_MINOR, strict=True)] = Field(
        description="The amount in minor units, such as cents"
    )
    currency: Currency = Field(description="Its currency (ISO 4217)")


class BasketLine(TillBody):
    """A line of the receipt; `amount_minor` is for its whole quantity, taxes included."""

    id: Key = Field(description="The till's own id of the line; discounts are told by it")
    sku: Annotated[str, StringConstraints(max_length=64)] = Field(
        "", description="The article's number, by which a campaign may choose articles"
    )
    category: Annotated[str, StringConstraints(max_length=64)] = Field(
        "", description="The article's category, by which a campaign may choose articles"
    )
    amount_minor: Minor = Field(description="What the line comes to, in minor units")


class BasketBody(TillBody):
    """What is being bought."""

    currency: Currency = Field(description="Currency of the amounts (ISO 4217)")
    lines: Annotated[list[BasketLine], Field(max_length=500)] = Field(
        [], description="The lines of the receipt"
    )


class ItemBody(TillBody):
    """A voucher: what was scanned or typed, and for a gift card the amount to take."""

    barcode: Annotated[str, StringConstraints(min_length=1, max_length=512)] = Field(
        description="What the scanner read, as it read it, or the code that was typed"
    )
    amount: Money | None = Field(
        None, description="What to take from a gift card; left out of a coupon"
    )
    allow_partial: bool = Field(
        False, description="Whether less than the amount may be taken when the card holds less"
    )

    pin: Annotated[str, StringConstraints(min_length=1, max_length=32)] | None = Field(
        None, description="What the customer typed; asked for with the reason pin_required"
    )


class OriginBody(TillBody):
    """Where and by whom; store and terminal only when the API key is bound to none."""

    store: Key | None = Field(None, description="The store's key")
    terminal: Key | None = Field(None, description="The terminal's key")
    operator: Operator | None = Field(None, description="Who is at the till")
    receipt: Note | None = Field(None, description="The receipt's number")
    occurred_at: Moment | None = Field(
        None, description="The till's clock; recorded, the server's clock decides"
    )


class OverrideBody(TillBody):
    """A supervisor sets named refusals aside; needs the scope pos:supervisor."""

    reasons: Annotated[list[Reason], Field(min_length=1, max_length=20)] = Field(
        description="Reasons that do not count for this call; no counter can be set aside"
    )
    because: Note = Field(description="Why; kept in the books")


class ScanBody(OriginBody, ItemBody):
    """What is this, and what would happen?"""

    model_config = example(barcode=BARCODE, basket=BASKET)

    basket: BasketBody | None = Field(None, description="What is being bought, if it is known")


class RedemptionBody(OriginBody):
    """One to ten vouchers of a receipt, redeemed all or not at all, in order."""

    model_config = example(
        items=[{"barcode": BARCODE}],
        basket=BASKET,
        store="paris",
        terminal="1",
        operator="anna",
        receipt="2026-0117",
    )

    mode: Literal["commit", "hold"] = Field(
        "commit", description="commit: redeem now. hold: set aside, to be captured or voided"
    )
    ttl_seconds: Annotated[int, Field(ge=1, le=604_800, strict=True)] = Field(
        900, description="How long a hold lasts; released by itself afterwards"
    )
    items: Annotated[list[ItemBody], Field(min_length=1, max_length=10)] = Field(
        description="The vouchers, in the order in which they count"
    )
    basket: BasketBody | None = Field(
        None, description="What is being bought; discounts are computed on it"
    )
    override: OverrideBody | None = Field(
        None, description="What a supervisor sets aside for this call"
    )


class ReversalBody(OriginBody):
    """Take back one redemption by its id, or all that a call under an idempotency key took."""

    model_config = example(
        redemption_id=REDEMPTION, because="The customer changed their mind", operator="anna"
    )

    redemption_id: UUID | None = Field(None, description="Id of the redemption to take back")
    key: Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,128}$")] | None = Field(
        None, description="The Idempotency-Key of the call to take back"
    )
    because: Note | None = Field(None, description="Why; kept in the books")

    @model_validator(mode="after")
    def _one_of_two(self) -> ReversalBody:
        if (self.redemption_id is None) == (self.key is None):
            raise ValueError("name either redemption_id or key")
        return self


class KeyPath(BaseModel):
    """An Idempotency-Key in the path."""

    key: Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,128}$")] = Field(
        description="The Idempotency-Key of the call"
    )
