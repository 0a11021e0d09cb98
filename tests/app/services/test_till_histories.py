"""Random histories of tills agree with a simple model; a replay adds nothing."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import func, select

from app.domain.campaign import Authority, Source, Terms
from app.services import access, audit
from app.services.access import Client
from app.services.deployment import Deployment
from app.services.tills import Origin, Redemption, Reversal, ScannedItem, Tills
from app.services.tills.reported_uses import Reports
from app.services.tills.uses import Use
from app.settings import Settings
from app.store.models import Entry
from tests.conftest import Clock
from tests.shop import Issued, Shop

STEPS = int(os.environ.get("TESTS_STEPS", "25"))
EXAMPLES = int(os.environ.get("TESTS_EXAMPLES", "12"))

USES, BUDGET, MONEY, REFUND_DAYS = 2, 4, 1_000, 3


@dataclass
class Modelled:
    """A voucher as the model knows it."""

    issued: Issued
    kind: str
    ends_at: dt.datetime
    used: int = 0
    balance: int = 0
    conflicts: int = 0
    #: Money came back after its end, so that another card has it.
    replaced: bool = False


@dataclass
class Made:
    """A call that was accepted: when, for what, under which key."""

    key: str
    voucher: Modelled
    amount: int
    at: dt.datetime
    redemption_id: str
    reversed: bool = False


@dataclass
class World:
    """A fresh shop, its tills and its clock."""

    deployment: Deployment
    client: Client
    clock: Clock
    shop: Shop
    tills: Tills = field(init=False)
    reports: Reports = field(init=False)

    def __post_init__(self) -> None:
        self.tills = Tills(self.deployment)
        self.reports = Reports(self.deployment, self.tills)


class TillHistory(RuleBasedStateMachine):
    """A history of one store's tills. `make_world` is set by the test."""

    make_world: Callable[[], World]

    def __init__(self) -> None:
        super().__init__()
        self.world = type(self).make_world()
        self.calls: dict[str, tuple[Callable[[str], Any], Any]] = {}
        self.made: list[Made] = []
        self.tombs: set[str] = set()
        self.reported: set[str] = set()
        self.budget = 0
        self.number = 0
        shop, now = self.world.shop, self.world.clock.now
        terms = Terms(uses=USES, refund_days=REFUND_DAYS)
        shop.campaign("coupon", terms=terms, budget_uses=BUDGET)
        shop.campaign("card", kind="gift_card", terms=Terms(amount_minor=MONEY, refund_days=3))
        shop.campaign("web", authority=Authority.EXTERNAL, source=Source.LIST, terms=terms)
        ends = now + dt.timedelta(days=4)
        self.vouchers = [
            Modelled(shop.voucher("coupon", ends_at=ends), "coupon", ends),
            Modelled(shop.voucher("coupon", ends_at=ends), "coupon", ends),
            Modelled(shop.voucher("card", ends_at=ends), "card", ends, balance=MONEY),
            Modelled(shop.voucher("web", code="WEB1", ends_at=ends), "web", ends),
        ]

    def teardown(self) -> None:
        self.world.deployment.close()

    def _key(self) -> str:
        self.number += 1
        return f"k{self.number}"

    def _redeem(self, voucher: Modelled, amount: int) -> Callable[[str], Any]:
        money = {"amount_minor": amount, "currency": "EUR"} if voucher.kind == "card" else {}
        redemption = Redemption(
            items=(ScannedItem(barcode=voucher.issued.barcode, **money),),  # type: ignore[arg-type]
            origin=Origin(operator="anna"),
        )
        return lambda key: orjson.loads(
            self.world.tills.redeem(
                self.world.client, key, redemption, fingerprint=repr(redemption).encode()
            ).body
        )

    def _expected(self, voucher: Modelled, amount: int) -> str:
        if voucher.replaced:
            return "stale_barcode"
        if self.world.clock.now >= voucher.ends_at:
            return "expired"
        if voucher.kind == "card":
            return "accepted" if amount <= voucher.balance else "insufficient_balance"
        if voucher.used >= USES:
            return "limit_reached"
        if voucher.kind == "coupon" and self.budget >= BUDGET:
            return "budget_exhausted"
        return "accepted"

    @rule(index=st.integers(0, 3), amount=st.integers(1, 600))
    def redeem(self, index: int, amount: int) -> None:
        voucher = self.vouchers[index]
        expected, call, key = (
            self._expected(voucher, amount),
            self._redeem(voucher, amount),
            (self._key()),
        )
        answer = call(key)
        assert answer.get("reason", answer["outcome"]) == expected
        self.calls[key] = (call, answer)
        if expected != "accepted":
            return
        taken = amount if voucher.kind == "card" else 0
        voucher.balance -= taken
        voucher.used += 0 if voucher.kind == "card" else 1
        self.budget += 1 if voucher.kind == "coupon" else 0
        found = answer["redemptions"][0]["redemption_id"]
        self.made.append(Made(key, voucher, taken, self.world.clock.now, found))

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.calls)))
        call, answer = self.calls[key]
        assert call(key) == answer

    @precondition(lambda self: self.made)
    @rule(data=st.data(), by_key=st.booleans())
    def take_back(self, data: st.DataObject, by_key: bool) -> None:
        made = data.draw(st.sampled_from(self.made))
        days = (self.world.clock.now.date() - made.at.date()).days
        expected = (
            "already_reversed"
            if made.reversed
            else "reversal_window_closed"
            if days > REFUND_DAYS
            else "accepted"
        )
        answer = self._reverse(key=made.key) if by_key else self._reverse(made=made)
        assert answer.get("reason", answer["outcome"]) == expected
        if expected == "accepted":
            part = answer["reversals"][0]
            assert part["kind"] == ("undo" if days == 0 else "refund")
            made.reversed = True
            made.voucher.used -= 0 if made.voucher.kind == "card" else 1
            self.budget -= 1 if made.voucher.kind == "coupon" else 0
            # Money of a card that is over goes to another, which the audit counts at the end.
            over = made.voucher.kind == "card" and self.world.clock.now >= made.voucher.ends_at
            assert (part["replaced_by"] is not None) == over
            if over:
                made.voucher.replaced = True
            else:
                made.voucher.balance += made.amount
            if made.voucher.kind == "card":
                assert part["voucher"]["balance_minor"] == made.voucher.balance

    @rule(index=st.integers(0, 3))
    def reverse_before_the_original(self, index: int) -> None:
        key = self._key()
        assert self._reverse(key=key)["before_original"]
        call = self._redeem(self.vouchers[index], 1)
        answer = call(key)
        assert answer["reason"] == "already_reversed"
        self.calls[key] = (call, answer)

    @rule(number=st.integers(1, 6))
    def report(self, number: int) -> None:
        voucher, use = self.vouchers[3], Use(id=f"order-{number}", code="web-1")
        done = self.world.reports.report(self.world.client, [use], origin=Origin())[0]
        if use.id in self.reported:
            assert done.outcome == "duplicate"
            return
        self.reported.add(use.id)
        if voucher.used < USES:
            assert done.outcome == "applied"
            voucher.used += 1
        else:
            assert done.outcome == "conflict"
            voucher.conflicts += 1

    @rule(hours=st.integers(1, 30))
    def time_passes(self, hours: int) -> None:
        self.world.clock.advance(hours=hours)

    def _reverse(self, *, key: str | None = None, made: Made | None = None) -> Any:
        from uuid import UUID

        reversal = Reversal(
            key=key,
            redemption_id=UUID(made.redemption_id) if made else None,
            origin=Origin(operator="ann"),
        )
        answer = self.world.tills.reverse(
            self.world.client, self._key(), reversal, fingerprint=b"x"
        )
        return orjson.loads(answer.body)

    @invariant()
    def counters_are_the_model(self) -> None:
        for voucher in self.vouchers:
            row = self.world.shop.row(voucher.issued)
            assert (row.used, row.balance_minor, row.conflicts) == (
                voucher.used,
                voucher.balance,
                voucher.conflicts,
            )

    def _audited(self) -> list[audit.Finding]:
        sections = audit.run(self.world.deployment.database)
        return [finding for section in sections for finding in section.findings]


