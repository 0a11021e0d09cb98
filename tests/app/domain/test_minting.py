"""Codes made here: form, chance, check character."""

import datetime as dt
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.codes import normalise
from app.domain.kinds import KINDS
from app.domain.minting import ALPHABET, Recipe, RecipeFault

TODAY = dt.date(2026, 11, 21)


def test_the_alphabet_has_no_characters_that_are_taken_for_each_other() -> None:
    assert not set("0O1I") & set(ALPHABET)
    assert Recipe.read(KINDS["coupon"].code_pattern).bits == 50
    assert Recipe.read(KINDS["gift_card"].code_pattern).bits == 80


def test_a_readable_pattern_gets_a_random_tail_and_keeps_its_parts() -> None:
    recipe = Recipe.read("PANIER-{recipient}-{date}-", check=False)
    (code,) = recipe.mint(1, today=TODAY, recipient="kunde 4711!")

    assert code.startswith("PANIER-KUNDE4711-20261121-")
    assert len(code) == len("PANIER-KUNDE4711-20261121-") + 10
    assert recipe.personal


@pytest.mark.parametrize(
    "pattern", ["{nobody}", "{random}", "{random:0}", "a{", "é-{random:10}", "{random:70}"]
)
def test_a_pattern_that_cannot_be_used_is_refused_with_a_remedy(pattern: str) -> None:
    with pytest.raises(RecipeFault) as caught:
        Recipe.read(pattern)
    assert caught.value.remedy


@given(
    alphabet=st.sampled_from([ALPHABET, "ABCDEFGH", "0123456789", "ABCDEFGHJKMNPQRSTVWXYZ23456"]),
    pattern=st.sampled_from(["{random:10}", "SUN-####-####", "{random:6}-{date}-{random:7}", "X"]),
    count=st.integers(0, 40),
)
def test_codes_consist_of_the_alphabet_and_their_check_character_is_right(
    alphabet: str, pattern: str, count: int
) -> None:
    recipe = Recipe.read(pattern, alphabet=alphabet)
    minted = recipe.mint(count, today=TODAY)

    assert len(minted) == count
    for code in minted:
        assert len(code) <= recipe.longest
        assert recipe.mistyped(code) is False


@given(at=st.integers(0, 9), other=st.sampled_from(ALPHABET))
def test_one_wrong_character_is_always_noticed(at: int, other: str) -> None:
    recipe = Recipe.read("{random:10}")
    (code,) = recipe.mint(1, today=TODAY)
    changed = code[:at] + other + code[at + 1 :]

    assert recipe.mistyped(changed) is (normalise(changed) != code)


def test_characters_are_drawn_evenly_from_an_alphabet_that_does_not_divide_256() -> None:
    recipe = Recipe.read("{random:50}", alphabet="ABCDEFGHIJK", check=False)
    drawn = "".join(recipe.mint(2_000, today=TODAY))

    expected = len(drawn) / 11
    # Six standard deviations: this fails for a fair draw about once in a hundred million runs.
    assert all(abs(drawn.count(c) - expected) < 6 * math.sqrt(expected) for c in "ABCDEFGHIJK")
