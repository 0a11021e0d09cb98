"""A Google stand-in for tests that also holds every request against Google's own schema."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from app.sandbox.google import GoogleStandIn
from passes.google import ServiceAccount
from tests.google_schema import schema_faults

ISSUER = "3388000000000000001"
EMAIL = "wallet@example.iam.gserviceaccount.com"


@cache
def account_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def account_json(token_uri: str) -> str:
    """Return a service-account file as Google's console hands it out."""
    pem = account_key().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    members = {
        "type": "service_account",
        "project_id": "example",
        "private_key_id": "0123456789abcdef",
        "private_key": pem.decode(),
        "client_email": EMAIL,
        "client_id": "100000000000000000001",
        "token_uri": token_uri,
    }
    return json.dumps(members)


def account(token_uri: str) -> ServiceAccount:
    """Return the account that the stand-in knows."""
    return ServiceAccount.read(account_json(token_uri).encode())


@contextmanager
def google(**options: Any) -> Iterator[GoogleStandIn]:
    """Run a stand-in; when the block ends, every request it got must have followed the schema."""
    wrong: list[str] = []

    def inspect(collection: str, method: str, body: Mapping[str, Any]) -> None:
        wrong.extend(schema_faults(collection, method, body))

    check = options.pop("check_schema", True)
    stand_in = GoogleStandIn(
        **(
            {"issuer_id": ISSUER, "accounts": {EMAIL: account_key().public_key()}}
            | {"inspect": inspect if check else None}
            | options
        )
    )
    with stand_in:
        yield stand_in
    assert not wrong, wrong
