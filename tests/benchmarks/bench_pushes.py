"""Pushes per second through the whole of a worker, against node's own http2 client.

Ours finds what is owed, leases it, pushes it, and records each push in the database; node's client
only sends, 100 streams at a time. Both talk to the same local HTTP/2 server, over one connection.
"""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import insert, update

from app import logs
from app.delivery.apns import ApnsSender
from app.delivery.apple import ApplePushes, DevicePush
from app.delivery.engine import Runner
from app.delivery.flow import Flow
from app.domain import codes
from app.sandbox.certificates import CertificateAuthority
from app.services.deployment import Deployment
from app.settings import Settings
from app.store import migrations
from app.store.models import AppleDevice, AppleRegistration, Campaign, Voucher
from tests.benchmarks import Rounds, benchmark
from tests.storefront import Storefront

PUSH = Path(__file__).parent / "push"
DEVICES = 20_000
PEM = ("client.pem", "client.key")


class Unpaced(Flow):
    """Campaign edits as fast as they go: the sender is measured, not the servers."""

    def allowance(self, wanted: int) -> int:
        return wanted


@benchmark("push-rate", goal=1.0, unit="pushes/s")
def push_rate() -> Iterator[Rounds]:
    logs.configure("error")
    with tempfile.TemporaryDirectory() as name, _server(Path(name)) as port:
        folder = Path(name)
        offset = dt.timedelta()

        def clock() -> dt.datetime:
            return dt.datetime.now(dt.UTC) + offset

        house = Deployment(
            Settings(
                database_url=f"sqlite:///{folder}/bench.sqlite",
                queue_url=f"sqlite:///{folder}/queue.sqlite",
            ),
            clock=clock,
        )
        migrations.upgrade(house.database)
        campaign = _install(house, DEVICES)
        sender = ApnsSender(
            topic="pass.example",
            identity=lambda: b"".join((folder / name).read_bytes() for name in PEM),
            url=f"https://127.0.0.1:{port}",
            ca=folder / "ca.pem",
        )
        # As a worker runs it.
        runner: Runner[DevicePush] = Runner(
            house, ApplePushes(sender), flow=Unpaced(house), lasting=False
        )
        spent: list[float] = []

        def ours() -> float:
            nonlocal offset
            offset += dt.timedelta(minutes=1)
            with house.database.write() as session:
                session.execute(
                    update(Campaign)
                    .where(Campaign.id == campaign)
                    .values(version=Campaign.version + 1)
                )
            began, cpu = time.perf_counter(), time.process_time()
            runner.settle()
            seconds = time.perf_counter() - began
            spent.append((time.process_time() - cpu) / DEVICES * 1e6)
            return DEVICES / seconds

        def node() -> float:
            done = subprocess.run(
                ["node", PUSH / "client.mjs", folder, str(port), str(DEVICES)],
                check=True,
                capture_output=True,
                text=True,
            )
            said = json.loads(done.stdout)
            if said["failed"]:
                raise RuntimeError(f"{said['failed']} of node's pushes failed.")
            return float(DEVICES / said["seconds"])

        ours(), node()  # warm up
        try:
            yield Rounds(lambda: (ours(), node()), rounds=5)
        finally:
            sys.stderr.write(f"push-rate: {min(spent):.0f} µs of CPU for each push of ours\n")
            runner.kind.close()
            house.close()


def _install(house: Deployment, count: int) -> int:
    """A campaign with so many passes, each on a device of its own."""
    shop = Storefront(house)
    campaign = shop.campaign("gift_card")
    first = shop.voucher(campaign)
    now = house.now()
    with house.database.write() as session:
        revision = session.get_one(Voucher, first.id).revision_id
        ids = range(1_000, 1_000 + count)
        session.execute(
            insert(Voucher),
            [
                {
                    "id": number,
                    "public_id": codes.new_public_id(),
                    "key_id": house.keyring.newest,
                    "campaign_id": campaign,
                    "revision_id": revision,
                    "occasion": str(number),
                    "issued_at": now,
                }
                for number in ids
            ],
        )
        session.execute(
            insert(AppleDevice),
            [
                {
                    "id": number,
                    "library_id": f"{number:032x}",
                    "push_token": f"{number:064x}",
                    "created_at": now,
                    "updated_at": now,
                }
                for number in ids
            ],
        )
        session.execute(
            insert(AppleRegistration),
            [
                {
                    "id": number,
                    "device_id": number,
                    "voucher_id": number,
                    "registered_at": now,
                    "pushed_voucher": 1,
                    "pushed_campaign": 1,
                }
                for number in ids
            ],
        )
    return campaign


@contextmanager
def _server(folder: Path) -> Iterator[int]:
    authority = CertificateAuthority()
    authority.server().write(folder / "server.pem", folder / "server.key")
    authority.client("pass.example").write(folder / "client.pem", folder / "client.key")
    (folder / "ca.pem").write_bytes(authority.certificate)
    process = subprocess.Popen(
        ["node", PUSH / "server.mjs", folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(10)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
