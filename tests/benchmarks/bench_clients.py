"""A till beside thousands of clients that are slow or silent."""

from __future__ import annotations

import json
import os
import resource
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from statistics import quantiles

from tests.benchmarks import Figure, benchmark, load
from tests.benchmarks.crowding import Crowd
from tests.benchmarks.redeeming import deployed, postgresql, settings_of, stock
from tests.serving import running
from tests.shop import Shop

SECONDS = float(os.environ.get("BENCH_SECONDS", "20"))
CROWD = int(os.environ.get("BENCH_CROWD", "2000"))
#: Redemptions a second of the till, and how many come before they are measured.
LOAD = 50
WARM = 200


@benchmark("slow-clients")
def slow_clients() -> Iterator[Figure]:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with (
        postgresql() as url,
        deployed(url) as deployment,
        tempfile.TemporaryDirectory() as folder,
    ):
        count = int(LOAD * SECONDS)
        barcodes = stock(deployment, vouchers=WARM + 2 * count, uses=1)
        key = Shop(deployment).key(store="paris", terminal="1")
        with running(settings_of(url, Path(folder))) as server:
            _redeem(server.port, key, barcodes[:WARM])
            alone = _redeem(server.port, key, barcodes[WARM : WARM + count])
            with Crowd(server.port, CROWD) as crowd:
                beside = _redeem(server.port, key, barcodes[WARM + count :])
                yield Figure(
                    f"a till alone {_told(alone)}; beside {crowd.present} slow or silent "
                    f"connections ({crowd.opened} opened) {_told(beside)} "
                    f"(goal p99 1000 ms, no refusal)"
                )


def _redeem(port: int, key: str, barcodes: list[str]) -> list[float]:
    requests = [
        load.post(
            "/pos/v1/redemptions",
            json.dumps({"items": [{"barcode": each}]}).encode(),
            {"Authorization": f"Bearer {key}", "Idempotency-Key": uuid.uuid4().hex},
        )
        for each in barcodes
    ]
    return load.run(port, requests, rate=LOAD, clients=8, begins=b'{"outcome":"accepted"')


def _told(times: list[float]) -> str:
    cuts = quantiles(times, n=100)
    return (
        f"{len(times)} redemptions at {LOAD}/s p50/p99/most "
        f"{cuts[49] * 1000:.1f}/{cuts[98] * 1000:.1f}/{max(times) * 1000:.1f} ms"
    )
