"""No door fails on what nobody should send: characters, numbers, depth, sizes."""

from __future__ import annotations

import json
import os
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.routing import Rule

from app.domain.campaign import Authority, Source
from app.services import people
from app.services.access import Scope
from app.services.deployment import Deployment
from app.services.issuance import Person
from tests.shop import Shop
from tests.storefront import Storefront

EXAMPLES = int(os.environ.get("TESTS_EXAMPLES", "6"))

#: Members of a body, as they are written.
MEMBERS = (
    '"\\u0000"',
    '"a\\u0000b"',
    '"\\ud800"',
    '"\\udc00\\ud800"',
    '"\\ufffe"',
    '"\\u001b[2J"',
    '"\\u0085"',
    "2147483648",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
    "1" + "0" * 400,
    "1e400",
    "1E-999999",
    "NaN",
    "-Infinity",
    "-1",
    "null",
    '""',
    '"1E999999999"',
    '"NaN"',
    '"9999-12-31T23:59:59-23:59"',
    '"0001-01-01T00:00:00+23:59"',
    '"0001-01-01"',
    '"9999-12-31"',
    "[" * 60 + "]" * 60,
    '{"a":' * 500 + "1" + "}" * 500,
    '"' + "x" * 20_000 + '"',
)
#: Parts of addresses and queries, percent-encoded.
PARTS = (
    "%00",
    "a%00b",
    "%ED%A0%80",
    "%FF%FE",
    "%EF%BF%BF",
    "%1B%5B2J",
    "%0D%0AX:%20y",
    "9223372036854775808",
    "-" + "9" * 5_000,
    "NaN",
    "1e400",
    "0001-01-01",
    "9999-12-31",
    "9999-12-31T23:59:59-23:59",
    "0001-01-01T00:00:00%2B23:59",
    "..%2F..%2Fetc",
    "%F0%9F%98%80",
    "x" * 4_000,
)
#: Whole bodies.
BODIES = (
    b"[" * 30_000,
    b'{"a":' * 30_000,
    b"[" * 30_000 + b"]" * 30_000,
    b"NaN",
    b'{"a": NaN}',
    b'"' + json.dumps({"campaign": "sun"}).replace('"', '\\"').encode() + b'"',
    b"\xff\xfe\x00",
    b"\x1f\x8b" + b"\0" * 50,
    b"null",
    b"",
    b"{",
)
VALUES = ("\0", "a\0b", "\x1b[2J", "\xff\xfe", "9" * 5_000, "-1", "x" * 4_000)
HEADERS = (
    "Idempotency-Key",
    "X-Request-Id",
    "Accept",
    "Accept-Language",
    "Cookie",
    "If-Modified-Since",
    "If-None-Match",
    "Origin",
    "Range",
    "User-Agent",
    "X-Passerelle-Till",
)
QUERIES = ("lang", "since", "campaign", "format", "passesUpdatedSince", "store")
#: Answers 503 while Google's keys were not fetched.
UNREADY = ("/google/callback",)


class Callers:
    """A shop, keys for every door, and what of the shop an address may name."""

    def __init__(self, deployment: Deployment) -> None:
        shop, storefront = Shop(deployment), Storefront(deployment)
        shop.store()
        shop.campaign("web", source=Source.LIST, authority=Authority.EXTERNAL)
        storefront.campaign("gift_card", key="card")
        voucher = storefront.voucher(storefront.campaign(key="sun"))
        people.remember(deployment.database, [Person(external_id="p1")], now=deployment.now())
        self.free = shop.key(*Scope)
        self.till = shop.key(Scope.POS, store="paris", terminal="1")
        self.names = {
            "key": "sun",
            "campaign": "sun",
            "serial": voucher.serial,
            "external_id": "p1",
            "token": voucher.link,
            "name": "logo",
        }

    def headers(self, path: str) -> dict[str, str]:
        """What lets a request in."""
        key = self.till if path in ("/pos/v1/till", "/pos/v1/day") else self.free
        return {"Authorization": f"Bearer {key}", "Idempotency-Key": uuid.uuid4().hex}


@pytest.fixture
def callers(deployment: Deployment) -> Callers:
    return Callers(deployment)


def test_no_described_operation_fails(app: Flask, callers: Callers) -> None:
    schema = schemathesis.openapi.from_wsgi("/openapi.json", app)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) >= 59
    failed = [fault for operation in operations for fault in _failures(app, callers, operation)]
    assert failed == []


