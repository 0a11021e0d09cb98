"""Android phones, two workers, a quota and every failure at random: in the end all shows the truth.

Time runs twenty times as fast as the wall's, for the service and for Google alike, so that pauses
and leases of minutes end within the test.
"""

from __future__ import annotations

import datetime as dt
import logging
import random
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import select, update
from werkzeug.serving import make_server

from app import create_app
from app.delivery.engine import Runner
from app.delivery.google import chores
from app.delivery.google.calls import Calls
from app.delivery.google.classes import GoogleClasses
from app.delivery.google.objects import GoogleObjects
from app.domain.campaign import Texts
from app.sandbox.android import AndroidPhone, NotSavedError
from app.sandbox.google import Chaos, GoogleStandIn
from app.services import changes, google_wallet, presenting
from app.services.deployment import Deployment
from app.settings import Settings
from app.store.models import GoogleClass, GoogleMessage, GoogleObject, Voucher
from passes.signing import throwaway_service_account
from tests.google_wire import google
from tests.storefront import Issued, Storefront

SPEED = 20
RATE = 20
PHONES = 40
SECONDS = 10


class FastClock:
    """The present moment, twenty times as fast as the wall's clock."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._from = dt.datetime(2026, 11, 21, 12, 0, tzinfo=dt.UTC)

    def __call__(self) -> dt.datetime:
        return self._from + dt.timedelta(seconds=(time.monotonic() - self._began) * SPEED)


def _runners(deployment: Deployment) -> list[Runner[Any]]:
    """One worker's Google side."""
    calls = Calls(deployment, sleep=lambda seconds: time.sleep(seconds / SPEED))
    return [
        Runner(deployment, GoogleClasses(calls)),
        Runner(deployment, GoogleObjects(calls)),
    ]


@contextmanager
def _world(settings: Settings, folder: Path) -> Iterator[tuple[Flask, GoogleStandIn, str]]:
    clock = FastClock()
    wall_rate = float(RATE * SPEED)
    with google(
        issuer_id=settings.google_issuer_id,
        accounts={},
        clock=clock,
        rate=wall_rate,
        burst=RATE,
        latency=0.002,
    ) as wire:
        certs = folder / "certs"
        shutil.copytree(settings.certs, certs)
        throwaway_service_account(certs, token_uri=wire.token_url)
        server = make_server("127.0.0.1", 0, Flask("not yet"), threaded=True)
        url = f"http://127.0.0.1:{server.server_port}"
        app = create_app(
            replace(
                settings,
                base_url=url,
                certs=certs,
                google_api_url=wire.url,
                google_callback_keys_url=wire.keys_url,
                google_save_url=wire.save_url.rstrip("/"),
                google_rate=RATE,
                google_wait_ms=400,
            ),
            clock=clock,
        )
        server.app = app
        deployment: Deployment = app.extensions["passerelle"]
        account = deployment.certificates.account
        wire.accounts[account.email] = account.key.public_key()
        serving = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        serving.start()
        runners = [each for _ in range(2) for each in _runners(deployment)]
        threads = [threading.Thread(target=each.run, daemon=True) for each in runners]
        chores.run(deployment)
        for thread in threads:
            thread.start()
        try:
            yield app, wire, url
        finally:
            for each in runners:
                each.stop()
            for thread in threads:
                thread.join(20)
            wire.sender.settle()
            server.shutdown()
            serving.join()
            server.server_close()
            deployment.close()


def _change(deployment: Deployment, issued: Issued, dice: random.Random, *, money: bool) -> None:
    values: dict[str, object] = (
        {"balance_minor": dice.randrange(0, 5000)} if money else {"used": dice.randrange(2)}
    )
    with deployment.database.write() as session:
        session.execute(
            update(Voucher)
            .where(Voucher.id == issued.id)
            .values(version=Voucher.version + 1, **values)
        )
        changes.voucher(session, issued.id)


def _abandon(deployment: Deployment, dice: random.Random) -> None:
    """Lease objects and die."""
    objects = GoogleObjects(Calls(deployment))
    now = deployment.now()
    with deployment.database.write() as session:
        ids = session.scalars(select(GoogleObject.id)).all()
        some = dice.sample(ids, min(3, len(ids)))
        objects.lease(session, some, now=now, until=now + dt.timedelta(minutes=2))
    objects.close()


