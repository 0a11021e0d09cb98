"""What a customer's tap costs beyond building the pass."""

from __future__ import annotations

import datetime as dt
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from app import create_app
from app.services.deployment import Deployment
from app.services.wallets.apple.pkpass import signed_pass
from app.services.wallets.holdings import find, find_all
from app.settings import Settings
from app.store import migrations
from passes.signing import throwaway
from tests.benchmarks import Figure, Rounds, benchmark, rate
from tests.serving import running_server
from tests.storefront import Storefront

VOUCHERS = 200
SECONDS = 0.6


@benchmark("add-to-wallet", unit="passes/s")
def add_to_wallet() -> Iterator[Rounds]:
    """GET /p/<token>/apple through the server, against the same passes built by a direct call."""
    with _shop() as (deployment, links, public_ids), running_server(deployment.settings) as url:
        port = int(url.rpartition(":")[2])
        served, built = _served(port, links, "/apple"), _built(deployment, public_ids)
        rate(served, 0.5), rate(built, 0.5)
        yield Rounds(lambda: (rate(served, SECONDS), rate(built, SECONDS)), rounds=9)


@benchmark("add-to-wallet-where")
def add_to_wallet_where() -> Iterator[Figure]:
    """Where the time of such a request goes, one connection."""
    with _shop() as (deployment, links, public_ids):
        app = create_app(deployment.settings)
        client = app.test_client()
        turns = iter(range(10**9))

        def in_process() -> None:
            client.get(f"/p/{links[next(turns) % VOUCHERS]}/apple").close()

        def read() -> None:
            with deployment.database.read() as session:
                find(session, public_ids[next(turns) % VOUCHERS])

        holdings = []
        with deployment.database.read() as session:
            holdings = find_all(session, public_ids)
        now = deployment.now()
        parts = {
            "read": _milliseconds(read),
            "build and sign": _milliseconds(
                lambda: signed_pass(deployment, holdings[next(turns) % VOUCHERS], now=now)
            ),
            "sign alone": _milliseconds(
                lambda: deployment.certificates.signer.sign(b"{}" * 500, now=now)
            ),
            "whole request without a server": _milliseconds(in_process),
        }
        with running_server(deployment.settings) as url:
            port = int(url.rpartition(":")[2])
            parts["through the server"] = _milliseconds(_served(port, links, "/apple"))
            parts["the page, through the server"] = _milliseconds(_served(port, links, ""))
        app.extensions["passerelle"].close()
        yield Figure(", ".join(f"{name} {value:.2f} ms" for name, value in parts.items()))


def _milliseconds(call: Callable[[], object]) -> float:
    rate(call, 0.2)
    return 1000 / rate(call, SECONDS)


@contextmanager
def _shop() -> Iterator[tuple[Deployment, list[str], list[int]]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        throwaway(folder / "certs", now=dt.datetime.now(dt.UTC))
        settings = Settings(
            database_url=f"sqlite:///{folder}/passerelle.sqlite",
            queue_url=f"sqlite:///{folder}/queue.sqlite",
            master_keys={1: bytes(range(32, 64))},
            certs=folder / "certs",
            log_level="error",
        )
        deployment = Deployment(settings)
        migrations.upgrade(deployment.database)
        shop = Storefront(deployment)
        campaign = shop.campaign()
        issued = [shop.voucher(campaign) for _ in range(VOUCHERS)]
        yield deployment, [each.link for each in issued], [each.public_id for each in issued]
        deployment.close()


def _built(deployment: Deployment, public_ids: list[int]) -> Callable[[], object]:
    """The same passes, with nothing but what the wallet needs: signed content, no HTTP."""
    with deployment.database.read() as session:
        holdings = find_all(session, public_ids)
    turns = iter(range(10**9))
    now = deployment.now()
    return lambda: signed_pass(deployment, holdings[next(turns) % VOUCHERS], now=now)


def _served(port: int, links: list[str], door: str) -> Callable[[], object]:
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    turns = iter(range(10**9))

    def ask() -> None:
        path = f"/p/{links[next(turns) % VOUCHERS]}{door}"
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += connection.recv(65536)
        head, _, body = answer.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"The server answered {head[:40]!r}.")
        lengths = [
            int(line.split(b":")[1])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length")
        ]
        left = lengths[0] - len(body)
        while left > 0:
            left -= len(connection.recv(min(left, 262144)))

    return ask