def _failures(app: Flask, callers: Callers, operation: Any) -> list[tuple[Any, ...]]:
    """Ask with requests that fit the description but for one member or parameter."""
    path, method, client = operation.path, operation.method.upper(), app.test_client()
    failed: list[tuple[Any, ...]] = []

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(), st.data())
    def ask(case: Any, data: st.DataObject) -> None:
        address, query, body = path, "", None
        for name in case.path_parameters or {}:
            known = st.just(callers.names.get(name, "x"))
            part = data.draw(st.one_of(known, st.sampled_from(PARTS)))
            address = address.replace("{" + name + "}", part)
        for name, value in (case.query or {}).items():
            part = data.draw(st.one_of(st.just(quote(str(value))), st.sampled_from(PARTS)))
            query += f"&{name}={part}"
        if isinstance(case.body, (dict, list)):
            body = _with_member(case.body, data)
        elif method in ("POST", "PATCH"):
            body = data.draw(st.sampled_from(BODIES))
        answer = client.open(
            f"{address}?{query[1:]}" if query else address,
            method=method,
            data=body,
            headers=callers.headers(path),
            content_type=None if body is None else "application/json",
        )
        answer.get_data()
        if answer.status_code >= 500:
            failed.append((method, address[:80], query, (body or b"")[:300], answer.status_code))

    ask()
    return failed


def _with_member(body: Any, data: st.DataObject) -> bytes:
    """The body with one member replaced by something hostile."""
    places = list(_places(body))
    place = data.draw(st.sampled_from(places)) if places else ()
    marker = "@@hostile@@"
    text = json.dumps(_replaced(body, place, marker)).replace(
        f'"{marker}"', data.draw(st.sampled_from(MEMBERS))
    )
    return text.encode()


def _places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    members: Sequence[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        members = tuple(value.items())
    elif isinstance(value, list):
        members = tuple(enumerate(value))
    for name, each in members:
        yield (*place, name)
        yield from _places(each, (*place, name))


def _replaced(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    if not place:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[place[0]] = _replaced(value[place[0]], place[1:], new)
    return copy


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_door_fails_on_a_body(app: Flask, callers: Callers) -> None:
    failed = [
        (rule.rule, method, body[:20], status)
        for body in BODIES
        for rule, method in _routes(app, "POST", "PATCH", "DELETE")
        if (status := _status(app, callers, rule, method, data=body)) >= 500
    ]
    assert failed == []


def test_no_door_fails_on_a_part_of_its_address(app: Flask, callers: Callers) -> None:
    failed = [
        (rule.rule, name, part[:20], status)
        for part in PARTS
        for rule, method in _routes(app)
        for name in rule.arguments
        if (status := _status(app, callers, rule, method, parts={name: part})) >= 500
    ]
    assert failed == []


def test_no_door_fails_on_a_query_or_a_header(app: Flask, callers: Callers) -> None:
    query = "?" + "&".join(f"{name}={part}&{part}={part}" for part in PARTS for name in QUERIES)
    failed = []
    for rule, method in _routes(app):
        asked: list[dict[str, Any]] = [{"query": query[:60_000]}]
        asked += [{"headers": dict.fromkeys(HEADERS, value)} for value in VALUES]
        asked += [
            {"headers": {"Authorization": f"{scheme} {value}"}}
            for value in VALUES
            for scheme in ("Bearer", "Bearer pk_", "ApplePass")
        ]
        for each in asked:
            status = _status(app, callers, rule, method, **each)
            if status >= 500:
                failed.append((rule.rule, method, str(each)[:80], status))
    assert failed == []


def _routes(app: Flask, *methods: str) -> Iterator[tuple[Rule, str]]:
    """Every route, whether it is described or not."""
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"}):
            if not methods or method in methods:
                yield rule, method


def _status(
    app: Flask,
    callers: Callers,
    rule: Rule,
    method: str,
    *,
    parts: Mapping[str, str] = MappingProxyType({}),
    query: str = "",
    headers: Mapping[str, str] = MappingProxyType({}),
    data: bytes | None = None,
) -> int:
    address = re.sub(
        r"<(?:[^<>]*:)?(\w+)>",
        lambda found: parts.get(found[1], callers.names.get(found[1], "x")),
        rule.rule,
    )
    answer = app.test_client().open(
        address + query,
        method=method,
        data=data,
        headers={**callers.headers(rule.rule), **headers},
        content_type=None if data is None else "application/json",
    )
    answer.get_data()
    return 0 if answer.status_code == 503 and rule.rule in UNREADY else answer.status_code
