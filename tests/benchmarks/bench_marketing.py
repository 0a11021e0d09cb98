"""Reports, issuing by rules and webhooks, at the sizes that a retailer has."""

from __future__ import annotations

import datetime as dt
import ipaddress
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import requests
from sqlalchemy import ColumnElement, String, case, cast, insert, literal, null, select

from app.delivery.engine import Runner
from app.delivery.webhooks import Webhooks
from app.sandbox.receiver import Receiver
from app.services import (
    campaigns,
    decisions,
    issuance,
    reports,
    webhooks,
)
from app.services.decisions import Candidate, Tally
from app.services.deployment import Deployment
from app.services.issuance import (
    IssueOutcome,
    Person,
    VoucherRequest,
)
from app.services.reports import Dimension
from app.settings import Settings
from app.store import migrations
from app.store.models import Base, Event, Store, Voucher
from tests.benchmarks import Figure, Rounds, benchmark
from tests.marketing import apply

VOUCHERS = 1_000_000
EVENTS = 5 * VOUCHERS
RECIPIENTS = 100_000
#: Recipients of one round, of which several make up `RECIPIENTS` for each side.
ROUND = 20_000
POSTS = 2_000


@contextmanager
def _house() -> Iterator[Deployment]:
    with tempfile.TemporaryDirectory() as folder:
        house = Deployment(
            Settings(
                database_url=f"sqlite:///{folder}/bench.sqlite",
                queue_url=f"sqlite:///{folder}/queue.sqlite",
                certs=Path(folder),
                webhook_allow=(ipaddress.ip_network("127.0.0.0/8"),),
            )
        )
        migrations.upgrade(house.database)
        _ = house.keyring
        yield house
        house.close()


def _vouchers(house: Deployment, count: int) -> int:
    """A campaign with `count` vouchers in four variants; its id."""
    apply(house, codes={"source": "on_demand"})
    with house.database.read() as session:
        campaign = campaigns.find(session, "spring")
        assert campaign is not None
        campaign_id = campaign.id
        revision_id = campaigns.latest_revision(session, campaign).id
    number = _numbers(count)
    _fill(
        house,
        Voucher,
        {
            "public_id": number,
            "key_id": literal(house.keyring.newest),
            "campaign_id": literal(campaign_id),
            "revision_id": literal(revision_id),
            "occasion": cast(number, String),
            "uses": literal(1),
            "variant": literal("variant-") + cast(number % 4, String),
            "issued_at": literal(house.now()),
        },
    )
    return campaign_id


def _numbers(count: int) -> ColumnElement[int]:
    """The numbers from 1 to `count`, for the database to make rows of."""
    numbers = select(literal(1).label("n")).cte(recursive=True)
    return numbers.union_all(select(numbers.c.n + 1).where(numbers.c.n < count)).c.n


def _fill(house: Deployment, table: type[Base], columns: dict[str, ColumnElement[Any]]) -> None:
    """Insert what the database makes itself, since six million rows would take long to send."""
    with house.database.transaction() as connection:
        connection.execute(
            insert(table).from_select(
                list(columns), select(*(value.label(name) for name, value in columns.items()))
            )
        )


@benchmark("report-time")
def report_time() -> Iterator[Figure]:
    """Five million events of a million vouchers, in 30 days and 20 stores; then every report."""
    with _house() as house:
        campaign_id = _vouchers(house, VOUCHERS)
        now = house.now()
        kinds = ("issued", "viewed", "added", "scanned", "redeemed")
        with house.database.write() as session:
            for number in range(1, 21):
                session.add(Store(key=f"store-{number}", name="A store", created_at=now))
        days = [now - dt.timedelta(days=back) for back in range(30)]
        for place, kind in enumerate(kinds, 1):
            number = _numbers(VOUCHERS)
            day = (number * 7 + place * 3) % 30
            _fill(
                house,
                Event,
                {
                    "kind": literal(kind),
                    "at": case(*((day == back, literal(at)) for back, at in enumerate(days))),
                    "campaign_id": literal(campaign_id),
                    "voucher_id": number,
                    "number": literal(place),
                    "store_id": number % 20 + 1 if place > 3 else null(),
                },
            )
        began = time.perf_counter()
        while reports.roll_up(house):
            pass
        rolled = time.perf_counter() - began
        slowest = 0.0
        for by in (
            (),
            *((each,) for each in Dimension),
            (Dimension.VARIANT, Dimension.DAY),
            tuple(Dimension),
        ):
            times = []
            for _ in range(5):
                with house.database.read() as session:
                    began = time.perf_counter()
                    reports.funnel(session, campaign_id, by=by, now=house.now())
                    times.append(time.perf_counter() - began)
            slowest = max(slowest, median(times))
        fresh = []
        for number in range(20):
            with house.database.write() as session:
                voucher = number + 1
                session.execute(
                    insert(Event).values(
                        kind="viewed", at=now, campaign_id=campaign_id, voucher_id=voucher, number=6
                    )
                )
            began = time.perf_counter()
            reports.roll_up(house)
            fresh.append(time.perf_counter() - began)
        began = time.perf_counter()
        with house.database.read() as session:
            differing = reports.recount(session)
        recounted = time.perf_counter() - began
        yield Figure(
            f"{slowest * 1000:.0f} ms for the slowest report of {VOUCHERS:,} vouchers and "
            f"{EVENTS:,} events (goal 200 ms); an event counts within the worker's second and "
            f"{median(fresh) * 1000:.0f} ms (goal 5 s); rolled up at {EVENTS / rolled:,.0f} "
            f"events/s; the recount took {recounted:.0f} s and differs in {len(differing)} sums"
        )