def _lagging(deployment: Deployment, wire: GoogleStandIn) -> list[str]:
    """Name the objects in wallets that show anything else than the database says."""
    wrong = []
    kinds = {"offerObject", "giftCardObject"}
    kept = {
        kind: {one["id"]: one for one in wire.store.resources(kind)}
        for kind in ("offerClass", "giftCardClass")
    }
    stored = {one["id"]: one for kind in kinds for one in wire.store.resources(kind)}
    with deployment.database.read() as session:
        rows = session.execute(
            select(GoogleObject.object_id, GoogleObject.has_users, Voucher.public_id).join(
                Voucher, Voucher.id == GoogleObject.voucher_id
            )
        ).all()
        classes = session.scalars(select(GoogleClass).where(GoogleClass.status == "inserted")).all()
    for each in classes:
        kind = next(kind for kind in ("offerClass", "giftCardClass") if each.class_id in kept[kind])
        meant = google_wallet.class_resource(
            deployment, each.campaign_id, each.variant, now=deployment.now()
        )
        there = kept[kind][each.class_id] | {"reviewStatus": "UNDER_REVIEW"}
        wrong += [f"{each.class_id}: {name}" for name in meant if there.get(name) != meant[name]]
    for object_id, has_users, public_id in rows:
        there = stored.get(object_id, {"hasUsers": False})
        if not there["hasUsers"]:
            if has_users:
                wrong.append(f"{object_id} is in no wallet")
            continue
        with deployment.database.read() as session:
            holding = presenting.find(session, public_id)
        assert holding is not None
        meant = google_wallet.object_resource(deployment, holding, now=deployment.now())
        differing = [name for name in meant if there.get(name) != meant[name]]
        if differing or has_users is not True:
            wrong.append(f"{object_id}: {differing or 'users unknown'}")
    return wrong


def test_everything_converges_with_failures_and_quota_on(
    settings: Settings, tmp_path: Path
) -> None:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    dice = random.Random(8)
    with _world(replace(settings, log_level="critical"), tmp_path) as (app, wire, url):
        deployment: Deployment = app.extensions["passerelle"]
        shop = Storefront(deployment)
        campaigns = [shop.campaign(), shop.campaign("gift_card")]
        vouchers = [(shop.voucher(campaigns[n % 2]), n % 2 == 1) for n in range(PHONES)]
        phones = [AndroidPhone(wire.url, user=f"user-{n}") for n in range(PHONES)]
        wire.chaos = Chaos(0.15)
        wire.sender.doubled = True
        changed = refused = 0
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            number = dice.randrange(PHONES)
            (issued, money), phone = vouchers[number], phones[number]
            roll = dice.random()
            if roll < 0.25:
                try:
                    phone.save(f"{url}/p/{issued.link}/google")
                except NotSavedError:
                    refused += 1  # "try again", which customers do
            elif roll < 0.32:
                for object_id in phone.passes():
                    phone.delete(object_id)
            elif roll < 0.34:
                title = f"Edition {dice.randrange(1000)}"
                shop.revise(campaigns[0], texts={"en": Texts(title=title, offer="−20 %")})
            elif roll < 0.37:
                _abandon(deployment, dice)
            else:
                _change(deployment, issued, dice, money=money)
                changed += 1
        wire.chaos = None
        wire.sender.settle()
        patience = time.monotonic() + 60
        while (wrong := _lagging(deployment, wire)) and time.monotonic() < patience:
            time.sleep(0.5)
        saved = sum(len(phone.passes()) for phone in phones)
        for phone in phones:
            phone.close()

        assert not wrong, wrong
        assert changed > 50
        assert saved > 5
        assert not wire.overlapping, "an object got two calls at once"
        by_day: Counter[tuple[str, str]] = Counter()
        for seen in wire.store.notifications:
            by_day[seen.object_id, seen.message_id] += 1
        assert max(by_day.values(), default=0) <= 1, "a message came twice"
        for object_id in {seen.object_id for seen in wire.store.notifications}:
            moments = sorted(
                seen.at for seen in wire.store.notifications if seen.object_id == object_id
            )
            for first, fourth in zip(moments, moments[3:], strict=False):
                assert fourth - first >= dt.timedelta(hours=24)
        over = [each for each in wire.calls if each.status == 429]
        assert wire.over_rate <= len(over)
        with deployment.database.read() as session:
            statuses = Counter(session.scalars(select(GoogleMessage.status)))
        assert set(statuses) <= {"sent", "dropped", "wanted", "unclear"}
