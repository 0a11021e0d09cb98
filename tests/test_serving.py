"""The server starts as a process, serves the till's door, and survives being killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from typing import Any

from app.services.deployment import Deployment
from app.settings import Settings
from tests.serving import ROOT, environment, running
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


def test_a_server_loads_nothing_heavy_before_it_is_needed(settings: Settings) -> None:
    heavy = ("PIL", "alembic", "googleapiclient", "huey", "pycurl", "qrcode", "redis", "requests")
    script = f"import sys, wsgi; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=os.environ | environment(settings),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"