@benchmark("issue-by-rules", goal=1 / 1.3, unit="recipients/s")
def issue_by_rules() -> Iterator[Rounds]:
    """Issue by rules against issuing without, and the dry run first; goal: 1.3 times the time."""
    with _house() as house:
        apply(house, key="plain", codes={"source": "on_demand"})
        apply(
            house,
            key="ruled",
            codes={"source": "on_demand"},
            rules={
                "tiers": [
                    {
                        "key": "best",
                        "when": [{"fact": "score", "above": 500}],
                        "percent": 20,
                    },
                    {"key": "rest", "percent": 15},
                ],
                "variants": [{"key": "a"}, {"key": "b"}],
                "frequency": {"group": "all", "count": 5, "days": 30},
            },
        )
        numbers = iter(range(10**9))

        def people() -> list[Person]:
            return [
                Person(external_id=f"r{next(numbers)}", score=number % 1_000)
                for number in range(ROUND)
            ]

        def measure() -> tuple[float, float]:
            some, others = people(), people()
            began = time.perf_counter()
            for _ in issuance.issue_many(
                house, "plain", (VoucherRequest(person=each) for each in others), IssueOutcome()
            ):
                pass
            plain = time.perf_counter() - began
            began = time.perf_counter()
            for _ in decisions.decide(
                house, "ruled", (Candidate(person=each) for each in some), Tally()
            ):
                pass
            return ROUND / (time.perf_counter() - began), ROUND / plain

        yield Rounds(measure, rounds=RECIPIENTS // ROUND)


@benchmark("dry-run", goal=1.0, unit="recipients/s")
def dry_run() -> Iterator[Rounds]:
    """The dry run over a recipient file against issuing the same without rules."""
    with _house() as house:
        apply(house, key="plain", codes={"source": "on_demand"})
        tier = {"key": "best", "when": [{"fact": "score", "above": 500}], "percent": 20}
        rules: dict[str, Any] = {"tiers": [tier]}
        apply(house, key="ruled", codes={"source": "on_demand"}, rules=rules)
        numbers = iter(range(10**9))

        def measure() -> tuple[float, float]:
            some = [
                Person(external_id=f"r{next(numbers)}", score=number % 1_000)
                for number in range(ROUND)
            ]
            began = time.perf_counter()
            for _ in decisions.decide(
                house, "ruled", (Candidate(person=each) for each in some), Tally(), dry_run=True
            ):
                pass
            planned = time.perf_counter() - began
            began = time.perf_counter()
            for _ in issuance.issue_many(
                house, "plain", (VoucherRequest(person=each) for each in some), IssueOutcome()
            ):
                pass
            return ROUND / planned, ROUND / (time.perf_counter() - began)

        yield Rounds(measure, rounds=RECIPIENTS // ROUND)


@benchmark("webhook-rate", goal=0.5, unit="posts/s")
def webhook_rate() -> Iterator[Rounds]:
    """Events to one receiver through the worker's runner, against a bare requests loop."""
    with _house() as house, Receiver() as receiver:
        campaign_id = _vouchers(house, POSTS // 4)
        keyring = house.keyring
        with house.database.write() as session:
            webhooks.register(session, keyring, receiver.url, now=house.now())
        runner = Runner(house, Webhooks(house))
        numbers = iter(range(1, 10**9))

        def measure() -> tuple[float, float]:
            with house.database.transaction() as connection:
                for _ in range(4):
                    number = next(numbers)
                    connection.execute(
                        insert(Event),
                        [
                            {
                                "kind": "scanned",
                                "at": house.now(),
                                "campaign_id": campaign_id,
                                "voucher_id": voucher,
                                "number": number,
                            }
                            for voucher in range(1, POSTS // 4 + 1)
                        ],
                    )
            receiver.messages.clear()
            receiver.accepted.clear()
            began = time.perf_counter()
            while len(receiver.accepted) < POSTS:
                runner.settle()
            ours = POSTS / (time.perf_counter() - began)
            last: dict[str, int] = {}
            for message in receiver.accepted:
                event = message.event
                assert event["data"]["number"] > last.get(event["subject"], 0), "out of order"
                last[event["subject"]] = event["data"]["number"]
            body = receiver.messages[0].body
            began = time.perf_counter()
            with requests.Session() as bare:
                for _ in range(POSTS // 4):
                    bare.post(receiver.url, data=body, timeout=15)
            return ours, POSTS / 4 / (time.perf_counter() - began)

        try:
            yield Rounds(measure, rounds=5)
        finally:
            runner.kind.close()
