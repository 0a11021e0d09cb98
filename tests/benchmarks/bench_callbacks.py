"""What verifying one of Google's callbacks costs, against the two signatures in it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256

from app.sandbox.google import CallbackSigner
from passes.google import CallbackVerifier, RootKeys
from tests.benchmarks import Pair, benchmark

_ISSUER = "3388000000000000001"


@benchmark("callback-verify", goal=0.6, unit="callbacks/s")
def callback_verify() -> Iterator[Pair]:
    now = datetime.now(UTC)
    signer = CallbackSigner(issuer_id=_ISSUER, clock=lambda: now)
    keys = RootKeys.read(signer.keys(), now=now)
    verifier = CallbackVerifier(_ISSUER)
    body = signer.body(class_id=f"{_ISSUER}.a", object_id=f"{_ISSUER}.c-1", event="save")
    key = generate_private_key(SECP256R1())
    message = bytes(250)
    signature, public = key.sign(message, ECDSA(SHA256())), key.public_key()

    def verify_two() -> None:
        public.verify(signature, message, ECDSA(SHA256()))
        public.verify(signature, message, ECDSA(SHA256()))

    yield Pair(lambda: verifier.verify(body, keys=keys, now=now), verify_two)
