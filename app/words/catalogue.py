"""The texts that one language gives to every surface; the type checker says what is missing.

Names in braces are filled in by whoever shows a text, and are the same in every language.
"""

from __future__ import annotations

from dataclasses import dataclass

from passes.language import direction
from passes.words import PassWords


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A language: its tag, such as `fr` or `pt-BR`, its own name, and its texts by surface."""

    tag: str
    name: str
    till: TillWords
    refusals: RefusalWords
    wallet: PassWords
    card: CardWords
    page: PageWords

    @property
    def direction(self) -> str:
        """Which way the language is written: `ltr` or `rtl`."""
        return direction(self.tag)


@dataclass(frozen=True, slots=True, kw_only=True)
class TillWords:
    """The texts of the till page, for the cashier: short, since they stand on buttons."""

    till: str
    needs_script: str
    language: str
    sign_in: str
    sign_out: str
    key: str
    who_are_you: str
    operator: str
    begin: str
    change: str
    scan: str
    code: str
    go: str
    camera: str
    camera_stop: str
    camera_looking: str
    camera_denied: str
    receipt_part: str
    receipt: str
    total: str
    amount: str
    pin: str
    partial: str
    spend: str
    load: str
    cancel: str
    undo: str
    chosen: str
    redeem: str
    total_title: str
    from_total: str
    articles: str
    chosen_fault: str
    take_all: str
    load_confirm: str
    undo_of: str
    undo_confirm: str
    day: str
    no_sales: str
    time: str
    what: str
    offer: str
    ready: str
    ready_text: str
    accepted: str
    refused: str
    undone: str
    loaded: str
    asking: str
    asking_text: str
    take_back: str
    nothing: str
    nothing_text: str
    nothing_undone: str
    fault: str
    no_answer: str
    card: str
    left: str
    uses_left: str
    off: str
    customer_says: str
    amount_fault: str
    total_fault: str
    other_tab: str
    key_fault: str
    offline: str
    totals: str
    uses: str
    kinds: EntryWords


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryWords:
    """What an entry of the ledger is called at the till, by its kind."""

    activate: str
    redemption: str
    report: str
    conflict: str
    reversal: str
    refund: str
    load: str
    adjust: str
    block: str
    unblock: str
    deactivate: str
    expire: str
    transfer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalWords:
    """Why a till says no: to the cashier, who has to act, and to the customer, who has to
    understand without being accused.
    """

    cashier: ReasonWords
    customer: ReasonWords
    #: Whether the first use was on the receipt at hand, for `{receipt}`.
    same_receipt: str
    other_receipt: str
    #: When an offer ended, for `{ended}`: its last day, or a moment within a day.
    last_day: str
    ended: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonWords:
    """A sentence for each reason of a refusal, by its stable name."""

    unknown_code: str
    bad_signature: str
    scanner_layout: str
    ambiguous: str
    stale_barcode: str
    partner_only: str
    not_started: str
    expired: str
    not_now: str
    already_redeemed: str
    limit_reached: str
    customer_limit_reached: str
    budget_exhausted: str
    campaign_paused: str
    revoked: str
    blocked: str
    not_activated: str
    holder_required: str
    wrong_store: str
    min_basket: str
    basket_required: str
    products_not_eligible: str
    not_combinable: str
    already_in_basket: str
    held_elsewhere: str
    insufficient_balance: str
    amount_required: str
    currency_mismatch: str
    unknown_redemption: str
    already_reversed: str
    not_reversible: str
    reversal_window_closed: str
    unknown_hold: str
    hold_expired: str
    hold_closed: str
    capture_over_hold: str
    refund_over_redemption: str
    not_a_gift_card: str
    already_active: str
    not_blocked: str
    pin_required: str
    pin_wrong: str
    pin_locked: str
    operator_required: str
    operator_cap: str
    load_cap: str
    not_loadable: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CardWords:
    """What a gift card's pass tells of its last movements, each by the kind of its entry."""

    last_movements: str
    new_card: str
    activate: str
    redemption: str
    report: str
    reversal: str
    refund: str
    load: str
    adjust: str
    deactivate: str
    expire: str
    transfer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PageWords:
    """The texts of the customers' pages."""

    add_apple: str
    add_google: str
    add_all_apple: str
    add_all_google: str
    in_app: str
    in_app_iphone: str
    in_app_android: str
    on_phone_title: str
    on_phone: str
    on_phone_picture: str
    at_till: str
    no_wallet: str
    barcode: str
    code: str
    card_number: str
    pin: str
    show_pin: str
    copy: str
    copied: str
    balance: str
    valid_from: str
    valid_until: str
    details: str
    terms: str
    partner: str
    used: str
    used_more: str
    spent: str
    spent_more: str
    expired: str
    expired_more: str
    revoked: str
    revoked_more: str
    early: str
    early_more: str
    uses_left: str
    inactive: str
    inactive_more: str
    blocked: str
    blocked_more: str
    paused: str
    paused_more: str
    set_title: str
    show: str
    get_voucher: str
    get_card: str
    offer_more: str
    offer_until: str
    offer_ended: str
    offer_ended_more: str
    offer_changed: str
    offer_changed_more: str
    nothing: str
    nothing_more: str
    sold_out: str
    sold_out_more: str
    not_found: str
    not_found_more: str
    link_withdrawn: str
    link_withdrawn_more: str
    google_later: str
    google_later_more: str
    busy: str
    busy_more: str
    fault: str
    fault_more: str
    again: str
    languages: str
