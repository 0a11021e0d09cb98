"""The server starts as a process, serves the till's door, and survives being killed."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from app.services.deployment import Deployment
from app.settings import Settings
from tests.serving import running
from tests.shop import Shop


def _redeem(url: str, key: str, barcode: str, attempt: str) -> Any:
    request = urllib.request.Request(
        f"{url}/pos/v1/redemptions",
        data=json.dumps({"items": [{"barcode": barcode}]}).encode(),
        headers={
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/json",
            "Idempotency-Key": attempt,
        },
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def test_redemption_survives_the_server_that_made_it(settings: Settings) -> None:
    deployment = Deployment(settings)
    shop = Shop(deployment)
    shop.campaign()
    voucher, key = shop.voucher(), shop.key()

    with running(settings) as server:
        first = _redeem(server.url, key, voucher.barcode, "a")
        server.kill()
        server.start()
        again = _redeem(server.url, key, voucher.barcode, "a")
        other = _redeem(server.url, key, voucher.barcode, "b")
    deployment.close()

    assert first == again
    assert first["outcome"] == "accepted"
    assert other["reason"] == "already_redeemed"
