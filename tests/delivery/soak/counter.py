"""A real till in a soak, at which coupons are used that are good for many uses."""

from __future__ import annotations

import random
import uuid
from typing import Any

import orjson
from sqlalchemy import update

from app.domain.campaign import Terms
from app.services import access
from app.services.access import Scope
from app.services.tills import Origin, Redemption, Reversal, ScannedItem, Tills
from app.store.models import Code
from tests.apple_world import World
from tests.storefront import PERCENT, Issued

#: More than a run takes.
MANY = 100_000
COUNTED, UNLIMITED = 0, 1


class Counter:
    """The till, and what is scanned at it."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self._world, self._chance = world, chance
        self._tills = Tills(world.house)
        shop = world.storefront
        terms = {"benefit": PERCENT.benefit, "refund_days": 30}
        self._campaigns = [
            shop.campaign(terms=Terms(uses=MANY, **terms)),
            shop.campaign(terms=Terms(uses=None, **terms)),
        ]
        self._coupons: list[tuple[int, Issued]] = []
        self._made: list[str] = []
        with world.house.database.write() as session:
            text = access.create(
                session, "soak", (Scope.POS, Scope.POS_SUPERVISOR), now=world.house.now()
            )
        with world.house.database.read() as session:
            client = access.authenticate(session, text, now=world.house.now())
        assert client is not None
        self._client = client

    def coupon(self, number: int) -> Issued:
        """A coupon whose uses are counted, or every other one without a limit."""
        kind = number % 2
        uses = None if kind == UNLIMITED else MANY
        issued = self._world.storefront.voucher(self._campaigns[kind], uses=uses)
        with self._world.house.database.write() as session:
            session.execute(
                update(Code).where(Code.lookup == self._lookup(issued)).values(limit=None)
            )
        self._coupons.append((kind, issued))
        return issued

    def act(self) -> None:
        """Redeem a coupon, or take back a use of one without a limit, which shows on no pass.

        A use that is counted is not taken back: the phone might have seen neither.
        """
        if self._made and self._chance.random() < 0.3:
            made = uuid.UUID(self._made.pop())
            self._ask("reverse", Reversal(redemption_id=made, origin=Origin(operator="ann")))
            return
        kind, coupon = self._chance.choice(self._coupons)
        answer = self._ask("redeem", Redemption(items=(ScannedItem(barcode=coupon.barcode),)))
        if kind == UNLIMITED:
            self._made += [each["redemption_id"] for each in answer.get("redemptions", ())]

    def _lookup(self, issued: Issued) -> bytes:
        return self._world.house.keyring.lookup(issued.code)

    def _ask(self, what: str, asked: Any) -> Any:
        key = uuid.uuid4().hex
        call = getattr(self._tills, what)
        return orjson.loads(call(self._client, key, asked, fingerprint=key.encode()).body)
