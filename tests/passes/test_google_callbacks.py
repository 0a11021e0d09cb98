"""Only what Google signed for this issuer, and in date, becomes a callback."""

import json
from datetime import timedelta

import pytest

from app.sandbox.google import CallbackSigner
from passes.errors import CallbackError
from passes.google import CallbackVerifier, RootKeys
from tests.conftest import Clock

ISSUER = "3388000000000000001"
IDS = {"class_id": f"{ISSUER}.summer", "object_id": f"{ISSUER}.c-1"}
VERIFIER = CallbackVerifier(ISSUER)


@pytest.fixture
def signer(clock: Clock) -> CallbackSigner:
    return CallbackSigner(issuer_id=ISSUER, clock=clock)


def keys(signer: CallbackSigner, clock: Clock) -> RootKeys:
    return RootKeys.read(signer.keys(), now=clock.now)


def test_a_genuine_callback_says_what_happened(signer: CallbackSigner, clock: Clock) -> None:
    body = signer.body(**IDS, event="save", nonce="n-1")
    callback = VERIFIER.verify(body, keys=keys(signer, clock), now=clock.now)
    assert (callback.event, callback.nonce) == ("save", "n-1")
    assert (callback.class_id, callback.object_id) == (IDS["class_id"], IDS["object_id"])
    assert callback.expires == clock.now + timedelta(hours=1)


def test_an_event_that_google_adds_later_is_still_genuine(
    signer: CallbackSigner, clock: Clock
) -> None:
    body = signer.body(**IDS, event="restored")
    assert VERIFIER.verify(body, keys=keys(signer, clock), now=clock.now).event == "restored"


def test_texts_beyond_ascii_are_signed_by_their_bytes(signer: CallbackSigner, clock: Clock) -> None:
    body = signer.body(**IDS, event="save", nonce="Zoë–Ωmega")
    assert VERIFIER.verify(body, keys=keys(signer, clock), now=clock.now).nonce == "Zoë–Ωmega"


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"expires_in": timedelta(seconds=-1)}, "expTimeMillis"),
        ({"key_expires_in": timedelta(seconds=-1)}, "intermediateSigningKey"),
        ({"issuer_id": "3388000000000000002"}, "signature"),
        ({"object_id": "3388000000000000002.c-1"}, "objectId"),
    ],
)
def test_what_lapsed_or_is_another_issuers_is_refused(
    signer: CallbackSigner, clock: Clock, changed: dict[str, object], field: str
) -> None:
    options: dict[str, object] = {**IDS, "event": "save", **changed}
    body = signer.body(**options)  # type: ignore[arg-type]
    with pytest.raises(CallbackError) as refused:
        VERIFIER.verify(body, keys=keys(signer, clock), now=clock.now)
    assert field in refused.value.field


def test_every_member_is_guarded(signer: CallbackSigner, clock: Clock) -> None:
    whole = json.loads(signer.body(**IDS, event="save"))
    other = json.loads(CallbackSigner(issuer_id=ISSUER, clock=clock).body(**IDS, event="save"))
    tampered = [
        whole | {"protocolVersion": "ECv2"},
        whole | {"signature": other["signature"]},
        whole | {"signature": "!"},
        whole | {"signedMessage": whole["signedMessage"].replace("save", "del")},
        whole | {"signedMessage": whole["signedMessage"] + " "},
        whole | {"intermediateSigningKey": other["intermediateSigningKey"]},
        whole | {"intermediateSigningKey": None},
    ]
    for member in ("signedKey", "signatures"):
        key = whole["intermediateSigningKey"] | {member: other["intermediateSigningKey"][member]}
        tampered.append(whole | {"intermediateSigningKey": key})
    for member in whole:
        tampered.append({name: whole[name] for name in whole if name != member})
    for body in tampered:
        with pytest.raises(CallbackError):
            VERIFIER.verify(json.dumps(body).encode(), keys=keys(signer, clock), now=clock.now)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\xff", b"null", b"[" * 20_000, b"1" * 9000])
def test_what_is_no_callback_is_refused(signer: CallbackSigner, clock: Clock, body: bytes) -> None:
    with pytest.raises(CallbackError):
        VERIFIER.verify(body, keys=keys(signer, clock), now=clock.now)


def test_a_callback_that_is_too_large_is_refused_unread(
    signer: CallbackSigner, clock: Clock
) -> None:
    body = signer.body(**IDS, event="save", nonce="n" * 20_000)
    with pytest.raises(CallbackError, match="too large"):
        VERIFIER.verify(body, keys=keys(signer, clock), now=clock.now)


def test_a_callback_with_more_signatures_than_anybody_needs_is_refused(
    signer: CallbackSigner, clock: Clock
) -> None:
    """Each is tried with each root key, so that their number is work that a stranger orders."""
    body = json.loads(signer.body(**IDS, event="save"))
    key = body["intermediateSigningKey"]
    for many, fits in ((8, True), (9, False)):
        key["signatures"] = [key["signatures"][0]] * many
        sent = json.dumps(body).encode()
        if fits:
            assert VERIFIER.verify(sent, keys=keys(signer, clock), now=clock.now).event == "save"
        else:
            with pytest.raises(CallbackError, match="too many signatures"):
                VERIFIER.verify(sent, keys=keys(signer, clock), now=clock.now)


def test_a_rotated_root_key_is_taken_once_the_new_list_was_read(
    signer: CallbackSigner, clock: Clock
) -> None:
    old = keys(signer, clock)
    before = signer.body(**IDS, event="save")
    signer.rotate()
    after = signer.body(**IDS, event="save")
    with pytest.raises(CallbackError):
        VERIFIER.verify(after, keys=old, now=clock.now)
    for body in (before, after):
        assert VERIFIER.verify(body, keys=keys(signer, clock), now=clock.now)


def test_root_keys_of_other_protocols_or_out_of_date_are_left_out(
    signer: CallbackSigner, clock: Clock
) -> None:
    assert len(keys(signer, clock).keys) == 1
    with pytest.raises(CallbackError, match="in date"):
        RootKeys.read(signer.keys(lifetime=timedelta(seconds=-1)), now=clock.now)
