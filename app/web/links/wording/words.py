"""The texts that a language gives to the pages."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The texts of the pages in one language; `name` is the language's own name."""

    name: str
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
