"""Refusals in English."""

from __future__ import annotations

from app.domain.refusals import Reason

REFUSALS: dict[Reason, tuple[str, str]] = {
    Reason.UNKNOWN_CODE: (
        "Unknown code. Scan again or type the code below the barcode.",
        "We do not know this code.",
    ),
    Reason.BAD_SIGNATURE: (
        "This barcode is not genuine. Do not accept it.",
        "This barcode cannot be accepted.",
    ),
    Reason.SCANNER_LAYOUT: (
        "The scanner types for another keyboard layout than this till's{layout}, or caps lock "
        "is on. Set the scanner to this till's layout, or type the code.",
        "The scanner could not read this. We will type the code.",
    ),
    Reason.AMBIGUOUS: (
        "Several vouchers have this code. Scan the customer's pass instead.",
        "Please show the pass on your phone.",
    ),
    Reason.STALE_BARCODE: (
        "This barcode was replaced. Ask the customer to open the current pass.",
        "This barcode is out of date. Please open your current pass.",
    ),
    Reason.PARTNER_ONLY: (
        "This code belongs to a partner and cannot be redeemed here.",
        "This code can be used with our partner only.",
    ),
    Reason.NOT_STARTED: (
        "Not valid before {starts_at}.",
        "This offer starts on {starts_at}.",
    ),
    Reason.EXPIRED: (
        "Expired. {ended}",
        "This offer is over. {ended}",
    ),
    Reason.NOT_NOW: (
        "Not valid on this day or at this hour.",
        "This offer is not valid at this time.",
    ),
    Reason.ALREADY_REDEEMED: (
        "Already redeemed on {at}, {store}. {receipt}",
        "This coupon has been used already, on {at}.",
    ),
    Reason.LIMIT_REACHED: (
        "All {uses} uses are taken, the last on {at}, {store}. {receipt}",
        "This coupon has been used as often as it allows.",
    ),
    Reason.CUSTOMER_LIMIT_REACHED: (
        "This customer has used the offer as often as it allows.",
        "You have used this offer as often as it allows for now.",
    ),
    Reason.BUDGET_EXHAUSTED: (
        "The offer is used up.",
        "This offer is used up.",
    ),
    Reason.CAMPAIGN_PAUSED: (
        "The campaign is not running at present.",
        "This offer is not available at present.",
    ),
    Reason.REVOKED: (
        "This voucher was withdrawn.",
        "This voucher is no longer valid.",
    ),
    Reason.BLOCKED: (
        "This voucher is blocked. Customer service can help.",
        "This voucher is blocked. Please contact customer service.",
    ),
    Reason.NOT_ACTIVATED: (
        "This voucher is not activated yet.",
        "This voucher is not active yet.",
    ),
    Reason.HOLDER_REQUIRED: (
        "Scan the customer's own pass; the bare code is not enough.",
        "Please show the pass on your phone.",
    ),
    Reason.WRONG_STORE: (
        "Not valid in this store, at this till or on this channel.",
        "This offer is not valid here.",
    ),
    Reason.MIN_BASKET: (
        "{missing} missing to the minimum basket of {minimum}.",
        "{missing} more and you can use this offer.",
    ),
    Reason.BASKET_REQUIRED: (
        "Scan the articles first: this offer depends on the basket.",
        "Your articles have to be scanned first.",
    ),
    Reason.PRODUCTS_NOT_ELIGIBLE: (
        "No article in the basket takes part in this offer.",
        "None of your articles takes part in this offer.",
    ),
    Reason.NOT_COMBINABLE: (
        "Cannot be combined with another coupon on this receipt.",
        "This offer cannot be combined with another one.",
    ),
    Reason.ALREADY_IN_BASKET: (
        "This voucher was scanned twice in this call.",
        "This voucher is applied already.",
    ),
    Reason.HELD_ELSEWHERE: (
        "Set aside by another till or the web shop at present.",
        "This voucher is in use elsewhere at present.",
    ),
    Reason.INSUFFICIENT_BALANCE: (
        "The balance does not suffice: {available} available.",
        "There are {available} on this card.",
    ),
    Reason.AMOUNT_REQUIRED: (
        "Enter the amount to take from the card: {available} available.",
        "There are {available} on this card.",
    ),
    Reason.CURRENCY_MISMATCH: (
        "Only valid for {currency}.",
        "This voucher is valid for {currency} only.",
    ),
    Reason.UNKNOWN_REDEMPTION: (
        "There is no such redemption.",
        "This redemption was not found.",
    ),
    Reason.ALREADY_REVERSED: (
        "Already taken back on {at}.",
        "This was taken back already.",
    ),
    Reason.NOT_REVERSIBLE: (
        "This cannot be taken back here. Correct it on the card instead.",
        "This cannot be taken back.",
    ),
    Reason.REVERSAL_WINDOW_CLOSED: (
        "Too late to take this back: the time for it has passed.",
        "This can no longer be taken back.",
    ),
    Reason.UNKNOWN_HOLD: (
        "There is no such hold.",
        "This reservation was not found.",
    ),
    Reason.HOLD_EXPIRED: (
        "The hold has lapsed. Scan again.",
        "The reservation has run out. Please show your pass again.",
    ),
    Reason.HOLD_CLOSED: (
        "The hold was captured or released before.",
        "This reservation was settled already.",
    ),
    Reason.CAPTURE_OVER_HOLD: (
        "Only {left} of the hold are left.",
        "Only {left} were set aside.",
    ),
    Reason.REFUND_OVER_REDEMPTION: (
        "Only {left} of this redemption can still be refunded.",
        "Only {left} can still be refunded.",
    ),
    Reason.NOT_A_GIFT_CARD: (
        "This is no gift card.",
        "This is not a gift card.",
    ),
    Reason.ALREADY_ACTIVE: (
        "The card is active already.",
        "This card is active already.",
    ),
    Reason.NOT_BLOCKED: (
        "The card is not blocked.",
        "This card is not blocked.",
    ),
    Reason.PIN_REQUIRED: (
        "Ask the customer for the PIN.",
        "Please enter your PIN.",
    ),
    Reason.PIN_WRONG: (
        "Wrong PIN; tries left: {tries_left}.",
        "This PIN is not right.",
    ),
    Reason.PIN_LOCKED: (
        "Locked after too many wrong PINs. A supervisor can unblock it.",
        "This card is locked. Please contact customer service.",
    ),
    Reason.OPERATOR_REQUIRED: (
        "Say who is at the till: this needs an operator.",
        "A member of staff will help you.",
    ),
    Reason.NOT_LOADABLE: (
        "Cards of this offer are not loaded at the till page.",
        "This card cannot be loaded here.",
    ),
    Reason.LOAD_CAP: (
        "At most {cap} can be loaded at once.",
        "At most {cap} can be loaded at once.",
    ),
    Reason.OPERATOR_CAP: (
        "This operator has reached the limit for today: {cap}.",
        "A member of staff will help you.",
    ),
}

RECEIPTS = ("On this receipt.", "On another receipt.")

#: When an offer ended: its last day, or a moment within a day.
ENDED = ("The last day was {}.", "It ended on {}.")
