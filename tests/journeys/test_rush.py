"""Many tills at one voucher, over HTTP on both databases: limits hold, and nothing deadlocks."""

from __future__ import annotations

import os
import random
from collections import Counter
from typing import Any

from app.domain.campaign import Benefit, BenefitType, Source, Terms
from app.services import audit
from app.services.deployment import Deployment
from app.settings import Settings
from tests.crowd import HttpTill, at_once
from tests.serving import running
from tests.shop import Shop

#: Redemptions of one code in parallel; the issue asks for 200.
RUSH = int(os.environ.get("TESTS_RUSH", "200"))


def _outcomes(answers: list[Any]) -> Counter[str]:
    return Counter(answer.get("reason", answer["outcome"]) for answer in answers)


def test_limits_hold_however_many_tills_come_at_once(settings: Settings) -> None:
    """One code 200 times, a code good five times, a budget of seven, a recipient's two, a card's
    last euros, and ten vouchers of a call in crossing orders; then the audit.
    """
    deployment = Deployment(settings)
    shop = Shop(deployment)
    shop.campaign()
    shop.campaign("five", terms=Terms(uses=5))
    shop.campaign("shared", source=Source.SHARED)
    shop.campaign("budget", budget_uses=7, budget_minor=100_000)
    shop.campaign(
        "money",
        budget_minor=2_500,
        terms=Terms(benefit=Benefit(type=BenefitType.AMOUNT, minor=1_000)),
    )
    shop.campaign("person", terms=Terms(uses_per_recipient=2))
    shop.campaign("card", kind="gift_card", terms=Terms(amount_minor=1_000))
    recipient = shop.recipient("r")
    single, five = shop.voucher(), shop.voucher("five")
    card = shop.voucher("card")
    shop.code("SUMMER", "shared", limit=9)
    basket = {"currency": "EUR", "lines": [{"id": "1", "amount_minor": 5_000}]}
    crossing = [shop.voucher("five", uses=1_000).barcode for _ in range(10)]

    def redeem(*barcodes: str, **body: Any) -> Any:
        items = [{"barcode": barcode, **body.get("item", {})} for barcode in barcodes]
        rest = {name: value for name, value in body.items() if name != "item"}
        return lambda: till.insist("/redemptions", {"items": items, **rest})

    order = random.Random(5)
    with (
        running(settings, processes=1 if deployment.database.is_sqlite else 2) as server,
        HttpTill(server.port, shop.key()) as till,
    ):
        one = _outcomes(at_once([redeem(single.barcode)] * RUSH))
        limited = _outcomes(at_once([redeem(five.barcode)] * 30))
        shared = _outcomes(at_once([redeem("SUMMER")] * 30))
        budget = _outcomes(at_once([redeem(shop.voucher("budget").barcode) for _ in range(20)]))
        money = _outcomes(
            at_once([redeem(shop.voucher("money").barcode, basket=basket) for _ in range(8)])
        )
        person = _outcomes(
            at_once(
                [redeem(shop.voucher("person", recipient_id=recipient).barcode) for _ in range(12)]
            )
        )
        spent = _outcomes(
            at_once([redeem(card.barcode, item={"amount": {"minor": 300, "currency": "EUR"}})] * 12)
        )
        tens = _outcomes(
            at_once([redeem(*order.sample(crossing, len(crossing))) for _ in range(24)])
        )
        same_key = at_once(
            [lambda: till.insist("/redemptions", {"items": [{"barcode": crossing[0]}]}, key="k")]
            * 12
        )

    assert one == {"accepted": 1, "already_redeemed": RUSH - 1}
    assert limited == {"accepted": 5, "limit_reached": 25}
    assert shared == {"accepted": 9, "limit_reached": 21}
    assert budget == {"accepted": 7, "budget_exhausted": 13}
    assert money == {"accepted": 2, "budget_exhausted": 6}
    assert person == {"accepted": 2, "customer_limit_reached": 10}
    assert spent == {"accepted": 3, "insufficient_balance": 9}
    assert tens == {"accepted": 24}
    assert len({str(answer) for answer in same_key}) == 1
    findings = [f for section in audit.run(deployment.database) for f in section.findings]
    deployment.close()
    assert findings == []
