"""A till for tests that speaks to the service without HTTP."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import orjson

from app.services import access
from app.services.access import Client, Scope
from app.services.deployment import Deployment
from app.services.tills import (
    Capture,
    CardAction,
    CardCall,
    Origin,
    Redemption,
    Refund,
    Reversal,
    ScannedItem,
    Tills,
)
from tests.shop import Issued, Shop

EUR = "EUR"
TTL = dt.timedelta(minutes=10)


class Desk:
    """A till that speaks to the service without HTTP."""

    def __init__(self, deployment: Deployment, client: Client) -> None:
        self.tills = Tills(deployment)
        self.client = client

    def ask(self, what: str, *arguments: Any, key: str | None = None, **more: Any) -> Any:
        call = getattr(self.tills, what)
        fingerprint = repr((what, arguments, more)).encode()
        answer = call(
            self.client, key or uuid.uuid4().hex, *arguments, fingerprint=fingerprint, **more
        )
        return orjson.loads(answer.body)

    def redeem(
        self, card: Issued, minor: int, *, hold: bool = False, key: str | None = None
    ) -> Any:
        item = ScannedItem(barcode=card.barcode, amount_minor=minor, currency=EUR)
        redemption = Redemption(items=(item,), hold=TTL if hold else None)
        return self.ask("redeem", redemption, key=key)

    def card(self, action: CardAction, card: Issued, minor: int = 0) -> Any:
        origin = Origin(operator="ann")
        call = CardCall(
            action=action, barcode=card.barcode, amount_minor=minor, currency=EUR, origin=origin
        )
        return self.ask("card", call)

    def capture(self, hold: str, minor: int | None, *, final: bool = True) -> Any:
        return self.ask(
            "capture",
            Capture(hold_id=uuid.UUID(hold), amount_minor=minor, final=final),
        )

    def void(self, hold: str) -> Any:
        return self.ask("void", uuid.UUID(hold), origin=Origin())

    def refund(self, redemption: str, minor: int | None, *, key: str | None = None) -> Any:
        return self.ask(
            "refund",
            Refund(
                redemption_id=uuid.UUID(redemption),
                amount_minor=minor,
                origin=Origin(operator="ann"),
            ),
            key=key,
        )

    def unrefund(self, key: str) -> Any:
        return self.ask("reverse", Reversal(key=key))

    def reverse(self, redemption: str) -> Any:
        return self.ask("reverse", Reversal(redemption_id=uuid.UUID(redemption)))


def desk_of(deployment: Deployment, shop: Shop) -> Desk:
    key = shop.key(Scope.POS, Scope.POS_SUPERVISOR, store="paris", terminal="1")
    with deployment.database.read() as session:
        client = access.authenticate(session, key, now=deployment.now())
    assert client is not None
    return Desk(deployment, client)
