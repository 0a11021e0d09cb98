"""The rule for text and numbers: what is refused, where, and what is not."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain import inputs


@pytest.mark.parametrize(
    "text", ["", "Zoë 😀\n\ttab and line\r\n", "\u200d\ufeff\ufffd", "\U0010fffd", "\u202e"]
)
def test_text_that_people_write_comes_in(text: str) -> None:
    assert inputs.text_fault(text) is None


@pytest.mark.parametrize(
    ("text", "character"),
    [
        ("a\0", "U+0000"),
        ("\x1b[2J", "U+001B"),
        ("\x7f", "U+007F"),
        ("\x85", "U+0085"),
        ("\ud800", "U+D800"),
        ("\ufdd0", "U+FDD0"),
        ("\uffff", "U+FFFF"),
        ("\U0001fffe", "U+1FFFE"),
        ("\U0010ffff", "U+10FFFF"),
    ],
)
def test_refused_characters_are_named_by_their_number(text: str, character: str) -> None:
    assert inputs.text_fault(text) == f"has the character {character}, which no text may have"


@pytest.mark.parametrize("number", [0, 2**63 - 1, -(2**63), 1.5, -1e18, True])
def test_numbers_of_64_bits_come_in(number: float) -> None:
    assert inputs.number_fault(number) is None


@pytest.mark.parametrize(
    "number", [2**63, -(2**63) - 1, 2.0**63, float("nan"), float("inf"), 1e300]
)
def test_other_numbers_are_refused(number: float) -> None:
    assert inputs.number_fault(number) is not None


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"a": [1, {"b": "\0"}]}, "a.1.b"),
        ({"a": {"c\0": 1}}, "a.(a name)"),
        ([1, 2**70], "1"),
        ("\0", ""),
        ({"barcode": "\0"}, "barcode"),
        ({"note": "\x1d"}, "note"),
    ],
)
def test_the_first_place_is_named(value: Any, place: str) -> None:
    fault = inputs.first_fault(value)

    assert fault is not None
    assert fault.at == place


def test_what_a_scanner_puts_around_a_code_comes_in() -> None:
    assert inputs.first_fault({"items": [{"barcode": "\x02]C1ABC\x1d\x03"}]}) is None


def test_depth_is_bounded() -> None:
    value: Any = 1
    for _ in range(inputs.DEEPEST):
        value = [value]

    assert inputs.first_fault(value) is None
    fault = inputs.first_fault({"a": value})
    assert fault is not None
    assert fault.cause == "nests more than 32 deep"