class AuditedHistory(TillHistory):
    """The same, with the books proven at the end."""

    def teardown(self) -> None:
        try:
            assert self._audited() == []
            with self.world.deployment.database.read() as session:
                entries = session.scalar(
                    select(func.count()).select_from(Entry).where(Entry.kind == "redemption")
                )
            assert entries == len(self.made)
        finally:
            super().teardown()


def test_histories_agree_with_a_simple_model(sqlite_template: Path, tmp_path: Path) -> None:
    def make() -> World:
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        shutil.copy(sqlite_template, folder / "db.sqlite")
        return _world(f"sqlite:///{folder}/db.sqlite", folder)

    _run(make, EXAMPLES)


def test_histories_agree_on_postgresql_too(postgres_url: str, tmp_path: Path) -> None:
    """One database for all examples: each empties it first."""
    from app.store.models import Base

    def make() -> World:
        world = _world(postgres_url, tmp_path, empty=False)
        with world.deployment.database.transaction() as connection:
            names = ", ".join(f'"{table.name}"' for table in Base.metadata.sorted_tables)
            connection.exec_driver_sql(f"TRUNCATE {names} RESTART IDENTITY CASCADE")
        return _world(postgres_url, tmp_path, old=world)

    _run(make, max(1, EXAMPLES // 3))


def _world(url: str, folder: Path, *, empty: bool = True, old: World | None = None) -> World:
    clock = Clock()
    deployment = Deployment(
        Settings(database_url=url, queue_url=f"sqlite:///{folder}/queue.sqlite"), clock=clock
    )
    if old is not None:
        old.deployment.close()
    shop = Shop(deployment)
    if not empty:
        return World(deployment, Client(id=0, name="", scopes=frozenset()), clock, shop)
    key = shop.key()
    with deployment.database.read() as session:
        client = access.authenticate(session, key, now=clock.now)
    assert client is not None
    return World(deployment, client, clock, shop)


def _run(make: Callable[[], World], examples: int) -> None:
    AuditedHistory.make_world = staticmethod(make)  # type: ignore[method-assign, assignment]
    case = AuditedHistory.TestCase
    case.settings = settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    case().runTest()
