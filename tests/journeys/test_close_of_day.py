"""The close of a day of twenty tills, with crashes in it, is what the tills saw."""

from __future__ import annotations

import datetime as dt
import random
import threading
import time
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import func, select

from app.domain.campaign import Benefit, BenefitType, Terms
from app.services import audit, closing
from app.services.deployment import Deployment
from app.settings import Settings
from app.store.models import Voucher
from tests.crowd import HttpTill, at_once
from tests.serving import Server, running
from tests.shop import Issued, Shop

TILLS = 20
ACTIONS = 10
CRASHES = 2
EUR = "EUR"


def _zone() -> str:
    """A time zone in which it is about noon now, so that no midnight falls into the test."""
    west = dt.datetime.now(dt.UTC).hour - 12
    return f"Etc/GMT{west:+d}" if west else "UTC"


class Drawer:
    """One till, and the totals that it keeps by itself from the answers it got."""

    def __init__(self, number: int, server: Server, shop: Shop, cards: list[Issued]) -> None:
        self.operator = f"operator {number}"
        self.chance = random.Random(number)
        self.cards = cards
        self.coupons = [shop.voucher("sun") for _ in range(ACTIONS)]
        self.till = HttpTill(server.port, shop.key(store="paris", terminal=str(number)))
        self.saw: Counter[str] = Counter()
        self.spent: list[tuple[str, int]] = []

    def ask(self, path: str, **body: Any) -> Any:
        return self.till.insist(path, {"operator": self.operator, **body})

    def work(self) -> None:
        with self.till:
            for _ in range(ACTIONS):
                self.act(self.chance.randrange(6))

    def act(self, what: int) -> None:
        card, minor = self.chance.choice(self.cards), self.chance.randint(1, 900)
        amount = {"minor": minor, "currency": EUR}
        item = {"barcode": card.barcode, "amount": amount}
        if what == 0:
            self.took(self.ask("/redemptions", items=[item]))
        elif what == 1:
            hold = self.ask("/redemptions", items=[item], mode="hold")["holds"][0]["hold_id"]
            part = {"minor": (minor + 1) // 2, "currency": EUR}
            self.took(self.ask(f"/holds/{hold}/capture", amount=part))
        elif what == 2:
            self.ask("/gift-cards/load", barcode=card.barcode, amount=amount)
            self.saw.update(loads=1, loaded_minor=minor)
        elif what == 3 and self.spent:
            redemption, took = self.spent.pop()
            self.ask("/reversals", redemption_id=redemption)
            self.saw.update(undone=1, undone_minor=took)
        elif what == 4 and self.spent:
            redemption, took = self.spent.pop()
            back = {"minor": (took + 1) // 2, "currency": EUR}
            self.ask("/refunds", redemption_id=redemption, amount=back)
            self.saw.update(refunds=1, refunded_minor=back["minor"])
        else:
            basket = {"currency": EUR, "lines": [{"id": "1", "amount_minor": minor}]}
            answer = self.ask(
                "/redemptions", items=[{"barcode": self.coupons.pop().barcode}], basket=basket
            )
            self.saw.update(redemptions=1, uses=1, discounts_minor=answer["discount_minor"])

    def took(self, answer: Any) -> None:
        made = answer["redemptions"][0]
        self.spent.append((made["redemption_id"], made["applied_minor"]))
        self.saw.update(redemptions=1, redeemed_minor=made["applied_minor"])


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_close_equals_the_sum_of_what_the_tills_saw(settings: Settings) -> None:
    deployment = Deployment(settings)
    shop = Shop(deployment)
    shop.store("paris", terminals=[str(n) for n in range(TILLS)], timezone=_zone())
    shop.campaign("card", kind="gift_card", terms=Terms(amount_minor=1_000_000))
    shop.campaign("sun", terms=Terms(benefit=Benefit(type=BenefitType.AMOUNT, minor=300)))
    cards = [shop.voucher("card") for _ in range(6)]
    with running(settings) as server:
        drawers = [Drawer(number, server, shop, cards) for number in range(TILLS)]
        done = threading.Event()

        def crash() -> None:
            for _ in range(CRASHES):
                if done.wait(0.7):
                    return
                server.kill()
                time.sleep(0.1)
                server.start()

        crasher = threading.Thread(target=crash)
        crasher.start()
        at_once([drawer.work for drawer in drawers], threads=TILLS)
        done.set()
        crasher.join()
    deployment.database.close()

    with deployment.database.read() as session:
        lines = closing.day(session, dt.datetime.now(dt.UTC).date(), store="paris")
        (owed,) = closing.liability(session, until=dt.datetime.now(dt.UTC))
        balances = session.scalar(select(func.sum(Voucher.balance_minor)))
    counted: dict[str, Counter[str]] = {}
    for line in lines:
        total = counted.setdefault(str(line.operator), Counter())
        assert line.operator == f"operator {line.terminal}"
        for name in (
            *("redemptions", "uses", "redeemed_minor", "discounts_minor", "undone"),
            *("undone_minor", "refunds", "refunded_minor", "loads", "loaded_minor"),
        ):
            total[name] += getattr(line, name)
    assert counted == {drawer.operator: drawer.saw for drawer in drawers}
    assert owed.closing_minor == balances
    assert [each.findings for each in audit.run(deployment.database) if each.findings] == []
    deployment.close()
