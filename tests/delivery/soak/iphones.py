"""Thousands of phones, every misfortune, and at the end every pass shows what the database says.

One run is a world with worker processes, which are killed now and then, and a driver that edits
campaigns, redeems, moves phones about and spoils the network, all by one seed. Then the weather
clears, everything settles, and each phone is compared with the database.
"""

from __future__ import annotations

import datetime as dt
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy import func, or_, select, update

from app.sandbox.apns import SILENCE
from app.sandbox.iphone import Lost, Phone
from app.sandbox.pkpass import Rejected
from app.services import changes, installations
from app.store.models import AppleDevice, AppleRegistration, Campaign, Voucher
from tests.apple_world import World
from tests.serving import environment
from tests.storefront import MONEY, TEXTS, Issued

ROOT = Path(__file__).parent.parent.parent


@dataclass
class Report:
    """What a soak saw."""

    phones: int = 0
    passes: int = 0
    edits: int = 0
    redemptions: int = 0
    moves: dict[str, int] = field(default_factory=dict)
    kills: int = 0
    pushes: int = 0
    fetches: int = 0
    told: int = 0
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)
    owed: int = 0

    def lines(self) -> str:
        moves = ", ".join(f"{count} {name}" for name, count in sorted(self.moves.items()))
        return (
            f"{self.phones} phones with {self.passes} passes; {self.edits} edits, "
            f"{self.redemptions} redemptions, {moves}, {self.kills} workers killed; "
            f"{self.pushes} pushes for {self.told} device-changes "
            f"(ratio of pushes to changes {self.pushes / max(1, self.told):.2f}), "
            f"{self.fetches} fetches; "
            f"{self.seconds:.0f} s; wrong: {len(self.wrong)}, owed: {self.owed}"
        )


class Workers:
    """Worker processes of the world's service, that can be killed."""

    def __init__(self, world: World, *, count: int) -> None:
        self._environment = {
            **os.environ,
            **environment(world.settings),
        }
        self._running = [self._start() for _ in range(count)]

    def kill_one(self, chance: random.Random) -> None:
        """Kill one with SIGKILL and start another in its place."""
        index = chance.randrange(len(self._running))
        self._running[index].send_signal(signal.SIGKILL)
        self._running[index].wait(10)
        self._running[index] = self._start()

    def stop(self) -> None:
        for each in self._running:
            each.terminate()
        for each in self._running:
            try:
                each.wait(15)
            except subprocess.TimeoutExpired:
                each.kill()
                each.wait(5)

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", "from app.cli import main; main()", "worker"],
            cwd=ROOT,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


