"""Whatever an export looks like: no code that was none, no money that was not there, no used code.

`make bench ONLY=import-exports` states how many of 10,000 such files were understood, asked about
and refused.
"""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from tests.app.services.exports import draw, outcome_of


@given(seed=st.integers(min_value=0, max_value=2**32))
def test_nothing_comes_of_an_export_that_was_not_in_it(seed: int) -> None:
    export = draw(random.Random(seed))

    try:
        outcome_of(export)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{export.text}") from None
