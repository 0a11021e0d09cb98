"""Slow and silent clients cost a server a connection each, and a till nothing."""

from __future__ import annotations

import json
import select
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from app.services.access import Scope
from app.services.deployment import Deployment
from app.serving.bodies import MOST, SECONDS
from app.settings import Settings
from tests.benchmarks import load
from tests.benchmarks.crowding import Crowd
from tests.serving import Server, running
from tests.shop import Shop

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

HOST = b"Host: 127.0.0.1\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
#: Connections of the short form of the benchmark `slow-clients`.
CROWD = 210


@pytest.fixture
def server(settings: Settings) -> Iterator[Server]:
    with running(settings) as found:
        yield found


def connected(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=60)


def asked(server: Server, request: bytes) -> bytes:
    """The answer's head and body, as far as they come at once."""
    with closing(connected(server)) as connection:
        connection.sendall(request)
        return connection.recv(65_536)


def test_a_till_redeems_beside_slow_clients_of_every_kind_at_every_door(settings: Settings) -> None:
    deployment = Deployment(settings)
    shop = Shop(deployment)
    shop.campaign()
    vouchers, key = [shop.voucher() for _ in range(60)], shop.key()
    requests = [
        load.post(
            "/pos/v1/redemptions",
            json.dumps({"items": [{"barcode": each.barcode}]}).encode(),
            {"Authorization": f"Bearer {key}", "Idempotency-Key": each.barcode[:32]},
        )
        for each in vouchers
    ]
    with running(settings) as server:

        def redeem(these: list[bytes]) -> list[float]:
            return load.run(server.port, these, rate=10, clients=4, begins=b'{"outcome":"accepted"')

        redeem(requests[:10])
        with Crowd(server.port, CROWD) as crowd:
            assert crowd.present >= CROWD
            # Every one of them is accepted, or `load` raises; the machine may be busy.
            assert max(redeem(requests[10:])) < 10
    deployment.close()


def test_half_sent_bodies_are_refused_in_time_and_hold_no_thread(server: Server) -> None:
    head = b"POST /till/session HTTP/1.1\r\n" + HOST
    half = [
        head + b"Content-Length: 5000\r\n\r\nhalf",
        head + b"Transfer-Encoding: chunked\r\n\r\n1388\r\nhalf",
    ]
    began = time.monotonic()
    waiting = [connected(server) for _ in range(40)]
    for number, connection in enumerate(waiting):
        connection.sendall(half[number % 2])

    assert asked(server, b"GET /till HTTP/1.1\r\n" + HOST + b"\r\n").startswith(b"HTTP/1.1 200")
    assert time.monotonic() - began < SECONDS

    left = list(waiting)
    while left and time.monotonic() - began < 3 * SECONDS:
        for connection in select.select(left, [], [], 1.0)[0]:
            answer = connection.recv(65_536)
            assert answer.startswith(b"HTTP/1.1 408")
            assert b'"code":"too_slow"' in answer
            left.remove(connection)
        # A drip now and then buys no time.
        for connection in left:
            with suppress(OSError):
                connection.send(b"x")
    assert not left
    for connection in waiting:
        connection.close()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"Content-Length: 70000\r\n\r\n", b"413"),
        (
            b"Transfer-Encoding: chunked\r\n\r\n" + (b"8000\r\n" + b"x" * 0x8000 + b"\r\n") * 3,
            b"413",
        ),
        (CHUNKED + b"2\r\n{}\r\n0\r\n\r\n", b"403"),
        (b"Content-Length: 2\r\n\r\n{}", b"403"),
        (b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", b"400"),
    ],
)
def test_a_body_without_a_key_is_bounded_before_any_work(
    server: Server, body: bytes, status: bytes
) -> None:
    answer = asked(server, b"POST /till/session HTTP/1.1\r\n" + HOST + body)

    assert answer.split()[1] == status


def test_a_process_ends_in_seconds_though_silent_clients_stay(server: Server) -> None:
    silent, half = connected(server), connected(server)
    half.sendall(b"POST /till/session HTTP/1.1\r\n" + HOST + b"Content-Length: 9\r\n\r\nx")
    time.sleep(0.3)
    began = time.monotonic()

    assert server.interrupt() == 0
    assert time.monotonic() - began < 15
    assert half.recv(1000).startswith(b"HTTP/1.1 503")
    silent.close()
    half.close()


def test_large_upload_of_a_marketer_is_read_by_who_works_on_it(settings: Settings) -> None:
    deployment = Deployment(settings)
    shop = Shop(deployment)
    shop.campaign()
    key = shop.key(Scope.ISSUE)
    with running(settings) as server:
        for given, status in ((key, 422), ("pk_none", 401)):
            request = urllib.request.Request(
                f"{server.url}/api/v1/vouchers",
                data=b" " * (MOST + 10) + b"{}",
                headers={"Authorization": f"Bearer {given}", "Content-Type": "application/json"},
            )
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(request, timeout=30)
            with closing(refused.value) as answer:
                assert answer.code == status
    deployment.close()
