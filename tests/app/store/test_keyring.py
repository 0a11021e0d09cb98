"""Seals are bound to their row and key; tokens to their purpose, key and voucher."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import codes
from app.domain.codes import Purpose
from app.store.keyring import BrokenSeal, Keyring, MissingKey, unwrap, wrap

MASTERS = {2: bytes(range(32)), 1: bytes(range(32, 64))}
LOOKUP = bytes(range(64, 96))
RING = Keyring(MASTERS, lookup_key=LOOKUP)
PUBLIC_IDS = st.integers(-(2**63), 2**63 - 1)


@given(text=st.text(max_size=60), row=st.binary(max_size=20))
def test_what_is_sealed_opens_only_for_its_row(text: str, row: bytes) -> None:
    sealed = RING.seal(text, row=row)

    assert RING.open(sealed, row=row, key_id=2) == text
    with pytest.raises(BrokenSeal):
        RING.open(sealed, row=row + b"x", key_id=2)
    with pytest.raises(BrokenSeal):
        RING.open(sealed, row=row, key_id=1)


def test_a_seal_of_a_key_that_is_gone_names_it() -> None:
    sealed = RING.seal("SUN20", row=b"r", key_id=1)

    with pytest.raises(MissingKey, match="Master key 1"):
        Keyring({2: MASTERS[2]}, lookup_key=LOOKUP).open(sealed, row=b"r", key_id=1)


def test_a_code_is_found_however_it_is_typed() -> None:
    assert RING.lookup("sun-20 ab") == RING.lookup("SUN20AB")
    assert RING.lookup("SUN20AB") != Keyring(MASTERS, lookup_key=MASTERS[1]).lookup("SUN20AB")


@given(public_id=PUBLIC_IDS, key_id=st.sampled_from([1, 2]), purpose=st.sampled_from(Purpose))
def test_a_token_opens_its_own_purpose_and_no_other(
    public_id: int, key_id: int, purpose: Purpose
) -> None:
    token = RING.token(purpose, key_id=key_id, public_id=public_id)

    assert len(token) == codes.TOKEN_LENGTH
    verified = RING.verify(token, purpose)
    assert verified is not None
    assert (verified.public_id, verified.key_id) == (public_id, key_id)
    for other in set(Purpose) - {purpose}:
        assert RING.verify(token.lower(), other) is None
        assert RING.verify(token.upper(), other) is None


@given(public_id=PUBLIC_IDS, data=st.data())
def test_a_link_altered_in_any_character_is_worth_nothing(
    public_id: int, data: st.DataObject
) -> None:
    token = RING.token(Purpose.LINK, key_id=2, public_id=public_id)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(
        st.sampled_from("abcdefghijklmnopqrstuvwxyz234567").filter(token[place].__ne__)
    )

    assert RING.verify(token[:place] + other + token[place + 1 :], Purpose.LINK) is None


def test_barcodes_are_upper_case_and_survive_a_scanner_that_changes_case() -> None:
    token = RING.token(Purpose.BARCODE, key_id=2, public_id=7)

    assert token == token.upper()
    assert RING.verify(token.lower(), Purpose.BARCODE) is not None
    assert (
        RING.verify(RING.token(Purpose.LINK, key_id=2, public_id=7).upper(), Purpose.LINK) is None
    )


def test_the_lookup_key_unwraps_only_with_the_key_that_wrapped_it() -> None:
    key_id, wrapped = wrap(LOOKUP, master_keys=MASTERS)

    assert key_id == 2
    assert unwrap(wrapped, key_id=2, master_keys=MASTERS) == LOOKUP
    with pytest.raises(BrokenSeal, match="put the original back"):
        unwrap(wrapped, key_id=2, master_keys={2: MASTERS[1]})
    with pytest.raises(MissingKey):
        unwrap(wrapped, key_id=2, master_keys={1: MASTERS[1]})


@given(PUBLIC_IDS)
def test_a_serial_leads_back_to_its_public_id(public_id: int) -> None:
    assert codes.from_serial(codes.serial(public_id)) == public_id


@pytest.mark.parametrize("text", ["", "abc", "G" * 16, "0" * 17])
def test_what_is_no_serial_is_none(text: str) -> None:
    assert codes.from_serial(text) is None


def test_a_keyring_does_not_show_its_keys() -> None:
    assert repr(RING) == "Keyring(ids=[1, 2])"