class Soak:
    """One run; `run` returns what it saw."""

    def __init__(self, world: World, *, phones: int, steps: int, workers: int, seed: int) -> None:
        self.world = world
        self.report = Report()
        self._chance = random.Random(seed)
        self._size = phones
        self._steps = steps
        self._worker_count = workers
        self._phones: list[Phone] = []
        self._cards: list[Issued] = []
        self._campaigns: list[int] = []
        self._numbers: dict[int, int] = {}

    def run(self) -> Report:
        began = time.monotonic()
        self._install()
        workers = Workers(self.world, count=self._worker_count)
        try:
            self._storm(workers)
            self._clear()
            self._settle(workers)
        finally:
            workers.stop()
        self._compare()
        self.report.seconds = time.monotonic() - began
        return self.report

    def _install(self) -> None:
        shop = self.world.storefront
        for _ in range(3):
            self._campaigns.append(shop.campaign("gift_card"))
        for _ in range(self._size):
            self._cards.append(shop.voucher(self._chance.choice(self._campaigns)))

        def install(card: Issued) -> Phone:
            return self.world.holder(card)

        with ThreadPoolExecutor(4) as pool:
            self._phones = list(pool.map(install, self._cards))
        for _ in range(self._size // 10):
            phone = self._chance.choice(self._phones)
            phone.install(self.world.link(self._chance.choice(self._cards)))

    def _storm(self, workers: Workers) -> None:
        world, chance = self.world, self._chance
        world.apns.weather(random.Random(chance.random()), 0.05)
        world.line.lose = 0.02
        world.line.double = 0.05
        moves: tuple[tuple[int, Callable[[], None]], ...] = (
            (60, self._redeem),
            (2, self._edit),
            (4, self._register_again),
            (4, self._change_token),
            (3, self._delete),
            (3, self._add_again),
            (3, self._restore),
            (4, self._offline),
            (6, self._online),
            (1, self._pair_watch),
            (1, world.apns.goaway),
            (1, world.apns.cut),
            (2, lambda: world.apns.answer(SILENCE)),
            (1, self._skew),
            (1, self._lose_queue),
        )
        weights = [weight for weight, _ in moves]
        for step in range(self._steps):
            (_, move), *_ = chance.choices(moves, weights)
            move()
            if step % max(1, self._steps // 6) == self._steps // 12:
                workers.kill_one(chance)
                self.report.kills += 1
            time.sleep(0.005)

    def _count(self, name: str) -> None:
        self.report.moves[name] = self.report.moves.get(name, 0) + 1

    def _redeem(self) -> None:
        card = self._chance.choice(self._cards)
        with self.world.house.database.write() as session:
            session.execute(
                update(Voucher)
                .where(Voucher.id == card.id, Voucher.balance_minor > 0)
                .values(balance_minor=Voucher.balance_minor - 1, version=Voucher.version + 1)
            )
            if self._chance.random() < 0.9:
                changes.voucher(session, card.id)
            self.report.told += (
                session.scalar(select(func.count()).where(AppleRegistration.voucher_id == card.id))
                or 0
            )
        self.report.redemptions += 1

    def _edit(self) -> None:
        campaign = self._chance.choice(self._campaigns)
        number = self._numbers[campaign] = self._numbers.get(campaign, 0) + 1
        texts = {
            name: replace(each, title=f"{each.title} {number}") for name, each in TEXTS.items()
        }
        self.world.storefront.revise(campaign, terms=MONEY, texts=texts)
        with self.world.house.database.write() as session:
            if self._chance.random() < 0.8:
                changes.campaign(session, campaign)
            self.report.told += (
                session.scalar(
                    select(func.count(AppleRegistration.device_id.distinct()))
                    .join(Voucher, Voucher.id == AppleRegistration.voucher_id)
                    .where(Voucher.campaign_id == campaign)
                )
                or 0
            )
        self.report.edits += 1

    def _phone(self) -> Phone:
        return self._chance.choice(self._phones)

    def _register_again(self) -> None:
        self._count("re-registrations")
        self._phone().register_again()

    def _change_token(self) -> None:
        self._count("token changes")
        phone = self._phone()
        old = phone.push_token
        phone.change_token()
        self.world.fleet.join(phone)
        self._gone(old)

    def _restore(self) -> None:
        self._count("restores")
        phone = self._phone()
        old = phone.push_token
        phone.restore()
        self.world.fleet.join(phone)
        self._gone(old)

    def _gone(self, token: str) -> None:
        """Apple notices that a token is no more."""
        # The server's clock jumps by minutes, Apple's does not.
        self.world.apns.unregister(token, dt.datetime.now(dt.UTC) + dt.timedelta(minutes=10))

    def _delete(self) -> None:
        phone = self._phone()
        if phone.cards:
            self._count("deletions")
            phone.delete(self._chance.choice(sorted(phone.cards))[1])

    def _add_again(self) -> None:
        self._count("additions")
        try:
            self._phone().install(self.world.link(self._chance.choice(self._cards)))
        except (Lost, Rejected):
            return

    def _offline(self) -> None:
        self._count("phones gone offline")
        self._phone().go_offline()

    def _online(self) -> None:
        away = [phone for phone in self._phones if not phone.online]
        if away:
            self._chance.choice(away).go_online()

    def _pair_watch(self) -> None:
        if len(self._phones) < self._size * 1.1:
            self._count("watches")
            self._phones.append(self.world.fleet.join(self._phone().pair_watch()))

    def _skew(self) -> None:
        """The server's clock jumps, forwards or back, by minutes."""
        self._count("clock jumps")
        self.world.clock.advance(seconds=self._chance.uniform(-120, 120))

    def _lose_queue(self) -> None:
        """The queue's storage loses everything in it."""
        self._count("queues lost")
        self.world.house.hints.huey.storage.flush_queue()

    def _clear(self) -> None:
        """Fair weather: nothing is lost any more, everybody is online, the clock is right."""
        world = self.world
        world.apns.weather(None)
        world.apns.calm()
        world.line.lose = world.line.double = 0.0
        world.clock.offset = dt.timedelta()
        for phone in self._phones:
            phone.go_online()

    def _settle(self, workers: Workers) -> None:
        """Wait until the workers owe nothing more and the phones have nothing left to do."""
        until = time.monotonic() + 240
        quiet = 0
        while time.monotonic() < until and quiet < 3:
            # What waits for the end of a lease, a pause or a reminder is made due: nobody wants
            # to wait hours for a test.
            now = dt.datetime.now(dt.UTC)
            with self.world.house.database.write() as session:
                session.execute(
                    update(AppleDevice)
                    .where(or_(AppleDevice.due_at > now, AppleDevice.claimed_until > now))
                    .values(due_at=now, claimed_until=None, reminders=0)
                )
            for phone in self._phones:
                phone.settle()
            time.sleep(1.0)
            done = self.world.fleet.idle() and self._owed() == 0
            quiet = quiet + 1 if done else 0

    def _owed(self) -> int:
        """Registrations of which a device was not told, or which it has not fetched."""
        with self.world.house.database.read() as session:
            return (
                session.scalar(
                    select(func.count())
                    .select_from(AppleRegistration)
                    .join(Voucher, Voucher.id == AppleRegistration.voucher_id)
                    .join(Campaign, Campaign.id == Voucher.campaign_id)
                    .where(
                        installations.behind(installations.PUSHED)
                        | installations.behind(installations.LISTED)
                    )
                )
                or 0
            )

    def _compare(self) -> None:
        report = self.report
        report.owed = self._owed()
        report.phones = len(self._phones)
        report.pushes = len(self.world.apns.tokens())
        with self.world.house.database.read() as session:
            truth = {
                row.public_id: (row.balance_minor, row.campaign_id)
                for row in session.execute(
                    select(Voucher.public_id, Voucher.balance_minor, Voucher.campaign_id)
                )
            }
            known = {
                (row.library_id, row.public_id)
                for row in session.execute(
                    select(AppleDevice.library_id, Voucher.public_id)
                    .join(AppleRegistration, AppleRegistration.device_id == AppleDevice.id)
                    .join(Voucher, Voucher.id == AppleRegistration.voucher_id)
                )
            }
        held = set()
        cards = {card.serial: card for card in self._cards}
        for phone in self._phones:
            report.fetches += phone.fetches
            for (_, serial), card in phone.cards.items():
                report.passes += 1
                issued = cards[serial]
                held.add((phone.library_id, issued.public_id))
                balance, campaign = truth[issued.public_id]
                number = self._numbers.get(campaign, 0)
                shown = str(card.content)
                fields = [
                    each
                    for slot in card.content["storeCard"].values()
                    if isinstance(slot, list)
                    for each in slot
                ]
                money = next(each["value"] for each in fields if each["key"] == "balance")
                if round(float(money) * 100) != balance:
                    report.wrong.append(f"{serial} shows {money}, the database says {balance}")
                if number and f"{TEXTS['en'].title} {number}" not in shown:
                    report.wrong.append(f"{serial} does not show edit {number}")
        for missing in held - known:
            report.wrong.append(f"{missing} is on a phone that is not registered")
