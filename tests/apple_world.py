"""Apple's world around a service on loopback: server, push service, phones, and a worker's steps.

Real sockets, real TLS, real HTTP: only the far ends are stand-ins. Time is the real clock plus an
offset, because certificates are checked by libraries that ask the real one.
"""

from __future__ import annotations

import datetime as dt
import logging
import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography import x509
from werkzeug.serving import make_server

from app import create_app
from app.delivery.apns import ApnsSender
from app.delivery.apple import ApplePushes, DevicePush
from app.delivery.engine import Runner
from app.sandbox.apns import ApnsStandIn
from app.sandbox.certificates import CertificateAuthority
from app.sandbox.iphone import Fleet, LossyLine, Phone
from app.services.deployment import Deployment
from app.settings import Settings
from passes.signing import throwaway
from tests.storefront import Issued, Storefront


class MovingClock:
    """The real time plus what a test added."""

    def __init__(self) -> None:
        self.offset = dt.timedelta()

    def __call__(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC) + self.offset

    def advance(self, **delta: float) -> None:
        self.offset += dt.timedelta(**delta)


@dataclass
class World:
    """A service with its shop, Apple's push service, and phones."""

    settings: Settings
    house: Deployment
    storefront: Storefront
    apns: ApnsStandIn
    fleet: Fleet
    line: LossyLine
    clock: MovingClock
    roots: list[x509.Certificate]
    chance: random.Random
    #: Seconds that a push may go unanswered.
    answer_timeout: float = 30.0

    def phone(self) -> Phone:
        """A phone that pushes reach."""
        phone = Phone(self.line, roots=self.roots, chance=self.chance, clock=self.clock)
        return self.fleet.join(phone)

    def link(self, issued: Issued) -> str:
        return f"{self.settings.base_url}/p/{issued.link}/apple"

    def holder(self, issued: Issued) -> Phone:
        """A phone that has installed the pass."""
        phone = self.phone()
        phone.install(self.link(issued))
        return phone

    def identity(self) -> bytes:
        return self.house.certificates.signer.client_pem()

    def sender(self) -> ApnsSender:
        return ApnsSender(
            topic=self.settings.pass_type_id,
            identity=self.identity,
            url=self.settings.apns_url,
            ca=self.settings.apns_ca,
            answer_timeout=self.answer_timeout,
        )

    @contextmanager
    def runner(self) -> Iterator[Runner[DevicePush]]:
        """A worker's runner, stepped by the test."""
        runner = Runner(self.house, ApplePushes(self.sender()))
        try:
            yield runner
        finally:
            runner.kind.close()

    def deliver(self, runner: Runner[DevicePush]) -> None:
        """Deliver what is owed, and let the phones react."""
        runner.settle()
        self.quiet()

    def quiet(self, *, patience: float = 60.0) -> None:
        """Wait until no phone is reacting any more."""
        until = time.monotonic() + patience
        while not self.fleet.idle():
            assert time.monotonic() < until, "the phones do not come to rest"
            time.sleep(0.005)


@contextmanager
def world(
    settings: Settings, folder: Path, *, seed: int = 1, streams: int = 100, threads: int = 2
) -> Iterator[World]:
    """Open a world around a migrated, empty database."""
    clock = MovingClock()
    certs = folder / "world-certs"
    if not certs.exists():
        throwaway(certs, now=clock(), pass_type_id=settings.pass_type_id, team_id=settings.team_id)
    authority = CertificateAuthority()
    (folder / "apns-ca.pem").write_bytes(authority.certificate)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    fleet = Fleet(threads=threads)
    chance = random.Random(seed)
    wwdr = (certs / "apple" / "wwdr.pem").read_bytes()
    line = LossyLine(chance=random.Random(seed + 1), connections=16)
    with ApnsStandIn(
        identity=authority.server(), trusted=wwdr, streams=streams, on_push=fleet.reach
    ) as apns:
        settings = replace(
            settings,
            base_url=f"http://127.0.0.1:{port}",
            certs=certs,
            apns_url=apns.url,
            apns_ca=folder / "apns-ca.pem",
        )
        app = create_app(settings, clock=clock)
        house: Deployment = app.extensions["passerelle"]
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        server = make_server("127.0.0.1", port, app, threaded=True, fd=listener.fileno())
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        roots = [x509.load_pem_x509_certificate((certs / "apple" / "root.pem").read_bytes())]
        try:
            yield World(settings, house, Storefront(house), apns, fleet, line, clock, roots, chance)
        finally:
            fleet.close()
            line.close()
            server.shutdown()
            thread.join(10)
            server.server_close()
            listener.close()
            house.close()
