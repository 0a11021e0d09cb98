"""The tills' doors keep to their description: no 500, no undocumented answer."""

from __future__ import annotations

import os
import uuid
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.domain.campaign import Authority, Source, Terms
from app.services.access import Scope
from app.services.deployment import Deployment
from tests.shop import Shop

EXAMPLES = int(os.environ.get("TESTS_EXAMPLES", "20"))

DOORS = (
    ("POST", "/pos/v1/scans"),
    ("POST", "/pos/v1/redemptions"),
    ("POST", "/pos/v1/reversals"),
    ("GET", "/pos/v1/redemptions/by-key/{key}"),
    ("POST", "/pos/v1/holds/{hold_id}/capture"),
    ("POST", "/pos/v1/holds/{hold_id}/void"),
    ("POST", "/pos/v1/gift-cards/activate"),
    ("POST", "/pos/v1/gift-cards/load"),
    ("POST", "/pos/v1/gift-cards/adjust"),
    ("POST", "/pos/v1/gift-cards/block"),
    ("POST", "/pos/v1/gift-cards/unblock"),
    ("POST", "/pos/v1/gift-cards/deactivate"),
    ("POST", "/pos/v1/refunds"),
    ("GET", "/pos/v1/till"),
    ("GET", "/pos/v1/day"),
    ("GET", "/api/v1/reports/day"),
    ("GET", "/api/v1/reports/liability"),
    ("GET", "/api/v1/reports/odd-days"),
    ("POST", "/api/v1/redemptions/report"),
    ("GET", "/api/v1/redemptions/conflicts"),
)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("method", "path"), DOORS)
def test_door_keeps_to_its_description(
    app: Flask, deployment: Deployment, method: str, path: str
) -> None:
    shop = Shop(deployment)
    shop.campaign(source=Source.LIST)
    shop.campaign("web", source=Source.LIST, authority=Authority.EXTERNAL)
    voucher = shop.voucher(code="KNOWN-1", uses=None)
    shop.voucher("web", code="WEB-1", uses=None)
    shop.campaign("card", kind="gift_card", terms=Terms(amount_minor=1_000))
    card = shop.voucher("card")
    shop.store()
    # Some doors ask for a terminal's key; the others let the call name its store.
    bound = path in ("/pos/v1/till", "/pos/v1/day")
    place = {"store": "paris", "terminal": "1"} if bound else {}
    key = shop.key(Scope.POS, Scope.POS_SUPERVISOR, Scope.REPORT, **place)
    schema = schemathesis.openapi.from_wsgi("/openapi.json", app)
    operation = schema[path][method]

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy())
    def check(case: Any) -> None:
        case.headers = {
            **dict(case.headers or {}),
            "Authorization": f"Bearer {key}",
            "Idempotency-Key": uuid.uuid4().hex,
        }
        items = case.body.get("items") if isinstance(case.body, dict) else None
        if isinstance(items, list) and items and isinstance(items[0], dict):
            # Some requests get as far as the books.
            items[0]["barcode"] = voucher.barcode
        if "gift-cards" in path and isinstance(case.body, dict) and "barcode" in case.body:
            case.body["barcode"] = card.barcode
        case.call_and_validate(
            checks=(
                not_a_server_error,
                status_code_conformance,
                content_type_conformance,
                response_schema_conformance,
            )
        )

    check()
