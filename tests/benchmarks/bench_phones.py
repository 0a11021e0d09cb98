"""From a commit to the phone that shows it: one redemption, and an edit for a whole campaign.

`passerelle serve` with its worker is one process, as in production on SQLite; Apple's push service
and the phones are another. BENCH_PHONES sets the size of the campaign (100,000 is the
figure that counts; the default keeps a run within minutes).

The phones verify signatures and Apple's push service is a Python one, so that the other process
takes as much CPU as the service does. Both are stated, for each phone, when phones list and fetch
alone and when an edit is delivered: where they are alike, the ratio of times is the service's own.
"""

from __future__ import annotations

import datetime as dt
import os
import random
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import orjson
import urllib3
from cryptography import x509
from sqlalchemy import CursorResult, event

from app import logs
from app.sandbox.apns import ApnsStandIn
from app.sandbox.certificates import CertificateAuthority
from app.sandbox.iphone import Fleet, LossyLine, Phone
from app.services import access, updates
from app.services.access import Scope
from app.services.deployment import Deployment
from app.services.updates import UpdateRequest
from app.settings import Settings
from app.store import migrations
from app.store.models import Campaign
from passes.signing import throwaway
from tests.benchmarks import Figure, benchmark
from tests.serving import Server, free_port, running
from tests.storefront import Issued, Storefront

PHONES = int(os.environ.get("BENCH_PHONES", "500"))
REDEMPTIONS = 200
PER_SECOND = 50


@dataclass
class Stage:
    """A served shop with phones that hold its passes."""

    house: Deployment
    url: str
    campaign: str
    issued: list[Issued]
    phones: list[Phone]
    fleet: Fleet
    key: str
    server: Server

    def redeem(self, pool: urllib3.PoolManager, issued: Issued) -> float:
        """Take one unit of money; returns the seconds it took."""
        began = time.perf_counter()
        body = {"items": [{"barcode": issued.barcode, "amount": {"minor": 1, "currency": "EUR"}}]}
        answer = pool.request(
            "POST",
            f"{self.url}/pos/v1/redemptions",
            body=orjson.dumps(body),
            headers={
                "authorization": f"Bearer {self.key}",
                "content-type": "application/json",
                "idempotency-key": uuid.uuid4().hex,
            },
        )
        if orjson.loads(answer.data).get("outcome") != "accepted":
            raise RuntimeError(answer.data)
        return time.perf_counter() - began


@benchmark("redeem-to-phone")
def redeem_to_phone() -> Iterator[Figure]:
    with _stage(REDEMPTIONS) as stage, ThreadPoolExecutor(8) as tills:
        pool = urllib3.PoolManager(maxsize=8)
        committed: dict[str, dt.datetime] = {}

        def redeem(issued: Issued) -> None:
            stage.redeem(pool, issued)
            committed[issued.serial] = dt.datetime.now(dt.UTC)

        began = time.perf_counter()
        for number, issued in enumerate(stage.issued):
            time.sleep(max(0.0, began + number / PER_SECOND - time.perf_counter()))
            tills.submit(redeem, issued)
        _wait(lambda: sum(p.fetches for p in stage.phones) >= 2 * REDEMPTIONS, patience=60)
        waits = [
            (card.changed_at - committed[serial]).total_seconds()
            for phone in stage.phones
            for (_, serial), card in phone.cards.items()
            if card.changes
        ]
        pool.clear()
        yield Figure(
            f"median {median(waits):.2f} s, p95 {quantiles(waits, n=20)[-1]:.2f} s from commit to "
            f"the phone, {len(waits)} of {REDEMPTIONS} redemptions at {PER_SECOND}/s "
            "(aim: median under 1 s)"
        )


@benchmark("campaign-converge")
def campaign_converge() -> Iterator[Figure]:
    with _stage(PHONES) as stage:
        pool = urllib3.PoolManager(maxsize=2)
        tilled = stage.issued[0]
        idle = [stage.redeem(pool, tilled) for _ in range(60)]
        # What the service can serve: every phone lists and fetches, four at a time.
        _edit(stage, "first", paused=True)
        before = _used(stage.server)
        began = time.perf_counter()
        with ThreadPoolExecutor(4) as hands:
            list(hands.map(Phone.pushed, stage.phones))
        rate = PHONES / (time.perf_counter() - began)
        alone = _used(stage.server).since(before)
        with stage.house.database.write() as session:
            updates.pause(session, stage.campaign, paused=False)
        time.sleep(3)
        fetched = [phone.fetches for phone in stage.phones]
        busy: list[float] = []
        stop = threading.Event()

        def till() -> None:
            while not stop.wait(0.05):
                busy.append(stage.redeem(pool, tilled))

        beside = threading.Thread(target=till)
        beside.start()
        before = _used(stage.server)
        began = time.perf_counter()
        rows = _edit(stage, "second", paused=False)
        _wait(
            lambda: all(
                phone.fetches > before
                for phone, before in zip(stage.phones[1:], fetched[1:], strict=True)
            ),
            patience=max(600.0, PHONES / 10),
        )
        seconds = time.perf_counter() - began
        taken = _used(stage.server).since(before)
        stop.set()
        beside.join()
        pool.clear()
        slow, still = quantiles(busy, n=20)[-1], quantiles(idle, n=20)[-1]
        yield Figure(
            f"{PHONES} phones hold an edit after {seconds:.1f} s, {seconds * rate / PHONES:.2f} of "
            f"what list and fetch alone take ({rate:.0f}/s; goal 1.3); a till beside them has a "
            f"p95 of {slow * 1000:.0f} ms, {slow / still:.1f} × its idle p95 (goal 2); the edit "
            f"wrote {rows} row of those that passes are made of; the server's memory changed by "
            f"{taken.megabytes:+.0f} MB; CPU for each phone: {taken.server / PHONES * 1000:.1f} ms "
            f"in the service and {taken.phones / PHONES * 1000:.1f} in phones and push service, "
            f"{alone.server / PHONES * 1000:.1f} and {alone.phones / PHONES * 1000:.1f} alone"
        )


