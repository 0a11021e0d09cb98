"""Whatever is done in whatever order, money is what a simple model says, and nothing is good twice.

Random histories of withdrawing, issuing anew, forgetting, inviting, deciding, rendering, issuing,
redeeming by barcode and by code, holding, capturing and replacing, all by the doors that people
use; after each step every card is compared with the model, and at the end the books are proven.
"""

from __future__ import annotations

import itertools
import json
import os
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import func, select

from app.domain import codes
from app.services import access, audit
from app.services.access import Scope
from app.services.deployment import Deployment
from app.store.models import Recipient, Voucher
from tests.conftest import Clock
from tests.marketing import apply_document, card
from tests.shop import Shop, Till
from tests.vouchers import clear, token

STEPS = int(os.environ.get("TESTS_STEPS", "25"))
EXAMPLES = int(os.environ.get("TESTS_EXAMPLES", "10"))
OPENING = 1_500
WEEK = 604_800
#: An occasion may be a mailing, which is one whether a message or somebody else names it.
MAILING = "m"
PEOPLE = st.sampled_from(["ada", "bob"])
OCCASIONS = st.sampled_from(["x", f"message:{MAILING}"])
#: A campaign, a name and an occasion.
Gift = tuple[str, str, str]
_numbers = itertools.count()


@dataclass
class World:
    """The doors, and the database behind them."""

    client: FlaskClient
    house: Deployment
    clock: Clock
    headers: dict[str, str]
    till: Till

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return self.client.post(f"/api/v1{path}", json=body, headers=self.headers)


@dataclass(eq=False)
class Card:
    """A row of money: what it was ever called, and what it should hold."""

    gift: Gift
    #: Present and former serials, barcodes and codes, the present one last.
    serials: list[str]
    barcodes: list[str]
    codes: list[str]
    balance: int
    status: str = "active"
    spent: bool = False
    holds: dict[str, int] = field(default_factory=dict)
    successor: Card | None = None

    @property
    def last(self) -> Card:
        return self.successor.last if self.successor else self

    @property
    def free(self) -> int:
        return self.balance - sum(self.holds.values())


@dataclass
class Offer:
    """An invitation and whether its recipient was forgotten since."""

    gift: Gift
    path: str
    dead: bool = False


