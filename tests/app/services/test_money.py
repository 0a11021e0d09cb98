"""Money is conserved: random histories against a simple model, and many threads at once."""

from __future__ import annotations

import datetime as dt
import random
import shutil
import tempfile
import threading
import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
)
from sqlalchemy import func, select

from app.domain.campaign import Terms
from app.services import audit
from app.services.deployment import Deployment
from app.services.tills import (
    CardAction,
    Running,
    release_lapsed,
)
from app.settings import Settings
from app.store.models import Entry, Hold, Voucher
from app.store.session import Unavailable
from tests.conftest import MASTER_KEYS, Clock
from tests.desk import TTL, desk_of
from tests.shop import Shop

OPENING = 10_000


def findings(deployment: Deployment) -> list[Any]:
    return [each for section in audit.run(deployment.database) for each in section.findings]


def money_out(deployment: Deployment) -> dict[str, int]:
    """Minor units of all entries by kind."""
    with deployment.database.read() as session:
        rows = session.execute(
            select(Entry.kind, func.sum(Entry.amount_minor)).group_by(Entry.kind)
        )
        return {kind: int(total) for kind, total in rows}


class Money(RuleBasedStateMachine):
    """One card's life, beside a model that is a handful of integers."""

    template: Path
    holds = Bundle("holds")
    spent = Bundle("spent")
    refunds = Bundle("refunds")

    @initialize()
    def open(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="passerelle-money-"))
        shutil.copy(self.template, self.folder / "db.sqlite")
        self.clock = Clock()
        self.deployment = Deployment(
            Settings(
                database_url=f"sqlite:///{self.folder}/db.sqlite",
                queue_url=f"sqlite:///{self.folder}/queue.sqlite",
                master_keys=MASTER_KEYS,
                certs=self.folder,
                log_level="error",
            ),
            clock=self.clock,
        )
        self.shop = Shop(self.deployment)
        self.shop.store("paris")
        self.shop.campaign(kind="gift_card", terms=Terms(amount_minor=OPENING))
        self.ends = self.clock.now + dt.timedelta(minutes=22)
        self.card = self.shop.voucher(ends_at=self.ends)
        self.desk = desk_of(self.deployment, self.shop)
        self.balance, self.status = OPENING, "active"
        #: Open holds: what is left of each, and when it ends.
        self.open_holds: dict[str, tuple[int, dt.datetime]] = {}
        #: What can still be given back of each redemption.
        self.left: dict[str, int] = {}
        self.replaced = 0
        #: Whether another card stands for it, also one from which the money went back.
        self.succeeded = False
        self.last: tuple[str, int, Any] | None = None
        #: Refunds that were not undone: of what, how much, and whether another card has it.
        self.given: dict[str, tuple[str, int, bool]] = {}

    def teardown(self) -> None:
        if hasattr(self, "deployment"):
            assert findings(self.deployment) == []
            self.deployment.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    # -- the model --

    @property
    def held(self) -> int:
        return sum(left for left, _ in self.open_holds.values())

    @property
    def over(self) -> bool:
        return self.clock.now >= self.ends or self.status in ("expired", "deactivated")

    @property
    def usable(self) -> bool:
        return self.status == "active" and not self.over and not self.replaced

    def lapse(self) -> None:
        """What the next write does first."""
        lapsed = [key for key, (_, end) in self.open_holds.items() if end <= self.clock.now]
        for key in lapsed:
            del self.open_holds[key]
        if lapsed:
            self.settle()

    def settle(self) -> None:
        """Money that is free on a card whose time is over has expired."""
        if self.over and self.balance > self.held:
            self.balance = self.held
            if self.status != "deactivated":
                self.status = "expired"

    # -- what happens --

    @rule(target=spent, minor=st.integers(1, 6_000))
    def redeem(self, minor: int) -> Any:
        self.lapse()
        key = uuid.uuid4().hex
        answer = self.desk.redeem(self.card, minor, key=key)
        good = self.usable and minor <= self.balance - self.held
        assert (answer["outcome"] == "accepted") is good, answer
        self.last = (key, minor, answer)
        if not good:
            return multiple()
        self.balance -= minor
        redemption: str = answer["redemptions"][0]["redemption_id"]
        self.left[redemption] = minor
        return redemption

    @rule()
    def retry(self) -> None:
        if self.last is not None:
            key, minor, answer = self.last
            assert self.desk.redeem(self.card, minor, key=key) == answer

    @rule(target=holds, minor=st.integers(1, 6_000))
    def hold(self, minor: int) -> Any:
        self.lapse()
        answer = self.desk.redeem(self.card, minor, hold=True)
        good = self.usable and minor <= self.balance - self.held
        assert (answer["outcome"] == "accepted") is good, answer
        if not good:
            return multiple()
        found: str = answer["holds"][0]["hold_id"]
        self.open_holds[found] = (minor, self.clock.now + TTL)
        return found

    @rule(target=spent, hold=holds, share=st.integers(1, 100), final=st.booleans())
    def capture(self, hold: str, share: int, final: bool) -> Any:
        left, end = self.open_holds.get(hold, (100, self.clock.now))
        minor = max(1, left * share // 100)
        answer = self.desk.capture(hold, minor, final=final)
        good = (
            hold in self.open_holds
            and end > self.clock.now
            and self.status not in ("blocked", "deactivated")
        )
        assert (answer["outcome"] == "accepted") is good, answer
        if not good:
            return multiple()
        self.balance -= minor
        if final or minor == left:
            del self.open_holds[hold]
        else:
            self.open_holds[hold] = (left - minor, end)
        self.settle()
        redemption: str = answer["redemptions"][0]["redemption_id"]
        self.left[redemption] = minor
        return redemption

    @rule(hold=holds)
    def void(self, hold: str) -> None:
        answer = self.desk.void(hold)
        good = hold in self.open_holds
        assert (answer["outcome"] == "accepted") is good, answer
        if good:
            del self.open_holds[hold]
            self.settle()

    @rule(minor=st.integers(1, 3_000))
    def load(self, minor: int) -> None:
        self.lapse()
        answer = self.desk.card(CardAction.LOAD, self.card, minor)
        assert (answer["outcome"] == "accepted") is self.usable, answer
        if self.usable:
            self.balance += minor

    @rule(minor=st.integers(-3_000, 1_000))
    def adjust(self, minor: int) -> None:
        self.lapse()
        answer = self.desk.card(CardAction.ADJUST, self.card, minor)
        alive = self.status in ("active", "blocked") and not self.replaced
        good = alive and self.balance - self.held + minor >= 0
        assert (answer["outcome"] == "accepted") is good, answer
        if good:
            self.balance += minor

    @rule(unblock=st.booleans())
    def block(self, unblock: bool) -> None:
        self.lapse()
        action = CardAction.UNBLOCK if unblock else CardAction.BLOCK
        answer = self.desk.card(action, self.card)
        if self.succeeded and not unblock:
            # Who blocks an old card blocks the one that has its money.
            assert answer["outcome"] == "accepted", answer
            return
        good = self.status in ("active", "blocked") and not self.replaced
        assert (answer["outcome"] == "accepted") is good, answer
        if good:
            self.status = "active" if unblock else "blocked"

    @rule(target=refunds, redemption=spent, share=st.integers(1, 110))
    def refund(self, redemption: str, share: int) -> Any:
        left = self.left[redemption]
        minor = max(1, left * share // 100)
        key = uuid.uuid4().hex
        answer = self.desk.refund(redemption, minor, key=key)
        good = 0 < minor <= left
        assert (answer["outcome"] == "accepted") is good, answer
        if not good:
            return multiple()
        self.left[redemption] -= minor
        self.give(minor, answer["replaced_by"])
        self.given[key] = (redemption, minor, answer["replaced_by"] is not None)
        return key

    @rule(key=refunds)
    def unrefund(self, key: str) -> None:
        """Give up on a refund whose answer was lost."""
        if key in self.given:
            self.lapse()
        redemption, minor, moved = self.given.get(key, ("", 0, False))
        there = self.replaced if moved else self.balance - self.held
        good = key in self.given and minor <= there
        answer = self.desk.unrefund(key)
        assert (answer["outcome"] == "accepted") is good, answer
        if good:
            del self.given[key]
            self.left[redemption] += minor
            if moved:
                self.replaced -= minor
            else:
                self.balance -= minor

    @rule(redemption=spent)
    def reverse(self, redemption: str) -> None:
        answer = self.desk.reverse(redemption)
        good = self.left[redemption] > 0
        assert (answer["outcome"] == "accepted") is good, answer
        if good:
            self.give(self.left[redemption], None)
            self.left[redemption] = 0

    def give(self, minor: int, replaced_by: str | None) -> None:
        if self.over or self.replaced:
            self.succeeded = True
            self.replaced += minor
            if self.status not in ("expired", "deactivated"):
                self.status = "expired"
        else:
            assert replaced_by is None
            self.balance += minor

    @rule(minutes=st.sampled_from([1, 5, 6, 11]))
    def wait(self, minutes: int) -> None:
        self.clock.advance(minutes=minutes)

    @rule(late=st.booleans())
    def outlive(self, late: bool) -> None:
        """Go to the last minute of the card, or to the first after it."""
        self.clock.now = max(self.clock.now, self.ends - dt.timedelta(minutes=0 if late else 1))

    @rule()
    def tick(self) -> None:
        release_lapsed(self.deployment, self.clock.now)
        self.lapse()
        self.settle()

    @invariant()
    def books(self) -> None:
        if not hasattr(self, "desk"):
            return
        row = self.shop.row(self.card)
        assert 0 <= row.held_minor <= row.balance_minor
        if not any(end <= self.clock.now for _, end in self.open_holds.values()):
            assert (row.balance_minor, row.held_minor) == (self.balance, self.held)
        if row.replaced_by_id is not None:
            assert self.shop.row(row.replaced_by_id).balance_minor == self.replaced


def test_random_histories_of_a_card_agree_with_a_simple_model(sqlite_template: Path) -> None:
    Money.template = sqlite_template
    case = Money.TestCase
    case.settings = settings(
        max_examples=60,
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    case("runTest").runTest()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_eight_threads_conserve_money_to_the_cent(deployment: Deployment, clock: Clock) -> None:
    shop = Shop(deployment)
    shop.store("paris")
    shop.campaign(kind="gift_card", terms=Terms(amount_minor=OPENING), budget_minor=10**9)
    cards = [shop.voucher() for _ in range(3)]
    desk = desk_of(deployment, shop)
    faults: list[BaseException] = []

    def work(seed: int) -> None:
        chance = random.Random(seed)
        holds: list[str] = []
        spent: list[str] = []
        for _ in range(40):
            card, minor = chance.choice(cards), chance.randrange(1, 2_500)
            try:
                act = chance.randrange(7)
                if act == 0:
                    made = desk.redeem(card, minor, hold=True)
                    holds += [each["hold_id"] for each in made.get("holds", [])]
                elif act == 1 and holds:
                    made = desk.capture(chance.choice(holds), None, final=chance.random() < 0.5)
                    spent += [each["redemption_id"] for each in made.get("redemptions", [])]
                elif act == 2 and holds:
                    desk.void(chance.choice(holds))
                elif act == 3 and spent:
                    desk.refund(chance.choice(spent), None)
                elif act == 4 and spent:
                    desk.reverse(chance.choice(spent))
                elif act == 5:
                    desk.card(CardAction.LOAD, card, minor)
                else:
                    made = desk.redeem(card, minor)
                    spent += [each["redemption_id"] for each in made.get("redemptions", [])]
            except (Unavailable, Running):
                continue  # Said to be safe to send again; here another one is sent.
            except BaseException as fault:
                faults.append(fault)
                return

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert faults == []
    assert findings(deployment) == []
    with deployment.database.read() as session:
        total = session.scalar(select(func.sum(Voucher.balance_minor))) or 0
        held = session.scalar(
            select(func.sum(Hold.amount_minor - Hold.captured_minor)).where(Hold.status == "open")
        )
        assert session.scalar(select(func.sum(Voucher.held_minor))) == (held or 0)
    moved = money_out(deployment)
    assert total == sum(moved.values())
    assert moved["activate"] == 3 * OPENING
    assert -moved["redemption"] >= moved.get("refund", 0) + moved.get("reversal", 0)
