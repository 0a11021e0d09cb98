"""What the service booked is an event for its rules: points, windows and stop conditions."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update

from app.domain.codes import Purpose
from app.domain.values import Why
from app.services import (
    audit,
    campaigns,
    clockwork,
    decisions,
    eventlog,
    people,
    privacy,
)
from app.services.access import Scope
from app.services.decisions import (
    Candidate,
    Points,
    Tally,
)
from app.services.decisions.stop import READER
from app.services.deployment import Deployment
from app.services.issuance import Person
from app.services.people import Did
from app.store import migrations
from app.store.models import LogReader, Recipient, Voucher
from app.store.session import Database
from tests.conftest import Clock
from tests.marketing import apply, apply_document, card
from tests.shop import Shop, Till

KEEN = {"key": "keen", "when": [{"fact": "points", "at_least": 20}], "percent": 10}
REDEEMED = [{"event": "redeemed"}]


@pytest.fixture
def till(deployment: Deployment, client: FlaskClient) -> Till:
    return Till(client, Shop(deployment).key())


def made(deployment: Deployment, key: str, **rules: Any) -> None:
    apply(deployment, key=key, codes={"source": "on_demand"}, rules=rules)


def give(deployment: Deployment, name: str, campaign: str, occasion: str = "") -> Any:
    asked = [Candidate(person=Person(external_id=name), occasion=occasion)]
    (each,) = decisions.decide(deployment, campaign, asked, Tally())
    return each.issued.voucher_id if each.issued else each.why


def would(deployment: Deployment, name: str, campaign: str, occasion: str = "") -> Any:
    asked = [Candidate(person=Person(external_id=name), occasion=occasion)]
    (each,) = decisions.decide(deployment, campaign, asked, Tally(), dry_run=True)
    return each.why or each.tier


def barcode(deployment: Deployment, voucher_id: int) -> str:
    with deployment.database.read() as session:
        row = session.get_one(Voucher, voucher_id)
        return deployment.keyring.token(Purpose.BARCODE, key_id=row.key_id, public_id=row.public_id)


def redeem(deployment: Deployment, till: Till, voucher_id: int, **body: Any) -> Any:
    answer = till.redeem(barcode(deployment, voucher_id), **body)
    assert answer["outcome"] == "accepted", answer
    return answer


def report(deployment: Deployment, name: str, event: str, *keys: str) -> None:
    with deployment.database.write() as session:
        done = [Did(external_id=name, name=event, key=key, at=deployment.now()) for key in keys]
        people.report(session, deployment.keyring, done, now=deployment.now())


def points(deployment: Deployment, name: str, campaign: str = "tiered") -> Points:
    with deployment.database.read() as session:
        found = people.find(session, name)
        assert found is not None
        (one,) = decisions.points_of(
            session, found.id, name, now=deployment.now(), campaign=campaign
        )
    return one


def counts(found: Points) -> list[tuple[str, int, int, int]]:
    return [(each.event, each.times, each.reported, each.booked) for each in found.events]


def saw(deployment: Deployment, voucher_id: int, kind: str, times: int = 1) -> None:
    with deployment.database.write() as session:
        for _ in range(times):
            eventlog.append(session, kind, voucher_id, now=deployment.now())


def status(deployment: Deployment, voucher_id: int) -> str:
    with deployment.database.read() as session:
        return session.get_one(Voucher, voucher_id).status


def right(deployment: Deployment) -> bool:
    return not any(section.findings for section in audit.run(deployment.database))


# -- points -------------------------------------------------------------------------------------


def test_redemptions_of_every_campaign_give_points_and_a_reversal_takes_them_back(
    deployment: Deployment, till: Till
) -> None:
    made(deployment, "spring")
    made(deployment, "summer")
    made(deployment, "tiered", tiers=[KEEN], points={"redeemed": 10})
    first = redeem(deployment, till, give(deployment, "ada", "spring"))
    assert would(deployment, "ada", "tiered") is Why.NO_TIER
    redeem(deployment, till, give(deployment, "ada", "summer"))

    assert would(deployment, "ada", "tiered") == "keen"
    assert would(deployment, "bob", "tiered") is Why.NO_TIER
    assert points(deployment, "ada").points == 20

    till.reverse(redemption_id=first["redemptions"][0]["redemption_id"])
    assert points(deployment, "ada").points == 10
    assert would(deployment, "ada", "tiered") is Why.NO_TIER


def test_what_is_booked_and_reported_counts_once(deployment: Deployment, till: Till) -> None:
    made(deployment, "spring")
    made(deployment, "tiered", points={"redeemed": 10, "purchase": 5})
    redeem(deployment, till, give(deployment, "ada", "spring"))
    redeem(deployment, till, give(deployment, "ada", "spring", "again"))

    report(deployment, "ada", "redeemed", "receipt-1", "receipt-2")
    report(deployment, "ada", "purchase", "order-1")
    found = points(deployment, "ada")
    assert (found.points, counts(found)) == (
        25,
        [("purchase", 1, 1, 0), ("redeemed", 2, 2, 2)],
    )
    # Who reports redemptions that were made elsewhere goes on as before.
    report(deployment, "ada", "redeemed", "elsewhere")
    assert points(deployment, "ada").points == 35


def test_a_card_counts_while_something_of_it_is_spent_and_once_with_its_replacement(
    deployment: Deployment, client: FlaskClient
) -> None:
    shop = Shop(deployment)
    shop.store("paris")
    key = shop.key(Scope.POS, Scope.POS_SUPERVISOR, store="paris", terminal="1")
    till = Till(client, key)
    apply_document(deployment, card())
    made(deployment, "tiered", points={"redeemed": 10, "viewed": 1, "added": 2})
    voucher = give(deployment, "ada", "card")
    saw(deployment, voucher, "viewed", 3)
    saw(deployment, voucher, "added", 2)
    money = {"minor": 500, "currency": "EUR"}
    (spent,) = redeem(deployment, till, voucher, amount=money)["redemptions"]
    assert points(deployment, "ada").points == 13

    def refund(minor: int) -> None:
        amount = {"minor": minor, "currency": "EUR"}
        body = {"redemption_id": spent["redemption_id"], "amount": amount, "operator": "ann"}
        assert till.post("/refunds", body).get_json()["replaced_by"]

    with deployment.database.write() as session:
        session.execute(update(Voucher).where(Voucher.id == voucher).values(status="deactivated"))
    refund(200)
    with deployment.database.read() as session:
        new = session.scalar(select(Voucher.replaced_by_id).where(Voucher.id == voucher))
    assert new is not None
    saw(deployment, new, "viewed")
    saw(deployment, new, "added")
    assert counts(points(deployment, "ada")) == [
        ("added", 1, 0, 1),
        ("redeemed", 1, 0, 1),
        ("viewed", 1, 0, 1),
    ]
    refund(300)
    assert points(deployment, "ada").points == 3


def test_uses_that_a_web_shop_reports_give_points_also_beyond_their_limit(
    deployment: Deployment, client: FlaskClient
) -> None:
    apply(deployment, key="web", authority="external", codes={"source": "on_demand"})
    made(deployment, "tiered", points={"redeemed": 10})
    code = barcode(deployment, give(deployment, "ada", "web"))
    headers = {"Authorization": f"Bearer {Shop(deployment).key(Scope.CAMPAIGN)}"}
    for number, outcome in enumerate(("applied", "duplicate", "conflict")):
        order = "1" if outcome == "duplicate" else f"{number + 1}"
        answer = client.post(
            "/api/v1/redemptions/report",
            json={"uses": [{"id": order, "code": code}]},
            headers=headers,
        )
        assert answer.get_json()["counts"][outcome] == 1, answer.text
    assert points(deployment, "ada").points == 20


def test_a_window_forgets_what_is_older_at_the_moment_of_the_decision(
    deployment: Deployment, till: Till, clock: Clock
) -> None:
    made(deployment, "spring")
    rules = {"tiers": [KEEN], "points": {"redeemed": 10, "visit": 10}}
    made(deployment, "tiered", **rules, points_within_days=365)
    made(deployment, "ever", **rules)
    redeem(deployment, till, give(deployment, "ada", "spring"))
    report(deployment, "ada", "visit", "1")
    assert points(deployment, "ada").points == 20

    clock.advance(days=364, hours=23)
    assert would(deployment, "ada", "tiered") == "keen"
    clock.advance(hours=1)
    found = points(deployment, "ada")
    assert (found.points, found.within_days) == (0, 365)
    assert found.since == clock.now - dt.timedelta(days=365)
    assert would(deployment, "ada", "tiered") is Why.NO_TIER
    assert would(deployment, "ada", "ever") == "keen"


def test_rules_without_a_window_are_stored_as_before(deployment: Deployment) -> None:
    made(deployment, "tiered", points={"redeemed": 10})
    with deployment.database.read() as session:
        found = campaigns.find(session, "tiered")
        assert found is not None
        assert "points_within_days" not in found.rules
        assert campaigns.rules_of(found).points_within_days is None


def test_whose_voucher_is_nobodys_and_who_is_forgotten_have_no_points(
    deployment: Deployment, till: Till
) -> None:
    made(deployment, "spring")
    made(deployment, "tiered", tiers=[KEEN], points={"redeemed": 20})
    voucher = give(deployment, "ada", "spring")
    anonymous = give(deployment, "ada", "spring", "lost")
    with deployment.database.write() as session:
        session.execute(update(Voucher).where(Voucher.id == anonymous).values(recipient_id=None))
    redeem(deployment, till, anonymous)
    assert points(deployment, "ada").points == 0
    redeem(deployment, till, voucher)
    assert would(deployment, "ada", "tiered") == "keen"

    with deployment.database.write() as session:
        row = people.find(session, "ada")
        assert row is not None
        privacy.forget(session, deployment.keyring, row, now=deployment.now())
    people.remember(deployment.database, [Person(external_id="ada")], now=deployment.now())
    # Who comes back is somebody new.
    assert points(deployment, "ada").points == 0


def test_points_can_be_asked_over_http_with_what_they_come_from(
    deployment: Deployment, client: FlaskClient, till: Till
) -> None:
    made(deployment, "spring")
    made(deployment, "tiered", points={"redeemed": 10}, points_within_days=30)
    redeem(deployment, till, give(deployment, "ada", "spring"))
    key = Shop(deployment).key(Scope.REPORT)

    def ask(path: str) -> Any:
        return client.get(f"/api/v1/recipients/{path}", headers={"Authorization": f"Bearer {key}"})

    body = ask("ada/points").get_json()
    since = (deployment.now() - dt.timedelta(days=30)).isoformat()
    assert body == {
        "external_id": "ada",
        "as_of": deployment.now().isoformat(),
        "campaigns": [
            {
                "campaign": "tiered",
                "points": 10,
                "within_days": 30,
                "since": since,
                "events": [
                    {
                        "event": "redeemed",
                        "worth": 10,
                        "times": 1,
                        "reported": 0,
                        "booked": 1,
                        "points": 10,
                    }
                ],
            }
        ],
    }
    (plain,) = ask("ada/points?campaign=spring").get_json()["campaigns"]
    assert (plain["points"], plain["events"]) == (0, [])
    assert ask("nobody/points").status_code == 404
    assert ask("ada/points?campaign=none").status_code == 404
    assert ask("ada/points?campain=tiered").status_code == 422


# -- stop conditions ----------------------------------------------------------------------------


def test_a_redemption_at_the_till_withdraws_what_waits_for_it_and_nothing_else(
    deployment: Deployment, till: Till
) -> None:
    made(deployment, "spring")
    made(deployment, "reminder", stops=REDEEMED)
    welcome, reminder = give(deployment, "ada", "spring"), give(deployment, "ada", "reminder")
    other = give(deployment, "bob", "reminder")
    clockwork.run(deployment)
    assert status(deployment, reminder) == "active"

    redeem(deployment, till, welcome)
    assert status(deployment, reminder) == "active"
    clockwork.run(deployment)

    found = [status(deployment, each) for each in (welcome, reminder, other)]
    assert found == ["active", "revoked", "active"]
    assert would(deployment, "ada", "reminder", "later") is Why.STOPPED
    assert right(deployment)


@pytest.mark.parametrize("kind", ["redeemed", "viewed", "added"])
def test_what_happens_to_a_voucher_never_takes_that_voucher_back(
    deployment: Deployment, till: Till, kind: str
) -> None:
    made(deployment, "reminder", stops=[{"event": kind}])
    voucher = give(deployment, "ada", "reminder")
    second = give(deployment, "ada", "reminder", "second")
    if kind == "redeemed":
        redeem(deployment, till, voucher)
    else:
        saw(deployment, voucher, kind)
    clockwork.run(deployment)

    assert [status(deployment, each) for each in (voucher, second)] == ["active", "revoked"]


def test_what_was_taken_back_before_the_clock_looked_stops_nothing(
    deployment: Deployment, till: Till
) -> None:
    made(deployment, "spring")
    made(deployment, "reminder", stops=REDEEMED)
    welcome, reminder = give(deployment, "ada", "spring"), give(deployment, "ada", "reminder")
    done = redeem(deployment, till, welcome)
    till.reverse(redemption_id=done["redemptions"][0]["redemption_id"])
    clockwork.run(deployment)

    assert status(deployment, reminder) == "active"


def test_points_of_redemptions_stop_and_a_stop_without_withdrawing_takes_nothing(
    deployment: Deployment, till: Till
) -> None:
    enough = {"when": [{"fact": "points", "at_least": 20}], "withdraw": True}
    made(deployment, "spring")
    made(deployment, "reminder", stops=[enough], points={"redeemed": 10})
    made(deployment, "quiet", stops=[{"event": "redeemed", "withdraw": False}])
    reminder, quiet = give(deployment, "ada", "reminder"), give(deployment, "ada", "quiet")
    redeem(deployment, till, give(deployment, "ada", "spring"))
    clockwork.run(deployment)
    assert status(deployment, reminder) == "active"
    redeem(deployment, till, give(deployment, "ada", "spring", "again"))
    clockwork.run(deployment)

    assert [status(deployment, each) for each in (reminder, quiet)] == ["revoked", "active"]


def test_a_stop_that_comes_later_does_not_look_back(deployment: Deployment, till: Till) -> None:
    made(deployment, "spring")
    made(deployment, "reminder")
    welcome, reminder = give(deployment, "ada", "spring"), give(deployment, "ada", "reminder")
    redeem(deployment, till, welcome)
    clockwork.run(deployment)
    made(deployment, "reminder", stops=REDEEMED)
    clockwork.run(deployment)
    assert status(deployment, reminder) == "active"

    redeem(deployment, till, give(deployment, "ada", "spring", "again"))
    clockwork.run(deployment)
    assert status(deployment, reminder) == "revoked"


def test_every_batch_is_followed_once(
    deployment: Deployment, till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.services.decisions.stop.EVENTS_AT_ONCE", 2)
    made(deployment, "spring")
    made(deployment, "reminder", stops=REDEEMED)
    names = [f"r{number}" for number in range(5)]
    reminders = [give(deployment, name, "reminder") for name in names]
    for name in names:
        redeem(deployment, till, give(deployment, name, "spring"))
    noted: list[int] = []
    note = decisions.stop.note
    monkeypatch.setattr(
        "app.services.decisions.stop.note",
        lambda session, ids, *, now: noted.extend(ids) or note(session, ids, now=now),
    )
    clockwork.run(deployment)
    clockwork.run(deployment)

    assert {status(deployment, each) for each in reminders} == {"revoked"}
    assert len(noted) == 5
    with deployment.database.read() as session:
        position = eventlog.Position.parse(session.get_one(LogReader, READER).position)
        assert not eventlog.read(session, position, limit=1).events or (
            not deployment.database.is_sqlite
        )


def test_a_database_with_a_history_is_followed_from_its_migration_on(
    deployment: Deployment, till: Till
) -> None:
    made(deployment, "spring")
    made(deployment, "reminder", stops=REDEEMED)
    welcome, reminder = give(deployment, "ada", "spring"), give(deployment, "ada", "reminder")
    redeem(deployment, till, welcome)
    database: Database = deployment.database
    migrations.downgrade(database, "0018_orders")
    migrations.upgrade(database)
    clockwork.run(deployment)
    assert status(deployment, reminder) == "active"
    with database.read() as session:
        assert session.scalar(select(LogReader.name).where(LogReader.name == READER)) == READER
        assert session.scalar(select(Recipient.id)) is not None

    redeem(deployment, till, give(deployment, "ada", "spring", "again"))
    clockwork.run(deployment)
    assert status(deployment, reminder) == "revoked"


def test_points_of_a_campaign_count_what_was_reported_for_it(deployment: Deployment) -> None:
    for key in ("tiered", "other"):
        made(deployment, key, points={"visit": 1}, points_within_days=9)
    report(deployment, "ada", "visit", "1")
    done = Did(external_id="ada", name="visit", key="2", at=deployment.now())
    with deployment.database.write() as session:
        now = deployment.now()
        people.report(session, deployment.keyring, [done], now=now, only=["other"])

    assert [points(deployment, "ada", key).points for key in ("tiered", "other")] == [1, 2]
    with deployment.database.read() as session:
        found = people.find(session, "ada")
        assert found is not None
        every = decisions.points_of(session, found.id, "ada", now=deployment.now())
    assert {each.campaign: each.points for each in every} == {"tiered": 1, "other": 2}
