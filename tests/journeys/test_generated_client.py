"""A client that a generator made of `/openapi.json` goes from a campaign to what came of it."""

from __future__ import annotations

import datetime as dt
import importlib
import json
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from flask import Flask

from app.services import reports
from app.services.access import Scope
from app.services.deployment import Deployment
from tests.shop import Shop

#: The generator's own warning of an answer that it leaves out, which is a stream of objects.
OMITTED = "POST /api/v1/messages/render"
BINARY = "application/octet-stream"
#: What an integration sets: files are bytes, and nothing is formatted afterwards.
CONFIGURATION = {
    "post_hooks": [],
    "content_type_overrides": {"text/csv": BINARY},
}
CAMPAIGN = {
    "key": "spring",
    "name": "Spring",
    "kind": "coupon",
    "status": "live",
    "timezone": "Europe/Paris",
    "currency": "EUR",
    "codes": {"source": "on_demand"},
    "benefit": {"type": "percent", "percent": 20},
    "texts": {"en": {"title": "Spring", "offer": "−20 %"}},
}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One kind is enough: the description is the same on both."""
    return sqlite_url


@pytest.fixture
def generated(app: Flask, tmp_path: Path) -> Iterator[ModuleType]:
    """The client's package, made of the description as any integration makes it."""
    description, configuration = tmp_path / "openapi.json", tmp_path / "client.json"
    description.write_bytes(app.test_client().get("/openapi.json").get_data())
    configuration.write_text(json.dumps(CONFIGURATION), encoding="utf-8")
    made = subprocess.run(
        [
            *(sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none"),
            *("--path", description, "--config", configuration),
            *("--output-path", tmp_path / "passerelle_client"),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    omitted = re.findall(r"WARNING parsing (\S+ \S+)", made.stdout + made.stderr)
    assert omitted == [OMITTED]
    sys.path.insert(0, str(tmp_path))
    try:
        yield importlib.import_module("passerelle_client")
    finally:
        sys.path.remove(str(tmp_path))
        for name in [each for each in sys.modules if each.startswith("passerelle_client")]:
            del sys.modules[name]


def test_every_operation_has_a_function_and_one_journey_needs_nothing_else(
    app: Flask, deployment: Deployment, generated: ModuleType
) -> None:
    shop = Shop(deployment)
    shop.store("paris")

    def client(key: str) -> Any:
        return generated.AuthenticatedClient(
            base_url="http://testserver",
            token=key,
            httpx_args={"transport": httpx.WSGITransport(app=app)},
            raise_on_unexpected_status=True,
        )

    marketer = client(shop.key(Scope.ADMIN))
    till = client(shop.key(Scope.POS, store="paris", terminal="1"))
    models = importlib.import_module("passerelle_client.models")

    def call(name: str) -> Any:
        """The module of an operation."""
        (found,) = Path(generated.__path__[0]).glob(f"api/*/{name}.py")
        return importlib.import_module(f"passerelle_client.api.{found.parent.name}.{name}")

    described = app.test_client().get("/openapi.json").get_json()["paths"]
    for of_path in described.values():
        for operation in of_path.values():
            assert callable(call(operation["operationId"]).sync_detailed)

    applied = call("apply_campaign").sync(
        client=marketer, body=models.CampaignBody.from_dict(CAMPAIGN)
    )
    assert isinstance(applied, models.ApplyAnswer)
    assert (applied.key, applied.created) == ("spring", True)

    wanted = models.VoucherBody(recipient=models.RecipientBody(external_id="ada"))
    issued = call("issue_vouchers").sync(
        client=marketer, body=models.IssueBody(campaign="spring", vouchers=[wanted])
    )
    assert isinstance(issued, models.IssueAnswer)
    (voucher,) = issued.vouchers
    assert (voucher.external_id, voucher.fresh) == ("ada", True)

    people = call("list_people").sync_detailed(
        "spring", client=marketer, format_=models.ListPeopleFormat.JSON, codes=True
    )
    (person,) = map(json.loads, people.content.splitlines())
    assert person["external_id"] == "ada"

    line = models.BasketLine(id="1", amount_minor=5_000)
    basket = models.BasketBody(currency="EUR", lines=[line])
    scanned = call("scan_voucher").sync(
        client=till, body=models.ScanBody(barcode=person["code"], basket=basket)
    )
    assert isinstance(scanned, models.Scanned)
    assert scanned.voucher.serial == voucher.serial
    body = models.RedemptionBody(
        items=[models.ItemBody(barcode=person["code"])], basket=basket, receipt="17"
    )
    redeemed = call("redeem_vouchers").sync(
        client=till, body=body, idempotency_key=uuid.uuid4().hex
    )
    assert isinstance(redeemed, models.RedemptionAccepted)
    assert redeemed.discount_minor == 1_000
    body.receipt = "18"
    again = call("redeem_vouchers").sync(client=till, body=body, idempotency_key=uuid.uuid4().hex)
    assert isinstance(again, models.Refusal)
    assert again.reason == models.Reason.ALREADY_REDEEMED

    day = dt.date(2026, 11, 21)
    closed = call("report_day").sync_detailed(client=marketer, date=day)
    (entry,) = json.loads(closed.content)["lines"]
    assert (entry["store"], entry["uses"], entry["discounts_minor"]) == ("paris", 1, 1_000)
    while reports.roll_up(deployment):
        pass
    results = call("show_results").sync("spring", client=marketer)
    assert isinstance(results, models.ResultsAnswer)
    assert [row.discount_minor for row in results.rows] == [1_000]

    unknown = call("show_results").sync("autumn", client=marketer)
    assert isinstance(unknown, models.ProblemBody)
    assert unknown.code is models.ProblemCode.CAMPAIGN_UNKNOWN
    assert unknown.remedy == "Check the campaign, and what the key is bound to."
