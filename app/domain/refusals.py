"""Why a till is told no: every reason by its stable name, and what may be done about it.

A refusal is a value, answered with HTTP 200 and recorded like a success. The texts that people
read are in `wording`; this module holds only what programs see.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Reason(StrEnum):
    """The machine-readable reason of a refusal; a name never changes its meaning."""

    UNKNOWN_CODE = "unknown_code"
    BAD_SIGNATURE = "bad_signature"
    SCANNER_LAYOUT = "scanner_layout"
    AMBIGUOUS = "ambiguous"
    STALE_BARCODE = "stale_barcode"
    PARTNER_ONLY = "partner_only"
    NOT_STARTED = "not_started"
    EXPIRED = "expired"
    NOT_NOW = "not_now"
    ALREADY_REDEEMED = "already_redeemed"
    LIMIT_REACHED = "limit_reached"
    CUSTOMER_LIMIT_REACHED = "customer_limit_reached"
    BUDGET_EXHAUSTED = "budget_exhausted"
    CAMPAIGN_PAUSED = "campaign_paused"
    REVOKED = "revoked"
    BLOCKED = "blocked"
    NOT_ACTIVATED = "not_activated"
    HOLDER_REQUIRED = "holder_required"
    WRONG_STORE = "wrong_store"
    MIN_BASKET = "min_basket"
    BASKET_REQUIRED = "basket_required"
    PRODUCTS_NOT_ELIGIBLE = "products_not_eligible"
    NOT_COMBINABLE = "not_combinable"
    ALREADY_IN_BASKET = "already_in_basket"
    HELD_ELSEWHERE = "held_elsewhere"
    INSUFFICIENT_BALANCE = "insufficient_balance"
    AMOUNT_REQUIRED = "amount_required"
    CURRENCY_MISMATCH = "currency_mismatch"
    UNKNOWN_REDEMPTION = "unknown_redemption"
    ALREADY_REVERSED = "already_reversed"
    NOT_REVERSIBLE = "not_reversible"
    REVERSAL_WINDOW_CLOSED = "reversal_window_closed"
    UNKNOWN_HOLD = "unknown_hold"
    HOLD_EXPIRED = "hold_expired"
    HOLD_CLOSED = "hold_closed"
    CAPTURE_OVER_HOLD = "capture_over_hold"
    REFUND_OVER_REDEMPTION = "refund_over_redemption"
    NOT_A_GIFT_CARD = "not_a_gift_card"
    ALREADY_ACTIVE = "already_active"
    NOT_BLOCKED = "not_blocked"
    PIN_REQUIRED = "pin_required"
    PIN_WRONG = "pin_wrong"
    PIN_LOCKED = "pin_locked"
    OPERATOR_REQUIRED = "operator_required"
    OPERATOR_CAP = "operator_cap"
    LOAD_CAP = "load_cap"
    NOT_LOADABLE = "not_loadable"


#: What a supervisor may set aside with a reason. Never a counter: no limit is ever passed.
OVERRIDABLE = frozenset(
    {
        Reason.NOT_STARTED,
        Reason.EXPIRED,
        Reason.NOT_NOW,
        Reason.CAMPAIGN_PAUSED,
        Reason.WRONG_STORE,
        Reason.MIN_BASKET,
        Reason.PRODUCTS_NOT_ELIGIBLE,
        Reason.NOT_COMBINABLE,
        Reason.HOLDER_REQUIRED,
    }
)

#: What the same scan may get past later, or with another basket, without anybody's help.
RETRYABLE = frozenset(
    {
        Reason.SCANNER_LAYOUT,
        Reason.NOT_STARTED,
        Reason.NOT_NOW,
        Reason.CUSTOMER_LIMIT_REACHED,
        Reason.CAMPAIGN_PAUSED,
        Reason.NOT_ACTIVATED,
        Reason.HOLDER_REQUIRED,
        Reason.MIN_BASKET,
        Reason.BASKET_REQUIRED,
        Reason.PRODUCTS_NOT_ELIGIBLE,
        Reason.NOT_COMBINABLE,
        Reason.HELD_ELSEWHERE,
        Reason.AMOUNT_REQUIRED,
        Reason.INSUFFICIENT_BALANCE,
        Reason.PIN_REQUIRED,
        Reason.PIN_WRONG,
        Reason.OPERATOR_REQUIRED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A refusal.

    Attributes:
        reason: its stable name.
        details: what the reason's text and a program need: times as ISO 8601, money in minor
            units; holds no code and no PIN.
        item: index of the item of the call that was refused; None when it is the call.
    """

    reason: Reason
    details: Mapping[str, object] = field(default_factory=dict)
    item: int | None = None
