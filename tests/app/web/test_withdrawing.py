"""There is one way to take a voucher back: it follows what was issued anew, leaves what is over,
refuses what a till holds, and says which.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from app.cli.updates import vouchers
from app.domain import codes
from app.services import (
    access,
    audit,
    clockwork,
    issuance,
)
from app.services.access import Scope
from app.services.deployment import Deployment
from app.store.models import Entry, Event, SecurityEvent, Voucher
from tests.conftest import Clock
from tests.marketing import apply_document, card, document
from tests.shop import Shop, Till
from tests.vouchers import clean, clear, coupon, holding, issue, reissue, token

EUROS = {"amount": {"minor": 400, "currency": "EUR"}}


class Marketer:
    """Every door that takes a voucher back, each asked by a serial."""

    def __init__(self, client: FlaskClient, deployment: Deployment) -> None:
        self.client, self.deployment = client, deployment
        with deployment.database.write() as session:
            key = access.create(session, "all", [Scope.ISSUE, Scope.CAMPAIGN], now=deployment.now())
        self.headers = {"Authorization": f"Bearer {key}"}

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return self.client.post(f"/api/v1{path}", json=body, headers=self.headers)

    def updates(self, *serials: str, action: str = "withdraw", **more: Any) -> dict[str, Any]:
        answer = self.post("/vouchers/updates", {"serials": serials, "action": action, **more})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json
        return found

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(vouchers, list(words), obj=self.deployment)

    def withdraw(self, door: str, public_id: int) -> None:
        serial = codes.serial(public_id)
        if door == "updates":
            assert self.updates(serial)["changed"] == 1
        elif door == "command":
            assert self.run("withdraw", serial).exit_code == 0
        else:
            answer = self.post(f"/vouchers/{serial}/withdraw", {"what": "voucher"})
            assert answer.json["changed"] is True


@pytest.fixture
def marketer(client: FlaskClient, deployment: Deployment) -> Marketer:
    return Marketer(client, deployment)


@pytest.fixture
def till(deployment: Deployment, client: FlaskClient) -> Till:
    return Till(client, Shop(deployment).key())


@pytest.mark.parametrize("door", ["updates", "command", "single"])
@pytest.mark.parametrize("described", [coupon, card])
def test_withdrawn_by_its_old_serial_neither_the_leaked_code_nor_the_new_pass_is_good(
    deployment: Deployment, marketer: Marketer, till: Till, door: str, described: Any
) -> None:
    campaign = apply_document(deployment, described())
    money = EUROS if campaign == "card" else {}
    old = issue(deployment, campaign)
    leaked = [token(deployment, old), clear(deployment, old)]
    new = reissue(deployment, reissue(deployment, old))

    marketer.withdraw(door, old)

    assert [till.redeem(each, **money)["reason"] for each in leaked] == ["stale_barcode"] * 2
    for each in (token(deployment, new), clear(deployment, new)):
        assert till.redeem(each, **money)["reason"] == "revoked"
    with deployment.database.read() as session:
        rows = session.scalars(select(Voucher.status).order_by(Voucher.id)).all()
    # No bearer's voucher was made of the leaked code, and what it was called before stays so.
    assert sorted(rows) == ["replaced", "replaced", "revoked"]
    assert clean(deployment)


@pytest.mark.parametrize("door", ["updates", "command", "single"])
def test_what_a_till_holds_is_refused_by_every_door_until_the_hold_is_over(
    deployment: Deployment, marketer: Marketer, till: Till, door: str, clock: Clock
) -> None:
    apply_document(deployment, coupon())
    public_id = issue(deployment, "spring")
    serial, barcode = codes.serial(public_id), token(deployment, public_id)
    held = till.redeem(barcode, mode="hold", ttl_seconds=60)
    assert held["outcome"] == "accepted", held

    if door == "updates":
        assert marketer.updates(serial) == {
            "changed": 0,
            "unknown": [],
            "left": [{"serial": serial, "voucher": serial, "why": "held"}],
        }
    elif door == "command":
        said = marketer.run("withdraw", serial)
        assert (said.exit_code, "a till holds a part" in said.output) == (1, True)
        assert said.output.startswith("0 vouchers are changed.")
    else:
        answer = marketer.post(f"/vouchers/{serial}/withdraw", {"what": "voucher"})
        assert (answer.status_code, answer.json["code"]) == (422, "held_by_a_till")
    assert holding(deployment, public_id).voucher.status == "active"

    # The hold is over, though no clock and no till has given it back yet.
    clock.advance(seconds=61)
    marketer.withdraw(door, public_id)
    assert till.redeem(barcode)["reason"] == "revoked"
    assert holding(deployment, public_id).voucher.held == 0
    assert clean(deployment)


def test_what_is_over_is_left_and_each_answer_says_why(
    deployment: Deployment, marketer: Marketer, till: Till, clock: Clock
) -> None:
    apply_document(deployment, coupon())
    apply_document(
        deployment, document(key="once", codes={"source": "on_demand"}, limits={"uses": 1})
    )
    apply_document(deployment, card())
    good, ended, withdrawn = (issue(deployment, "spring", name) for name in "abc")
    used, empty, part = (
        issue(deployment, "once"),
        issue(deployment, "card"),
        issue(deployment, "card", "b"),
    )
    assert till.redeem(token(deployment, used))["outcome"] == "accepted"
    whole = {"amount": {"minor": 1_500, "currency": "EUR"}}
    assert till.redeem(token(deployment, empty), **whole)["outcome"] == "accepted"
    assert till.redeem(token(deployment, part), **EUROS)["outcome"] == "accepted"
    marketer.withdraw("updates", withdrawn)
    with deployment.database.write() as session:
        past = deployment.now()
        session.execute(update(Voucher).where(Voucher.public_id == ended).values(ends_at=past))
    clock.advance(minutes=1)
    ids = {"a": good, "b": ended, "c": withdrawn, "d": used, "e": empty, "f": part}
    serials = {name: codes.serial(each) for name, each in ids.items()}
    before = {name: holding(deployment, each).voucher for name, each in ids.items()}

    answer = marketer.updates(*serials.values(), "0" * 16, reason="recalled")

    assert (answer["changed"], answer["unknown"]) == (2, ["0" * 16])
    assert {each["serial"]: each["why"] for each in answer["left"]} == {
        serials["b"]: "expired",
        serials["c"]: "withdrawn",
        serials["d"]: "redeemed",
        serials["e"]: "redeemed",
    }
    for name in "bcde":
        now = holding(deployment, ids[name]).voucher
        assert (now.status, now.version) == (before[name].status, before[name].version)
    for name in "af":
        assert holding(deployment, ids[name]).voucher.status == "revoked"
    with deployment.database.read() as session:
        reasons = session.scalars(select(Event.reason).where(Event.reason.is_not(None))).all()
    assert sorted(reasons) == ["recalled", "recalled"]
    with deployment.database.read() as session:
        recorded = session.execute(
            select(SecurityEvent.kind, SecurityEvent.object, SecurityEvent.reason)
            .where(SecurityEvent.kind == "voucher_withdrawn")
            .order_by(SecurityEvent.id)
        ).all()
    assert [tuple(row)[1:] for row in recorded] == [
        (f"voucher {serials['c']}", None),
        (f"voucher {serials['a']}", "recalled"),
        (f"voucher {serials['f']}", "recalled"),
    ]
    # Asked again by any door nothing changes, and each says so.
    again = marketer.updates(*serials.values())
    assert (again["changed"], len(again["left"])) == (0, 6)
    said = marketer.run("withdraw", *serials.values())
    assert said.exit_code == 0
    assert said.output.splitlines()[0] == "0 vouchers are changed."
    assert said.output.count("it was redeemed") == 2
    one = marketer.post(f"/vouchers/{serials['d']}/withdraw", {"what": "voucher"}).json
    assert (one["withdrawn"], one["changed"], one["left"]) == (None, False, "redeemed")
    two = marketer.post(f"/vouchers/{serials['c']}/withdraw", {"what": "voucher"}).json
    assert (two["withdrawn"], two["changed"], two["left"]) == ("voucher", False, "withdrawn")
    assert clean(deployment)


def test_an_unknown_serial_is_refused_and_the_command_ends_with_1(
    deployment: Deployment, marketer: Marketer
) -> None:
    apply_document(deployment, coupon())
    serial = codes.serial(issue(deployment, "spring"))
    for unknown in ("0" * 16, "NOPE"):
        said = marketer.run("withdraw", unknown)
        assert (said.exit_code, f"{unknown} is unknown" in said.output) == (1, True)
        answer = marketer.post(f"/vouchers/{unknown}/withdraw", {"what": "voucher"})
        assert (answer.status_code, answer.json["code"]) == (404, "voucher_unknown")
    assert marketer.run("withdraw", serial, "0" * 16).exit_code == 1
    with deployment.database.read() as session:
        assert session.scalars(select(Voucher.status)).one() == "revoked"


def test_two_serials_of_one_voucher_are_one_change(
    deployment: Deployment, marketer: Marketer
) -> None:
    apply_document(deployment, coupon())
    old = issue(deployment, "spring")
    new = codes.serial(reissue(deployment, old))
    assert marketer.updates(codes.serial(old), new) == {
        "changed": 1,
        "unknown": [],
        "reissued": {codes.serial(old): new},
    }


def test_whatever_is_asked_of_an_old_serial_is_asked_of_the_voucher_as_it_is_called_now(
    deployment: Deployment, marketer: Marketer, client: FlaskClient
) -> None:
    until = "2099-01-01T00:00:00Z"
    apply_document(deployment, coupon(validity={"days": 30}))
    old = issue(deployment, "spring")
    new = reissue(deployment, old)
    serial, now = codes.serial(old), codes.serial(new)
    versions = [holding(deployment, each).voucher.version for each in (old, new)]

    assert marketer.updates(serial, action="update")["reissued"] == {serial: now}
    assert marketer.updates(serial, action="prolong", ends_at=until)["changed"] == 1

    voucher = holding(deployment, new).voucher
    assert voucher.ends_at is not None
    assert voucher.ends_at.year == 2099
    assert [holding(deployment, each).voucher.version for each in (old, new)] == [
        versions[0],
        versions[1] + 2,
    ]
    same = marketer.updates(serial, action="prolong", ends_at=until)
    assert (same["changed"], same["left"][0]["why"]) == (0, "kept")
    answer = marketer.post(f"/vouchers/{serial}/withdraw", {"what": "link"}).json
    assert (answer["voucher"], answer["withdrawn"], answer["changed"]) == (now, "link", True)
    assert holding(deployment, new).voucher.link_withdrawn_at is not None
    marketer.withdraw("updates", old)
    dead = marketer.updates(serial, action="prolong", ends_at="2100-01-01T00:00:00Z")
    assert (dead["changed"], dead["left"][0]["why"]) == (0, "withdrawn")
    assert clean(deployment)


def test_a_card_that_was_replaced_is_taken_back_and_blocked_by_its_old_serial(
    deployment: Deployment, marketer: Marketer, client: FlaskClient, clock: Clock
) -> None:
    """Money that came back to a card that was over is on another, which the old serial means."""
    apply_document(deployment, card(validity={"days": 10}))
    shop = Shop(deployment)
    shop.store("paris")
    till = Till(client, shop.key(Scope.POS, Scope.POS_SUPERVISOR, store="paris", terminal="1"))
    old = issue(deployment, "card")
    spent = till.redeem(token(deployment, old), **EUROS)["redemptions"][0]["redemption_id"]
    clock.advance(days=12)
    refunded = till.post(
        "/refunds", {"redemption_id": spent, "operator": "ann", **EUROS}
    ).get_json()
    successor = refunded["replaced_by"]
    assert successor is not None, refunded

    # A till that has the old barcode alone blocks the card that is good.
    block = {"barcode": token(deployment, old), "operator": "ann", "because": "lost"}
    blocked = till.post("/gift-cards/block", block).get_json()
    assert (blocked["outcome"], blocked["status"]) == ("accepted", "blocked"), blocked
    public_id = codes.from_serial(successor)
    assert public_id is not None
    assert holding(deployment, public_id).voucher.status == "blocked"
    assert marketer.updates(codes.serial(old))["reissued"] == {codes.serial(old): successor}
    assert holding(deployment, public_id).voucher.status == "revoked"
    assert till.redeem(clear(deployment, public_id), **EUROS)["reason"] == "revoked"
    assert clean(deployment)


def test_issued_anew_a_cards_link_is_told_by_no_card_that_it_replaced(
    deployment: Deployment, client: FlaskClient, clock: Clock
) -> None:
    apply_document(deployment, card(validity={"days": 10}))
    shop = Shop(deployment)
    shop.store("paris")
    till = Till(client, shop.key(store="paris", terminal="1"))
    old = issue(deployment, "card")
    spent = till.redeem(token(deployment, old), **EUROS)["redemptions"][0]["redemption_id"]
    clock.advance(days=12)
    refund = {"redemption_id": spent, "operator": "ann", **EUROS}
    successor = codes.from_serial(till.post("/refunds", refund).get_json()["replaced_by"])
    assert successor is not None
    before = holding(deployment, old).voucher.version

    new = reissue(deployment, successor)

    voucher = holding(deployment, old).voucher
    assert voucher.link_withdrawn_at is not None
    assert voucher.version == before + 1
    leaked = clear(deployment, old)
    assert till.redeem(leaked, **EUROS)["reason"] == "stale_barcode"
    assert till.redeem(token(deployment, new), **EUROS)["outcome"] == "accepted"
    assert clean(deployment)


def findings(deployment: Deployment) -> list[str]:
    sections = audit.run(deployment.database)
    return [f"{each.about} {each.cause}" for section in sections for each in section.findings]


def test_the_audit_names_what_is_good_beside_what_it_gave_up(
    deployment: Deployment, till: Till
) -> None:
    """As it was when a withdrawal took an old serial for the voucher."""
    apply_document(deployment, card())
    old, other = issue(deployment, "card"), issue(deployment, "card", "bob")
    leaked = clear(deployment, old)
    new = reissue(deployment, old)
    assert clean(deployment)
    names = [f"voucher {codes.serial(each)}" for each in (old, new, other)]
    with deployment.database.write() as session:
        code_id = session.scalars(select(Voucher.code_id).where(Voucher.public_id == old)).one()
        session.execute(update(Voucher).where(Voucher.public_id == old).values(status="revoked"))
    # Not even then is the leaked code a bearer's.
    assert till.redeem(leaked, **EUROS)["reason"] == "stale_barcode"
    assert findings(deployment) == [
        f"{names[0]} was withdrawn, but {names[1]}, which replaces it, is good"
    ]
    with deployment.database.write() as session:
        session.execute(update(Voucher).where(Voucher.public_id == old).values(status="active"))
        session.execute(update(Voucher).where(Voucher.public_id == other).values(code_id=code_id))
    found = findings(deployment)
    assert f"{names[0]} gave up its code, which {names[2]} has" in found
    assert f"{names[0]} is active beside {names[1]}, which replaces it" in found
    with deployment.database.write() as session:
        session.execute(
            update(Voucher)
            .where(Voucher.public_id == old)
            .values(status="replaced", replaced_by_id=None)
        )
    assert f"{names[0]} is replaced by no voucher" in findings(deployment)


def test_a_cards_money_that_was_taken_back_is_no_liability_any_more(
    deployment: Deployment, marketer: Marketer
) -> None:
    apply_document(deployment, card())
    old = issue(deployment, "card")
    reissue(deployment, old)
    marketer.withdraw("command", old)
    with deployment.database.read() as session:
        booked = session.scalars(select(Entry.amount_minor)).all()
    clockwork.run(deployment)
    assert sum(booked) == 1_500
    assert issuance.withdraw(deployment, [codes.serial(old)])[0].left is issuance.Left.WITHDRAWN
    assert clean(deployment)


def test_taken_back_issued_anew_and_redeemed_at_the_same_moment_it_is_good_once_or_not_at_all(
    deployment: Deployment, app: Flask
) -> None:
    """Whoever comes first, no leaked code is taken and nothing is redeemed that was withdrawn."""
    apply_document(deployment, coupon())
    key, keyring = Shop(deployment).key(), deployment.keyring
    together = threading.Barrier(4)

    def withdraw(public_id: int) -> Any:
        together.wait()
        return issuance.withdraw(deployment, [codes.serial(public_id)])[0].left

    def anew(public_id: int) -> str:
        together.wait()
        try:
            with deployment.database.write() as session:
                issuance.reissue(session, keyring, public_id, now=deployment.now())
        except issuance.IssueFault as refused:
            return str(refused)
        return "issued anew"

    def redeem(shown: str) -> str:
        together.wait()
        answer = Till(app.test_client(), key).redeem(shown)
        return str(answer.get("reason", answer["outcome"]))

    for name in "abcd":
        public_id = issue(deployment, "spring", name)
        leaked = [token(deployment, public_id), clear(deployment, public_id)]
        with ThreadPoolExecutor(4) as pool:
            left, said = pool.submit(withdraw, public_id), pool.submit(anew, public_id)
            outcomes = set(pool.map(redeem, leaked))
        assert left.result() is None
        assert said.result() == "issued anew" or "is revoked" in said.result()
        assert outcomes <= {"accepted", "revoked", "stale_barcode"}
        # Afterwards neither what leaked nor what was issued instead is good.
        till = Till(app.test_client(), key)
        assert {till.redeem(shown)["reason"] for shown in leaked} <= {"revoked", "stale_barcode"}
        with deployment.database.read() as session:
            assert set(session.scalars(select(Voucher.status))) <= {"revoked", "replaced"}
    assert clean(deployment)
