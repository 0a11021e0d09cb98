"""A pass's version grows when what the pass shows grows, and not otherwise.

What tills, marketers and the clock really do, in random order; after each step every pass is made
for both wallets, and what differs from before is compared with the versions that grew.
"""

from __future__ import annotations

import datetime as dt
import io
import random
import zipfile
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
import pytest
from sqlalchemy import select, update

from app.domain.campaign import Benefit, BenefitType, Presentation, Terms
from app.domain.overrides import Override
from app.services import access, clockwork, privacy, updates
from app.services.access import Client, Scope
from app.services.deployment import Deployment
from app.services.issuance import Person
from app.services.issuance.recipients import store
from app.services.tills import (
    CardAction,
    CardCall,
    Origin,
    Redemption,
    Reversal,
    ScannedItem,
    Tills,
)
from app.services.tills.requests import Capture
from app.services.updates import UpdateRequest
from app.services.wallets.apple.pkpass import signed_pass
from app.services.wallets.google import resources
from app.services.wallets.holdings import find_all
from app.store.models import Recipient, Voucher
from tests.conftest import Clock
from tests.shop import Issued, Shop
from tests.storefront import TEXTS

STEPS = 90
PERCENT = Benefit(type=BenefitType.PERCENT, percent=Decimal(20))
LOOK = Presentation(texts=TEXTS)
COUPONS = {"once": 1, "thrice": 3, "unlimited": None}
#: What a pass shows in both wallets.
Faces = dict[int, tuple[tuple[int, int], Any, Any]]


class Walk:
    """A shop in which things happen at random, by one seed."""

    def __init__(self, deployment: Deployment, clock: Clock, seed: int) -> None:
        self.deployment, self.clock = deployment, clock
        self.chance = random.Random(seed)
        self.shop = Shop(deployment)
        self.client = self._supervisor()
        self.tills = Tills(deployment)
        self.made: list[str] = []
        self.holds: list[str] = []
        self.numbers = iter(range(10_000))
        ends = clock.now + dt.timedelta(days=6)
        self.vouchers: list[Issued] = []
        for key, uses in COUPONS.items():
            terms = Terms(uses=uses, benefit=PERCENT, refund_days=30)
            self.shop.campaign(key, terms=terms, presentation=LOOK)
            for number in range(2):
                recipient = self.shop.recipient(f"{key}-{number}")
                self.vouchers.append(
                    self.shop.voucher(key, recipient_id=recipient, ends_at=ends, uses=uses)
                )
        self.shop.campaign(
            "card",
            kind="gift_card",
            terms=Terms(amount_minor=1_000, uses=None, refund_days=30),
            presentation=LOOK,
        )
        self.cards = [
            self.shop.voucher("card", recipient_id=self.shop.recipient(f"card-{n}"), ends_at=ends)
            for n in range(2)
        ]
        self.vouchers += self.cards

    def faces(self) -> Faces:
        """What every pass shows now, with its pair of versions."""
        now = self.deployment.now()
        with self.deployment.database.read() as session:
            ids = session.scalars(select(Voucher.public_id).order_by(Voucher.id)).all()
            holdings = find_all(session, ids)
        found: Faces = {}
        for each in holdings:
            package = zipfile.ZipFile(io.BytesIO(signed_pass(self.deployment, each, now=now)))
            # The signature alone differs each time.
            files = {n: package.read(n) for n in package.namelist() if n != "signature"}
            google = resources.object_resource(self.deployment, each, now=now)
            found[each.voucher.id] = (each.pair, files, google)
        return found

    def moves(self) -> list[tuple[str, Any]]:
        return [
            *[("redeem", self.redeem)] * 6,
            *[("hold", self.hold)] * 2,
            ("capture", self.capture),
            ("void", self.void),
            *[("reverse", self.reverse)] * 3,
            ("block", self.block),
            ("unblock", self.unblock),
            ("load", self.load),
            ("basket", self.smallest_basket),
            ("uses", self.more_uses),
            ("later", self.later_end),
            ("percent", self.percent),
            ("facts", self.facts),
            ("forget", self.forget),
            ("time", self.time_passes),
        ]

    def redeem(self, hold: dt.timedelta | None = None) -> None:
        voucher = self.chance.choice(self.vouchers)
        money = voucher in self.cards
        item = ScannedItem(
            barcode=voucher.barcode,
            **({"amount_minor": 100, "currency": "EUR"} if money else {}),
        )
        answer = self._ask("redeem", Redemption(items=(item,), hold=hold))
        self.made += [each["redemption_id"] for each in answer.get("redemptions", ())]
        self.holds += [each["hold_id"] for each in answer.get("holds", ())]

    def hold(self) -> None:
        self.redeem(dt.timedelta(minutes=30))

    def capture(self) -> None:
        if self.holds:
            self._ask("capture", Capture(hold_id=UUID(self.holds.pop())))

    def void(self) -> None:
        if self.holds:
            self._ask("void", UUID(self.holds.pop()), origin=Origin())

    def reverse(self) -> None:
        if self.made:
            made = self.made.pop(self.chance.randrange(len(self.made)))
            self._ask("reverse", Reversal(redemption_id=UUID(made), origin=Origin(operator="a")))

    def block(self) -> None:
        self._card(CardAction.BLOCK)

    def unblock(self) -> None:
        self._card(CardAction.UNBLOCK)

    def load(self) -> None:
        self._card(CardAction.LOAD, 50)

    def smallest_basket(self) -> None:
        self._override(Override(min_basket_minor=self.chance.randrange(1, 99)))

    def more_uses(self) -> None:
        self._override(Override(uses=self.chance.randrange(3, 6)), among=("thrice",))

    def percent(self) -> None:
        self._override(Override(percent=Decimal(self.chance.randrange(21, 60))))

    def later_end(self) -> None:
        ends = self.clock.now + dt.timedelta(days=self.chance.randrange(1, 9))
        self._override(Override(ends_at=ends))

    def facts(self) -> None:
        with self.deployment.database.write() as session:
            person = Person(external_id="once-0", score=self.chance.randrange(1000))
            store(session, [person], now=self.clock.now, keyring=None)

    def forget(self) -> None:
        with self.deployment.database.write() as session:
            somebody = session.scalars(
                select(Recipient).where(Recipient.forgotten_at.is_(None)).order_by(Recipient.id)
            ).all()
            if len(somebody) > 3:
                gone = self.chance.choice(somebody)
                privacy.forget(session, self.deployment.keyring, gone, now=self.clock.now)

    def time_passes(self) -> None:
        self.clock.advance(hours=self.chance.randrange(1, 20))
        clockwork.run(self.deployment)

    def _override(self, override: Override, among: tuple[str, ...] = tuple(COUPONS)) -> None:
        with self.deployment.database.write() as session:
            updates.order(
                session,
                self.chance.choice(among),
                UpdateRequest(override=override),
                settings=self.deployment.settings,
                keyring=self.deployment.keyring,
                now=self.clock.now,
            )

    def _card(self, action: CardAction, minor: int = 0) -> None:
        card = self.chance.choice(self.cards)
        origin = Origin(operator="ann")
        call = CardCall(
            action=action, barcode=card.barcode, amount_minor=minor, currency="EUR", origin=origin
        )
        self._ask("card", call)

    def _ask(self, what: str, *arguments: Any, **more: Any) -> Any:
        key = f"k{next(self.numbers)}"
        call = getattr(self.tills, what)
        answer = call(self.client, key, *arguments, fingerprint=key.encode(), **more)
        return orjson.loads(answer.body)

    def _supervisor(self) -> Client:
        text = self.shop.key(Scope.POS, Scope.POS_SUPERVISOR)
        with self.deployment.database.read() as session:
            client = access.authenticate(session, text, now=self.clock.now)
        assert client is not None
        return client


