"""How soon a redemption stands at Google: commit to patched object, within and above the quota."""

from __future__ import annotations

import datetime as dt
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median, quantiles

from sqlalchemy import select, update

from app import logs
from app.delivery.worker import Worker, google_classes, google_edits, google_objects
from app.sandbox.google import GoogleStandIn
from app.services import changes
from app.services.deployment import Deployment
from app.services.wallets import holdings
from app.services.wallets.google import resources
from app.settings import Settings
from app.store import migrations
from app.store.models import Campaign, GoogleClass, GoogleObject, Voucher
from passes.signing import throwaway, throwaway_service_account
from tests.benchmarks import Figure, benchmark
from tests.google_wire import google
from tests.storefront import Issued, Storefront

_OBJECTS = 60
#: Objects that an edit is going out to meanwhile: more than Google takes while it is measured.
_EDITED = 400
#: What Google takes to answer, as far as its users report.
_LATENCY = 0.1
_RATE = 20


@contextmanager
def _world() -> Iterator[tuple[Storefront, GoogleStandIn, list[Issued]]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        certs = folder / "certs"
        throwaway(certs, now=dt.datetime.now(dt.UTC))
        settings = Settings(
            database_url=f"sqlite:///{folder}/passerelle.sqlite",
            queue_url=f"sqlite:///{folder}/queue.sqlite",
            certs=certs,
            log_level="error",
        )
        with google(
            issuer_id=settings.google_issuer_id,
            accounts={},
            latency=_LATENCY,
            rate=float(_RATE),
            burst=_RATE,
            fetch_pictures=False,
        ) as wire:
            shutil.rmtree(certs / "google")
            throwaway_service_account(certs, token_uri=wire.token_url)
            deployment = Deployment(
                replace(settings, google_api_url=wire.url, google_callback_keys_url=wire.keys_url)
            )
            migrations.upgrade(deployment.database)
            account = deployment.certificates.account
            wire.accounts[account.email] = account.key.public_key()
            shop = Storefront(deployment)
            campaign = shop.campaign()
            issued = [shop.voucher(campaign, uses=1_000_000) for _ in range(_OBJECTS)]
            worker = Worker(deployment, kinds=(google_classes, google_objects, google_edits))
            worker.start()
            try:
                for each in issued:
                    _want(deployment, each)
                _until(lambda: len(wire.store.resources("offerObject")) == _OBJECTS, 60)
                time.sleep(2)
                yield shop, wire, issued
            finally:
                worker.stop()
                deployment.close()


def _edit(shop: Storefront, wire: GoogleStandIn) -> Callable[[], int]:
    """Let an edit of another campaign go out to all its objects; says how many have it."""
    deployment = shop.deployment
    campaign = shop.campaign()
    issued = [shop.voucher(campaign) for _ in range(_EDITED)]
    with deployment.database.write() as session:
        holding = holdings.find(session, issued[0].public_id)
        assert holding is not None
        resources.want(session, deployment, holding, now=deployment.now())
    _until(lambda: len(wire.store.resources("offerObject")) > _OBJECTS, 60)
    now = deployment.now()
    with deployment.database.read() as session:
        known = session.scalar(
            select(GoogleClass.objects_digest).where(GoogleClass.campaign_id == campaign)
        )
    for each in issued[1:]:
        with deployment.database.write() as session:
            holding = holdings.find(session, each.public_id)
            assert holding is not None
            resource = resources.object_resource(deployment, holding, now=now)
            wire.store.insert("offerObject", resource)
            session.add(
                GoogleObject(
                    voucher_id=each.id,
                    object_id=resource["id"],
                    status="inserted",
                    has_users=True,
                    sent_voucher=holding.voucher.version,
                    sent_campaign=holding.campaign.version,
                    campaign_digest=known,
                    created_at=now,
                )
            )
    override = {"ends_at": (now + dt.timedelta(days=9)).isoformat()}
    with deployment.database.write() as session:
        session.execute(
            update(Campaign)
            .where(Campaign.id == campaign)
            .values(override=override, override_forced=True, version=Campaign.version + 1)
        )
        changes.campaign(session, campaign)

    def edited() -> int:
        return sum("validTimeInterval" in one for one in wire.store.resources("offerObject"))

    _until(lambda: edited() > 0, 60)
    return edited


def _want(deployment: Deployment, issued: Issued) -> None:
    with deployment.database.write() as session:
        holding = holdings.find(session, issued.public_id)
        if holding is not None:
            resources.want(session, deployment, holding, now=deployment.now())


def _until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("Google's side did not follow.")
        time.sleep(0.05)


def _measure(
    deployment: Deployment, wire: GoogleStandIn, issued: list[Issued], *, rate: float, count: int
) -> list[float]:
    """Redeem ``count`` different passes at ``rate`` a second; seconds from commit to patched."""
    committed: dict[str, dt.datetime] = {}
    before = len(wire.calls)
    began = time.monotonic()
    for number in range(count):
        wait = began + number / rate - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        each = issued[number % len(issued)]
        with deployment.database.write() as session:
            session.execute(
                update(Voucher)
                .where(Voucher.id == each.id)
                .values(version=Voucher.version + 1, used=Voucher.uses)
            )
            changes.voucher(session, each.id)
        committed[f"c-{each.serial}"] = dt.datetime.now(dt.UTC)

    def patched() -> dict[str, dt.datetime]:
        return {
            call.path.rpartition(".")[2]: call.at
            for call in wire.calls[before:]
            if call.method == "PATCH" and call.status == 200
        }

    _until(lambda: committed.keys() <= patched().keys(), 60)
    at_google = patched()
    return sorted((at_google[name] - at).total_seconds() for name, at in committed.items())


@benchmark("redeem-to-google")
def redeem_to_google() -> Iterator[Figure]:
    logs.configure("error")
    with _world() as (shop, wire, issued):
        deployment = shop.deployment
        calm = _measure(deployment, wire, issued, rate=8, count=_OBJECTS)
        with deployment.database.write() as session:
            session.execute(update(Voucher).values(used=0, version=Voucher.version + 1))
        _until(lambda: _settled(wire), 60)
        flood = _measure(deployment, wire, issued, rate=1000, count=_OBJECTS)
        with deployment.database.write() as session:
            session.execute(update(Voucher).values(used=0, version=Voucher.version + 1))
        _until(lambda: _settled(wire), 60)
        edited = _edit(shop, wire)
        before, began = edited(), time.monotonic()
        busy = _measure(deployment, wire, issued, rate=8, count=_OBJECTS)
        done, took = edited() - before, time.monotonic() - began
        p95, busy_p95 = (quantiles(each, n=20)[-1] for each in (calm, busy))
        yield Figure(
            f"at 8 changes/s median {median(calm):.2f} s, p95 {p95:.2f} s"
            f" (Google answering in {_LATENCY:g} s); {_OBJECTS} at once: the last after"
            f" {flood[-1]:.2f} s, backlog ÷ rate is {_OBJECTS / _RATE:.2f} s;"
            f" while an edit goes out to {_EDITED} objects ({done / took:.1f}/s beside) median"
            f" {median(busy):.2f} s, p95 {busy_p95:.2f} s;"
            f" {wire.over_rate} calls over Google's rate"
        )


def _settled(wire: GoogleStandIn) -> bool:
    return all(one["state"] == "ACTIVE" for one in wire.store.resources("offerObject"))
