"""The front of a pass as a phone draws it, and what the lock screen says of a change."""

from __future__ import annotations

from typing import Any

from app.sandbox import face


def card(balance: float, *, voided: bool = False) -> dict[str, Any]:
    return {
        "description": "A card",
        "voided": voided,
        "storeCard": {
            "primaryFields": [
                {
                    "key": "balance",
                    "label": "Your card",
                    "value": balance,
                    "currencyCode": "EUR",
                    "changeMessage": "You have %@ left.",
                }
            ],
            "secondaryFields": [
                {
                    "key": "until",
                    "label": "Until",
                    "value": "2027-01-31T23:59:59+01:00",
                    "dateStyle": "PKDateStyleMedium",
                }
            ],
            "backFields": [{"key": "moves", "label": "Moves", "value": str(balance)}],
        },
    }


def test_the_front_is_drawn_and_the_back_is_not() -> None:
    shown = face.drawn(card(15, voided=True))
    assert shown.title == "Your card"
    assert shown.lines == {
        "balance": ("Your card", "15.00 EUR"),
        "until": ("Until", "2027-01-31"),
    }
    assert shown.grey


def test_the_lock_screen_names_only_changed_fields_that_ask_for_it() -> None:
    assert face.announced(card(15), card(10)) == ("You have 10.00 EUR left.",)
    assert face.announced(card(15), card(15, voided=True)) == ()
