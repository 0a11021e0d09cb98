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

from app.domain.campaign import Authority, Source
from app.services.access import Scope
from app.services.deployment import Deployment
from tests.shop import Shop

EXAMPLES = int(os.environ.get("PASSERELLE_TEST_EXAMPLES", "20"))

DOORS = (
    ("POST", "/pos/v1/scans"),
    ("POST", "/pos/v1/redemptions"),
    ("POST", "/pos/v1/reversals"),
    ("GET", "/pos/v1/redemptions/by-key/{key}"),
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
    key = shop.key(Scope.POS, Scope.REPORT)
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
        case.call_and_validate(
            checks=(
                not_a_server_error,
                status_code_conformance,
                content_type_conformance,
                response_schema_conformance,
            )
        )

    check()