@pytest.mark.parametrize("seed", [3, 11])
def test_a_version_grows_when_its_pass_shows_something_else_and_only_then(
    deployment: Deployment, clock: Clock, seed: int
) -> None:
    walk = Walk(deployment, clock, seed)
    clockwork.run(deployment)
    before = walk.faces()
    grown = 0
    for step in range(STEPS):
        name, move = walk.chance.choice(walk.moves())
        move()
        if name != "time":
            # What only time changed is the clock's to show, within a minute.
            clockwork.run(deployment)
        after = walk.faces()
        for voucher_id, (pair, *face) in after.items():
            if voucher_id not in before:
                continue
            old_pair, *old_face = before[voucher_id]
            where = f"step {step}, {name}, voucher {voucher_id}: {old_pair} → {pair}"
            if face != old_face:
                assert pair != old_pair, f"{where}: it shows something else"
            if pair[0] != old_pair[0]:
                grown += 1
                assert face != old_face, f"{where}: it shows nothing new"
        before = after
    assert grown > STEPS / 4


def test_edits_that_no_pass_shows_leave_a_campaigns_version_alone(
    deployment: Deployment, clock: Clock
) -> None:
    walk = Walk(deployment, clock, 1)
    before = walk.faces()
    walk.smallest_basket()
    walk._override(Override(percent=Decimal(50)), among=("once",))
    walk._override(Override(uses=5), among=("thrice",))
    between = walk.faces()
    walk._override(Override(uses=5), among=("thrice",))
    after = walk.faces()
    grown = [key for key in before if between[key][0] != before[key][0]]
    assert len(grown) == 2, "both vouchers that count their uses"
    assert all(between[key][1] != before[key][1] for key in grown)
    assert after == between


def test_the_clock_wakes_no_phone_whose_pass_was_used_before_its_end(
    deployment: Deployment, clock: Clock
) -> None:
    shop = Shop(deployment)
    shop.campaign("sun", terms=Terms(uses=1))
    ends = clock.now + dt.timedelta(hours=2)
    used, unused = shop.voucher(ends_at=ends), shop.voucher(ends_at=ends)
    revoked = shop.voucher(ends_at=ends, status="revoked")
    clockwork.run(deployment)
    with deployment.database.write() as session:
        session.execute(update(Voucher).where(Voucher.id == used.id).values(used=1))
    clock.advance(hours=3)
    clockwork.run(deployment)
    versions = [shop.row(each).version for each in (used, unused, revoked)]
    assert versions == [1, 2, 1]
