"""One run: install, storm, clear, settle, compare."""

from __future__ import annotations

import datetime as dt
import random
import time
from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import update

from app.services import changes
from app.store.models import Campaign, Voucher
from app.store.session import Unavailable
from tests.delivery.soak.androids import Androids
from tests.delivery.soak.counter import Counter
from tests.delivery.soak.iphones import Iphones
from tests.delivery.soak.report import Report
from tests.delivery.soak.town import Town
from tests.delivery.soak.workers import Workers
from tests.storefront import MONEY, PERCENT, TEXTS, Issued

#: Workers of a run; two, so that each has a rival for every lease and for Google's rate.
WORKERS = 2
#: How often workers are killed in a storm: one at a time, and all of them in the middle.
KILLS = 4


class Soak:
    """One run over a town; `run` returns what it saw."""

    def __init__(self, town: Town, *, phones: int, androids: int, steps: int, seed: int) -> None:
        self.report = Report()
        self._world, self._wire = town.world, town.wire
        self._chance = random.Random(seed)
        self._steps = steps
        shop = self._world.storefront
        self._money = [shop.campaign("gift_card") for _ in range(3)]
        ends = self._world.clock() + dt.timedelta(days=30)
        self._coupons = shop.campaign()
        cards = [shop.voucher(self._chance.choice(self._money)) for _ in range(phones)]
        # What real tills do to coupons that can be used often, with their uses counted and without.
        self._counter = Counter(self._world, self._chance)
        often = [self._counter.coupon(number) for number in range(max(2, phones // 20))]
        coupons = [shop.voucher(self._coupons, ends_at=ends) for _ in range(androids // 2)]
        # Cards that are on an iPhone, too.
        shared = self._chance.sample(cards, min(len(cards), androids - len(coupons)))
        self._cards, self._offers = cards, coupons
        self._shared = shared
        self._numbers: dict[int, int] = {}
        self._balances = 0
        self._iphones = Iphones(self._world, cards, often, size=phones, chance=self._chance)
        self._androids = Androids(
            self._world,
            self._wire,
            [*((each, False) for each in coupons), *((each, True) for each in shared)],
            chance=self._chance,
        )

    def run(self) -> Report:
        report, began = self.report, time.monotonic()
        self._iphones.install()
        workers = Workers(self._world.settings, count=WORKERS)
        try:
            self._androids.install(seconds=120)
            report.installing = time.monotonic() - began
            self._storm(workers)
            report.storm = time.monotonic() - began - report.installing
            self._clear()
            self._settle(workers)
            report.settling = time.monotonic() - began - report.installing - report.storm
        finally:
            workers.stop()
        self._compare()
        self._androids.close()
        report.seconds = time.monotonic() - began
        return report

    def _storm(self, workers: Workers) -> None:
        self._iphones.storm()
        self._androids.storm()
        moves: list[tuple[int, Callable[[], None]]] = [
            (60, self._redeem),
            (12, self._use),
            (3, self._edit),
            (1, self._prolong),
            (1, self._skew),
            (1, self._lose_queue),
            *self._iphones.moves(),
            *self._androids.moves(),
        ]
        weights = [weight for weight, _ in moves]
        every = max(1, self._steps // KILLS)
        for step in range(self._steps):
            (_, move), *_ = self._chance.choices(moves, weights)
            try:
                move()
            except Unavailable:
                # It met a worker's locks, and nothing of it happened: a service asks again.
                self.report.moves["moves that met a lock"] += 1
            if step % every == every // 2:
                self._misadventure(step // every, workers)
            time.sleep(0.005)

    def _misadventure(self, number: int, workers: Workers) -> None:
        """One of the few things that happen once or twice in a run."""
        if number == 1:
            self._androids.hang()
        if number == KILLS - 2:
            # The next kill brings senders that do not know of it.
            self._iphones.refuse()
            self._androids.refuse()
        if number == KILLS // 2:
            self.report.kills += WORKERS
            workers.outage(self._androids.end_leases)
            return
        self.report.kills += 1
        workers.kill_one(self._chance)

    def _clear(self) -> None:
        self._iphones.clear()
        self._androids.clear()
        self._world.clock.offset = dt.timedelta()
        # A deletion of which Google never told is heard with the next change, whenever that comes.
        for issued in self._shared:
            self._change(issued, balance_minor=self._balance())
        for issued in self._offers:
            self._change(issued, used=1 - Voucher.used)

    def _use(self) -> None:
        """A real till redeems, or takes back."""
        self._counter.act()
        self.report.moves["acts of a real till"] += 1

    def _settle(self, workers: Workers) -> None:
        """Wait until the workers owe nothing more and the phones have nothing left to do."""
        until = time.monotonic() + 240 + len(self._cards) / 20
        outage, quiet = 0.0, 0
        while time.monotonic() < until and quiet < 3:
            if quiet == 0 and time.monotonic() > outage:
                # The last leases of the dead end with those of the living, who are killed for it.
                self.report.kills += WORKERS
                workers.outage(self._androids.end_leases)
                outage = time.monotonic() + 45
            self._iphones.settle()
            self._androids.save_rest()
            time.sleep(1.0)
            done = self._world.fleet.idle() and self._owed() == 0 and not self._androids.waiting()
            quiet = quiet + 1 if done else 0

    def _owed(self) -> int:
        return self._iphones.owed() + self._androids.owed()

    def _compare(self) -> None:
        report = self.report
        self._wire.sender.settle()
        report.owed = self._owed()
        report.phones = len(self._iphones.phones)
        report.passes = self._iphones.held()
        report.androids = len(self._androids.holders)
        report.saved = self._androids.saved()
        report.pushes = len(self._world.apns.tokens())
        report.fetches = sum(phone.fetches for phone in self._iphones.phones)
        report.unchanged = self._iphones.unchanged()
        report.writes = sum(
            call.method in ("POST", "PATCH") and call.status == 200 for call in self._wire.calls
        )
        report.rings = len(self._wire.store.notifications)
        report.silent = sum(self._wire.store.taken.values()) - report.rings
        report.moves += self._iphones.counts + self._androids.counts
        report.wrong += self._iphones.wrong()
        report.wrong += self._androids.wrong()

    def _redeem(self) -> None:
        """Take money from a card or use a coupon; one time in ten nobody hints at it."""
        pick = self._chance.random()
        if pick < 0.2 and self._offers:
            self._change(self._chance.choice(self._offers), used=1 - Voucher.used)
        else:
            card = self._chance.choice(self._shared if pick < 0.5 else self._cards)
            self._change(card, balance_minor=self._balance())
        self.report.redemptions += 1

    def _balance(self) -> int:
        """Another balance than any before, so that each change shows."""
        self._balances += 1
        return 2_000 + self._balances

    def _change(self, issued: Issued, **values: object) -> None:
        with self._world.house.database.write() as session:
            session.execute(
                update(Voucher)
                .where(Voucher.id == issued.id)
                .values(version=Voucher.version + 1, **values)
            )
            if self._chance.random() < 0.9:
                changes.voucher(session, issued.id)
        self.report.told_devices += self._iphones.told_by(issued.id)
        self.report.told_objects += self._androids.told_by(issued.id)

    def _edit(self) -> None:
        """Give a campaign another title, which shows on Google's class and on every iPhone."""
        campaign = self._chance.choice([*self._money, self._coupons])
        number = self._numbers[campaign] = self._numbers.get(campaign, 0) + 1
        texts = {
            name: replace(each, title=f"{each.title} {number}") for name, each in TEXTS.items()
        }
        terms = PERCENT if campaign == self._coupons else MONEY
        self._world.storefront.revise(campaign, terms=terms, texts=texts)
        self._hint(campaign)

    def _prolong(self) -> None:
        """Let all coupons end later or, forced, earlier: that shows on every object of Google's."""
        ends = self._world.clock() + dt.timedelta(days=self._chance.randrange(5, 90))
        with self._world.house.database.write() as session:
            session.execute(
                update(Campaign)
                .where(Campaign.id == self._coupons)
                .values(
                    override={"ends_at": ends.replace(microsecond=0).isoformat()},
                    override_forced=self._chance.random() < 0.3,
                    version=Campaign.version + 1,
                )
            )
        self.report.told_objects += sum(self._androids.told_by(each.id) for each in self._offers)
        self._hint(self._coupons)

    def _hint(self, campaign: int) -> None:
        with self._world.house.database.write() as session:
            if self._chance.random() < 0.8:
                changes.campaign(session, campaign)
        self.report.told_devices += self._iphones.told_by_campaign(campaign)
        self.report.edits += 1

    def _skew(self) -> None:
        """The server's clock jumps, forwards or back, by minutes; the workers' do not."""
        self.report.moves["clock jumps"] += 1
        self._world.clock.advance(seconds=self._chance.uniform(-120, 120))

    def _lose_queue(self) -> None:
        """The queue's storage loses everything in it."""
        self.report.moves["queues lost"] += 1
        self._world.house.hints.huey.storage.flush_queue()