class MoneyHistory(RuleBasedStateMachine):
    """A shop's marketing and its till, beside a model of a few lists."""

    world: World

    @initialize()
    def begin(self) -> None:
        #: Every history has people of its own, so that one database serves all.
        self.mark = f"{next(_numbers)}@example.com"
        self.cards: list[Card] = []
        self.given: dict[Gift, Card] = {}
        #: What somebody had before they were forgotten.
        self.gone_gifts: set[Gift] = set()
        self.known: set[str] = set()
        self.gone: set[str] = set()
        self.offers: list[Offer] = []
        self.spent: dict[str, tuple[Card, int]] = {}
        self.before = self._count()

    def _count(self) -> int:
        with self.world.house.database.read() as session:
            found = select(func.count(Voucher.id)).where(Voucher.status != "replaced")
            return session.scalar(found) or 0

    # -- what is given ---------------------------------------------------------------------------

    def _refused(self, gift: Gift) -> bool:
        return gift[1] in self.gone or gift in self.gone_gifts

    def _gave(self, gift: Gift, serial: str) -> None:
        """The card of a gift is the one that it had, or a new one."""
        self.known.add(gift[1])
        if (old := self.given.get(gift)) is not None:
            assert old.serials[-1] == serial
            return
        self.given[gift] = self._new(gift, serial, OPENING)

    def _new(self, gift: Gift, serial: str, balance: int) -> Card:
        public_id = codes.from_serial(serial)
        assert public_id is not None
        house = self.world.house
        made = Card(gift, [serial], [token(house, public_id)], [clear(house, public_id)], balance)
        self.cards.append(made)
        return made

    def _person(self, name: str) -> dict[str, Any]:
        return {"external_id": name + self.mark, "attributes": {"mail": name + self.mark}}

    @rule(name=PEOPLE, occasion=OCCASIONS)
    def issue(self, name: str, occasion: str) -> None:
        gift = ("card", name, occasion)
        asked = [{"recipient": self._person(name), "occasion": occasion}]
        answer = self.world.post("/vouchers", {"campaign": "card", "vouchers": asked})
        if self._refused(gift):
            assert answer.json["code"] == "recipient_forgotten"
            return
        (made,) = answer.json["vouchers"]
        assert made["fresh"] is (gift not in self.given)
        self._gave(gift, made["serial"])

    @rule(name=PEOPLE, occasion=OCCASIONS, dry_run=st.booleans())
    def decide(self, name: str, occasion: str, dry_run: bool) -> None:
        gift = ("ruled", name, occasion)
        asked = [{"recipient": self._person(name), "occasion": occasion}]
        body = {"campaign": "ruled", "candidates": asked, "dry_run": dry_run}
        (made,) = self.world.post("/decisions", body).json["decisions"]
        old = self.given.get(gift)
        if self._refused(gift):
            assert made["outcome"] == "forgotten"
        elif old is not None and old.status == "revoked":
            assert made["outcome"] == "stopped"
        else:
            assert (made["outcome"], made["fresh"]) == ("given", old is None)
            if not dry_run:
                self._gave(gift, made["serial"])
        if not dry_run and name not in self.gone:
            self.known.add(name)

    @rule(name=PEOPLE)
    def render(self, name: str) -> None:
        gift = ("card", name, f"message:{MAILING}")
        body = {
            "template": '{{ wallet_link("card") }}',
            "message_id": MAILING,
            "recipients": [self._person(name)],
        }
        answer = json.loads(self.world.post("/messages/render", body).text)
        if self._refused(gift):
            assert "forgotten" in answer["fault"]
            return
        assert "text" in answer, answer
        address = answer["text"].removeprefix(self.world.house.settings.base_url)
        self._gave(gift, self._serial_of(address))

    def _serial_of(self, path: str) -> str:
        found = self.world.house.keyring.verify(path.rpartition("/")[2], codes.Purpose.LINK)
        assert found is not None
        return codes.serial(found.public_id)

    @rule(name=PEOPLE, occasion=OCCASIONS)
    def invite(self, name: str, occasion: str) -> None:
        gift = ("card", name, occasion)
        body = {"recipients": [self._person(name)], "occasion": occasion}
        answer = self.world.post("/campaigns/card/invitations", body)
        if self._refused(gift):
            assert answer.json["code"] == "recipient_forgotten"
            return
        address = answer.json["invitations"][0]["invitation_link"]
        path = address.removeprefix(self.world.house.settings.base_url)
        self.offers.append(Offer(gift, path))

    @precondition(lambda self: self.offers)
    @rule(data=st.data())
    def take(self, data: st.DataObject) -> None:
        offer = data.draw(st.sampled_from(self.offers))
        answer = self.world.client.post(offer.path)
        if offer.gift not in self.given and (offer.dead or self._refused(offer.gift)):
            assert answer.status_code == 410
            return
        assert answer.status_code == 303
        self._gave(offer.gift, self._serial_of(answer.headers["Location"]))

    # -- people ----------------------------------------------------------------------------------

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.known)))
        path = f"/api/v1/recipients/{name}{self.mark}"
        answer = self.world.client.delete(path, headers=self.world.headers)
        assert answer.status_code == 200, answer.text
        self.world.clock.advance(seconds=2)
        self.known.remove(name)
        self.gone.add(name)
        for gift in [each for each in self.given if each[1] == name]:
            self.gone_gifts.add(gift)
            del self.given[gift]
        for offer in self.offers:
            offer.dead = offer.dead or offer.gift[1] == name

    @precondition(lambda self: self.gone)
    @rule(data=st.data())
    def come_back(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.gone)))
        self.world.post("/recipients", {"recipients": [self._person(name)]})
        self.gone.remove(name)
        self.known.add(name)

    # -- vouchers --------------------------------------------------------------------------------

    @precondition(lambda self: self.cards)
    @rule(data=st.data(), single=st.booleans())
    def withdraw(self, data: st.DataObject, single: bool) -> None:
        named = data.draw(st.sampled_from(self.cards))
        serial, meant = data.draw(st.sampled_from(named.serials)), named.last
        why = (
            "withdrawn"
            if meant.status == "revoked"
            else "redeemed"
            if meant.balance == 0 and meant.spent
            else "held"
            if meant.holds
            else None
        )
        if single:
            answer = self.world.post(f"/vouchers/{serial}/withdraw", {"what": "voucher"}).json
            found = "held" if answer.get("code") == "held_by_a_till" else answer["left"]
        else:
            body = {"serials": [serial], "action": "withdraw"}
            answer = self.world.post("/vouchers/updates", body).json
            assert answer["changed"] == (why is None)
            found = answer["left"][0]["why"] if "left" in answer else None
        assert found == why
        if why is None:
            meant.status = "revoked"

    @precondition(lambda self: self.cards)
    @rule(data=st.data(), keep_code=st.booleans())
    def reissue(self, data: st.DataObject, keep_code: bool) -> None:
        named = data.draw(st.sampled_from(self.cards))
        serial = data.draw(st.sampled_from(named.serials))
        path, body = f"/vouchers/{serial}/reissue", {"keep_code": keep_code}
        answer = self.world.post(path, body)
        if serial != named.serials[-1]:
            assert (answer.json["fresh"], answer.json["serial"]) == (
                False,
                named.last.serials[-1],
            )
        elif named.successor or named.status == "revoked" or named.holds:
            assert answer.status_code == 422
        else:
            made = answer.json
            assert (made["fresh"], made["new_code"]) == (True, not keep_code)
            public_id = codes.from_serial(made["serial"])
            assert public_id is not None
            named.serials.append(made["serial"])
            named.barcodes.append(token(self.world.house, public_id))
            if not keep_code:
                named.codes.append(clear(self.world.house, public_id))

    # -- the till --------------------------------------------------------------------------------

    def _shown(self, data: st.DataObject) -> tuple[str, Card | None]:
        """What somebody shows at the till, and the card that it is good for."""
        named = data.draw(st.sampled_from(self.cards))
        if data.draw(st.booleans()):
            shown = data.draw(st.sampled_from(named.barcodes))
            good = shown == named.barcodes[-1] and named.successor is None
            return shown, named if good else None
        shown = data.draw(st.sampled_from(named.codes))
        # A card that is replaced gives its number on.
        return shown, named.last if shown == named.last.codes[-1] else None

    def _expected(self, meant: Card | None, minor: int) -> str:
        if meant is None:
            return "stale_barcode"
        if meant.status == "revoked":
            return "revoked"
        return "accepted" if minor <= meant.free else "insufficient_balance"

    @precondition(lambda self: self.cards)
    @rule(data=st.data(), minor=st.sampled_from([1, 600, OPENING]), hold=st.booleans())
    def redeem(self, data: st.DataObject, minor: int, hold: bool) -> None:
        shown, meant = self._shown(data)
        more: dict[str, Any] = {"mode": "hold", "ttl_seconds": WEEK} if hold else {}
        amount = {"minor": minor, "currency": "EUR"}
        answer = self.world.till.redeem(shown, amount=amount, **more)
        assert answer.get("reason", answer["outcome"]) == self._expected(meant, minor)
        if meant is None or answer["outcome"] != "accepted":
            return
        if hold:
            meant.holds[answer["holds"][0]["hold_id"]] = minor
        else:
            self._took(meant, answer["redemptions"][0]["redemption_id"], minor)

    def _took(self, meant: Card, redemption: str, minor: int) -> None:
        meant.balance -= minor
        meant.spent = True
        self.spent[redemption] = (meant, minor)

    @precondition(lambda self: any(each.holds for each in self.cards))
    @rule(data=st.data(), void=st.booleans())
    def end_hold(self, data: st.DataObject, void: bool) -> None:
        held = data.draw(st.sampled_from([each for each in self.cards if each.holds]))
        hold = data.draw(st.sampled_from(sorted(held.holds)))
        act = "void" if void else "capture"
        answer = self.world.till.post(f"/holds/{hold}/{act}", {}).get_json()
        assert answer["outcome"] == "accepted", answer
        minor = held.holds.pop(hold)
        if not void:
            self._took(held, answer["redemptions"][0]["redemption_id"], minor)

    @precondition(lambda self: self.spent)
    @rule(data=st.data())
    def refund(self, data: st.DataObject) -> None:
        redemption = data.draw(st.sampled_from(sorted(self.spent)))
        paid, minor = self.spent.pop(redemption)
        body = {"redemption_id": redemption, "operator": "ann"}
        answer = self.world.till.post("/refunds", body).get_json()
        assert (answer["outcome"], answer["returned_minor"]) == ("accepted", minor)
        if paid.status == "active" and paid.successor is None:
            assert answer["replaced_by"] is None
            paid.balance += minor
            return
        last = paid.last
        if last is paid or last.status == "revoked":
            # The card is no more: its money is on another, which its number means from now on.
            last.successor = self._new(paid.gift, answer["replaced_by"], minor)
            assert last.successor.codes == last.codes[-1:]
        else:
            assert answer["replaced_by"] == last.serials[-1]
            last.balance += minor

    # -- what must hold --------------------------------------------------------------------------

    @invariant()
    def money_is_as_the_model_says(self) -> None:
        by_serial = {each.serials[-1]: each for each in self.cards}
        ids = [codes.from_serial(serial) for serial in by_serial]
        with self.world.house.database.read() as session:
            rows = session.execute(
                select(
                    Voucher.public_id, Voucher.balance_minor, Voucher.held_minor, Voucher.status
                ).where(Voucher.public_id.in_(ids))
            ).all()
            names = set(
                session.scalars(
                    select(Recipient.external_id).where(
                        Recipient.external_id.in_([f"{name}{self.mark}" for name in self.gone])
                    )
                )
            )
        assert {
            codes.serial(row.public_id): (row.balance_minor, row.held_minor, row.status)
            for row in rows
        } == {
            serial: (each.balance, sum(each.holds.values()), each.status)
            for serial, each in by_serial.items()
        }
        assert names == set()
        assert self._count() == self.before + len(self.cards)

    def teardown(self) -> None:
        if hasattr(self, "cards"):
            sections = audit.run(self.world.house.database)
            assert [each for section in sections for each in section.findings] == []


@pytest.fixture
def world(client: FlaskClient, deployment: Deployment, clock: Clock) -> World:
    apply_document(deployment, card())
    apply_document(deployment, card(key="ruled", rules={}))
    shop = Shop(deployment)
    shop.store("paris")
    with deployment.database.write() as session:
        key = access.create(
            session, "all", [Scope.ISSUE, Scope.CAMPAIGN, Scope.ADMIN], now=deployment.now()
        )
    till = Till(client, shop.key(Scope.POS, Scope.POS_SUPERVISOR, store="paris", terminal="1"))
    return World(client, deployment, clock, {"Authorization": f"Bearer {key}"}, till)


def test_no_history_makes_or_loses_money_or_leaves_two_cards_good(
    world: World, database_url: str
) -> None:
    MoneyHistory.world = world
    # PostgreSQL answers the same questions, slower.
    examples = EXAMPLES if database_url.startswith("sqlite") else max(2, EXAMPLES // 3)
    case = MoneyHistory.TestCase
    case.settings = settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    case().runTest()
