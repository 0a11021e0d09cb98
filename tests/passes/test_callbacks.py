"""Callbacks are believed only when Google signed these bytes, for this issuer, and in time."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from passes.errors import CallbackError
from passes.google import CallbackVerifier, RootKeys
from tests.passes import samples

NOW = samples.NOW
ISSUER = "3388000000012345678"
ROOT = ec.generate_private_key(ec.SECP256R1())
MIDDLE = ec.generate_private_key(ec.SECP256R1())


def millis(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def spki(key: Any) -> str:
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return b64encode(public).decode()


def signature(key: ec.EllipticCurvePrivateKey, *parts: str) -> str:
    signed = b"".join(len(part.encode()).to_bytes(4, "little") + part.encode() for part in parts)
    return b64encode(key.sign(signed, ec.ECDSA(SHA256()))).decode()


def root_document(**changes: Any) -> bytes:
    key = {
        "keyValue": spki(ROOT),
        "protocolVersion": "ECv2SigningOnly",
        "keyExpiration": str(millis(NOW + timedelta(days=30))),
        **changes,
    }
    return json.dumps({"keys": [key]}).encode()


KEYS = RootKeys.read(root_document(), now=NOW)


def callback(
    *,
    issuer: str = ISSUER,
    root: ec.EllipticCurvePrivateKey = ROOT,
    middle: Any = MIDDLE,
    key_ends: timedelta = timedelta(days=7),
    protocol: str = "ECv2SigningOnly",
    **changes: Any,
) -> dict[str, Any]:
    message = json.dumps(
        {
            "classId": f"{ISSUER}.summer",
            "objectId": f"{ISSUER}.c-1",
            "eventType": "save",
            "expTimeMillis": millis(NOW + timedelta(minutes=5)),
            "count": 1,
            "nonce": "0f0f-é-ł",
            **changes,
        },
        ensure_ascii=False,
    )
    signed_key = json.dumps(
        {"keyValue": spki(middle), "keyExpiration": str(millis(NOW + key_ends))}
    )
    signed_key = signed_key.replace("=", "\\u003d")
    signer = middle if isinstance(middle, ec.EllipticCurvePrivateKey) else MIDDLE
    return {
        "protocolVersion": protocol,
        "signature": signature(signer, "GooglePayPasses", issuer, "ECv2SigningOnly", message),
        "signedMessage": message,
        "intermediateSigningKey": {
            "signedKey": signed_key,
            "signatures": [
                b64encode(b"of another root").decode(),
                signature(root, "GooglePayPasses", "ECv2SigningOnly", signed_key),
            ],
        },
    }


def verify(body: object, now: datetime = NOW) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return CallbackVerifier(ISSUER).verify(data, keys=KEYS, now=now)


@pytest.mark.parametrize("event", ["save", "del", "something-new"])
def test_a_genuine_callback_says_what_happened(event: str) -> None:
    said = verify(callback(eventType=event))
    assert (said.event, said.object_id, said.class_id) == (
        event,
        f"{ISSUER}.c-1",
        f"{ISSUER}.summer",
    )
    assert said.nonce == "0f0f-é-ł"
    assert said.count == 1
    assert said.expires == NOW + timedelta(minutes=5)


def _changed(member: str, value: object) -> Callable[[], dict[str, Any]]:
    return lambda: {**callback(), member: value}


def _with_key(**changes: Any) -> Callable[[], dict[str, Any]]:
    def make() -> dict[str, Any]:
        body = callback()
        return {
            **body,
            "intermediateSigningKey": {**body["intermediateSigningKey"], **changes},
        }

    return make


def _signed_key(text: str) -> Callable[[], dict[str, Any]]:
    signed = signature(ROOT, "GooglePayPasses", "ECv2SigningOnly", text)
    return _with_key(signedKey=text, signatures=[signed])


STRANGER = ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize(
    ("field", "make"),
    [
        ("body", lambda: b""),
        ("body", lambda: b"x" * 16_385),
        ("body", lambda: b"[]"),
        ("body", lambda: b"[" * 16_000),
        ("body", dict),
        ("body", _changed("signature", "!")),
        ("body", _changed("signedMessage", 1)),
        ("body", _changed("intermediateSigningKey", [])),
        ("protocolVersion", lambda: callback(protocol="ECv1")),
        ("intermediateSigningKey", lambda: callback(root=STRANGER)),
        ("intermediateSigningKey", _with_key(signatures=[])),
        ("intermediateSigningKey", lambda: callback(key_ends=timedelta(0))),
        ("intermediateSigningKey", _signed_key("{}")),
        (
            "intermediateSigningKey",
            _signed_key('{"keyExpiration": "9999999999999", "keyValue": "AAAA"}'),
        ),
        ("intermediateSigningKey", lambda: callback(middle=rsa.generate_private_key(65537, 2048))),
        (
            "intermediateSigningKey",
            lambda: callback(middle=ec.generate_private_key(ec.SECP384R1())),
        ),
        ("signature", lambda: callback(issuer="3388000000099999999")),
        ("signature", _changed("signedMessage", callback()["signedMessage"] + " ")),
        ("signedMessage.expTimeMillis", lambda: callback(expTimeMillis=millis(NOW))),
        ("signedMessage.objectId", lambda: callback(objectId="3388000000099999999.c-1")),
        ("signedMessage", lambda: callback(expTimeMillis=None)),
        ("signedMessage", lambda: callback(expTimeMillis="9" * 40)),
        ("signedMessage", lambda: callback(count="many")),
    ],
)
def test_anything_else_is_refused(field: str, make: Callable[[], object]) -> None:
    with pytest.raises(CallbackError) as caught:
        verify(make())
    assert caught.value.field == field


def test_a_callback_goes_out_of_date() -> None:
    body = callback()
    assert verify(body, NOW + timedelta(minutes=4))
    with pytest.raises(CallbackError, match="out of date"):
        verify(body, NOW + timedelta(minutes=5))


@given(
    body=st.binary(max_size=300)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "protocolVersion",
                        "signature",
                        "signedMessage",
                        "intermediateSigningKey",
                        "signedKey",
                        "signatures",
                    ]
                ),
                inner,
            )
        ),
    )
)
def test_no_body_crashes_the_verifier(body: object) -> None:
    with pytest.raises(CallbackError):
        verify(body)


def test_only_root_keys_of_the_protocol_and_in_date_are_kept() -> None:
    assert KEYS.expires == NOW + timedelta(days=30)
    for changes in (
        {"protocolVersion": "ECv2"},
        {"keyExpiration": str(millis(NOW))},
        {"keyExpiration": None},
        {"keyValue": "AAAA"},
    ):
        with pytest.raises(CallbackError) as caught:
            RootKeys.read(root_document(**changes), now=NOW)
        assert caught.value.field == "keys"
    for data in (b"", b"[]", b'{"keys": [1]}'):
        with pytest.raises(CallbackError):
            RootKeys.read(data, now=NOW)
