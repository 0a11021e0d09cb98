"""The service, its worker's Google side, and Google, wired together over loopback."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.serving import make_server

from app import create_app
from app.delivery.engine import Runner
from app.delivery.google import chores
from app.delivery.google.calls import Calls
from app.delivery.google.classes import GoogleClasses
from app.delivery.google.objects import GoogleEdits, GoogleObjects
from app.sandbox.google import GoogleStandIn
from app.services.deployment import Deployment
from app.settings import Settings
from passes.signing import throwaway_service_account
from tests.conftest import Clock
from tests.google_wire import google
from tests.storefront import Storefront


class House:
    """A deployment with a web server on loopback and the runners that speak to Google."""

    def __init__(self, app: Flask, wire: GoogleStandIn, clock: Clock, url: str) -> None:
        self.app = app
        self.wire = wire
        self.clock = clock
        self.url = url
        self.deployment: Deployment = app.extensions["passerelle"]
        self.shop = Storefront(self.deployment)
        calls = Calls(self.deployment, sleep=self._sleep, jitter=lambda: 0.5)
        self.classes = Runner(self.deployment, GoogleClasses(calls))
        self.objects = Runner(self.deployment, GoogleObjects(calls))
        spare = Calls(self.deployment, spare=True, sleep=self._sleep, jitter=lambda: 0.5)
        self.edits = Runner(self.deployment, GoogleEdits(spare))

    def _sleep(self, seconds: float) -> None:
        """Let waiting move the tests' clock, not the hands of the real one."""
        self.clock.advance(seconds=seconds)

    def settle(self) -> None:
        """Deliver all that can be delivered now, classes before objects."""
        chores.run(self.deployment)
        for _ in range(2):
            self.classes.settle()
            self.objects.settle()
            self.edits.settle()

    def close(self) -> None:
        self.classes.kind.close()
        self.objects.kind.close()
        self.edits.kind.close()


@pytest.fixture
def house(settings: Settings, clock: Clock, certs: Path, tmp_path: Path) -> Iterator[House]:
    issuer = settings.google_issuer_id
    account_folder = tmp_path / "certs"
    with google(issuer_id=issuer, accounts={}, clock=clock, rate=10_000.0, burst=10_000.0) as wire:
        shutil.copytree(certs, account_folder)
        throwaway_service_account(account_folder, token_uri=wire.token_url)
        server = make_server("127.0.0.1", 0, Flask("not yet"), threaded=True)
        url = f"http://127.0.0.1:{server.server_port}"
        app = create_app(
            replace(
                settings,
                base_url=url,
                certs=account_folder,
                google_api_url=wire.url,
                google_callback_keys_url=wire.keys_url,
                google_save_url=wire.save_url.rstrip("/"),
                google_rate=1000,
            ),
            clock=clock,
        )
        server.app = app
        house = House(app, wire, clock, url)
        account = house.deployment.certificates.account
        wire.accounts[account.email] = account.key.public_key()
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield house
        wire.sender.settle()
        server.shutdown()
        thread.join()
        server.server_close()
        house.close()
        house.deployment.close()