def _edit(stage: Stage, title: str, *, paused: bool) -> int:
    """Edit the campaign; returns how many campaigns, vouchers and registrations were written."""
    written = 0

    def count(_connection: object, cursor: CursorResult[Any], statement: str, *_: object) -> None:
        nonlocal written
        if statement.startswith(("UPDATE campaign ", "UPDATE voucher", "UPDATE apple_")):
            written += cursor.rowcount

    event.listen(stage.house.database.engine, "after_cursor_execute", count)
    with stage.house.database.write() as session:
        updates.pause(session, stage.campaign, paused=paused)
        session.flush()
        written = 0
        updates.order(
            session,
            stage.campaign,
            UpdateRequest(presentation={"texts": {"en": {"title": title}}}),
            settings=stage.house.settings,
            keyring=stage.house.keyring,
            now=stage.house.now(),
        )
        session.flush()
    event.remove(stage.house.database.engine, "after_cursor_execute", count)
    return written


@dataclass(frozen=True)
class Used:
    """CPU seconds of the service and of this process, and the service's memory."""

    server: float
    phones: float
    megabytes: float

    def since(self, before: Used) -> Used:
        return Used(
            self.server - before.server,
            self.phones - before.phones,
            self.megabytes - before.megabytes,
        )


def _used(server: Server) -> Used:
    ticks, pages = 0, 0
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError, IndexError):
            # The server's processes have a session of their own (field 6 of stat).
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == server.pid:
                ticks += int(fields[11]) + int(fields[12])
                pages += int(fields[21])
    return Used(
        ticks / os.sysconf("SC_CLK_TCK"),
        time.process_time(),
        pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
    )


@contextmanager
def _stage(count: int) -> Iterator[Stage]:
    logs.configure("error")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        certs = folder / "certs"
        port = free_port()
        settings = Settings(
            base_url=f"http://127.0.0.1:{port}",
            database_url=f"sqlite:///{folder}/bench.sqlite",
            queue_url=f"sqlite:///{folder}/queue.sqlite",
            certs=certs,
            log_level="error",
        )
        throwaway(
            certs,
            now=dt.datetime.now(dt.UTC),
            pass_type_id=settings.pass_type_id,
            team_id=settings.team_id,
        )
        authority = CertificateAuthority()
        (folder / "ca.pem").write_bytes(authority.certificate)
        roots = [x509.load_pem_x509_certificate((certs / "apple" / "root.pem").read_bytes())]
        fleet, line = Fleet(threads=4), LossyLine(connections=16)
        chance = random.Random(1)
        with ApnsStandIn(
            identity=authority.server(),
            trusted=(certs / "apple" / "wwdr.pem").read_bytes(),
            on_push=fleet.reach,
        ) as apns:
            settings = replace(settings, apns_url=apns.url, apns_ca=folder / "ca.pem")
            house = Deployment(settings)
            migrations.upgrade(house.database)
            shop = Storefront(house)
            campaign = shop.campaign("gift_card")
            issued = [shop.voucher(campaign) for _ in range(count)]
            with house.database.write() as session:
                key = access.create(session, "till", [Scope.POS], now=house.now())
                campaign_key = session.get_one(Campaign, campaign).key
            with running(settings, port=port) as server:

                def install(card: Issued) -> Phone:
                    phone = fleet.join(Phone(line, roots=roots, chance=chance))
                    phone.install(f"{settings.base_url}/p/{card.link}/apple")
                    return phone

                with ThreadPoolExecutor(4) as hands:
                    phones = list(hands.map(install, issued))
                yield Stage(
                    house, settings.base_url, campaign_key, issued, phones, fleet, key, server
                )
            fleet.close()
            line.close()
            house.close()


def _wait(done: object, *, patience: float) -> None:
    assert callable(done)
    until = time.monotonic() + patience
    while not done():
        if time.monotonic() > until:
            raise RuntimeError(f"The phones were not up to date after {patience:.0f} s.")
        time.sleep(0.02)
